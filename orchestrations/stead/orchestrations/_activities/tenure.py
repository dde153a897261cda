"""What a worker has of the activities of one tenure of a partition, and what becomes of them when that ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from stead.transport import InvalidInput, PayloadLocked, Task, get_logger

from .job import Job, Outcome, Runnable, Stage, failed, unseen
from .leftovers import Leftovers
from .own_task import OwnTask
from .slots import ended

if TYPE_CHECKING:
    from stead.entities.extending import Board, Partition

logger = get_logger("stead.activities")


class Tenure:
    """The own activities of one tenure of a partition."""

    __slots__ = ("careful", "early", "jobs", "left", "seen", "suspicious")

    def __init__(self) -> None:
        self.suspicious = self.careful = False  # what earlier owners left may have ended them
        self.jobs: dict[bytes, Job] = {}  # until their results are recorded
        self.early: set[bytes] = set()  # of these, those that have begun and may not be in the store
        self.seen: set[bytes] | None = None  # while its tasks are read: those that came or went meanwhile
        self.left = Leftovers()

    def accept(
        self,
        partition: Partition,
        key: bytes,
        payload: bytes | OwnTask,
        find: Callable[[str], Runnable | None],
        fail: Callable[[Job, Outcome], None],
    ) -> Job | None:
        """The job of an own task; None if it is here already, or cannot be run: that fails, if it says who waits for it."""
        seen = self.seen
        if key in self.jobs or (seen is not None and key in seen):
            return None
        if not payload:  # it was to end
            self._refuse(partition, key, unseen(), fail)
            return None
        try:
            job = Job(key, payload)
        except (InvalidInput, PayloadLocked) as error:
            logger.error("an activity in partition %d cannot be run: task %r: %s", partition.number, key, error)
            # One that is locked stays where it is: whoever has the partition next may have the key.
            if not isinstance(error, PayloadLocked):
                self._refuse(partition, key, failed("TaskUnreadable", str(error)), fail)
            return None
        if seen is not None:
            seen.add(key)
        job.activity = find(job.name)
        job.partition = partition
        self.jobs[key] = job
        return job

    def accept_task(
        self,
        partition: Partition,
        task: Task,
        find: Callable[[str], Runnable | None],
        fail: Callable[[Job, Outcome], None],
    ) -> Job | None:
        """The same of one that was scheduled here."""
        return self.accept(partition, task.task_id, task if type(task) is OwnTask else task.payload, find, fail)

    def _refuse(self, partition: Partition, key: bytes, outcome: Outcome, fail: Callable[[Job, Outcome], None]) -> None:
        broken = Job.unreadable(key)
        if broken is not None:
            broken.partition = partition
            self.jobs[key] = broken
            fail(broken, outcome)

    def pop(self, key: bytes) -> Job | None:
        """It is not this tenure's any more: its result is in the store, or it goes on elsewhere."""
        job = self.jobs.pop(key, None)
        if job is not None and job.settled is not None:
            job.settled.set()
        return job

    def forget(self, job: Job) -> None:
        """As if it had not been accepted."""
        self.jobs.pop(job.key, None)
        if self.seen is not None:
            self.seen.discard(job.key)

    def drop_early(self, drop: Callable[[Job], None]) -> None:
        """The tenure ends, and whether the store has the tasks that began early is not known. Who goes on may take another way, in
        which the same number is another activity's: no result of theirs may go to it, and it begins them anew if they are there."""
        for key in self.early:
            job = self.jobs.pop(key, None)
            if job is not None and job.stage in (Stage.WAITING, Stage.RUNNING):
                drop(job)
        self.early.clear()


async def make_shared(board: Board, partition: Partition, jobs: Sequence[Job]) -> Sequence[bytes] | None:
    """Let own tasks become shared ones that this worker has taken: the entry of each; None if the partition is another's."""
    tasks = [(job.key, job.queue) for job in jobs]
    if not tasks:
        return ()
    entries = await board.insist(
        lambda: board.store.share_tasks(partition.number, partition.token, board.name, tasks), "sharing activities"
    )
    if entries is None:
        board.drop(partition, "its lease is no longer this worker's")
    return entries


async def wait_for(jobs: Sequence[Job], seconds: float) -> None:
    """Until all of these have ended, for at most so long."""
    waits = [asyncio.ensure_future(ended(job)) for job in jobs]
    _, late = await asyncio.wait(waits, timeout=seconds)
    for wait in late:
        wait.cancel()
