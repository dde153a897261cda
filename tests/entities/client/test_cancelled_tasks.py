"""Code of the process that cancels tasks which are not its own: whoever waits for a client is told at once."""

from __future__ import annotations

import asyncio

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, Registry, Worker
from stead.transport import MemoryStore, Settings, StoreUnavailable

SETTINGS = Settings(partitions=2, slot_groups=1)


class Counter(Entity):
    count: int = 0

    def add(self) -> int:
        self.count += 1
        return self.count


def registry() -> Registry:
    made = Registry()
    made.add(ClassEntityType(Counter))
    return made


def task_named(name: str) -> asyncio.Task[object]:
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == name]
    return task


@pytest.mark.parametrize("name", ["stead replies", "stead call deadlines"])
@pytest.mark.parametrize("began", [False, True])
async def test_calls_that_wait_fail_at_once_and_the_next_one_is_answered(name: str, began: bool) -> None:
    store = MemoryStore("hub", SETTINGS)
    async with EntityClient(store, registry(), SETTINGS) as client:
        call = asyncio.create_task(client.call_entity(Counter.add, "one"))
        async with asyncio.timeout(20):
            while name not in [task.get_name() for task in asyncio.all_tasks()]:
                await asyncio.sleep(0)
            for _ in range(20 if began else 0):
                await asyncio.sleep(0)
            task_named(name).cancel()
            with pytest.raises(StoreUnavailable, match="cancelled by other code of this process") as caught:
                await call
            assert caught.value.outcome == "unknown"
            async with Worker(store, registry(), SETTINGS):
                assert await client.call_entity(Counter.add, "one") == 2


@pytest.mark.parametrize("waits", [False, True])
async def test_a_producer_whose_sender_was_cancelled_says_so(waits: bool) -> None:
    store = MemoryStore("hub", SETTINGS)
    async with EntityClient(store, registry(), SETTINGS) as client:
        with pytest.raises(StoreUnavailable, match="cancelled by other code of this process"):
            async with asyncio.timeout(20), client.producer() as producer:
                await producer.signal(Counter.add, "one")
                flushing = asyncio.create_task(producer.flush()) if waits else None
                task_named("stead sender").cancel()
                await asyncio.sleep(0)
                if flushing is not None:
                    await flushing
                await asyncio.sleep(0)
                await producer.signal(Counter.add, "one")


async def test_a_signal_that_waits_for_a_cancelled_sender_fails_at_once() -> None:
    store = MemoryStore("hub", SETTINGS)
    async with EntityClient(store, registry(), SETTINGS) as client:
        signalling = asyncio.create_task(client.signal_entity(Counter.add, "one"))
        async with asyncio.timeout(20):
            while "stead sender" not in [task.get_name() for task in asyncio.all_tasks()]:
                await asyncio.sleep(0)
            task_named("stead sender").cancel()
            with pytest.raises(StoreUnavailable, match="cancelled by other code of this process"):
                await signalling
