"""What an instance that is not finished waits for, since when and until when: told from its history and record.

A history does not say what the code has given up since (a timer that was unset, an activity that nobody awaits): that is
among what is named here until its answer comes. For which external events it waits is in its record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .event_table import ANSWERS
from .events import (
    EntityLockRequested,
    EntityOperationCalled,
    Event,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
)
from .ledger import Ledger
from .record import Awaited

AWAITED_LENGTH_MAX = 20
"""Of so many external events that it waits for a record keeps the names: it is rewritten with every turn."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that an instance waits for. Times are in UTC.

    `kind` is "activity", "sub-orchestration", "timer", "entity", "lock" or "event", and `name` says which: the activity, the
    child's instance ID, "retry of …" for the pause before another attempt, the entity's ID and operation, the entities to
    lock, the external event (of many the first `AWAITED_LENGTH_MAX`). `details`: what the last heartbeat of an activity said.
    """

    kind: str
    name: str
    since: datetime
    until: datetime | None = None
    details: Any = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


def waits_of(
    events: Iterable[Event], awaited: Iterable[Awaited] = (), progress: Iterable[Sequence[Any]] | None = None
) -> list[Wait]:
    """What is open at the end of a history, in the order in which it was scheduled, and which external events are awaited."""
    said = {each[0]: each[1] for each in progress or ()}
    waits = [_wait(event, said.get(event.task_id)) for event in Ledger(events).open.values()]
    return [*waits, *(Wait("event", event.name, _time(event.since_ms)) for event in awaited)]


def _wait(event: Event, details: Any) -> Wait:
    name, until = "", None
    match event:
        case TaskScheduled():
            name = event.name
        case TimerCreated():
            name, until = event.purpose, _time(event.fire_at_ms)
        case SubOrchestrationInstanceCreated():
            name = f"{event.name} ({event.instance_id})"
        case EntityOperationCalled():
            name = f"{event.entity_id} {event.operation}"
        case EntityLockRequested():
            name = ", ".join(event.entity_ids)
        case _:
            raise AssertionError(f"nothing waits for the answer to {event}")
    return Wait(ANSWERS[type(event)].wait, name, _time(event.at_ms), until, details)


def _time(instant_ms: int) -> datetime:
    return datetime.fromtimestamp(instant_ms / 1000, UTC)
