"""What a worker has of the activities of one tenure of a partition, and what becomes of them when that ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .job import Job
from .leftovers import Leftovers
from .slots import ended

if TYPE_CHECKING:
    from stead.entities.extending import Board, Partition


class Tenure:
    """The own activities of one tenure of a partition."""

    __slots__ = ("careful", "jobs", "left", "seen", "suspicious")

    def __init__(self) -> None:
        self.suspicious = self.careful = False  # what earlier owners left may have ended them
        self.jobs: dict[bytes, Job] = {}  # until their results are recorded
        self.seen: set[bytes] | None = None  # while its tasks are read: those that came or went meanwhile
        self.left = Leftovers()


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
