"""The results of shared activities, on their way to the inboxes of their instances: each is kept until the store has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from stead.entities.extending import Bell, encode_message
from stead.orchestrations._history.messages import PROGRESS
from stead.transport import KeyDamaged, partition_of

from .job import Job

if TYPE_CHECKING:
    from stead.entities.extending import Board

_DAMAGED_S = 1.0  # until a result for a damaged partition is sent again
_RESULTS_MAX = 100  # that are sent at once
_MESSAGE_ID_BYTES = 14


def progress_of(job: Job, board: Board) -> bytes:
    """The message that tells an instance what the last heartbeat of an activity says."""
    context = job.context
    args = [context.execution_id, context.task_id, context.said]
    return encode_message(context.instance_id, PROGRESS, args, board.draw(_MESSAGE_ID_BYTES))


class SharedResults:
    """See the module."""

    def __init__(self, board: Board, jobs: dict[bytes, Job]) -> None:
        """`jobs`: the shared tasks that the worker has. A result that is stored leaves them."""
        self._board = board
        self._jobs = jobs
        self._results: deque[Job] = deque()
        self._sending = 0
        self._result = Bell()
        self._sent = Bell()
        self._later: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """None is on its way to the store."""
        return not self._results and not self._sending

    def add(self, job: Job) -> None:
        """A job has ended: its result goes to the store."""
        self._results.append(job)
        self._result.ring()

    async def run(self) -> None:
        """Send results while there are any, many at once."""
        while True:
            await self._result.wait()
            while self._results:
                jobs = [self._results.popleft() for _ in range(min(_RESULTS_MAX, len(self._results)))]
                self._sending = len(jobs)
                try:
                    await asyncio.gather(*map(self.send, jobs))
                finally:
                    self._sending = 0
                    self._sent.ring()

    async def flush(self, seconds: float) -> None:
        """Wait until all results are in the store, for at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.idle:
                    await self._sent.wait()

    async def send(self, job: Job) -> None:
        """Put the result into the inbox of the task's partition, however long the store is away."""
        board = self._board
        number = self._partition_of(job)
        message_id = board.draw(_MESSAGE_ID_BYTES)
        payload = encode_message(job.context.instance_id, "task", job.answer, message_id)
        taken = job.taken
        try:
            await board.insist_on_any(
                lambda: board.store.complete_task(number, job.key, payload, taken), "completing an activity"
            )
        except KeyDamaged as error:
            self._send_later(job, error)
            return
        if self._jobs.get(job.key) is job:
            del self._jobs[job.key]

    def _partition_of(self, job: Job) -> int:
        if job.taken is not None:
            return job.taken.partition
        if job.partition is not None:
            return job.partition.number
        return partition_of(job.context.instance_id, self._board.store.layout.partitions)

    def _send_later(self, job: Job, error: KeyDamaged) -> None:
        """Where the result goes nothing can be written now. It is kept here, and the others do not wait for it."""
        if job.taken is not None and self._board.store.is_key_of_queue(job.taken.queue, error.key):
            job.taken = (
                None  # the result can go where it is waited for; what is left in the queue nobody wants any more
            )
        else:
            self._board.face(error)
        later = asyncio.ensure_future(self._board.store.clock.sleep(_DAMAGED_S))
        self._later.add(later)
        later.add_done_callback(self._later.discard)
        later.add_done_callback(lambda _: self.add(job))  # somewhat sooner if others have cancelled it
