"""A whole worker with messages in parks. Virtual time stands still: whatever waits for a later time waits for ever."""

from __future__ import annotations

import asyncio

from stead.entities import ClassEntityType, Entity, EntityClient, Registry, Worker
from stead.transport import ManualClock, MemoryStore, Settings
from support.guards import HANGS_S

SETTINGS = Settings(partitions=1, mailbox_length_max=50, drain_ms=50)
MESSAGES = 4_000  # more than one reading of a park brings

gates: list[asyncio.Event] = []


class Slow(Entity):
    """An entity whose messages pile up."""

    count: int = 0

    async def wait(self) -> None:
        await gates[-1].wait()

    def add(self) -> None:
        self.count += 1


class Hub:
    """A hub in memory, and one client."""

    def __init__(self) -> None:
        gates[:] = [asyncio.Event()]
        self.store = MemoryStore("hub", SETTINGS, ManualClock())
        self.registry = Registry()
        self.registry.add(ClassEntityType(Slow))
        self.client = EntityClient(self.store, self.registry, SETTINGS)

    def worker(self) -> Worker:
        return Worker(self.store, self.registry, SETTINGS)

    async def pile_up(self) -> None:
        await self.client.signal_entity(Slow.wait, "a")
        async with self.client.producer() as producer:
            for _ in range(MESSAGES):
                await producer.signal(Slow.add, "a")

    async def parked(self) -> int:
        [info] = await self.store.info()
        return info.parked

    async def all_ran(self) -> bool:
        entity = await self.client.read_entity(Slow, "a")
        return entity is not None and entity.count == MESSAGES


async def test_a_large_park_is_emptied_at_once() -> None:
    """Each commit that empties a part of the park makes way for the next part: nobody waits for a timer."""
    hub = Hub()
    async with asyncio.timeout(HANGS_S), hub.worker():
        await hub.pile_up()
        while await hub.parked() < MESSAGES - 100:
            await asyncio.sleep(0)
        gates[0].set()
        while not await hub.all_ran():
            await asyncio.sleep(0)
        assert await hub.parked() == 0
    await hub.client.aclose()


async def test_a_new_owner_reads_the_parks_although_no_message_comes() -> None:
    """It has to see the inbox's end first, and no message comes that would end a blocking read."""
    hub = Hub()
    async with asyncio.timeout(HANGS_S):
        async with hub.worker():
            await hub.pile_up()
            while await hub.parked() < MESSAGES - 100:
                await asyncio.sleep(0)
        gates.append(asyncio.Event())
        gates[-1].set()
        async with hub.worker():
            while not await hub.all_ran():
                await asyncio.sleep(0)
    await hub.client.aclose()
