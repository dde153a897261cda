"""Own activities that may have ended the partition's last owner: which they are cannot be seen, so each is marked first.

After an unclean end every task that was left over is counted in the store before it runs. One that runs for the first time
since then runs beside the others; from the second time on, or when workers have ended repeatedly, a suspect runs alone,
until its result is in the store, so that the next death is not counted against its neighbours. One that ended `activity_tries_max` workers fails. (Shared
tasks need none of this: their queues count deliveries.)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from stead.entities.extending import Bell
from stead.transport import FACED, get_logger

from .job import Job, Outcome, Stage
from .not_run import poisoned
from .slots import ActivitySlots, ended

if TYPE_CHECKING:
    from stead.entities.extending import Board

logger = get_logger("stead.activities")


class ActivitySuspects:
    """The suspect tasks of a worker, one after the other."""

    def __init__(self, board: Board, slots: ActivitySlots, fail: Callable[[Job, Outcome], None]) -> None:
        self._board = board
        self._slots = slots
        self._fail = fail
        self._queue: deque[tuple[Job, bool, bool]] = deque()
        self._bell = Bell()
        self._busy = False
        self._alone_s = board.settings.activity_keep_ms / 1000

    @property
    def idle(self) -> bool:
        return not self._queue and not self._busy

    def add(self, job: Job, careful: bool, survived: bool) -> None:
        """A task that was there when an owner died; `careful` if owners died repeatedly, `survived` if the last one is known to
        have died of something else."""
        self._queue.append((job, careful, survived))
        self._bell.ring()

    async def run(self) -> None:
        """Run suspects while there are any."""
        while True:
            await self._bell.wait()
            while self._queue:
                job, careful, survived = self._queue.popleft()
                self._busy = True
                try:
                    await self._run_one(job, careful, survived)
                except FACED as error:
                    self._board.face(error)
                finally:
                    self._busy = False

    async def _run_one(self, job: Job, careful: bool, survived: bool) -> None:
        board = self._board
        partition = job.partition
        if partition is None or not _wanted(job):
            return
        tries: int | None = 1
        if not survived:
            tries = await board.insist(
                lambda: board.store.mark_task(partition.number, partition.token, job.key), "marking an activity"
            )
        if tries is None:
            board.drop(partition, "its lease is no longer this worker's")
        elif not _wanted(job):
            return
        elif tries == 0:
            job.drop()
        elif tries > board.settings.activity_tries_max:
            logger.error("%s of %s ended %d workers", job.name, job.context.instance_id, tries - 1)
            self._fail(job, poisoned(job.name, tries - 1))
        else:
            self._slots.add(job)
            if careful or tries > 1:
                # No longer than this: whoever ends its worker mostly does so soon, and the others have to go on.
                job.settled = asyncio.Event()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._alone_s):
                        await ended(job)
                        await job.settled.wait()  # the next one would end this one's result with the worker


def _wanted(job: Job) -> bool:
    partition = job.partition
    return job.stage is Stage.WAITING and partition is not None and not (partition.gone or partition.draining)
