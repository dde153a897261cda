"""The part of `MemoryStore` that carries out activities: tasks of a partition, and queues that all workers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stead.transport._contract.limits import DeclaredLimit, LimitView, TaskLimit
from stead.transport._contract.records import NOTHING_SAID, Kept, StreamId, Taken

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

    async def open_queues(
        self, queues: Sequence[str], limits: Sequence[DeclaredLimit] = (), joining: bool = False
    ) -> None:
        """Get ready to take tasks from these queues. May be repeated. `limits`: of their activities, as the code says that is
        here; with `joining` they replace what others have said."""

        def open_them() -> None:
            steps.open_queues(self._state, queues, limits, joining, self._clock.now_ms())
            self._tell_of_bells()

        await self._call("open_queues", open_them)

    def _tell_of_bells(self) -> None:
        """Wake those who wait for queues in which bells have come."""
        for name, queue in self._state.queues.items():
            if queue.rung:
                queue.rung = False
                self._waiters.wake(name)

    async def take_tasks(self, queues: Sequence[str], worker: str, count: int, block_ms: int) -> list[Taken]:
        """Take at most `count` shared tasks, waiting up to `block_ms` when there are none. One call at a time. Tasks that
        nobody wants any more are forgotten on the way."""
        if not queues or count <= 0:
            return []
        # Each queue is the first one in its turn: a full one would starve the others.
        self._takes_so_far += 1
        first = self._takes_so_far % len(queues)
        ordered = [*queues[first:], *queues[:first]]

        def take() -> list[Taken]:
            taken = steps.take_tasks(self._state, ordered, worker, count, self._clock.now_ms())
            self._tell_of_bells()
            return taken

        return await self._read(
            "take_tasks", ordered, take, block_ms, lambda: steps.soonest_due_ms(self._state, ordered)
        )

    async def retake_tasks(self, queues: Sequence[str], worker: str, idle_ms: int, count: int) -> list[Taken]:
        """Take over shared tasks of workers that have not kept them alive for `idle_ms`."""

        def retake() -> list[Taken]:
            taken = steps.retake_tasks(self._state, queues, worker, idle_ms, count, self._clock.now_ms())
            self._tell_of_bells()
            return taken

        return await self._call("retake_tasks", retake)

    async def keep_tasks(self, worker: str, taken: Sequence[Taken], said: Mapping[bytes, bytes] = NOTHING_SAID) -> Kept:
        """Say that these still run; gives what is to be known of them. `said`: messages for the inboxes of those whose results
        are still wanted."""

        def keep() -> Kept:
            kept = steps.keep_tasks(self._state, worker, taken, said, self._clock.now_ms())
            self._tell_of_bells()
            for partition in {task.partition for task in taken if task.task_id in said}:
                self._waiters.wake(partition)
            return kept

        return await self._call("keep_tasks", keep)

    async def give_back_tasks(
        self, worker: str, taken: Sequence[Taken], behind: Mapping[bytes, TaskLimit] | None = None
    ) -> int:
        """Put tasks that this worker has taken back into their queues, as if it had not taken them; gives how many. Sent
        again, it does nothing. `behind`: those that came without a limit, and are to wait behind one now."""

        def give_back() -> int:
            given = steps.give_back_tasks(self._state, worker, taken, behind or {}, self._clock.now_ms())
            self._tell_of_bells()
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
            self._tell_of_bells()
            return wanted

        return await self._call("complete_task", complete)

    # -- people --------------------------------------------------------------------------------------------------------

    async def limits(self, queues: Sequence[str], count: int) -> list[LimitView]:
        """At most `count` limits of each queue at which activities run or wait, those at which some wait first."""

        def look() -> list[LimitView]:
            found = ((name, self._state.queues.get(name)) for name in queues)
            return [view for name, queue in found if queue is not None for view in queue.limits.views(name, count)]

        return await self._call("limits", look)
