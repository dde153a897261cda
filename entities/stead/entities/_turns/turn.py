"""What an operation sees of the world besides its state: `EntityContext`, and behind it the turn that it belongs to.

A turn collects what the operation sends; nothing of it leaves before the turn is committed (invariant 2). One `Turn` is
used for all operations of an activation, one after the other. The context is made only when an operation asks for it,
and dies with the operation: whoever keeps one gets `ContextEnded`, never another operation's turn.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from typing_extensions import TypeForm

from stead.entities._definition.addressing import resolve
from stead.entities._definition.signals_later import SignalsLater
from stead.entities._message.envelope import encode_message, message_extras
from stead.entities._message.errors import ContextEnded
from stead.entities._message.ids import EntityId, check_instance_id
from stead.entities._message.starts import Startable, start_args
from stead.entities._message.times import delay_in_ms, instant_in_ms
from stead.transport import PayloadTooLarge

if TYPE_CHECKING:
    from stead.entities._definition.entity import Entity
    from stead.entities._definition.entity_type import Operation
    from stead.entities._definition.registry import Registry

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", bound="Entity")

_logger = logging.getLogger("stead.entity")


@dataclass(frozen=True, slots=True)
class Send:
    """A message that an operation sends, in the bytes that it had at the call: what the operation does with its arguments
    later changes nothing. Of the start of an instance the message ID is known as well.
    """

    target: str
    envelope: bytes
    start_id: bytes | None = None


class StateAccess(Protocol):
    """What a context can do with the state of its entity: the activation's cell."""

    def get_state(self, form: Any, default: Any) -> Any: ...

    def set_state(self, value: object) -> None: ...

    def delete_state(self) -> None: ...

    def get_input(self, turn: Turn, form: Any) -> Any: ...


class Turn:
    """One operation of one entity, while it runs."""

    __slots__ = (
        "alive",
        "args",
        "clock",
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
        self.clock = clock
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

    def add(self, send: Send, what: str) -> None:
        """The operation sends something, if it succeeds. Raises `PayloadTooLarge`."""
        length = len(send.envelope)
        if length > self.payload_bytes_max:
            raise PayloadTooLarge(f"{what} {send.target}", length, int(self.payload_bytes_max))
        self.sends.append(send)

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


class EntityContext:
    """What an operation sees besides its state. Valid until the operation ends."""

    __slots__ = ("_entity_id", "_turn")

    def __init__(self, turn: Turn) -> None:
        self._turn: Turn | None = turn
        self._entity_id = turn.entity_id

    def end(self) -> None:
        """The operation has ended. Called by the worker."""
        self._turn = None

    def _running(self) -> Turn:
        turn = self._turn
        if turn is None:
            raise ContextEnded(
                f"the operation of {self._entity_id} to which this context belongs has ended: "
                "await what you start inside the operation, and do not keep its context"
            )
        return turn

    @property
    def entity_id(self) -> EntityId:
        """The entity that the operation runs on."""
        return self._entity_id

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
        return datetime.fromtimestamp(self._running().clock() / 1000, UTC)

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that names the entity in each line (`stead.entity`)."""
        return _EntityLogger(_logger, {"entity_id": str(self._entity_id), "operation": self._running().operation_name})

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
        self.send(operation, key, args, kwargs)

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
        turn = self._running()
        call = resolve(turn.registry, operation, key, args, kwargs)
        extras = message_extras(kwargs=call.kwargs, delay_ms=delay_ms, due_ms=due_ms, sender=str(turn.entity_id))
        envelope = encode_message(call.target, call.operation_name, call.args, turn.draw(), extras)
        turn.add(Send(call.target, envelope), "signal to")

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
        turn = self._running()
        args = start_args(orchestration, input, at, version, tags, turn.clock())
        if instance_id is not None:
            check_instance_id(instance_id)
        start_id = turn.draw()
        target = start_id.hex() if instance_id is None else instance_id
        extras = message_extras(sender=str(turn.entity_id))
        turn.add(Send(target, encode_message(target, "start", args, start_id, extras), start_id), "start of")
        return target

    # -- state and input -----------------------------------------------------------------------------------------------

    def delete_state(self) -> None:
        """Delete the entity's state: unless the operation sets it again, the entity does not exist after it."""
        self._running().state.delete_state()

    @overload
    def get_state(self, form: TypeForm[T]) -> T | None: ...

    @overload
    def get_state(self, form: TypeForm[T], default: T) -> T: ...

    def get_state(self, form: Any, default: Any = None) -> Any:
        """A copy of a function entity's state, validated as a type; the default if there is none."""
        return self._running().state.get_state(form, default)

    def set_state(self, value: object) -> None:
        """Set a function entity's state. It is taken as it is now: changing the value later changes nothing.

        0, "", [] and {} are state; None deletes it.
        """
        self._running().state.set_state(value)

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


class _EntityLogger(logging.LoggerAdapter[logging.Logger]):
    """Puts the entity's ID before each message."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        extra = dict(self.extra or {})
        kwargs["extra"] = {**extra, **(kwargs.get("extra") or {})}
        return f"{extra['entity_id']} {extra['operation']}: {msg}", kwargs
