"""The metrics of what goes wrong, and of what is full: made to happen, and read."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stead.app import App
from stead.entities import ClassEntityType, Entity, EntityClient, EntityId, Registry, Worker
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
held_s = [0.0]  # for how long each `hold` of an entity keeps its worker from everything else


@app.entity
class Counter(Entity):
    """Fails, as it is told to."""

    n: int = 0

    def fail(self) -> None:
        raise ValueError("on purpose")

    def hold(self) -> None:
        time.sleep(held_s[0])


class OlderCounter(Entity):
    """One whose states the other cannot load."""

    n: str = "none"

    def hold(self) -> None:
        self.n = "one"


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


async def test_what_waits_in_a_worker_and_what_is_blocked() -> None:
    store = MemoryStore("troubled", SETTINGS, ServerClock())
    client = EntityClient(store, app.registry, SETTINGS)
    older = Registry()
    older.add(ClassEntityType(OlderCounter, "Counter"))
    async with Worker(store, older, SETTINGS, "older"):
        await client.call_entity(EntityId("Counter", "old"), "hold")
    await client.signal_entity(EntityId("Counter", "old"), "hold")
    async with client.producer() as producer:
        for _ in range(1_000):
            await producer.signal(EntityId("Counter", "a"), "hold")
    held_s[0] = 0.005
    async with Worker(store, app.registry, SETTINGS, "w"):
        await until(store, lambda found: found["stead_worker_waiting_messages"] > 0)
        await until(store, lambda found: found["stead_worker_loop_lag_seconds"] > 0)
        held_s[0] = 0.0
        await until(store, lambda found: found["stead_blocked_targets"] == 1)
        await until(store, lambda found: found["stead_backlog_messages"] + found["stead_worker_waiting_messages"] == 0)
    await client.aclose()


async def test_no_metric_is_without_a_test_that_makes_it_happen() -> None:
    """By name: in these tests, and in those of what workers do."""
    folder = Path(__file__).parent
    tests = "".join(
        (folder / name).read_text("utf-8") for name in ("test_exposition.py", "test_exposition_troubles.py")
    )
    store = MemoryStore("troubled", SETTINGS, ServerClock())
    text = hub_exposition(await MeasuresReader(store).read(), [], await store.info(), store.facts).decode()
    described = re.findall(r"^# TYPE stead_(\w+) \w+$", text, re.MULTILINE)
    assert len(described) > 30
    read = set(re.findall(r'"(?:stead_)?(\w+?)(?:_count|_sum|_bucket)?"', tests))
    assert [name for name in described if name not in read] == []
