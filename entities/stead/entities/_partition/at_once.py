"""Tasks of a partition's next commit that may begin before it: those of local activities. It only computes.

    a turn ── offer ──▶ waiting ── take ──▶ begun ── its answer's turn ── dropped ──▶ settled ──▶ who runs it forgets it
                           │                  │
                           └──── built ───────┴──▶ tasks of that commit as all others; what has begun is not begun again

What has begun and has ended within the batch of turns is never written as a task: its commit holds what was scheduled and what
came of it. Whoever asked for it goes on with that in the same run (`begin`), for as long as its quantum of time lasts: else a batch
would be over before anybody has come to an end, and each step would cost what a run costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stead.transport import Task

_TAKEN_AT_ONCE = 16
"""Tasks that begin before it is asked again whether there is time for more."""


class AtOnce:
    """See the module. Part of the effects: it is thrown away with them."""

    __slots__ = ("beginning", "begun", "settled", "start", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[bytes, Task] = {}  # offered in the last turn
        self.begun: set[bytes] = set()  # taken, and in no commit yet
        self.settled: list[bytes] = []  # of these, those that no commit will have
        self.start: Callable[[Sequence[Task]], None] | None = None  # by whom they begin, if by anybody
        self.beginning = False  # it does so: what is raised is no turn's

    def offer(self, task: Task) -> None:
        """A task that was scheduled in this turn may begin."""
        self.waiting[task.task_id] = task

    @property
    def begins(self) -> bool:
        """Whether some wait that can begin now."""
        return bool(self.waiting) and self.start is not None

    def begin(self) -> None:
        """Some begin now, between two turns: those that end at once have been answered when this returns."""
        assert self.start is not None, "it was asked whether they begin"
        self.beginning = True
        self.start(self.take())
        self.beginning = False

    def take(self) -> Sequence[Task]:
        """Some that are to begin now."""
        tasks = [*islice(self.waiting.values(), _TAKEN_AT_ONCE)]
        for task in tasks:
            del self.waiting[task.task_id]
            self.begun.add(task.task_id)
        return tasks

    def leave(self) -> None:
        """The batch is over: those that wait are to begin once their commit is in the store, as all others."""
        self.waiting.clear()

    def dropped(self, task_id: bytes) -> None:
        """A task that no commit has seen was never scheduled: its result is there, or nobody wants it."""
        self.waiting.pop(task_id, None)
        if task_id in self.begun:
            self.begun.discard(task_id)
            self.settled.append(task_id)

    def built(self) -> None:
        """The commit has been: what it schedules is as any other task."""
        self.waiting.clear()
        self.begun.clear()

    def take_settled(self) -> Sequence[bytes]:
        """Those that are settled: whoever runs them hears of it from nobody else."""
        settled, self.settled = self.settled, []
        return settled
