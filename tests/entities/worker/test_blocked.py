"""A worker says which entities it cannot load: their messages wait, and nobody is told otherwise."""

from __future__ import annotations

import asyncio
import logging

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, EntityId, Registry, Worker
from stead.transport import MemoryStore, ServerClock, Settings
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=1, slot_groups=1, lease_ms=1_500)


class Counter(Entity):
    n: int = 0

    def add(self) -> int:
        self.n += 1
        return self.n


class Renamed(Entity):
    total: int = 0

    def add(self) -> int:
        self.total += 1
        return self.total


def registry_of(cls: type[Entity]) -> Registry:
    registry = Registry()
    registry.add(ClassEntityType(cls, name="Counter"))
    return registry


@pytest.mark.parametrize("entities", [1, 100])
async def test_what_is_blocked_is_said_once_by_name_and_reason(entities: int, caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore("blocked", SETTINGS, ServerClock())
    client = EntityClient(store, registry_of(Counter), SETTINGS)
    async with Worker(store, registry_of(Counter), SETTINGS):
        for key in range(entities):
            assert await client.call_entity(EntityId("Counter", str(key)), "add") == 1
    assert "blocked" not in caplog.text
    for key in range(entities):
        await client.signal_entity(EntityId("Counter", str(key)), "add")
    async with Worker(store, registry_of(Renamed), SETTINGS), asyncio.timeout(HANGS_S):
        while len((await store.info())[0].blocked) < entities:
            await asyncio.sleep(0.01)
        for key in range(entities):  # again: it is known
            await client.signal_entity(EntityId("Counter", str(key)), "add")
        assert await client.call_entity(EntityId("Counter", "fine"), "add") == 1
    await client.aclose()
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING and "blocked" in r.getMessage()]
    named = [line for line in said if " is blocked, and its messages wait: the stored state of Counter is not" in line]
    assert 0 < len(set(named)) == len(named) <= 30, "code that fits nothing does not fill the log"
    others = [line.split(" more are blocked; `stead info` names them and why") for line in said if line not in named]
    assert len(named) + sum(int(number) for number, _ in others) == entities
