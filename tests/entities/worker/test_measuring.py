"""What a worker tells of itself, and that a hub's counts never go back."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, EntityId, FunctionEntityType, Registry, Worker
from stead.entities._measures.blocks import MeasuredBlock, joined
from stead.entities._measures.measures import Measured
from stead.entities._measures.meter import Meter, bucket_of
from stead.entities._worker.measuring import Measuring
from stead.entities.extending import encode_message
from stead.transport import Batch, ManualClock, MemoryStore, ServerClock, Settings, WorkerView
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=1, slot_groups=1, heartbeat_ms=20, worker_keep_ms=1_000)

elapsed_s = [0.0]  # what `hold` makes pass, where a test has it measured instead of the machine's time


class Counter(Entity):
    n: int = 0

    def add(self) -> int:
        self.n += 1
        return self.n

    def fail(self) -> None:
        raise ValueError("on purpose")

    def hold(self, seconds: float) -> None:
        elapsed_s[0] += seconds

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def registry() -> Registry:
    found = Registry()
    found.add(ClassEntityType(Counter))
    return found


async def sums_of(store: MemoryStore) -> dict[Measured, Meter]:
    stored, _ = await store.measures([])
    return joined(map(MeasuredBlock.decode, stored.values())).meters


def operation(name: str) -> Measured:
    return Measured("operation", "Counter", name)


async def test_who_asks_a_worker_has_what_ran_and_another_thread_what_is_summed_up() -> None:
    """The worker's thread notes on while another one asks."""
    store = MemoryStore("asked", SETTINGS, ServerClock())
    client = EntityClient(store, registry(), SETTINGS)
    async with Worker(store, registry(), SETTINGS) as worker:
        await client.call_entity(EntityId("Counter", "a"), "add")
        noted = worker._board.measures.noted  # type: ignore[union-attr]
        while not noted:  # a heartbeat may have come in between
            await client.call_entity(EntityId("Counter", "a"), "add")
        with ThreadPoolExecutor(1) as pool:
            elsewhere = pool.submit(lambda: worker.meters[operation("add")].count).result()
        assert noted, "who runs operations may be about to note one more"
        here = worker.meters[operation("add")].count
        assert here > elsewhere and not noted
    await client.aclose()


async def test_operations_are_counted_and_timed_and_stay_when_the_worker_has_ended() -> None:
    store = MemoryStore("measured", SETTINGS, ServerClock())
    client = EntityClient(store, registry(), SETTINGS)
    async with Worker(store, registry(), SETTINGS):
        for _ in range(5):
            await client.call_entity(EntityId("Counter", "a"), "add")
        await client.call_entity(EntityId("Counter", "b"), "ADD")
        with pytest.raises(Exception, match=r"on purpose"):
            await client.call_entity(EntityId("Counter", "b"), "fail")
        unheard_of = encode_message("@counter@b", "unheard_of", [], b"1" * 16)
        await store.enqueue([Batch(0, "s", 0, -1, 0, [unheard_of], 1_000, 60_000)])
        await client.call_entity(EntityId("Counter", "b"), "wait", 0.05)
    await client.aclose()
    sums = await sums_of(store)
    assert (sums[operation("add")].count, sums[operation("add")].failed) == (6, 0)
    assert (sums[operation("fail")].count, sums[operation("fail")].failed) == (1, 1)
    assert (sums[operation("(unknown)")].count, sums[operation("(unknown)")].failed) == (1, 1)
    waited = sums[operation("wait")]
    assert (waited.count, waited.failed) == (1, 0)
    assert waited.total >= 0.05
    assert min(waited.buckets) >= bucket_of(0.05)
    assert sums[Measured("commit_messages")].total == 9
    assert 1 <= sums[Measured("commit")].count <= 9
    minute = store.clock.now_ms() // 60_000
    _, parts = await store.measures([minute - 1, minute])  # one may have ended in between
    hot: Tally[str] = Tally()
    for block in (MeasuredBlock.decode(packed) for part in parts for packed in part.values()):
        hot.update({each.target: each.messages for each in block.hot})
    assert hot == {"@counter@a": 5, "@counter@b": 3}


async def test_a_heartbeat_tells_what_runs_now() -> None:
    store = MemoryStore("measured", SETTINGS, ServerClock())
    client = EntityClient(store, registry(), SETTINGS)

    async def told(running: int) -> dict[str, Any]:
        async with asyncio.timeout(HANGS_S):
            while True:
                for view in await store.workers():
                    if view.info["now"]["operations"] == running:
                        now: dict[str, Any] = view.info["now"]
                        return now
                await asyncio.sleep(0.01)

    async with Worker(store, registry(), SETTINGS):
        await told(0)
        call = asyncio.ensure_future(client.call_entity(EntityId("Counter", "slow"), "wait", 0.5))
        now = await told(1)
        assert now["longest"][0][:2] == ["@counter@slow", "wait"]
        assert now["activations"] == 1
        assert now["memory_bytes"] > 1_000_000
        await call
    await client.aclose()


class FakeBoard:
    """A worker's board, as far as measuring knows it."""

    def __init__(self, name: str, store: MemoryStore) -> None:
        from stead.entities._measures.measures import Measures

        self.name, self.store, self.settings, self.measures = name, store, SETTINGS, Measures()


def measuring(name: str, store: MemoryStore) -> tuple[FakeBoard, Measuring]:
    board = FakeBoard(name, store)
    return board, Measuring(board)  # type: ignore[arg-type]


async def test_counts_never_go_back_however_workers_come_and_go() -> None:
    clock = ManualClock()
    store = MemoryStore("measured", SETTINGS, clock)
    (one, one_tells), (two, two_tells) = measuring("a", store), measuring("b", store)
    one.measures.meter("commit").add(0.5)
    await one_tells.publish(clock.now_ms())
    two.measures.meter("commit").add(0.5)
    await two_tells.publish(clock.now_ms())
    clock.advance_to(clock.now_ms() + 60_000)
    await two_tells.publish(clock.now_ms())
    living = [WorkerView("b", clock.now_ms(), {})]
    await two_tells.fold(clock.now_ms(), living)
    assert set((await store.measures([]))[0]) == {"", "b"}, "who is silent for long has ended"
    assert (await sums_of(store))[Measured("commit")].count == 2
    one.measures.meter("commit").add(0.5)  # it had only slept
    await one_tells.publish(clock.now_ms())
    await one_tells.publish(clock.now_ms())
    assert (await sums_of(store))[Measured("commit")].count == 3
    await two_tells.fold(clock.now_ms() + 120_000, [*living, WorkerView("a", 0, {})])
    assert set((await store.measures([]))[0]) == {"", "a", "b"}, (
        "the living are left alone, and the first of them looks"
    )


async def test_sums_that_a_newer_version_wrote_are_left_alone() -> None:
    clock = ManualClock()
    store = MemoryStore("measured", SETTINGS, clock)
    await store.measure("a", MeasuredBlock(0, 0).encode(), 0, b"", 60_000, first=True)
    await store.fold_measures({}, b"", b"from the future")
    _, tells = measuring("b", store)
    await tells.fold(clock.now_ms(), [WorkerView("b", 0, {})])
    assert (await store.measures([]))[0] == {"": b"from the future", "a": MeasuredBlock(0, 0).encode()}


async def test_a_function_entity_may_have_any_number_of_operations() -> None:
    def anything(context: Any) -> None:
        pass

    found = Registry()
    found.add(FunctionEntityType("anything", anything))
    store = MemoryStore("measured", SETTINGS, ServerClock())
    client = EntityClient(store, found, SETTINGS)
    async with Worker(store, found, SETTINGS):
        for number in range(300):
            await client.signal_entity(EntityId("anything", "x"), f"operation{number}")
        await client.call_entity(EntityId("anything", "x"), "last")
    await client.aclose()
    sums = await sums_of(store)
    counted = [meter.count for key, meter in sums.items() if key.family == "operation"]
    assert sum(counted) == 301
    assert len(counted) <= 101


async def test_a_long_operation_is_timed_apart_from_the_brief_ones_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", lambda: elapsed_s[0])
    store = MemoryStore("measured", SETTINGS, ServerClock())
    client = EntityClient(store, registry(), SETTINGS)
    for long in (False, True, False, False):
        await client.signal_entity(EntityId("Counter", "a"), "hold", 0.01 if long else 0.0)
    async with Worker(store, registry(), SETTINGS), asyncio.timeout(HANGS_S):
        while (await store.info())[0].backlog:
            await asyncio.sleep(0.01)
    await client.aclose()
    held = (await sums_of(store))[operation("hold")]
    assert held.count == 4
    assert sum(count for bucket, count in held.buckets.items() if bucket >= bucket_of(0.01)) == 1
