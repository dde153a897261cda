"""Code of the process that cancels tasks which are not its own: whoever waits for a client is told at once."""

from __future__ import annotations

import asyncio

import pytest

from stead.app import App
from stead.entities import ClassEntityType, Entity, EntityClient, Registry, Worker
from stead.transport import MemoryStore, Settings, StoreUnavailable
from support.guards import HANGS_S

SETTINGS = Settings(partitions=2, slot_groups=1)


class Counter(Entity):
    count: int = 0

    def add(self) -> int:
        self.count += 1
        return self.count


class Log(Entity):
    numbers: list[int] = []

    def add(self, number: int) -> None:
        self.numbers.append(number)

    def all(self) -> list[int]:
        return self.numbers


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
        async with asyncio.timeout(HANGS_S):
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
            async with asyncio.timeout(HANGS_S), client.producer() as producer:
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
        async with asyncio.timeout(HANGS_S):
            while "stead sender" not in [task.get_name() for task in asyncio.all_tasks()]:
                await asyncio.sleep(0)
            task_named("stead sender").cancel()
            with pytest.raises(StoreUnavailable, match="cancelled by other code of this process"):
                await signalling
            await client.signal_entity(Counter.add, "one")
            async with Worker(store, registry(), SETTINGS):
                assert await client.call_entity(Counter.add, "one") in (2, 3), "the first may have been written"


@pytest.mark.parametrize("passes", range(12))
async def test_what_was_acknowledged_is_there_once_whatever_is_cancelled_meanwhile(
    server_url: str, passes: int
) -> None:
    app = App("cancelled-senders", settings=SETTINGS)
    app.entity(Log)
    numbers = iter(range(10_000))
    written: list[int] = []
    doubtful: set[int] = set()
    refused: set[int] = set()

    async def signal() -> None:
        number = next(numbers)
        try:
            await client.signal_entity(Log.add, "one", number)
            written.append(number)
        except StoreUnavailable as error:
            (doubtful if error.outcome == "unknown" else refused).add(number)

    async with asyncio.timeout(HANGS_S), app.connect(server_url) as client:
        for _ in range(30):
            signals = [asyncio.create_task(signal()) for _ in range(5)]
            await asyncio.sleep(0)
            signals += [asyncio.create_task(signal()) for _ in range(5)]
            for _ in range(passes):
                await asyncio.sleep(0)
            for task in asyncio.all_tasks():
                if task.get_name() == "stead sender":
                    task.cancel()
            await asyncio.gather(*signals)
        await signal()
        assert written, "the sender began anew"
        async with app.worker(server_url):
            found = await client.call_entity(Log.all, "one")
        assert len(found) == len(set(found)), "nothing twice"
        assert {*written} <= {*found} <= {*written} | doubtful, (
            "all that was acknowledged, and nothing that was refused"
        )
        assert [number for number in found if number in {*written}] == sorted(written), "in their order"


async def test_a_client_goes_on_after_every_task_was_cancelled(server_url: str) -> None:
    before = asyncio.all_tasks()
    app = App("cancelled-clients", settings=SETTINGS)
    app.entity(Counter)
    async with asyncio.timeout(HANGS_S), app.connect(server_url) as client:
        for number in range(3):
            waiting: list[asyncio.Task[object]] = [asyncio.create_task(client.call_entity(Counter.add, "one"))]
            while not {"stead replies", "stead sender"} <= {task.get_name() for task in asyncio.all_tasks()}:
                await asyncio.sleep(0)
            waiting.append(asyncio.create_task(client.signal_entity(Counter.add, "two")))
            for _ in range(10 * number):
                await asyncio.sleep(0)
            for task in asyncio.all_tasks() - before - {*waiting}:
                task.cancel()
            for ended in await asyncio.gather(*waiting, return_exceptions=True):
                assert ended is None or isinstance(ended, StoreUnavailable), ended
        async with app.worker(server_url):
            count = await client.call_entity(Counter.add, "one")
            assert isinstance(count, int) and 1 <= count <= 4
