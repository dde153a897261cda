"""The turn that an operation runs in: what the operation's context asks for is done here.

A turn collects what the operation sends; nothing of it leaves before the turn is committed (invariant 2). One `Turn` is
used for many operations, one after the other: all that are not asynchronous share one, since only one of them runs at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from stead.entities._definition.addressing import resolve_call
from stead.entities._definition.context import EntityContext, StateAccess, outside
from stead.entities._message.envelope import encode_message, message_extras
from stead.entities._message.ids import check_instance_id
from stead.entities._message.starts import Startable, start_args
from stead.transport import PayloadTooLarge

if TYPE_CHECKING:
    from stead.entities._definition.entity_type import Operation
    from stead.entities._definition.registry import Registry
    from stead.entities._message.envelope import Message
    from stead.entities._partition.effects import Effects


class Send(NamedTuple):
    """A message that an operation sends, in the bytes that it had at the call: what the operation does with its arguments
    later changes nothing. Of the start of an instance the message ID is known as well.
    """

    target: str
    envelope: bytes
    start_id: bytes | None = None


class Settled(StateAccess, Protocol):
    """The state of the entity, as far as a turn knows it."""

    @property
    def exists(self) -> bool:
        """It did before the operation."""
        ...


class Turn:
    """One operation of one entity, while it runs. Implements `RunningTurn`."""

    __slots__ = (
        "_clock", "alive", "context", "effects", "message", "operation", "registry", "sends", "state", "subject", "target"
    )  # fmt: skip

    effects: Effects  # of the partition of the target: set by `serve`
    # Set by the cell that runs the operation.
    operation: Operation
    message: Message
    state: Settled

    def __init__(self, registry: Registry, clock: Callable[[], int]) -> None:
        self.registry = registry
        self.target = ""
        self.subject: object = None  # set by the cell of a class
        self._clock = clock
        self.sends: list[Send] = []
        self.alive = False
        self.context: EntityContext | None = None

    def serve(self, target: str, effects: Effects) -> None:
        """The operations that follow are those of this target, in whose partition these effects come about."""
        if self.alive:  # one that ended the process, or nearly so: nothing of it is another one's
            self.end()
        self.target = target
        self.effects = effects

    @property
    def operation_name(self) -> str:
        """The operation's name, as the sender wrote it."""
        return self.message.operation

    @property
    def args(self) -> Sequence[object]:
        return self.message.args

    @property
    def kwargs(self) -> Mapping[str, object] | None:
        return self.message.kwargs

    @property
    def is_new(self) -> bool:
        """The entity did not exist before this operation."""
        return not self.state.exists

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
        """The operation sends a signal, if it succeeds. Raises what `resolve_call` does, and `PayloadTooLarge`."""
        call = resolve_call(self.registry, operation, key, args, kwargs)
        extras = message_extras(kwargs=call.kwargs, delay_ms=delay_ms, due_ms=due_ms, sender=self.target)
        envelope = encode_message(call.target, call.operation_name, call.args, self.effects.next_message_id(), extras)
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
        start_id = self.effects.next_message_id()
        target = start_id.hex() if instance_id is None else instance_id
        extras = message_extras(sender=self.target)
        self._add(Send(target, encode_message(target, "start", args, start_id, extras), start_id), "start of")
        return target

    def _add(self, send: Send, what: str) -> None:
        length, length_max = len(send.envelope), self.effects.settings.payload_bytes_max
        if length > length_max:
            raise PayloadTooLarge(f"{what} {send.target}", length, length_max)
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
