"""The turn that an operation runs in: what the operation's context asks for is done here.

A turn collects what the operation sends; nothing of it leaves before the turn is committed (invariant 2). One `Turn` is
used for many operations, one after the other: all that are not asynchronous share one, since only one of them runs at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from stead.entities._definition.addressing import resolve
from stead.entities._definition.context import EntityContext, StateAccess, outside
from stead.entities._message.envelope import encode_message, message_extras
from stead.entities._message.ids import check_instance_id
from stead.entities._message.starts import Startable, start_args
from stead.transport import PayloadTooLarge

if TYPE_CHECKING:
    from stead.entities._definition.entity_type import Operation
    from stead.entities._definition.registry import Registry


class Send(NamedTuple):
    """A message that an operation sends, in the bytes that it had at the call: what the operation does with its arguments
    later changes nothing. Of the start of an instance the message ID is known as well.
    """

    target: str
    envelope: bytes
    start_id: bytes | None = None


class Turn:
    """One operation of one entity, while it runs. Implements `RunningTurn`."""

    __slots__ = (
        "_clock",
        "alive",
        "args",
        "context",
        "draw",
        "is_new",
        "kwargs",
        "operation",
        "operation_name",
        "payload_bytes_max",
        "registry",
        "sends",
        "state",
        "subject",
        "target",
    )

    operation: Operation  # set by `begin`
    state: StateAccess  # set by the cell that runs the operation

    def __init__(self, registry: Registry, clock: Callable[[], int]) -> None:
        self.registry = registry
        self.target = ""
        self.subject: object = None  # set by the cell of a class
        self._clock = clock
        self.operation_name = ""
        self.args: Sequence[object] = ()
        self.kwargs: Mapping[str, object] | None = None
        self.is_new = True
        self.sends: list[Send] = []
        self.draw: Callable[[], bytes] = _no_ids
        self.payload_bytes_max: float = math.inf
        self.alive = False
        self.context: EntityContext | None = None

    def serve(self, target: str, draw: Callable[[], bytes], payload_bytes_max: float) -> None:
        """The operations that follow are those of this target, whose partition draws the IDs of their messages."""
        if self.alive:  # one that ended the process, or nearly so: nothing of it is another one's
            self.end()
        self.target = target
        self.draw = draw
        self.payload_bytes_max = payload_bytes_max

    def begin(
        self,
        operation: Operation,
        operation_name: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
        is_new: bool,
    ) -> None:
        """Start an operation."""
        self.operation = operation
        self.operation_name = operation_name
        self.args = args
        self.kwargs = kwargs
        self.is_new = is_new
        self.alive = True

    def end(self) -> None:
        """The operation has ended, well or badly: what it sent has been taken, and its context is of no use any more."""
        self.alive = False
        self.subject = None
        if self.context is not None:
            self.context.end()
            self.context = None
        if self.sends:
            self.sends = []

    def close(self) -> None:
        """The operation has ended; what it sent is taken later."""
        sends, self.sends = self.sends, []
        self.end()
        self.sends = sends

    def send(
        self,
        operation: Any,
        key: str,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        due_ms: int | None = None,
        delay_ms: int | None = None,
    ) -> None:
        """The operation sends a signal, if it succeeds. Raises what `resolve` does, and `PayloadTooLarge`."""
        call = resolve(self.registry, operation, key, args, kwargs)
        extras = message_extras(kwargs=call.kwargs, delay_ms=delay_ms, due_ms=due_ms, sender=self.target)
        envelope = encode_message(call.target, call.operation_name, call.args, self.draw(), extras)
        self._add(Send(call.target, envelope), "signal to")

    def start(
        self,
        orchestration: str | Startable,
        input: object,
        instance_id: str | None,
        at: datetime | None,
        version: str | None,
        tags: Mapping[str, str] | None,
    ) -> str:
        """The operation starts an instance, if it succeeds: gives its ID. Raises `InvalidInput`, `PayloadTooLarge`."""
        args = start_args(orchestration, input, at, version, tags, self._clock())
        if instance_id is not None:
            check_instance_id(instance_id)
        start_id = self.draw()
        target = start_id.hex() if instance_id is None else instance_id
        extras = message_extras(sender=self.target)
        self._add(Send(target, encode_message(target, "start", args, start_id, extras), start_id), "start of")
        return target

    def _add(self, send: Send, what: str) -> None:
        length = len(send.envelope)
        if length > self.payload_bytes_max:
            raise PayloadTooLarge(f"{what} {send.target}", length, int(self.payload_bytes_max))
        self.sends.append(send)

    def now_ms(self) -> int:
        """The hub's time."""
        return self._clock()

    def open_context(self) -> EntityContext:
        """The context of the operation that runs."""
        if self.context is None:
            if not self.alive:
                raise outside(self.target)
            self.context = EntityContext(self)
        return self.context


def _no_ids() -> bytes:
    raise AssertionError("a turn outside a partition has no message IDs")
