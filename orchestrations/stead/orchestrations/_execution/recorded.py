"""Does the code ask for what its log says that it asked for? By number, kind and name; a changed input is a warning, unless
it is the input of another call: then results would go to the wrong calls.

The code counts what it schedules: 1, 2, 3, … The log holds the same numbers, except what was cancelled before it was
written, which leaves gaps, and a tail that a crash kept from being written. So in a replay every number of the log must
come up, as what the log says it is; a number that the log does not hold is new if it is above all of them, and otherwise
must have been cancelled by the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias, TypeVar

from stead.orchestrations._history.data import SCALARS, has_flat_arguments
from stead.orchestrations._history.errors import NonDeterminismError
from stead.orchestrations._history.event_table import SCHEDULED, fields_of
from stead.orchestrations._history.events import (
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    EntityUnlockSent,
    Event,
    EventSent,
    ExecutionRewound,
    OrchestrationInstanceStarted,
    Patched,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
    UpdateCompleted,
)
from stead.transport import InvalidInput, get_logger, pack, pack_envelope, unpack

from .stored_form import same_stored, stored_form

log = get_logger("stead.orchestration")


class _Compared(NamedTuple):
    """How something that the code schedules is compared with what the log has. Fields by their names."""

    words: str
    identity: tuple[str, ...]
    """Which fields say what is meant. Not here nor in `inputs`: what is generated anew or does not matter."""
    inputs: tuple[str, ...]
    """Which say only with what."""
    owned: tuple[tuple[str, ...], ...]
    """Fields that, taken together, belong to one call: what else has them in the log is meant by it. (Of timers only those
    that were set at the same moment: there the order may have changed, while a new time elsewhere is a new time.)"""
    is_flat: Callable[[Any], bool]
    """Whether all that users gave for it is scalars. Nothing of it can be changed later then, and comparing it runs nobody's
    code: so it is for most calls."""


def _has_flat_input(event: SubOrchestrationInstanceCreated | OrchestrationInstanceStarted | EventSent) -> bool:
    return type(event.input) in SCALARS


def _has_flat_result(event: UpdateCompleted) -> bool:
    return type(event.value) in SCALARS


def _is_flat_by_nature(event: TimerCreated | EntityLockRequested | EntityUnlockSent) -> bool:
    """Users gave it in a form of its own, times and IDs, which has become texts and numbers."""
    return True


COMPARED: dict[type[Event], _Compared] = {
    TaskScheduled: _Compared(
        "the activity {.name!r}",
        identity=("name",),
        inputs=("args", "kwargs"),
        owned=(("args", "kwargs"), ("args", "kwargs", "queue")),
        is_flat=has_flat_arguments,
    ),
    SubOrchestrationInstanceCreated: _Compared(
        "the sub-orchestration {.name!r}",
        identity=("name",),
        inputs=("input",),
        owned=(("input",), ("instance_id",)),
        is_flat=_has_flat_input,
    ),
    TimerCreated: _Compared(
        "a timer",
        identity=("purpose",),
        inputs=("fire_at_ms",),
        owned=(("fire_at_ms",),),
        is_flat=_is_flat_by_nature,
    ),
    EventSent: _Compared(
        "the event {0.name!r} to {0.instance_id!r}",
        identity=("instance_id", "name"),
        inputs=("input",),
        owned=(("input",),),
        is_flat=_has_flat_input,
    ),
    OrchestrationInstanceStarted: _Compared(
        "the start of the orchestration {.name!r}",
        identity=("name",),
        inputs=("input", "start_at_ms"),
        owned=(("input",), ("instance_id",)),
        is_flat=_has_flat_input,
    ),
    EntityOperationSignaled: _Compared(
        "a signal {0.operation!r} to the entity {0.entity_id}",
        identity=("entity_id", "operation"),
        inputs=("args", "kwargs", "due_ms", "delay_ms"),
        owned=(("args", "kwargs"),),
        is_flat=has_flat_arguments,
    ),
    EntityOperationCalled: _Compared(
        "a call of {0.operation!r} of the entity {0.entity_id}",
        identity=("entity_id", "operation"),
        inputs=("args", "kwargs"),
        owned=(("args", "kwargs"),),
        is_flat=has_flat_arguments,
    ),
    EntityLockRequested: _Compared(
        "the lock of {.entity_ids}", identity=("entity_ids",), inputs=(), owned=(), is_flat=_is_flat_by_nature
    ),
    EntityUnlockSent: _Compared(
        "the release of {.entity_ids}", identity=("entity_ids",), inputs=(), owned=(), is_flat=_is_flat_by_nature
    ),
    UpdateCompleted: _Compared(
        "the end of the update {.update_id}",
        identity=("update_id",),
        inputs=("ok", "value"),
        owned=(),
        is_flat=_has_flat_result,
    ),
}

_SHOWN_LENGTH_MAX = 100
_CAUSE = (
    "Was the orchestrator changed after this instance had started (guard the change by context.patched, or give it a new "
    "version), or does it read a clock, random numbers, files or state that others change?"
)

_ORDER = (
    "Does it go over a set, or over something else whose order is not the same in every process (sort it), or was it "
    "changed after this instance had started (guard the change by context.patched, or give it a new version)?"
)

_Key: TypeAlias = tuple[object, ...]
E = TypeVar("E", bound=Event)


class Recorded:
    """What a log says that its code scheduled, as far as the replay has not come to it."""

    __slots__ = ("_owners", "_scheduled", "instance_id", "last_id", "left", "patches")

    def __init__(self, instance_id: str, history: Iterable[Event]) -> None:
        self.instance_id = instance_id
        self.left: dict[int, Event] = {}
        self.patches: set[str] = set()
        left = self.left
        for event in history:
            if type(event) not in SCHEDULED:
                continue
            if isinstance(event, Patched):
                self.patches.add(event.name)
            else:
                left[event.task_id] = event
        self.last_id = max(self.left, default=0)
        self._scheduled = list(self.left.values())
        self._owners: dict[_Key, Event] | None = None  # whose an input is; made when one has changed

    def match(self, asked: E, stored: bytes) -> E | None:
        """The log's event with the number of what the code asks for; None if it has none. `stored`: its packed fields.

        Raises `NonDeterminismError` if it is another one.
        """
        found = self.left.pop(asked.task_id, None)
        if found is None:
            return None
        event, cls = _as_asked(found), type(asked)
        if isinstance(found, cls) and pack(fields_of(event)) == stored:
            return found
        now = as_stored(asked, stored)
        if not isinstance(found, cls) or not _same(event, now, COMPARED[cls].identity):
            raise NonDeterminismError(
                f"instance {self.instance_id!r} cannot be replayed: as number {asked.task_id} its history has "
                f"{describe_event(event)}, but the code now schedules {describe_event(now)}. {_CAUSE}"
            )
        self._check_owner(event, now)
        if not all(same_stored(getattr(event, name), getattr(now, name)) for name in COMPARED[cls].inputs):
            log.warning(
                "%s: in the replay number %d, %s, has another input than in the history, which is kept",
                self.instance_id,
                asked.task_id,
                describe_event(now),
            )
        return found

    def _check_owner(self, event: Event, now: Event) -> None:
        """Raise `NonDeterminismError` if what the code gives to an event of the log is another event's there."""
        owners = self._owners
        if owners is None:
            owners = self._owners = {}
            for other in map(_as_asked, self._scheduled):
                for group in COMPARED[type(other)].owned:
                    owners.setdefault(_key(other, other.at_ms, group), other)
        for group in COMPARED[type(event)].owned:
            key = _key(now, event.at_ms, group)
            owner = owners.get(key)
            if owner is not None and key != _key(event, event.at_ms, group):
                raise NonDeterminismError(
                    f"instance {self.instance_id!r} cannot be replayed: number {event.task_id} of its history is "
                    f"{describe_event(event)} with {_shown(event, group)}, but the code now schedules it with "
                    f"{_shown(owner, group)}, which is that of number {owner.task_id}, {describe_event(owner)}: "
                    f"results would go to the wrong calls. {_ORDER}"
                )

    def unmatched(self, answer: Event) -> NonDeterminismError:
        """The error for an answer to what the code has not scheduled."""
        event = self.left.get(answer.task_id)
        what = "something" if event is None else describe_event(event)
        return NonDeterminismError(
            f"instance {self.instance_id!r} cannot be replayed: its history has the result of number {answer.task_id}, "
            f"{what}, which the code now has not scheduled at that point. {_CAUSE}"
        )

    def check_end(self, new: Iterable[Event]) -> NonDeterminismError | None:
        """After the replay: an error if the code did not come to something of the log, or (`new`) to something in between."""
        for event in self.left.values():
            return NonDeterminismError(
                f"instance {self.instance_id!r} cannot be replayed: as number {event.task_id} its history has "
                f"{describe_event(event)}, but the code now does not schedule it. {_CAUSE}"
            )
        for event in new:
            if event.task_id < self.last_id:
                return NonDeterminismError(
                    f"instance {self.instance_id!r} cannot be replayed: as number {event.task_id} the code now schedules "
                    f"{describe_event(event)}, which its history does not have. {_CAUSE}"
                )
        return None


def _as_asked(event: Event) -> Event:
    """An event as the code asked for it: a rewinding may have set its timer anew."""
    if not isinstance(event, TimerCreated) or event.asked_ms is None:
        return event
    return replace(event, fire_at_ms=event.asked_ms, asked_ms=None)


def pack_fields(event: Event, *, flat: bool = False) -> bytes:
    """The stored form of what the code asks for; `flat`: all of it is scalars, which are not nested too deep. Raises
    `InvalidInput` that names it if it cannot be stored."""
    try:
        return pack_envelope(fields_of(event)) if flat else pack(fields_of(event))
    except InvalidInput as error:
        raise InvalidInput(describe_event(event), error.reason) from error


def as_stored(event: E, packed: bytes) -> E:
    """The event with copies of its fields, as they were packed."""
    return type(event)(event.at_ms, event.task_id, *unpack(packed))


def describe_event(event: Event) -> str:
    """An event in words."""
    return COMPARED[type(event)].words.format(event)


def latest_execution_id(first: str, history: Sequence[Event]) -> str:
    """The ID of the execution that goes on from a history: the last rewinding has drawn it, if there was any."""
    for event in reversed(history):
        if isinstance(event, ExecutionRewound) and event.execution_id:
            return event.execution_id
    return first


def _key(event: Event, at_ms: int, group: tuple[str, ...]) -> _Key:
    """What an input is owned by. `at_ms`: when the log says that it was given."""
    names = tuple(_name(getattr(event, name)) for name in COMPARED[type(event)].identity)
    moment = at_ms if isinstance(event, TimerCreated) else 0
    return type(event), names, moment, group, *(stored_form(getattr(event, name)) for name in group)


def _name(value: Any) -> object:
    return value.lower() if isinstance(value, str) else stored_form(value)


def _shown(event: Event, group: tuple[str, ...]) -> str:
    """The input of an event of the log, as far as it is short."""
    values = (getattr(event, name) for name in group)
    shown = ", ".join(repr(value) for value in values if value is not None)
    return shown if len(shown) <= _SHOWN_LENGTH_MAX else shown[: _SHOWN_LENGTH_MAX - 3] + "..."


def _same(old: Event, new: Event, names: tuple[str, ...]) -> bool:
    for name in names:
        one, other = getattr(old, name), getattr(new, name)
        if one == other:
            continue
        if not isinstance(one, str) or not isinstance(other, str) or one.lower() != other.lower():
            return False
    return True
