"""While a worker looks into something very large, it reads, loads and runs what there is for others, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, Registry, Worker
from stead.entities._partition.activation import Opening
from stead.entities._turns.entity_kind import EntityKind
from stead.transport import ManualClock, MemoryStore, Settings

LARGE, STEPS = "@counter@large", 2_000
SETTINGS = Settings(partitions=1)


class Counter(Entity):
    count: int = 0

    def add(self) -> int:
        self.count += 1
        return self.count


@pytest.mark.invariant(12)
async def test_others_are_read_loaded_and_run_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    activate, steps = EntityKind.activate, [0]

    def opened(kind: EntityKind, record: bytes | None, log: Sequence[bytes]) -> Generator[None, None, object]:
        for _ in range(STEPS):
            steps[0] += 1
            yield
        return activate(kind, LARGE, record, log)

    def activate_or_begin(kind: EntityKind, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        return Opening(opened(kind, record, log)).go_on() if target == LARGE else activate(kind, target, record, log)

    monkeypatch.setattr(EntityKind, "activate", activate_or_begin)
    registry = Registry()
    registry.add(ClassEntityType(Counter))
    store = MemoryStore("hub", SETTINGS, ManualClock())
    client = EntityClient(store, registry, SETTINGS)
    async with Worker(store, registry, SETTINGS):
        large = asyncio.create_task(client.call_entity(Counter.add, "large"))
        while not steps[0]:
            await asyncio.sleep(0)
        for number in range(3):  # each new to the worker
            assert await client.call_entity(Counter.add, f"small-{number}") == 1
        assert steps[0] < STEPS
        assert not large.done()
        assert await large == 1
        assert steps[0] == STEPS
    await client.aclose()
