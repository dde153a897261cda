"""Code of the process that cancels tasks which are not its own: the worker ends, or goes on, and never holds and does nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, EntityId, OperationFailed, Registry, Worker, batched
from stead.transport import ManualClock, MemoryStore, Settings
from support.guards import HANGS_S

SETTINGS = Settings(partitions=2, drain_ms=50)
PARTS = ["membership", "inbox", "commits", "light commits", "timers", "parks", "age", "lease-keeper", "lease-ticker"]

pytestmark = pytest.mark.invariant(12)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Counter(Entity):
    count: int = 0

    def add(self) -> int:
        self.count += 1
        return self.count

    async def wait(self) -> None:
        await asyncio.Event().wait()

    @batched
    async def wait_together(self, numbers: list[int]) -> None:
        await asyncio.Event().wait()


def registry() -> Registry:
    made = Registry()
    made.add(ClassEntityType(Counter))
    return made


async def owners(store: MemoryStore) -> set[str]:
    _, views = await store.read_leases()
    return {view.owner for view in views}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_worker_without_one_of_its_parts_ends_and_gives_its_leases_back(name: str, at_once: bool) -> None:
    real = name == "lease-ticker"  # that of the thread, which is for real time
    store = MemoryStore("hub", SETTINGS) if real else MemoryStore("hub", SETTINGS, ManualClock())
    worker = Worker(store, registry(), SETTINGS)
    await worker.start()
    assert await owners(store) == {worker.name}
    for _ in range(0 if at_once else 20):  # a task that is cancelled before its first step runs nothing of it
        await asyncio.sleep(0)
    (part,) = [task for task in asyncio.all_tasks() if task.get_name() == f"stead-{name}"]
    part.cancel()
    async with asyncio.timeout(HANGS_S):
        await worker._stopping.wait()
        while await owners(store) != {""}:
            await asyncio.sleep(0)
    assert "was cancelled, and not by the worker" in str(worker.failure)
    await worker.stop()
    assert worker.partitions == frozenset()


async def test_everything_of_a_worker_and_a_client_is_cancelled() -> None:
    store = MemoryStore("hub", SETTINGS, ManualClock())
    worker = Worker(store, registry(), SETTINGS)
    await worker.start()
    async with EntityClient(store, registry(), SETTINGS) as client:
        await client.signal_entity(Counter.wait, "one")
        async with asyncio.timeout(HANGS_S):
            while not worker.busy:
                await asyncio.sleep(0)
            for task in asyncio.all_tasks():
                if task.get_name().startswith("stead"):
                    task.cancel()
            await worker._stopping.wait()
    assert worker.failure is not None
    await worker.stop()
    assert await owners(store) == {""}


@pytest.mark.parametrize(("operation", "args"), [("wait", ()), ("wait_together", (1,))])
@pytest.mark.parametrize("began", [False, True])
async def test_an_operation_that_is_cancelled_has_failed_and_its_entity_goes_on(
    began: bool, operation: str, args: tuple[int, ...]
) -> None:
    """And no coroutine that was never awaited is left: that would be a warning, and so an error."""
    store = MemoryStore("hub", SETTINGS, ManualClock())
    async with Worker(store, registry(), SETTINGS) as worker, EntityClient(store, registry(), SETTINGS) as client:
        call = asyncio.create_task(client.call_entity(EntityId("Counter", "one"), operation, *args))
        async with asyncio.timeout(HANGS_S):
            while not (running := [t for t in asyncio.all_tasks() if t.get_name().startswith("stead-operation")]):
                await asyncio.sleep(0)
            for _ in range(3 if began else 0):
                await asyncio.sleep(0)
            running[0].cancel()
            with pytest.raises(OperationFailed, match="CancelledError"):
                await call
            assert await client.call_entity(Counter.add, "one") == 1
        assert worker.failure is None


async def test_what_gives_a_partition_back_is_cancelled_and_it_is_given_back_all_the_same() -> None:
    store = MemoryStore("hub", SETTINGS, ManualClock())
    worker = Worker(store, registry(), SETTINGS)
    await worker.start()
    stopping = asyncio.create_task(worker.stop())
    while not (releases := [task for task in asyncio.all_tasks() if task.get_name().startswith("stead-release")]):
        await asyncio.sleep(0)
    for task in releases:
        task.cancel()
    await stopping
    assert await owners(store) == {""}


async def test_a_careful_partition_is_not_left_without_who_takes_its_turns() -> None:
    store = MemoryStore("hub", SETTINGS, clock := ManualClock())
    async with EntityClient(store, registry(), SETTINGS) as client:
        await client.signal_entity(Counter.wait, "one")
        for _ in range(3):  # owners that end without a word
            _, views = await store.read_leases()
            for view in views:
                token = bytes([view.epoch + 1]) * 16
                await store.acquire(view.partition, "dead", token, view.token, SETTINGS.lease_ms)
            clock.advance_to(clock.now_ms() + 3 * SETTINGS.lease_ms)
        worker = Worker(store, registry(), SETTINGS)
        await worker.start()
        async with asyncio.timeout(HANGS_S):
            while not worker.busy:
                clock.advance_to(clock.now_ms() + 100)
                await asyncio.sleep(0)
            for task in asyncio.all_tasks():
                if task.get_name().startswith("stead-careful"):
                    task.cancel()
            await worker._stopping.wait()
        assert worker.failure is not None
        await worker.stop()
