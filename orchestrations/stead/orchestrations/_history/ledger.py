"""What is open in a history: scheduled and not answered, locked and not released. Taken from the events alone.

Whatever ends an instance finds here what it has to undo, whether or not its code is known to this worker and however its
code left (HAZARDS 12).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .events import ANSWERED, ASKED, FIELDS, Event, EventType

EXISTS = "InstanceExists"  # the error type of a sub-orchestration whose ID was taken
_BEGINNINGS = {  # where they tell of former children
    kind: FIELDS[kind].index("children") for kind in (EventType.EXECUTION_STARTED, EventType.EXECUTION_REWOUND)
}
_INTERESTING = frozenset({*ANSWERED, *ASKED, EventType.UNLOCK_SENT, *_BEGINNINGS})


@dataclass(slots=True)
class Lock:
    """Locks that were asked for and not given back."""

    lock: bytes  # the request's ID
    task_id: int
    targets: list[str]
    granted: bool = False


class Ledger:
    """See the module. What was cancelled counts as open until its answer comes: a history does not say it."""

    __slots__ = ("_rewindings", "_since", "children", "locks", "open", "running")

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.open: dict[int, Event] = {}  # the scheduled events whose answers are still to come
        self.locks: list[Lock] = []
        self.children: list[str] = []  # the sub-orchestrations that were ever started
        self.running: list[str] = []  # those of them that have not answered
        self._rewindings = 0
        self._since: dict[int, int] = {}  # task ID -> the rewindings before it was scheduled, if there were any
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """One more event of the history."""
        kind = event.type
        if kind not in _INTERESTING:
            return
        if kind in ASKED:
            scheduled = self.open.pop(event.task_id, None)
            if scheduled is not None and scheduled.type is EventType.SUB_ORCHESTRATION_CREATED:
                self.running.remove(scheduled.fields[2])
                if kind is EventType.SUB_ORCHESTRATION_FAILED and str(event.fields[0].get("type")).endswith(EXISTS):
                    self.children.remove(scheduled.fields[2])  # it is somebody else's
            elif kind is EventType.LOCK_GRANTED:
                for lock in self.locks:
                    lock.granted = lock.granted or lock.task_id == event.task_id
            return
        if kind is EventType.UNLOCK_SENT:
            released = event.fields[0]
            self.locks = [lock for lock in self.locks if lock.lock != released]
            return
        if kind in _BEGINNINGS:
            self._rewindings += kind is EventType.EXECUTION_REWOUND
            former = event.fields[_BEGINNINGS[kind] :]
            if former:
                self.children += former[0]
                self.running += former[1]
            return
        self.open[event.task_id] = event
        if self._rewindings:
            self._since[event.task_id] = self._rewindings
        if kind is EventType.LOCK_REQUESTED:
            self.locks.append(Lock(event.fields[0], event.task_id, list(event.fields[1])))
        elif kind is EventType.SUB_ORCHESTRATION_CREATED:
            self.children.append(event.fields[2])
            self.running.append(event.fields[2])

    def rewindings_before(self, task_id: int) -> int:
        """How often the instance had been rewound when this was scheduled. A number that a rewinding has freed is given
        to something else, and what was asked under it before is not about that."""
        return self._since.get(task_id, 0)
