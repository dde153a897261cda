"""The metrics of what goes wrong, and of what is full: made to happen, and read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stead.app import App
from stead.entities import Entity, EntityClient, EntityId, Worker
from stead.entities.extending import MeasuresReader
from stead.gateway._v1.exposition import hub_exposition
from stead.orchestrations import OrchestrationClient, OrchestrationContext, Orchestrations
from stead.transport import MemoryStore, ServerClock, Settings
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio

SETTINGS = Settings(
    partitions=1, slot_groups=1, heartbeat_ms=50, dead_letters_max=1, activities_running_max=1, determinism="off"
)

app = App("troubled", settings=SETTINGS)
go_on = asyncio.Event()


@app.entity
class Counter(Entity):
    """Fails, as it is told to."""

    n: int = 0

    def fail(self) -> None:
        raise ValueError("on purpose")


@app.activity
async def hold() -> None:
    await go_on.wait()


@app.orchestration
async def holding(context: OrchestrationContext) -> None:
    await context.call_activity(hold)


async def values(store: MemoryStore, memory_bytes: int = 0) -> dict[str, float]:
    """Each metric's sum over its labels."""
    found = await MeasuresReader(store).read()
    facts = replace(store.facts, used_memory_bytes=memory_bytes)
    text = hub_exposition(found, await store.workers(), await store.info(), facts).decode()
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


async def until(store: MemoryStore, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    async with asyncio.timeout(HANGS_S):
        while not holds(found := await values(store)):
            await asyncio.sleep(0.02)
    return found


async def test_what_is_lost_and_full() -> None:
    go_on.clear()
    store = MemoryStore("troubled", SETTINGS, ServerClock())
    client = EntityClient(store, app.registry, SETTINGS)
    instances = OrchestrationClient(store, app.registry, SETTINGS, app.orchestrations)
    async with Worker(
        store, app.registry, SETTINGS, "w", [Orchestrations(app.orchestrations, SETTINGS, entities=app.registry)]
    ):
        for _ in range(3):
            await client.signal_entity(EntityId("Counter", "a"), "fail")
        found = await until(store, lambda found: found["stead_dead_letters_dropped_total"] >= 2)
        assert found["stead_dead_letters"] == 1
        started = [await instances.start_new(holding) for _ in range(3)]
        found = await until(store, lambda found: found["stead_worker_activities_waiting"] >= 2)
        assert found["stead_worker_activities_running"] == 1
        assert found["stead_worker_longest_running_seconds"] > 0
        go_on.set()
        for instance_id in started:
            await instances.wait_for_completion(instance_id)
        await until(store, lambda found: found["stead_worker_activities_running"] == 0)
    await instances.aclose()
    await client.aclose()
    assert (await values(store, 4_096))["stead_server_memory_bytes"] == 4_096
