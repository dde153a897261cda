"""What an entity did last is told by its worker while somebody looks: each operation by itself, with its time and its failure."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, EntityId, OperationFailed, Registry, Worker, batched
from stead.entities._measures.recent import ToldRun, told_of
from stead.entities._worker.wishes import want_watched
from stead.entities.extending import encode_message
from stead.transport import Batch, MemoryStore, ServerClock, Settings
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=1, slot_groups=1, heartbeat_ms=20)
TARGET = "@counter@a"


class Counter(Entity):
    n: int = 0

    def add(self) -> int:
        self.n += 1
        return self.n

    def fail(self) -> None:
        raise ValueError("on purpose")

    def hold(self) -> None:
        time.sleep(0.002)

    async def wait(self) -> None:
        await asyncio.sleep(0.01)
        raise KeyError("on purpose")

    @batched
    def many(self, items: list[int]) -> None:
        self.n += sum(items)


def registry() -> Registry:
    found = Registry()
    found.add(ClassEntityType(Counter))
    return found


@asynccontextmanager
async def running() -> AsyncGenerator[tuple[MemoryStore, EntityClient]]:
    store = MemoryStore("recent", SETTINGS, ServerClock())
    client = EntityClient(store, registry(), SETTINGS)
    async with Worker(store, registry(), SETTINGS):
        yield store, client
    await client.aclose()


async def told(store: MemoryStore, holds: Callable[[list[ToldRun]], bool], target: str = TARGET) -> list[ToldRun]:
    async with asyncio.timeout(HANGS_S):
        while True:
            found = told_of((await store.workers())[0].info, target)
            if found is not None and holds(found[1]):
                return found[1]
            await asyncio.sleep(0.01)


async def test_each_operation_is_told_once_somebody_looks() -> None:
    async with running() as (store, client):
        await want_watched(store, TARGET)
        await told(store, lambda runs: runs == [])
        before_ms = store.clock.now_ms()
        for _ in range(3):
            await client.signal_entity(EntityId("Counter", "a"), "add")
        for operation in ("hold", "fail", "wait", "ADD"):
            with contextlib.suppress(OperationFailed):
                await client.call_entity(EntityId("Counter", "a"), operation)
        await client.call_entity(EntityId("Counter", "b"), "add")  # at which nobody looks
        runs = await told(store, lambda runs: len(runs) == 7)
        assert [(run.operation, run.times, run.failure) for run in runs] == [
            *[("add", 1, "")] * 3,
            ("hold", 1, ""),
            ("fail", 1, "ValueError"),
            ("wait", 1, "KeyError"),
            ("add", 1, ""),
        ]
        times = [run.ended_ms for run in runs]
        assert times == sorted(times)
        assert before_ms - 50 <= times[0] <= times[-1] <= store.clock.now_ms() + 50
        assert runs[3].seconds >= 0.002
        assert runs[5].seconds >= 0.01
        assert all(0 < run.seconds < 10 for run in runs)


async def test_what_ran_before_is_remembered_for_a_while() -> None:
    async with running() as (store, client):
        await client.call_entity(EntityId("Counter", "a"), "hold")
        with pytest.raises(OperationFailed):
            await client.call_entity(EntityId("Counter", "a"), "fail")
        await client.call_entity(EntityId("Counter", "a"), "add")
        await want_watched(store, TARGET)
        runs = await told(store, lambda runs: len(runs) == 3)
        assert [(run.operation, run.failure) for run in runs] == [("hold", ""), ("fail", "ValueError"), ("add", "")]
        assert "recent" in (await store.workers())[0].info["now"]


async def test_a_batch_is_one_row_with_its_count_and_what_was_refused_is_another() -> None:
    async with running() as (store, _):
        await want_watched(store, TARGET)
        await told(store, lambda runs: runs == [])
        envelopes = [encode_message(TARGET, "many", [item], bytes([item]) * 16) for item in range(1, 30)]
        envelopes.insert(7, encode_message(TARGET, "many", ["none"], b"x" * 16))
        envelopes.append(encode_message(TARGET, "unheard_of", [], b"y" * 16))
        await store.enqueue([Batch(0, "s", 0, -1, 30, envelopes, 10_000, 60_000)])
        runs = await told(store, lambda runs: sum(run.times for run in runs) == 31)
        failed = {run.operation: run.failure for run in runs if run.failure}
        assert set(failed) == {"many", "unheard_of"}
        assert "InvalidInput" in failed["many"]
        assert sum(run.times for run in runs if not run.failure) == 29
        assert max(run.times for run in runs) > 1


async def test_who_is_not_looked_at_any_more_is_not_told_of() -> None:
    async with running() as (store, client):
        await want_watched(store, TARGET)
        await client.call_entity(EntityId("Counter", "a"), "add")
        await told(store, lambda runs: len(runs) == 1)
        await store.wish(f"watch/{TARGET}", b"1", 1)  # nobody has looked for a minute
        async with asyncio.timeout(HANGS_S):
            while "recent" in (await store.workers())[0].info["now"]:
                await asyncio.sleep(0.01)
