"""What is answered late belongs to nobody: neither a partition nor what a commit grants."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from stead.entities import Registry, Worker
from stead.entities._worker.board import Board
from stead.entities._worker.commits import Committer
from stead.entities.extending import Hooks, Partition
from stead.transport import Acquired, Commit, CommitAnswer, ManualClock, MemoryStore, Settings, Task

SETTINGS = Settings(partitions=1, heartbeat_ms=100)


class LateAcquisition(MemoryStore):
    """Answers the first acquisition once the test says so."""

    def __init__(self) -> None:
        super().__init__("hub", SETTINGS, ManualClock())
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.late = True

    async def acquire(
        self, partition: int, worker: str, token: bytes, expected: bytes, lease_ms: int
    ) -> Acquired | None:
        acquired = await super().acquire(partition, worker, token, expected, lease_ms)
        if self.late:
            self.late = False
            self.asked.set()
            await self.go_on.wait()
        return acquired


@pytest.mark.hazard(2)
async def test_an_acquisition_that_is_answered_after_another_part_saw_a_new_server_enters_no_tenure() -> None:
    store = LateAcquisition()
    worker = Worker(store, Registry(), SETTINGS)
    starting = asyncio.create_task(worker.start())
    await store.asked.wait()
    board = worker._board
    assert board is not None
    store.restart()
    board.check_generation()  # as the reader does when its own call tells it so
    entered: list[bytes] = []

    class Entries(Hooks):
        def held(self, partition: Partition) -> None:
            entered.append(partition.token)

    board.listen(Entries())
    _, (view,) = await store.read_leases()
    store.go_on.set()
    await starting
    assert view.token not in entered
    await worker.abandon()


class LateVerdict(MemoryStore):
    """Answers commits once the test says so."""

    def __init__(self) -> None:
        super().__init__("hub", SETTINGS, ManualClock())
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def commit(self, commits: Sequence[Commit], generation: int) -> list[CommitAnswer]:
        verdicts = await super().commit(commits, generation)
        self.asked.set()
        await self.go_on.wait()
        return verdicts


@pytest.mark.hazard(9)
@pytest.mark.parametrize("ended", [False, True])
async def test_a_verdict_for_a_tenure_that_ended_grants_nothing(ended: bool) -> None:
    store = LateVerdict()
    worker = Worker(store, Registry(), SETTINGS)
    await worker.start()
    board: Board | None = worker._board
    assert board is not None
    (partition,) = board.partitions.values()
    granted: list[Partition] = []
    unwanted: list[Partition] = []

    class Tasks(Hooks):
        def granted(self, partition: Partition, tasks: object) -> None:
            granted.append(partition)

        def unwanted(self, partition: Partition, task_ids: object) -> None:
            unwanted.append(partition)

    board.listen(Tasks())
    commit = partition.next_commit()
    commit.tasks = [*commit.tasks, Task(b"1", "", shared=False, payload=b"payload")]
    commit.dropped = [*commit.dropped, b"2"]
    assert worker._turns is not None
    sending = asyncio.create_task(Committer(board, worker._turns)._commit([(partition, commit)]))
    await store.asked.wait()
    if ended:
        board.lost({partition.number})
    store.go_on.set()
    await sending
    assert granted == unwanted == ([] if ended else [partition])
    await worker.abandon()
