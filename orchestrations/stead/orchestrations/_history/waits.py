"""What an instance that is not finished waits for, since when and until when: told from its history.

A history does not say what the code has given up since (a timer that was unset, an activity that nobody awaits), nor for
which external events it waits. So the first is among what is named here until its answer comes, and the second is named
where nothing else is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from .events import Event, EventType
from .ledger import Ledger

_KINDS = {
    EventType.TASK_SCHEDULED: "activity",
    EventType.SUB_ORCHESTRATION_CREATED: "sub-orchestration",
    EventType.TIMER_CREATED: "timer",
    EventType.ENTITY_CALLED: "entity",
    EventType.LOCK_REQUESTED: "lock",
}


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that an instance waits for. Times are in UTC.

    `kind` is "activity", "sub-orchestration", "timer", "entity" or "lock", and `name` says which: the activity, the child's
    instance ID, "retry of …" for the pause before another attempt, the entity's ID and operation, the entities to lock.
    """

    kind: str
    name: str
    since: datetime
    until: datetime | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


def waits_of(events: Iterable[Event]) -> list[Wait]:
    """What is open at the end of a history, in the order in which it was scheduled."""
    return [_wait(event) for event in Ledger(events).open.values() if event.type in _KINDS]


def _wait(event: Event) -> Wait:
    until: datetime | None = None
    fields = event.fields
    match event.type:
        case EventType.TIMER_CREATED:
            name, until = str(fields[1]), _time(fields[0])
        case EventType.SUB_ORCHESTRATION_CREATED:
            name = f"{fields[0]} ({fields[2]})"
        case EventType.ENTITY_CALLED:
            name = f"{fields[0]} {fields[1]}"
        case EventType.LOCK_REQUESTED:
            name = ", ".join(fields[1])
        case _:
            name = str(fields[0])
    return Wait(_KINDS[event.type], name, _time(event.at_ms), until)


def _time(instant_ms: int) -> datetime:
    return datetime.fromtimestamp(instant_ms / 1000, UTC)
