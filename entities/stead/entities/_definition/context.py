"""What an operation sees of the world besides its state: `EntityContext`, made only when an operation asks for it.

It dies with the operation: whoever keeps one gets `ContextEnded`, never another operation's turn. All that it does is done
by the turn behind it, which is known here by what it can do (`RunningTurn`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from typing_extensions import TypeForm

from stead.entities._message.errors import ContextEnded
from stead.entities._message.ids import EntityClass, EntityId
from stead.entities._message.rhythm import Rhythm
from stead.entities._message.shards import shown_target
from stead.entities._message.starts import Startable
from stead.entities._message.times import delay_in_ms, instant_in_ms
from stead.transport import Settings

from .reminding import ReminderToSet, first_due
from .signals_later import SignalsLater

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", bound=EntityClass)

_logger = logging.getLogger("stead.entity")


class StateAccess(Protocol):
    """What a context can do with the state of its entity: the activation's cell."""

    def get_state(self, form: Any, default: Any) -> Any: ...

    def set_state(self, value: object) -> None: ...

    def delete_state(self) -> None: ...

    def get_input(self, turn: RunningTurn, form: Any) -> Any: ...


class RunningTurn(Protocol):
    """One operation, while it runs: what its context asks of it."""

    target: str  # of the entity
    subject: object  # the instance, of a class
    context: EntityContext | None

    @property
    def shard(self) -> int | None: ...

    @property
    def operation_name(self) -> str: ...

    @property
    def args(self) -> Sequence[object]: ...

    @property
    def kwargs(self) -> Mapping[str, object] | None: ...

    @property
    def is_new(self) -> bool: ...

    @property
    def state(self) -> StateAccess: ...

    @property
    def settings(self) -> Settings:
        """The worker's."""
        ...

    def now_ms(self) -> int:
        """The hub's time."""
        ...

    def open_context(self) -> EntityContext:
        """The context of the operation that runs. Raises `ContextEnded` if none does."""
        ...

    def send(
        self,
        operation: Any,
        key: str,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        due_ms: int | None = None,
        delay_ms: int | None = None,
    ) -> None:
        """Send a signal, if the operation succeeds."""
        ...

    def start(
        self,
        orchestration: str | Startable,
        input: object,
        instance_id: str | None,
        at: datetime | None,
        version: str | None,
        tags: Mapping[str, str] | None,
    ) -> str:
        """Start an instance, if the operation succeeds: gives its ID."""
        ...

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
        ...

    def send_signal(
        self, target: str, operation: str, args: Sequence[object], kwargs: Mapping[str, object] | None
    ) -> None:
        """Send a signal that was resolved before to an entity, if the operation succeeds."""
        ...

    def begin_reminder(self, name: str) -> None:
        """A reminder is named: unless it is set too, the operation fails. Raises `InvalidInput` for what is no name."""
        ...

    def set_reminder(
        self,
        name: str,
        due_ms: int,
        rhythm: Rhythm | None,
        operation: Any,
        args: Sequence[object],
        kwargs: Mapping[str, object],
    ) -> None:
        """Set a reminder that was named, if the operation succeeds."""
        ...

    def cancel_reminder(self, name: str) -> bool:
        """Forget a reminder, if the operation succeeds: whether there was one."""
        ...

    def keep_for(self, milliseconds: int) -> None:
        """The entity expires, but not before so long from now."""
        ...

    def cancel_all_reminders(self) -> None:
        """The entity is deleted: forget those that it has until now."""
        ...

    def reminders_due(self) -> Mapping[str, int]:
        """When each of the entity's reminders is due next, in milliseconds."""
        ...


class EntityContext:
    """What an operation sees besides its state. Valid until the operation ends."""

    __slots__ = ("_entity_id", "_target", "_turn")

    def __init__(self, turn: RunningTurn) -> None:
        self._turn: RunningTurn | None = turn
        self._target = turn.target
        self._entity_id: EntityId | None = None

    def end(self) -> None:
        """The operation has ended. Called by the worker."""
        self._turn = None

    def _running(self) -> RunningTurn:
        turn = self._turn
        if turn is None:
            raise ContextEnded(
                f"the operation of {shown_target(self._target)} to which this context belongs has ended: "
                "await what you start inside the operation, and do not keep its context"
            )
        return turn

    @property
    def entity_id(self) -> EntityId:
        """The entity that the operation runs on."""
        if self._entity_id is None:
            self._entity_id = EntityId.of_target(self._target)
        return self._entity_id

    @property
    def shard(self) -> int | None:
        """Which shard of the entity the operation runs on, from 0 on; None for an entity without shards. `entity_id` is the same
        for all of them."""
        return self._running().shard

    @property
    def operation_name(self) -> str:
        """The operation's name, as the sender wrote it."""
        return self._running().operation_name

    @property
    def is_new(self) -> bool:
        """The entity did not exist before this operation."""
        return self._running().is_new

    @property
    def now(self) -> datetime:
        """The hub's time, in UTC."""
        return datetime.fromtimestamp(self._running().now_ms() / 1000, UTC)

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that names the entity in each line (`stead.entity`)."""
        return _EntityLogger(
            _logger, {"entity_id": shown_target(self._target), "operation": self._running().operation_name}
        )

    # -- messages ------------------------------------------------------------------------------------------------------

    @overload
    def signal_entity(
        self, operation: Callable[Concatenate[E, P], object], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...

    @overload
    def signal_entity(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> None: ...

    def signal_entity(self, operation: Any, key: Any, /, *args: Any, **kwargs: Any) -> None:
        """Send a signal to an entity, this one included: `(Station.record, "oslo", 3.5)`, or by name
        `(EntityId("Station", "oslo"), "record", 3.5)`. It leaves when this operation has succeeded.
        """
        self._running().send(operation, key, args, kwargs)

    def after(self, delay: timedelta) -> SignalsLater:
        """A sender of signals that arrive after a delay, counted from their acceptance. None or less means at once."""
        return SignalsLater(self.send, None, delay_in_ms(delay))

    def at(self, time: datetime) -> SignalsLater:
        """A sender of signals that arrive at a time. A time that has passed means at once."""
        return SignalsLater(self.send, instant_in_ms(time), None)

    def send(
        self,
        operation: Any,
        key: str,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        due_ms: int | None = None,
        delay_ms: int | None = None,
    ) -> None:
        """Add a message to those of the turn: what `signal_entity` does once its arguments are told apart."""
        self._running().send(operation, key, args, kwargs, due_ms, delay_ms)

    # -- reminders -----------------------------------------------------------------------------------------------------

    @overload
    def reminder(self, name: str, *, after: timedelta, every: timedelta | None = None) -> ReminderToSet: ...

    @overload
    def reminder(self, name: str, *, at: datetime, every: timedelta | None = None) -> ReminderToSet: ...

    @overload
    def reminder(self, name: str, *, every: timedelta) -> ReminderToSet: ...

    @overload
    def reminder(self, name: str, *, cron: str, timezone: str = "UTC") -> ReminderToSet: ...

    def reminder(
        self,
        name: str,
        *,
        after: timedelta | None = None,
        at: datetime | None = None,
        every: timedelta | None = None,
        cron: str | None = None,
        timezone: str | None = None,
    ) -> ReminderToSet:
        """Set a reminder: `reminder("flush", after=timedelta(minutes=5)).signal(Station.flush)` runs `flush` on this entity
        then. It is set when this operation has succeeded, in the place of one of the same name.

        Once `after` or `at`; with `every` again and again from then on; with `every` alone, first after so long. `cron` has
        five fields, in the hours of a time zone. After a standstill one that repeats runs once, and goes on in its old
        rhythm; that a run fails does not end it. Deleting the entity drops it, and one that was cancelled does not run any
        more, even if it was due. Raises `InvalidInput`.
        """
        turn = self._running()
        due_ms, rhythm = first_due(turn.now_ms(), after, at, every, cron, timezone)
        turn.begin_reminder(name)

        def set_reminder(operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
            self._running().set_reminder(name, due_ms, rhythm, operation, args, kwargs)

        return ReminderToSet(set_reminder)

    def cancel_reminder(self, name: str) -> bool:
        """Cancel a reminder, once this operation has succeeded; whether there was one of that name."""
        return self._running().cancel_reminder(name)

    @property
    def reminders(self) -> dict[str, datetime]:
        """The entity's reminders by name, each with the time at which it is due next, in UTC."""
        due = self._running().reminders_due()
        return {name: datetime.fromtimestamp(due_ms / 1000, UTC) for name, due_ms in due.items()}

    # -- orchestrations ------------------------------------------------------------------------------------------------

    def start_new(
        self,
        orchestration: str | Startable,
        input: object = None,
        *,
        instance_id: str | None = None,
        at: datetime | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Start an orchestration, by its function or its name, and give the new instance's ID. Nobody waits for it.

        It starts when this operation has succeeded, or at `at`. An `instance_id` whose instance is finished is used again;
        if it is not finished, the start becomes a dead letter. Raises `InvalidInput`.
        """
        return self._running().start(orchestration, input, instance_id, at, version, tags)

    # -- state and input -----------------------------------------------------------------------------------------------

    def delete_state(self) -> None:
        """Delete the entity's state: unless the operation sets it again, the entity does not exist after it. Its reminders
        go with it, but for those that the operation sets after this."""
        turn = self._running()
        turn.state.delete_state()
        turn.cancel_all_reminders()

    @overload
    def get_state(self, form: TypeForm[T]) -> T | None: ...

    @overload
    def get_state(self, form: TypeForm[T], default: T) -> T: ...

    def get_state(self, form: Any, default: Any = None) -> Any:
        """A copy of a function entity's state, validated as a type; the default if there is none."""
        return self._running().state.get_state(form, default)

    def set_state(self, value: object) -> None:
        """Set a function entity's state. It is taken as it is now: changing the value later changes nothing.

        0, "", [] and {} are state; None deletes it, as `delete_state` does.
        """
        turn = self._running()
        turn.state.set_state(value)
        if value is None:
            turn.cancel_all_reminders()

    def get_input(self, form: TypeForm[T]) -> T:
        """The operation's only argument, validated as a type (None if it has none and the type allows that)."""
        turn = self._running()
        value: T = turn.state.get_input(turn, form)
        return value

    @property
    def args(self) -> tuple[Any, ...]:
        """The operation's positional arguments, as plain data."""
        return tuple(self._running().args)

    @property
    def kwargs(self) -> dict[str, Any]:
        """The operation's keyword arguments, as plain data."""
        return dict(self._running().kwargs or {})


def outside(whose: str) -> ContextEnded:
    """What to raise where no operation of it runs."""
    return ContextEnded(
        f"no operation of {whose} is running: a context can be used only inside an operation, and not by what it left running"
    )


class _EntityLogger(logging.LoggerAdapter[logging.Logger]):
    """Puts the entity's ID before each message."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        extra = dict(self.extra or {})
        kwargs["extra"] = {**extra, **(kwargs.get("extra") or {})}
        return f"{extra['entity_id']} {extra['operation']}: {msg}", kwargs
