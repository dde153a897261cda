"""A worker that is told to end, ends: at whatever moment."""

from __future__ import annotations

import asyncio

import pytest

from stead.entities import Registry, Worker
from stead.transport import Acquired, ManualClock, MemoryStore, Settings, end_task, see_through
from support.guards import HANGS_S

SETTINGS = Settings(partitions=2, drain_ms=50)


async def test_a_read_that_is_interrupted_as_the_worker_ends_does_not_go_on() -> None:
    worker = Worker(MemoryStore("hub", SETTINGS, ManualClock()), Registry(), SETTINGS)
    await worker.start()
    for _ in range(20):  # until it waits for messages
        await asyncio.sleep(0)
    (reader,) = [task for task in asyncio.all_tasks() if task.get_name() == "stead-inbox"]
    board = worker._board
    assert board is not None
    board.interrupt_read()  # as a partition that comes or goes does
    reader.cancel()
    done, _ = await asyncio.wait((reader,), timeout=HANGS_S)
    assert done
    await worker.abandon()


class Slow(MemoryStore):
    """Answers acquisitions late, from the second one on."""

    asked = 0

    async def acquire(
        self, partition: int, worker: str, token: bytes, expected: bytes, lease_ms: int
    ) -> Acquired | None:
        acquired = await super().acquire(partition, worker, token, expected, lease_ms)
        self.asked += 1
        if self.asked > 1:
            await asyncio.Event().wait()
        return acquired


async def _owners(store: MemoryStore) -> set[str]:
    _, views = await store.read_leases()
    return {view.owner for view in views}


async def test_a_worker_that_is_cancelled_as_it_starts_keeps_nothing() -> None:
    store = Slow("hub", SETTINGS, ManualClock())
    worker = Worker(store, Registry(), SETTINGS)
    starting = asyncio.create_task(worker.start())
    while store.asked < 2:
        await asyncio.sleep(0)
    assert await _owners(store) == {worker.name}
    await end_task(starting)
    assert await _owners(store) == {""}
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("stead-")] == []


async def test_a_worker_that_stops_while_it_takes_a_partition_gives_that_back_too() -> None:
    store = Slow("hub", SETTINGS, ManualClock())
    store.asked = -10
    worker = Worker(store, Registry(), SETTINGS)
    await worker.start()
    board = worker._board
    assert board is not None
    store.asked = 1
    for partition in list(board.partitions.values()):
        board.drop(partition, "it was lost")
    while store.asked < 2:  # it asks for the first of them again
        await asyncio.sleep(0)
    await worker.stop()
    assert "" in await _owners(store)
    assert store.asked == 2


async def test_ending_a_task_does_not_swallow_the_end_of_who_waits() -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await release.wait()

    inner = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    outer = asyncio.create_task(end_task(inner))
    await asyncio.sleep(0)
    outer.cancel()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await outer
    await asyncio.wait((inner,))


async def test_ending_a_task_that_fails_raises_nothing() -> None:
    async def failing() -> None:
        raise ValueError

    await end_task(asyncio.create_task(failing()))
    began = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await end_task(began)


async def test_what_is_seen_through_is_done_before_the_cancellation_is_raised() -> None:
    done: list[str] = []

    async def work() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        done.append("work")

    async def waiting() -> None:
        try:
            await see_through(work())
        finally:
            done.append("left")

    waiter = asyncio.create_task(waiting())
    for _ in range(3):
        await asyncio.sleep(0)
        waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert done == ["work", "left"]


async def test_what_is_seen_through_gives_its_result_or_raises() -> None:
    async def divide(by: int) -> float:
        await asyncio.sleep(0)
        return 1 / by

    assert await see_through(divide(2)) == 0.5
    with pytest.raises(ZeroDivisionError):
        await see_through(divide(0))
