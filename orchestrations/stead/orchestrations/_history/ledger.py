"""What is open in a history: scheduled and not answered, locked and not released. Taken from the events alone.

Whatever ends an instance finds here what it has to undo, whether or not its code is known to this worker and however its
code left (HAZARDS 12).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stead.entities.extending import TraceContext, read_trace

from .event_table import ANSWERED, ASKED
from .events import (
    EntityLockGranted,
    EntityLockRequested,
    EntityUnlockSent,
    Event,
    EventRaised,
    ExecutionRewound,
    ExecutionStarted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskScheduled,
    UpdateAccepted,
    UpdateCompleted,
)

EXISTS = "InstanceExists"  # the error type of a sub-orchestration whose ID was taken


@dataclass(slots=True)
class Lock:
    """Locks that were asked for and not given back."""

    lock: bytes  # the request's ID
    task_id: int
    targets: list[str]
    granted: bool = False


class Ledger:
    """See the module. What was cancelled counts as open until its answer comes: a history does not say it."""

    __slots__ = (
        "_rewindings",
        "_since",
        "children",
        "closing",
        "locks",
        "open",
        "running",
        "since_ms",
        "trace",
        "updates",
    )

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.open: dict[int, Event] = {}  # the scheduled events whose answers are still to come
        self.locks: list[Lock] = []
        self.children: list[str] = []  # the sub-orchestrations that were ever started
        self.running: list[str] = []  # those of them that have not answered
        self.closing: dict[str, str] = {}  # what becomes of them at the end, where it was said
        self.updates: dict[str, list[Any] | None] = {}  # those that are under way, and who waits for them
        self.trace: TraceContext | None = None  # to which trace the instance belongs
        self.since_ms = 0  # when this execution began
        self._rewindings = 0
        self._since: dict[int, int] = {}  # task ID -> the rewindings before it was scheduled, if there were any
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """One more event of the history."""
        kind = type(event)
        if kind is TaskScheduled:  # most of them
            self.open[event.task_id] = event
            if self._rewindings:
                self._since[event.task_id] = self._rewindings
        elif kind is TaskCompleted:
            self.open.pop(event.task_id, None)
        elif kind is EventRaised:  # there may be many, and none opens or closes anything
            return
        elif kind in ANSWERED:
            self._ask(event)
        elif kind in ASKED:
            self._answer(event)
        elif isinstance(event, EntityUnlockSent):
            self.locks = [lock for lock in self.locks if lock.lock != event.lock]
        elif isinstance(event, UpdateAccepted):
            self.updates[event.update_id] = event.waiter
        elif isinstance(event, UpdateCompleted):
            self.updates.pop(event.update_id, None)
        elif isinstance(event, (ExecutionStarted, ExecutionRewound)):
            self.since_ms = event.at_ms
            if isinstance(event, ExecutionStarted):
                self.since_ms = max(event.at_ms, event.scheduled_ms or 0)
                self.trace = None if event.trace is None else read_trace(event.trace)
            else:
                self._rewindings += 1
            self.children += event.children or ()
            self.running += event.running_children or ()
            self.closing.update(event.closing or {})

    def _ask(self, event: Event) -> None:
        self.open[event.task_id] = event
        if self._rewindings:
            self._since[event.task_id] = self._rewindings
        if isinstance(event, EntityLockRequested):
            self.locks.append(Lock(event.lock, event.task_id, list(event.entity_ids)))
        elif isinstance(event, SubOrchestrationInstanceCreated):
            self.children.append(event.instance_id)
            self.running.append(event.instance_id)
            if event.parent_close is not None:
                self.closing[event.instance_id] = event.parent_close

    def _answer(self, event: Event) -> None:
        scheduled = self.open.pop(event.task_id, None)
        if isinstance(scheduled, SubOrchestrationInstanceCreated):
            self.running.remove(scheduled.instance_id)
            if isinstance(event, SubOrchestrationInstanceFailed) and _is_anothers(event.failure):
                self.children.remove(scheduled.instance_id)
        elif isinstance(event, EntityLockGranted):
            for lock in self.locks:
                lock.granted = lock.granted or lock.task_id == event.task_id

    def rewindings_before(self, task_id: int) -> int:
        """How often the instance had been rewound when this was scheduled. A number that a rewinding has freed is given
        to something else, and what was asked under it before is not about that."""
        return self._since.get(task_id, 0)


def _is_anothers(failure: Mapping[str, Any]) -> bool:
    """Whether a sub-orchestration was not started because somebody else's instance has its ID."""
    return str(failure.get("type")).endswith(EXISTS)
