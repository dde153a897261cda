"""Does the code ask for what its log says that it asked for? By number, kind and name; a changed input is a warning.

The code counts what it schedules: 1, 2, 3, … The log holds the same numbers, except what was cancelled before it was
written, which leaves gaps, and a tail that a crash kept from being written. So in a replay every number of the log must
come up, as what the log says it is; a number that the log does not hold is new if it is above all of them, and otherwise
must have been cancelled by the end.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from ._errors import NonDeterminismError
from ._events import SCHEDULED, Event, EventType

log = logging.getLogger("stead.orchestration")

# Which fields say what is meant, and which only with what. Neither: what is generated anew or does not matter.
_IDENTITY: dict[EventType, tuple[int, ...]] = {
    EventType.TASK_SCHEDULED: (0,),
    EventType.SUB_ORCHESTRATION_CREATED: (0,),
    EventType.TIMER_CREATED: (1,),
    EventType.EVENT_SENT: (0, 1),
    EventType.ORCHESTRATION_STARTED: (0,),
    EventType.ENTITY_SIGNALED: (0, 1),
    EventType.ENTITY_CALLED: (0, 1),
    EventType.LOCK_REQUESTED: (1,),
    EventType.UNLOCK_SENT: (1,),
}
_INPUTS: dict[EventType, tuple[int, ...]] = {
    EventType.TASK_SCHEDULED: (1, 2),
    EventType.SUB_ORCHESTRATION_CREATED: (3,),
    EventType.TIMER_CREATED: (0,),
    EventType.EVENT_SENT: (2,),
    EventType.ORCHESTRATION_STARTED: (3, 4),
    EventType.ENTITY_SIGNALED: (2, 3, 4, 5),
    EventType.ENTITY_CALLED: (2, 3),
    EventType.LOCK_REQUESTED: (),
    EventType.UNLOCK_SENT: (),
}
_WORDS: dict[EventType, str] = {
    EventType.TASK_SCHEDULED: "the activity {0!r}",
    EventType.SUB_ORCHESTRATION_CREATED: "the sub-orchestration {0!r}",
    EventType.TIMER_CREATED: "a timer",
    EventType.EVENT_SENT: "the event {1!r} to {0!r}",
    EventType.ORCHESTRATION_STARTED: "the start of the orchestration {0!r}",
    EventType.ENTITY_SIGNALED: "a signal {1!r} to the entity {0}",
    EventType.ENTITY_CALLED: "a call of {1!r} of the entity {0}",
    EventType.LOCK_REQUESTED: "the lock of {1}",
    EventType.UNLOCK_SENT: "the release of {1}",
}
_CAUSE = (
    "Was the orchestrator changed after this instance had started (guard the change by context.patched, or give it a new "
    "version), or does it read a clock, random numbers, files or state that others change?"
)


class Recorded:
    """What a log says that its code scheduled, as far as the replay has not come to it."""

    __slots__ = ("instance_id", "last_id", "left", "patches")

    def __init__(self, instance_id: str, history: Iterable[Event]) -> None:
        self.instance_id = instance_id
        self.left: dict[int, Event] = {}
        self.patches: set[str] = set()
        for event in history:
            if event.type not in SCHEDULED:
                continue
            if event.type is EventType.PATCHED:
                self.patches.add(event.fields[0])
            else:
                self.left[event.task_id] = event
        self.last_id = max(self.left, default=0)

    def match(self, kind: EventType, task_id: int, fields: tuple[Any, ...]) -> Event | None:
        """The log's event with this number; None if it has none. Raises `NonDeterminismError` if it is another one."""
        event = self.left.pop(task_id, None)
        if event is None or (event.type is kind and event.fields == fields):
            return event
        if event.type is not kind or not _same(event.fields, fields, _IDENTITY[kind]):
            raise NonDeterminismError(
                f"instance {self.instance_id!r} cannot be replayed: as number {task_id} its history has "
                f"{describe(event.type, event.fields)}, but the code now schedules {describe(kind, fields)}. {_CAUSE}"
            )
        if any(event.fields[at] != fields[at] for at in _INPUTS[kind]):
            log.warning(
                "%s: in the replay number %d, %s, has another input than in the history, which is kept",
                self.instance_id,
                task_id,
                describe(kind, fields),
            )
        return event

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


def describe(kind: EventType, fields: tuple[Any, ...]) -> str:
    """An event in words."""
    return _WORDS[kind].format(*fields)


def latest_execution_id(first: str, history: Sequence[Event]) -> str:
    """The ID of the execution that goes on from a history: the last rewinding has drawn it, if there was any."""
    for event in reversed(history):
        if event.type is EventType.EXECUTION_REWOUND and len(event.fields) > 1 and event.fields[1]:
            return str(event.fields[1])
    return first


def _same(old: tuple[Any, ...], new: tuple[Any, ...], at: tuple[int, ...]) -> bool:
    for index in at:
        one, other = old[index], new[index]
        if one == other:
            continue
        if not isinstance(one, str) or not isinstance(other, str) or one.lower() != other.lower():
            return False
    return True
