"""The turn that an operation runs in: what the operation's context asks for is done here.

A turn collects what the operation sends; nothing of it leaves before the turn is committed (invariant 2). One `Turn` is
used for many operations, one after the other: all that are not asynchronous share one, since only one of them runs at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from stead.entities._definition.addressing import resolve_call, resolve_own
from stead.entities._definition.context import EntityContext, StateAccess, outside
from stead.entities._message.envelope import encode_message, message_extras
from stead.entities._message.ids import check_instance_id
from stead.entities._message.reminders import EXPIRY, Reminder, check_reminder_name
from stead.entities._message.rhythm import Rhythm
from stead.entities._message.shards import MARK, kind_of, logical_target, split_target, version_for
from stead.entities._message.starts import Startable, start_args
from stead.transport import InvalidInput, PayloadTooLarge, Settings

if TYPE_CHECKING:
    from stead.entities._definition.entity_type import Operation
    from stead.entities._definition.registry import Registry
    from stead.entities._message.envelope import Message
    from stead.entities._message.trace import TraceContext
    from stead.entities._partition.effects import Effects
    from stead.entities._tracing.operations import OperationSpan


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


NO_REMINDERS: Mapping[str, Reminder] = MappingProxyType({})


class Turn:
    """One operation of one entity, while it runs. Implements `RunningTurn`."""

    __slots__ = (
        "alive", "began_s", "begun", "clock", "context", "effects", "held_s", "kept_ms", "message", "operation", "registry", "reminders",
        "reminding", "sends", "span", "state", "subject", "target", "tells",
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
        self.clock = clock
        self.sends: list[Send] = []
        self.reminders = NO_REMINDERS  # of the entity, as they were before the operation
        self.reminding: dict[str, Reminder | None] = {}  # what becomes of them; None: it goes
        self.begun: list[str] = []  # named, and not set yet
        self.kept_ms: int | None = None  # for so long, although it is due to expire
        self.tells = False  # there is something of all that
        self.alive = False
        self.span: OperationSpan | None = None  # what is told of the operation, if anybody wants to know
        self.began_s = 0.0  # of an asynchronous operation
        self.held_s = 0.0  # the longest for which one that takes many messages held the worker
        self.context: EntityContext | None = None

    def serve(self, target: str, effects: Effects, reminders: Mapping[str, Reminder] = NO_REMINDERS) -> None:
        """The operations that follow are those of this target, in whose partition these effects come about."""
        if self.alive:  # one that ended the process, or nearly so: nothing of it is another one's
            self.end()
        self.target = target
        self.effects = effects
        self.reminders = reminders

    @property
    def shard(self) -> int | None:
        """Which shard of its entity runs; None if it has none."""
        target = self.target
        if MARK in target:
            return split_target(target)[1]
        if not self.registry.sharded and not self.effects.latest_spreads.now:
            return None  # nothing in this hub has shards: asked for each answer, so it is looked for first
        known = self.registry.get(kind_of(target))
        return 0 if self.effects.is_sharded(target) or (known is not None and known.shards is not None) else None

    @property
    def operation_name(self) -> str:
        """The operation's name, as the sender wrote it."""
        return self.message.operation

    @property
    def trace(self) -> TraceContext | None:
        """What the operation sends belongs to it: to the operation's own span, or to what its message carried."""
        return self.message.trace if self.span is None else self.span.trace

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
        if self.tells:
            self.sends, self.reminding, self.begun, self.kept_ms, self.tells = [], {}, [], None, False

    def take_over(self, other: Turn) -> None:
        """Run here what has begun in the other one: a reminder is due, and its operation is asynchronous."""
        self.reminding, self.tells = other.reminding, other.tells
        other.reminding, other.tells = {}, False

    def close(self) -> None:
        """The operation has ended; what it sent is taken later."""
        told = self.sends, self.reminding, self.begun, self.kept_ms, self.tells
        self.tells = False
        self.end()
        self.sends, self.reminding, self.begun, self.kept_ms, self.tells = told

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
        extras = message_extras(
            kwargs=call.kwargs, delay_ms=delay_ms, due_ms=due_ms, sender=self.target, trace=self.trace
        )
        self._send_to_receivers(call.target, call.operation_name, call.args, extras)

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
        args = start_args(orchestration, input, at, version, tags, self.clock())
        if instance_id is not None:
            check_instance_id(instance_id)
        start_id = self.effects.next_message_id()
        target = start_id.hex() if instance_id is None else instance_id
        extras = message_extras(sender=self.target, trace=self.trace)
        self._add(Send(target, encode_message(target, "start", args, start_id, extras), start_id), "start of")
        return target

    def send_message(
        self,
        target: str,
        operation: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
        version: int,
        *,
        starts: bool,
    ) -> None:
        """Send a message as it is to any target, if the operation succeeds; one that `starts` an instance reserves its ID."""
        message_id = self.effects.next_message_id()
        extras = message_extras(kwargs=kwargs, sender=self.target, trace=self.trace)
        envelope = encode_message(target, operation, args, message_id, extras, version)
        self._add(Send(target, envelope, message_id if starts else None), "message to")

    def send_signal(
        self, target: str, operation: str, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> None:
        """Send a signal that was resolved before to an entity, if the operation succeeds."""
        extras = message_extras(kwargs=kwargs, sender=self.target, trace=self.trace)
        self._send_to_receivers(target, operation, args, extras)

    def _send_to_receivers(
        self, entity: str, operation: str, args: Sequence[object], extras: Mapping[str, object] | None
    ) -> None:
        effects = self.effects
        for target in effects.receivers(entity, operation, self.target):
            message_id, version = effects.next_message_id(), version_for(target)
            self._add(Send(target, encode_message(target, operation, args, message_id, extras, version)), "signal to")

    def _add(self, send: Send, what: str) -> None:
        limit = self.effects.limit
        if len(send.envelope) > limit.at:
            limit.check(f"{what} {send.target}", send.envelope)
        self.sends.append(send)
        self.tells = True

    # -- reminders -----------------------------------------------------------------------------------------------------

    def begin_reminder(self, name: str) -> None:
        """A reminder is named: unless it is set too, the operation fails. Raises `InvalidInput` for what is no name."""
        if self.shard is not None:
            raise InvalidInput(
                f"reminder {name!r}",
                f"{logical_target(self.target)} has shards, each of which would have one of its own: use a schedule, "
                "or an entity without shards",
            )
        self.begun.append(check_reminder_name(name))
        self.tells = True

    def set_reminder(
        self,
        name: str,
        due_ms: int,
        rhythm: Rhythm | None,
        operation: Any,
        args: Sequence[object],
        kwargs: Mapping[str, object],
    ) -> None:
        """Set a reminder that was named, if the operation succeeds. Raises what `resolve_own` does, and `PayloadTooLarge`."""
        effects = self.effects
        call = resolve_own(self.registry, self.target, operation, args, kwargs)
        extras = message_extras(kwargs=call.kwargs, sender=self.target, trace=self.trace)
        envelope = encode_message(self.target, call.operation_name, call.args, effects.next_message_id(), extras)
        if len(envelope) > effects.limit.at:
            effects.limit.check(f"reminder {name!r} of {self.target}", envelope)
        standing = self._standing() | {name: Reminder(effects.next_message_id(), due_ms, rhythm, envelope)}
        count = len(standing) - (EXPIRY in standing)
        if count > effects.settings.reminders_max:
            raise InvalidInput(
                f"reminder {name!r}",
                f"{self.target} has {count - 1:,} already, and STEAD_REMINDERS_MAX is {effects.settings.reminders_max:,}",
            )
        size = sum(len(reminder.envelope) for reminder in standing.values())
        size_max = effects.settings.payload_bytes_max
        if size > size_max:
            raise PayloadTooLarge(f"the reminders of {self.target}", size, size_max)
        self.reminding[name] = standing[name]
        self.begun.remove(name)

    def cancel_reminder(self, name: str) -> bool:
        """Forget a reminder, if the operation succeeds: whether there was one."""
        there = name != EXPIRY and name in self._standing()
        if there:
            self.reminding[name] = None
            self.tells = True
        return there

    def keep_for(self, milliseconds: int) -> None:
        """The entity expires, but not before so long from now."""
        self.kept_ms = milliseconds
        self.tells = True

    def cancel_all_reminders(self) -> None:
        """The entity is deleted: forget those that it has until now."""
        for name in self._standing():
            self.reminding[name] = None
            self.tells = True

    def reminders_due(self) -> Mapping[str, int]:
        """When each of the entity's reminders is due next, in milliseconds."""
        return {name: reminder.due_ms for name, reminder in self._standing().items() if name != EXPIRY}

    def _standing(self) -> dict[str, Reminder]:
        """The entity's reminders, if the operation ended now."""
        changed = {**self.reminders, **self.reminding}
        return {name: reminder for name, reminder in changed.items() if reminder is not None}

    def held(self, _ended_s: float, seconds: float) -> None:
        """It held the worker for so long."""
        self.held_s = max(self.held_s, seconds)

    @property
    def settings(self) -> Settings:
        """The worker's."""
        return self.effects.settings

    def now_ms(self) -> int:
        """The hub's time."""
        return self.clock()

    def open_context(self) -> EntityContext:
        """The context of the operation that runs."""
        if self.context is None:
            if not self.alive:
                raise outside(self.target)
            self.context = EntityContext(self)
        return self.context
