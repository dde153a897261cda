"""The part of `MemoryStore` that carries out activities: tasks of a partition, and queues that all workers share."""

from __future__ import annotations

from collections.abc import Sequence

from stead.transport._contract.records import StreamId, Taken

from . import instances as steps
from .base import MemoryBase


class MemoryTasks(MemoryBase):
    """Activities."""

    _takes_so_far = 0

    async def tasks(self, partition: int, after: bytes, count: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """A page of the partition's own (not shared) tasks, (task ID, payload), and where to read on (b"" at first and
        after the last). What is there throughout is given at least once."""
        return await self._call("tasks", lambda: steps.own_tasks(self._state.partitions[partition], after, count))

    async def mark_task(self, partition: int, token: bytes, task_id: bytes) -> int | None:
        """Count one more try of a task that is suspected of ending workers; gives the tries so far, this one included,
        0 if the task is gone. None: the lease is another's."""
        return await self._call(
            "mark_task", lambda: steps.mark_task(partition, self._state.partitions[partition], token, task_id)
        )

    async def share_tasks(
        self, partition: int, token: bytes, worker: str, tasks: Sequence[tuple[bytes, str]]
    ) -> list[StreamId] | None:
        """Make own tasks (task ID, queue) shared ones that this worker has taken, as when a partition is given back while
        they run. Gives each one's entry, b"" for one that is gone. None: the lease is another's."""
        return await self._call(
            "share_tasks",
            lambda: steps.share_tasks(self._state, partition, token, worker, tasks, self._clock.now_ms()),
        )

    async def open_queues(self, queues: Sequence[str]) -> None:
        """Get ready to take tasks from these queues. May be repeated."""

        def open_them() -> None:
            for queue in queues:
                self._state.queue(queue).opened = True

        await self._call("open_queues", open_them)

    async def take_tasks(self, queues: Sequence[str], worker: str, count: int, block_ms: int) -> list[Taken]:
        """Take at most `count` shared tasks, waiting up to `block_ms` when there are none. One call at a time. Tasks that
        nobody wants any more are forgotten on the way."""
        if not queues or count <= 0:
            return []
        # Each queue is the first one in its turn: a full one would starve the others.
        self._takes_so_far += 1
        first = self._takes_so_far % len(queues)
        ordered = [*queues[first:], *queues[:first]]
        return await self._read(
            "take_tasks",
            ordered,
            lambda: steps.take_tasks(self._state, ordered, worker, count, self._clock.now_ms()),
            block_ms,
        )

    async def retake_tasks(self, queues: Sequence[str], worker: str, idle_ms: int, count: int) -> list[Taken]:
        """Take over shared tasks of workers that have not kept them alive for `idle_ms`."""
        return await self._call(
            "retake_tasks",
            lambda: steps.retake_tasks(self._state, queues, worker, idle_ms, count, self._clock.now_ms()),
        )

    async def keep_tasks(self, worker: str, taken: Sequence[Taken]) -> list[bytes]:
        """Say that these still run; gives the IDs of those that nobody wants any more, or that another worker has."""
        return await self._call(
            "keep_tasks", lambda: steps.keep_tasks(self._state, worker, taken, self._clock.now_ms())
        )

    async def give_back_tasks(self, worker: str, taken: Sequence[Taken]) -> int:
        """Put tasks that this worker has taken back into their queues, as if it had not taken them; gives how many. Sent
        again, it does nothing."""

        def give_back() -> int:
            given = steps.give_back_tasks(self._state, worker, taken, self._clock.now_ms())
            for queue in {task.queue for task in given}:
                self._waiters.wake(queue)
            return len(given)

        return await self._call("give_back_tasks", give_back)

    async def complete_task(self, partition: int, task_id: bytes, payload: bytes, taken: Taken | None) -> bool:
        """Put a task's result into its partition's inbox, if the task is still wanted and has no result yet, and let go
        of what was taken; in one step. False if the result was not wanted. Sent again, it does no harm."""

        def complete() -> bool:
            now_ms = self._clock.now_ms()
            wanted = steps.complete_task(self._state, partition, task_id, payload, taken, now_ms)
            if wanted:
                self._waiters.wake(partition)
            return wanted

        return await self._call("complete_task", complete)
