"""A partition that was left in the middle of a step, found by whatever part of a worker comes to it first: only it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from stead.app import App, Client
from stead.entities import Entity, EntityId, Worker
from stead.orchestrations import OrchestrationContext, Orchestrations
from stead.transport import MemoryStore, ServerClock, Settings, partition_of
from support.guards import HANGS_S

SETTINGS = Settings(
    partitions=8, slot_groups=1, lease_ms=60_000, heartbeat_ms=60_000, mailbox_length_max=5, mailbox_age_ms_max=60_000
)
app = App("torn-hub", settings=SETTINGS)
held = asyncio.Event()
running = asyncio.Event()


@app.entity
class Slow(Entity):
    count: int = 0

    async def wait(self) -> None:
        await held.wait()

    def add(self) -> int:
        self.count += 1
        return self.count


@app.activity
async def runs_on() -> None:
    running.set()
    await held.wait()


@app.orchestration
async def calls(context: OrchestrationContext) -> None:
    await context.call_activity(runs_on)


@pytest.fixture(autouse=True)
def _anew() -> None:
    global held, running
    held, running = asyncio.Event(), asyncio.Event()


class Hub:
    """A hub in memory with one worker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = MemoryStore("torn-hub", settings, ServerClock())
        self.worker = self.another("first")
        self.client = Client(self.store, app.registry, settings, app.orchestrations)

    def another(self, name: str) -> Worker:
        return Worker(
            self.store, app.registry, self.settings, name, [Orchestrations(app.orchestrations, self.settings)]
        )

    async def lets_go_of(self, torn: int) -> None:
        """And of nothing else, and works on."""
        while torn in self.worker.partitions and self.worker.failure is None:
            await asyncio.sleep(0.001)
        assert self.worker.failure is None
        for key in map(str, range(16)):
            if partition_of(str(EntityId("Slow", key)), 8) != torn:
                assert await self.client.call_entity(Slow.add, key) == 1
        assert len(self.worker.partitions) == 7


@asynccontextmanager
async def at_work(settings: Settings = SETTINGS) -> AsyncGenerator[Hub]:
    hub = Hub(settings)
    async with asyncio.timeout(HANGS_S), hub.worker, hub.client:
        while len(hub.worker.partitions) < 8:
            await asyncio.sleep(0.001)
        yield hub
        held.set()


HOME = partition_of(str(EntityId("Slow", "home")), 8)


@pytest.mark.invariant(12)
async def test_by_firing_a_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work() as hub:
        fire, torn = hub.store.fire_timers, asyncio.Event()

        async def fire_what_is_torn(partition: int, *others: Any) -> Any:
            if partition == HOME and (await hub.store.info())[HOME].timers:
                hub.store.tear(HOME)
                torn.set()
            return await fire(partition, *others)

        monkeypatch.setattr(hub.store, "fire_timers", fire_what_is_torn)
        delay = timedelta(milliseconds=50)
        await hub.client.after(delay).signal_entity(Slow.add, "home")
        while not torn.is_set():  # on a slow machine it may be due before the worker has seen it: then it is no timer
            if not (await hub.store.info())[HOME].timers and not torn.is_set():
                delay *= 2
                await hub.client.after(delay).signal_entity(Slow.add, "home")
            await asyncio.sleep(delay.total_seconds())
        await hub.lets_go_of(HOME)


@pytest.mark.invariant(12)
async def test_by_parking() -> None:
    async with at_work() as hub:
        await hub.client.signal_entity(Slow.wait, "home")
        while not (await hub.store.info())[HOME].backlog:
            await asyncio.sleep(0.001)
        hub.store.tear(HOME)
        for _ in range(20):
            await hub.client.signal_entity(Slow.add, "home")
        await hub.lets_go_of(HOME)


@pytest.mark.invariant(12)
async def test_by_giving_it_back_while_an_activity_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(SETTINGS.model_copy(update={"heartbeat_ms": 20})) as hub:
        share, torn = hub.store.share_tasks, set[int]()

        async def share_what_is_torn(partition: int, *others: Any) -> Any:
            hub.store.tear(partition)
            torn.add(partition)
            return await share(partition, *others)

        monkeypatch.setattr(hub.store, "share_tasks", share_what_is_torn)
        for number in range(16):
            await hub.client.start_new(calls, instance_id=str(number))
        await running.wait()
        async with hub.another("second"):
            while len(hub.worker.partitions) != 4 and hub.worker.failure is None:
                await asyncio.sleep(0.001)
            assert hub.worker.failure is None
            assert torn
