"""Does the code ask for what its log says that it asked for? By number, kind and name; a changed input is a warning, unless
it is the input of another call: then results would go to the wrong calls.

The code counts what it schedules: 1, 2, 3, … The log holds the same numbers, except what was cancelled before it was
written, which leaves gaps, and a tail that a crash kept from being written. So in a replay every number of the log must
come up, as what the log says it is; a number that the log does not hold is new if it is above all of them, and otherwise
must have been cancelled by the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from stead.orchestrations._history.errors import NonDeterminismError
from stead.orchestrations._history.events import FIELDS, SCHEDULED, Event, EventType
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
    given: tuple[str | None, str]
    """What users give: the arguments, if there are any, and the rest or the only value. If all of it is scalars, nothing of
    it can be changed later, and comparing it runs nobody's code: so it is for most calls."""


_COMPARED: dict[EventType, _Compared] = {
    EventType.TASK_SCHEDULED: _Compared(
        "the activity {name!r}",
        identity=("name",),
        inputs=("args", "kwargs"),
        owned=(("args", "kwargs"), ("args", "kwargs", "queue")),
        given=("args", "kwargs"),
    ),
    EventType.SUB_ORCHESTRATION_CREATED: _Compared(
        "the sub-orchestration {name!r}",
        identity=("name",),
        inputs=("input",),
        owned=(("input",), ("instance_id",)),
        given=(None, "input"),
    ),
    EventType.TIMER_CREATED: _Compared(
        "a timer",
        identity=("purpose",),
        inputs=("fire_at_ms",),
        owned=(("fire_at_ms",),),
        given=(None, "fire_at_ms"),
    ),
    EventType.EVENT_SENT: _Compared(
        "the event {name!r} to {instance_id!r}",
        identity=("instance_id", "name"),
        inputs=("input",),
        owned=(("input",),),
        given=(None, "input"),
    ),
    EventType.ORCHESTRATION_STARTED: _Compared(
        "the start of the orchestration {name!r}",
        identity=("name",),
        inputs=("input", "at_ms"),
        owned=(("input",), ("instance_id",)),
        given=(None, "input"),
    ),
    EventType.ENTITY_SIGNALED: _Compared(
        "a signal {operation!r} to the entity {entity_id}",
        identity=("entity_id", "operation"),
        inputs=("args", "kwargs", "due_ms", "delay_ms"),
        owned=(("args", "kwargs"),),
        given=("args", "kwargs"),
    ),
    EventType.ENTITY_CALLED: _Compared(
        "a call of {operation!r} of the entity {entity_id}",
        identity=("entity_id", "operation"),
        inputs=("args", "kwargs"),
        owned=(("args", "kwargs"),),
        given=("args", "kwargs"),
    ),
    EventType.LOCK_REQUESTED: _Compared(
        "the lock of {entity_ids}", identity=("entity_ids",), inputs=(), owned=(), given=("entity_ids", "lock")
    ),
    EventType.UNLOCK_SENT: _Compared(
        "the release of {entity_ids}", identity=("entity_ids",), inputs=(), owned=(), given=("entity_ids", "lock")
    ),
}


def _places(kind: EventType, names: Iterable[str]) -> tuple[int, ...]:
    return tuple(map(FIELDS[kind].index, names))


# The same as places of fields.
_IDENTITY = {kind: _places(kind, compared.identity) for kind, compared in _COMPARED.items()}
_INPUTS = {kind: _places(kind, compared.inputs) for kind, compared in _COMPARED.items()}
_OWNED = {kind: tuple(_places(kind, group) for group in compared.owned) for kind, compared in _COMPARED.items()}
GIVEN: dict[EventType, tuple[int | None, int]] = {
    kind: (None if args is None else FIELDS[kind].index(args), FIELDS[kind].index(value))
    for kind, (args, value) in ((kind, compared.given) for kind, compared in _COMPARED.items())
}
SCALARS = frozenset({type(None), bool, int, float, str, bytes})
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


class Recorded:
    """What a log says that its code scheduled, as far as the replay has not come to it."""

    __slots__ = ("_owners", "_scheduled", "instance_id", "last_id", "left", "patches")

    def __init__(self, instance_id: str, history: Iterable[Event]) -> None:
        self.instance_id = instance_id
        self.left: dict[int, Event] = {}
        self.patches: set[str] = set()
        left, patched = self.left, EventType.PATCHED
        for event in history:
            kind = event.type
            if kind not in SCHEDULED:
                continue
            if kind is patched:
                self.patches.add(event.fields[0])
            else:
                left[event.task_id] = event
        self.last_id = max(self.left, default=0)
        self._scheduled = list(self.left.values())
        self._owners: dict[_Key, Event] | None = None  # whose an input is; made when one has changed

    def match(self, kind: EventType, task_id: int, stored: bytes) -> Event | None:
        """The log's event with this number; None if it has none. `stored`: the packed fields of what the code asks for.

        Raises `NonDeterminismError` if it is another one.
        """
        found = self.left.pop(task_id, None)
        if found is None:
            return None
        event = _as_asked(found)
        if event.type is kind and pack(event.fields) == stored:
            return found
        fields = tuple(unpack(stored))
        if event.type is not kind or not _same(event.fields, fields, _IDENTITY[kind]):
            raise NonDeterminismError(
                f"instance {self.instance_id!r} cannot be replayed: as number {task_id} its history has "
                f"{describe(event.type, event.fields)}, but the code now schedules {describe(kind, fields)}. {_CAUSE}"
            )
        self._check_owner(event, fields)
        if not all(same_stored(event.fields[at], fields[at]) for at in _INPUTS[kind]):
            log.warning(
                "%s: in the replay number %d, %s, has another input than in the history, which is kept",
                self.instance_id,
                task_id,
                describe(kind, fields),
            )
        return found

    def _check_owner(self, event: Event, fields: tuple[Any, ...]) -> None:
        """Raise `NonDeterminismError` if what the code gives to an event of the log is another event's there."""
        owners = self._owners
        if owners is None:
            owners = self._owners = {}
            for other in map(_as_asked, self._scheduled):
                for group in _OWNED[other.type]:
                    owners.setdefault(_key(other, other.fields, group), other)
        for group in _OWNED[event.type]:
            key = _key(event, fields, group)
            owner = owners.get(key)
            if owner is not None and key != _key(event, event.fields, group):
                raise NonDeterminismError(
                    f"instance {self.instance_id!r} cannot be replayed: number {event.task_id} of its history is "
                    f"{describe(event.type, event.fields)} with {_shown(event, group)}, but the code now schedules it with "
                    f"{_shown(owner, group)}, which is that of number {owner.task_id}, {describe(owner.type, owner.fields)}: "
                    f"results would go to the wrong calls. {_ORDER}"
                )

    def unmatched(self, answer: Event) -> NonDeterminismError:
        """The error for an answer to what the code has not scheduled."""
        event = self.left.get(answer.task_id)
        what = "something" if event is None else describe(event.type, event.fields)
        return NonDeterminismError(
            f"instance {self.instance_id!r} cannot be replayed: its history has the result of number {answer.task_id}, "
            f"{what}, which the code now has not scheduled at that point. {_CAUSE}"
        )

    def check_end(self, new: Iterable[int], actions: dict[int, Event]) -> NonDeterminismError | None:
        """After the replay: an error if the code did not come to something of the log, or to something in between."""
        for event in self.left.values():
            return NonDeterminismError(
                f"instance {self.instance_id!r} cannot be replayed: as number {event.task_id} its history has "
                f"{describe(event.type, event.fields)}, but the code now does not schedule it. {_CAUSE}"
            )
        for task_id in new:
            if task_id < self.last_id:
                event = actions[task_id]
                return NonDeterminismError(
                    f"instance {self.instance_id!r} cannot be replayed: as number {task_id} the code now schedules "
                    f"{describe(event.type, event.fields)}, which its history does not have. {_CAUSE}"
                )
        return None


def _as_asked(event: Event) -> Event:
    """An event as the code asked for it: a rewinding may have set its timer anew."""
    if event.type is not EventType.TIMER_CREATED or len(event.fields) < 3:
        return event
    _, purpose, asked_ms = event.fields
    return event._replace(fields=(asked_ms, purpose))


def pack_fields(kind: EventType, fields: tuple[Any, ...], *, flat: bool = False) -> bytes:
    """The stored form of what the code asks for; `flat`: all of it is scalars, which are not nested too deep. Raises
    `InvalidInput` that names it if it cannot be stored."""
    try:
        return pack_envelope(fields) if flat else pack(fields)
    except InvalidInput as error:
        raise InvalidInput(describe(kind, fields), error.reason) from error


def describe(kind: EventType, fields: tuple[Any, ...]) -> str:
    """An event in words."""
    return _COMPARED[kind].words.format(**dict(zip(FIELDS[kind], fields, strict=False)))


def latest_execution_id(first: str, history: Sequence[Event]) -> str:
    """The ID of the execution that goes on from a history: the last rewinding has drawn it, if there was any."""
    for event in reversed(history):
        if event.type is EventType.EXECUTION_REWOUND and len(event.fields) > 1 and event.fields[1]:
            return str(event.fields[1])
    return first


def _key(event: Event, fields: tuple[Any, ...], group: tuple[int, ...]) -> _Key:
    names = tuple(_name(fields[at]) for at in _IDENTITY[event.type])
    moment = event.at_ms if event.type is EventType.TIMER_CREATED else 0
    return event.type, names, moment, group, *(stored_form(fields[at]) for at in group)


def _name(value: Any) -> object:
    return value.lower() if isinstance(value, str) else stored_form(value)


def _shown(event: Event, group: tuple[int, ...]) -> str:
    """The input of an event of the log, as far as it is short."""
    shown = ", ".join(repr(event.fields[at]) for at in group if event.fields[at] is not None)
    return shown if len(shown) <= _SHOWN_LENGTH_MAX else shown[: _SHOWN_LENGTH_MAX - 3] + "..."


def _same(old: tuple[Any, ...], new: tuple[Any, ...], at: tuple[int, ...]) -> bool:
    for index in at:
        one, other = old[index], new[index]
        if one == other:
            continue
        if not isinstance(one, str) or not isinstance(other, str) or one.lower() != other.lower():
            return False
    return True
