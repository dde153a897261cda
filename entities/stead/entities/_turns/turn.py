"""The turn that an operation runs in: what the operation's context asks for is done here.

A turn collects what the operation sends; nothing of it leaves before the turn is committed (invariant 2). One `Turn` is
used for all operations of an activation, one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stead.entities._definition.addressing import resolve
from stead.entities._definition.context import EntityContext, StateAccess
from stead.entities._message.envelope import encode_message, message_extras
from stead.entities._message.errors import ContextEnded
from stead.entities._message.ids import EntityId, check_instance_id
from stead.entities._message.starts import Startable, start_args
from stead.transport import PayloadTooLarge

if TYPE_CHECKING:
    from stead.entities._definition.entity_type import Operation
    from stead.entities._definition.registry import Registry


@dataclass(frozen=True, slots=True)
class Send:
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
        "entity_id",
        "is_new",
        "kwargs",
        "operation",
        "operation_name",
        "payload_bytes_max",
        "registry",
        "sends",
        "state",
    )

    operation: Operation  # set by `begin`
    state: StateAccess  # set by the cell that runs the operation

    def __init__(self, entity_id: EntityId, registry: Registry, clock: Callable[[], int]) -> None:
        self.entity_id = entity_id
        self.registry = registry
        self._clock = clock
        self.operation_name = ""
        self.args: Sequence[object] = ()
        self.kwargs: Mapping[str, object] | None = None
        self.is_new = True
        self.sends: list[Send] = []
        # Set by the kind before it takes turns: IDs of messages, and how large those may be.
        self.draw: Callable[[], bytes] = _no_ids
        self.payload_bytes_max: float = math.inf
        self.alive = False
        self.context: EntityContext | None = None

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
        extras = message_extras(kwargs=call.kwargs, delay_ms=delay_ms, due_ms=due_ms, sender=str(self.entity_id))
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
        extras = message_extras(sender=str(self.entity_id))
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
                raise ContextEnded(
                    f"no operation of {self.entity_id} is running: a context can be used only inside an operation, "
                    "and not by what it left running"
                )
            self.context = EntityContext(self)
        return self.context


def _no_ids() -> bytes:
    raise AssertionError("a turn outside a partition has no message IDs")
