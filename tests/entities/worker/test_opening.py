"""While a worker looks into something very large, it reads, loads and runs what there is for others, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, Registry, Worker
from stead.entities._partition.activation import Opening
from stead.entities._turns.entity_kind import EntityKind
from stead.transport import ManualClock, MemoryStore, Settings, partition_of

LARGE, STEPS = "@counter@large", 2_000


class Counter(Entity):
    count: int = 0

    def add(self) -> int:
        self.count += 1
        return self.count


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps of one large entity were taken."""
    activate, steps = EntityKind.activate, [0]

    def opened(kind: EntityKind, record: bytes | None, log: Sequence[bytes]) -> Generator[None, None, object]:
        for _ in range(STEPS):
            steps[0] += 1
            yield
        return activate(kind, LARGE, record, log)

    def activate_or_begin(kind: EntityKind, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        return Opening(opened(kind, record, log)).go_on() if target == LARGE else activate(kind, target, record, log)

    monkeypatch.setattr(EntityKind, "activate", activate_or_begin)
    return steps


@pytest.mark.invariant(12)
@pytest.mark.parametrize("deaths", [0, 2])
async def test_others_are_read_loaded_and_run_meanwhile(steps: list[int], deaths: int) -> None:
    """In careful mode (two have died) others are those of other partitions."""
    settings = Settings(partitions=2 if deaths else 1, slot_groups=1)
    registry = Registry()
    registry.add(ClassEntityType(Counter))
    store = MemoryStore("hub", settings, ManualClock())
    client = EntityClient(store, registry, settings)
    place = partition_of(LARGE, settings.partitions)
    small = [key for key in map(str, range(20)) if not deaths or partition_of(f"@counter@{key}", 2) != place][:3]
    large = asyncio.create_task(client.call_entity(Counter.add, "large"))
    while not (await store.info())[place].backlog:
        await asyncio.sleep(0)
    token = b""
    for number in range(deaths + 1):
        expected, token = token, b"%d" % number
        assert await store.acquire(place, f"dead-{number}", token, expected, 10_000) is not None
    assert await store.release(place, token)
    async with Worker(store, registry, settings):
        while not steps[0]:
            await asyncio.sleep(0)
        for key in small:  # each new to the worker
            assert await client.call_entity(Counter.add, key) == 1
        assert steps[0] < STEPS
        assert not large.done()
        assert await large == 1
        assert steps[0] == STEPS
    await client.aclose()
