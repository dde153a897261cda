"""How long a batch gets: by the time that the last ones have held the worker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, Registry, batched
from stead.entities._turns.batch import TIME_S, Pace
from stead.entities._turns.entity_kind import EntityKind
from support.core_bench import Bench


def test_the_length_follows_the_time() -> None:
    pace = Pace()
    lengths = [pace.length]
    for _ in range(6):
        pace.took(pace.length, 0.000_001 * pace.length)
        lengths.append(pace.length)
    assert lengths == [1, 4, 16, 64, 256, 1_024, 4_096]
    pace.took(4_096, 4_096 * 0.2)
    assert pace.length == 1
    pace.took(1, 0.001)
    assert pace.length == 4
    for _ in range(5):
        pace.took(pace.length, pace.length * 0.001)
    assert pace.length == pytest.approx(TIME_S / 0.001, abs=1)


@pytest.mark.hazard(110)
def test_the_length_of_an_asynchronous_batch_follows_what_holds_the_worker() -> None:
    """Not how long it waits: that is nobody's loss."""
    bench = Bench()
    lengths: list[int] = []

    class Slow(Entity):
        @batched
        async def crunch(self, items: list[float]) -> None:
            lengths.append(len(items))
            bench.elapsed += sum(items)  # each holds the worker for so long
            await asyncio.sleep(0)

    registry = Registry()
    registry.add(ClassEntityType(Slow))
    kind = EntityKind(registry, lambda: bench.now_ms, 1_000_000, elapsed=lambda: bench.elapsed)
    bench.find_kind = lambda target: kind
    partition = bench.acquire()

    def run(count: int, seconds: float) -> None:
        for _ in range(count):
            bench.put("@slow@a", seconds, operation="crunch")
        bench.deliver(partition)
        while started := bench.turn(partition):
            [start] = started
            asyncio.run(waited_for(start.awaitable))
            partition.finish(start.activation, None, None)
            bench.commit(partition)

    run(85, 0.0)
    assert lengths == [1, 4, 16, 64]
    run(30, 0.0099)
    assert lengths[4:] == [30]  # nobody could know
    run(20, 0.0099)
    assert lengths[5:] == [5, 5, 5, 5]
    run(5, 1.0)
    assert lengths[9:] == [5]
    run(3, 1.0)
    assert lengths[10:] == [1, 1, 1]


async def waited_for(awaitable: Any) -> None:
    await awaitable
