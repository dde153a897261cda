"""The part of `RedisStore` that carries out activities: tasks of a partition, and queues that all workers share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from stead.transport._contract.errors import KeyDamaged
from stead.transport._contract.limits import DeclaredLimit, LimitView, TaskLimit, activity_and_key
from stead.transport._contract.records import NOTHING_SAID, Kept, StreamId, Taken

from .base import RedisBase, concerning, is_owner
from .keys import KeyNames
from .scripts import (
    COMPLETE_TASK,
    FORGET_TASKS,
    GIVE_BACK_TASKS,
    KEEP_TASKS,
    LOOK_AT_LIMITS,
    MARK_TASK,
    OPEN_QUEUES,
    RETAKE_TASKS,
    SHARE_TASKS,
    TAKE_TASKS,
    command,
)
from .task_signatures import (
    CompleteTask,
    ForgetTasks,
    Holding,
    Holdings,
    LimitNumbersOf,
    LookAtLimits,
    MarkTask,
    OpenQueues,
    RetakeTasks,
    Shared,
    ShareTasks,
    Sharing,
    Stale,
    TakenRow,
    TakenRows,
    TakeTasks,
    Tried,
)

# A worker that has nothing from a queue and has not asked for so long is forgotten there: names are drawn anew.
_FORGET_MS = 3_600_000
_KEYS_OF_A_QUEUE = 5
_NO_LIMITS: Mapping[bytes, TaskLimit] = MappingProxyType({})


class TaskSide(RedisBase):
    """Activities."""

    _takes_so_far = 0

    # -- a partition's own ---------------------------------------------------------------------------------------------

    async def tasks(self, partition: int, after: bytes, count: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """A page of the partition's own (not shared) tasks, (task ID, payload), and where to read on (b"" at first and
        after the last). What is there throughout is given at least once.
        """
        scan = command(b"HSCAN", self._keys.partitions[partition].tasks, after or b"0", b"COUNT", count)
        with concerning(partition):
            cursor, flat = await self._loads.one(scan)
        own = [(task_id, kept[1:]) for task_id, kept in zip(flat[::2], flat[1::2], strict=True) if kept[:1] == b"O"]
        return own, b"" if cursor == b"0" else cursor

    async def mark_task(self, partition: int, token: bytes, task_id: bytes) -> int | None:
        """Count one more try of a task that is suspected of ending workers; gives the tries so far, this one included,
        0 if the task is gone. None: the lease is another's.
        """
        keys = self._keys.partitions[partition]
        with concerning(partition):
            mark = MARK_TASK.call((keys.lease, keys.tasks, keys.tries), MarkTask(token, task_id))
            answer = await self._commits.one(mark)
            return int(Tried(*answer).tries) if is_owner(partition, answer) else None

    async def share_tasks(
        self, partition: int, token: bytes, worker: str, tasks: Sequence[tuple[bytes, str]]
    ) -> list[StreamId] | None:
        """Make own tasks (task ID, queue) shared ones that this worker has taken, as when a partition is given back while
        they run. Gives each one's entry, b"" for one that is gone. None: the lease is another's.
        """
        keys = self._keys.partitions[partition]
        names = _Names(keys.lease, keys.tasks)
        wanted = [Sharing(task_id, names.place(self._keys.queue(queue))) for task_id, queue in tasks]
        with concerning(partition):
            share = SHARE_TASKS.call(names.names, ShareTasks(token, worker, str(partition), wanted))
            answer = await self._commits.one(share)
            if not is_owner(partition, answer):
                return None
        return Shared(*answer).entries

    # -- shared queues -------------------------------------------------------------------------------------------------

    async def open_queues(
        self, queues: Sequence[str], limits: Sequence[DeclaredLimit] = (), joining: bool = False
    ) -> None:
        """Get ready to take tasks from these queues. May be repeated. `limits`: of their activities, as the code says that is
        here; with `joining` they replace what others have said."""
        if queues:
            places = {queue: _KEYS_OF_A_QUEUE * place + 1 for place, queue in enumerate(queues)}
            declared = [LimitNumbersOf(places[limit.queue], limit.activity, limit.numbers) for limit in limits]
            arguments = OpenQueues(_FORGET_MS, self._layout.hub_id, declared, int(joining))
            await self._queries.one(OPEN_QUEUES.call(self._of_queues(queues), arguments))

    def _of_queues(self, queues: Sequence[str]) -> list[bytes]:
        """All keys of queues, and the hub's record."""
        return [*(key for queue in queues for key in self._keys.queue_and_limits(queue)), self._keys.record]

    async def take_tasks(self, queues: Sequence[str], worker: str, count: int, block_ms: int) -> list[Taken]:
        """Take at most `count` shared tasks, waiting up to `block_ms` when there are none. One call at a time. Tasks that
        nobody wants any more are forgotten on the way.

        Nothing is taken while this waits, so one that is cancelled then loses nothing.
        """
        if not queues or count <= 0:
            return []
        # Each queue is the first one in its turn: a full one would starve the others.
        self._takes_so_far += 1
        first = self._takes_so_far % len(queues)
        queues = [*queues[first:], *queues[:first]]
        keys = [self._keys.queue(queue) for queue in queues]
        all_keys = self._of_queues(queues)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + block_ms / 1000
        while True:
            take = TAKE_TASKS.call(all_keys, TakeTasks(worker, count, self._layout.hub_id))
            found = TakenRows(*await self._takes.one(take))
            taken = await self._with_payloads(queues, found.taken, new=True)
            if taken:
                return taken
            left_ms = int((deadline - loop.time()) * 1000)
            if found.taken or found.wait_ms == 0:
                continue  # nobody wants those any more, or all that was looked at is over its limit; but there may be others
            if left_ms <= 0:
                return []
            if found.wait_ms > 0:
                left_ms = min(left_ms, found.wait_ms)
            wait = command(b"XREAD", b"COUNT", 1, b"BLOCK", left_ms, b"STREAMS", *keys, *found.delivered)
            await self._takes.one(wait, block_ms=left_ms)

    async def retake_tasks(self, queues: Sequence[str], worker: str, idle_ms: int, count: int) -> list[Taken]:
        """Take over shared tasks of workers that have not kept them alive for `idle_ms`."""
        if not queues:
            return []
        *of_queues, record = self._of_queues(queues)
        names = [*of_queues, self._keys.workers, record]
        retake = RETAKE_TASKS.call(names, RetakeTasks(worker, idle_ms, count, self._layout.hub_id))
        return await self._with_payloads(queues, await self._queries.one(retake), new=False)

    async def _with_payloads(self, queues: Sequence[str], answer: Sequence[Sequence[Any]], *, new: bool) -> list[Taken]:
        """The tasks of entries that were taken. Entries whose tasks are gone, or are elsewhere, are let go of."""
        stale: list[Stale] = []
        rows = [row for row in map(TakenRow._make, answer) if self._names_a_task(queues[row.queue - 1], row, stale)]
        read = [command(b"HGET", self._keys.partitions[int(row.partition)].tasks, row.task_id) for row in rows]
        taken: list[Taken] = []
        answers = await self._queries.run(read, each=True) if read else ()
        for row, kept in zip(rows, answers, strict=True):
            place, entry, partition, task_id, deliveries, limit = row
            queue = queues[place - 1]
            if isinstance(kept, KeyDamaged):
                self._left_out.note("partitions", str(int(partition)), kept)  # to be taken over when it is mended
            elif kept is not None and kept.startswith(b"S" + entry + b":"):
                payload = kept[len(entry) + 2 :]
                taken.append(Taken(queue, entry, int(partition), task_id, payload, deliveries, _name_of(limit)))
            else:
                stale.append(_stale(row))
        if stale:
            await self._queries.one(
                FORGET_TASKS.call(self._of_queues(queues), ForgetTasks(stale, int(new), self._layout.hub_id))
            )
        return taken

    def _names_a_task(self, queue: str, row: TakenRow, stale: list[Stale]) -> bool:
        """Whether an entry of a queue says whose task it is. Others may know what it is, but it must not go round for ever."""
        _, entry, partition, _, deliveries, _ = row
        if partition.isdigit() and len(partition) < 6 and int(partition) < self._layout.partitions:
            return True
        self._left_out.note(f"entries of queue {queue!r}", entry.decode(), f"it names partition {partition[:40]!r}")
        if deliveries > self._settings.activity_tries_max:
            stale.append(_stale(row))
        return False

    async def keep_tasks(self, worker: str, taken: Sequence[Taken], said: Mapping[bytes, bytes] = NOTHING_SAID) -> Kept:
        """Say that these still run; gives what is to be known of them. `said`: messages for the inboxes of those whose results
        are still wanted."""
        if not taken:
            return Kept([], [])
        rows = _Rows(self._keys, taken, said=said)
        names = (*rows.names, self._keys.record)
        keep = KEEP_TASKS.call(names, rows.holdings(worker, self._layout.hub_id))
        lost, ending = await self._queries.one(keep)
        return Kept(*([taken[int(place) - 1].task_id for place in places] for places in (lost, ending)))

    async def give_back_tasks(
        self, worker: str, taken: Sequence[Taken], behind: Mapping[bytes, TaskLimit] | None = None
    ) -> int:
        """Put tasks that this worker has taken back into their queues, as if it had not taken them; gives how many. Sent
        again, it does nothing. `behind`: those that came without a limit, and are to wait behind one now.
        """
        if not taken:
            return 0
        rows = _Rows(self._keys, taken, behind or {})
        names = (*rows.names, self._keys.record)
        give = GIVE_BACK_TASKS.call(names, rows.holdings(worker, self._layout.hub_id))
        return int(await self._queries.one(give))

    async def complete_task(self, partition: int, task_id: bytes, payload: bytes, taken: Taken | None) -> bool:
        """Put a task's result into its partition's inbox, if the task is still wanted and has no result yet, and let go
        of what was taken; in one step. False if the result was not wanted. Sent again, it does no harm.
        """
        keys = self._keys.partitions[partition]
        names = [keys.tasks, keys.inbox]
        if taken is not None:
            names.append(self._keys.queue(taken.queue))
            if taken.limit:
                names.append(self._keys.limited(taken.queue))
        entry, limit = (taken.entry, taken.limit) if taken is not None else (b"", "")
        complete = COMPLETE_TASK.call(names, CompleteTask(task_id, payload, entry, limit))
        with concerning(partition):
            return bool(await self._queries.one(complete))

    # -- people --------------------------------------------------------------------------------------------------------

    async def limits(self, queues: Sequence[str], count: int) -> list[LimitView]:
        """At most `count` limits of each queue at which activities run or wait, those at which some wait first."""
        if not queues:
            return []
        names = [key for queue in queues for key in self._keys.queue_and_limits(queue)[2:4]]
        found: list[LimitView] = []
        for place, limit, running, waiting, due in await self._queries.one(
            LOOK_AT_LIMITS.call(names, LookAtLimits(count))
        ):
            activity, key = activity_and_key(limit.decode(errors="backslashreplace"))
            due_ms = int(min(float(due), 2.0**53)) // 1000 if due and due != b"-inf" else None
            found.append(LimitView(queues[int(place) - 1], activity, key, running, waiting, due_ms))
        return found


def _stale(row: TakenRow) -> Stale:
    return Stale(_KEYS_OF_A_QUEUE * (row.queue - 1) + 1, row.entry, _name_of(row.limit))


def _name_of(limit: bytes) -> str:
    """The name of a limit, which another program may have written: it is said to the store again as it was."""
    return limit.decode("utf-8", "surrogateescape")


class _Names:
    """The keys of a script, each once, and their places, which count from 1."""

    def __init__(self, *names: bytes) -> None:
        self.names = list(names)
        self._places: dict[bytes, int] = {}

    def place(self, name: bytes) -> int:
        place = self._places.get(name)
        if place is None:
            self.names.append(name)
            place = self._places[name] = len(self.names)
        return place


class _Rows:
    """What was taken, as scripts get it: keys, the places of queues and of tasks among them, and a row for each."""

    def __init__(
        self,
        keys: KeyNames,
        taken: Sequence[Taken],
        behind: Mapping[bytes, TaskLimit] = _NO_LIMITS,
        said: Mapping[bytes, bytes] = NOTHING_SAID,
    ) -> None:
        names = _Names()
        queues: dict[int, None] = {}
        hashes: dict[int, None] = {}
        sets: dict[int, None] = {}
        inboxes: dict[int, None] = {}
        self.rows: list[Holding] = []
        for task in taken:
            queue = names.place(keys.queue(task.queue))
            tasks = names.place(keys.partitions[task.partition].tasks)
            queues[queue] = hashes[tasks] = None
            limited = 0
            if task.limit:
                limited = names.place(keys.limited(task.queue))
                sets[limited] = None
            to = behind.get(task.task_id)
            fields: list[str] | Literal[0] = 0 if to is None else to.fields
            message, inbox = said.get(task.task_id, b""), 0
            if message:
                inbox = names.place(keys.partitions[task.partition].inbox)
                inboxes[inbox] = None
            row = Holding(
                queue, tasks, task.entry, task.task_id, str(task.partition), task.limit, limited, fields, inbox, message
            )
            self.rows.append(row)
        self.names, self.queues, self.hashes, self.sets = names.names, list(queues), list(hashes), list(sets)
        self.inboxes = list(inboxes)

    def holdings(self, worker: str, hub_id: str) -> Holdings:
        """What the scripts are given."""
        return Holdings(worker, self.queues, self.hashes, self.sets, self.rows, hub_id, self.inboxes)
