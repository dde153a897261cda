"""Entities that begin to expire while a hub has data, over both stores; and what the idle ones cost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, EntityId, Registry, Worker
from stead.entities._index.expiries import KindExpiry
from stead.entities._worker import ends
from stead.transport import READY, CountRange, Look, ManualClock, MemoryStore, ReadBuilt, Settings, Store
from support.client_stores import OpenStore
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=2, slot_groups=2, heartbeat_ms=20)


@pytest.fixture
def settings() -> Settings:
    return SETTINGS


EXPIRES_MS = 1_000


def program(expires_ms: int | None) -> Registry:
    """A version of the program."""

    class Guest(Entity):
        visits: int = 0

        def visit(self) -> None:
            self.visits += 1

    registry = Registry()
    expires = None if expires_ms is None else timedelta(milliseconds=expires_ms)
    registry.add(ClassEntityType(Guest, "Guest", expires_after=expires))
    return registry


async def counts(store: Store, name: str) -> tuple[int, int, bool]:
    """How many entities there are, how many a set has, and whether it is ready."""
    both = range(store.layout.partitions)
    _, answers = await store.look([*(CountRange(n, name) for n in both), *(ReadBuilt(n) for n in both)])
    ready = all(built.get(name) == READY for built in answers[2:])
    return sum(info.entities for info in await store.info()), sum(answers[:2]), ready


@pytest.mark.hazard(104)
async def test_those_that_were_there_before_go_and_leave_nothing(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends, "STEP_LENGTH", 7)
    store, before, after = await open_store(), program(None), program(EXPIRES_MS)
    name = KindExpiry("guest", EXPIRES_MS).name
    async with EntityClient(store, before, SETTINGS) as client:
        async with Worker(store, before, SETTINGS):
            for number in range(50):
                await client.signal_entity(EntityId("Guest", str(number)), "visit")
            async with asyncio.timeout(HANGS_S):
                while (await counts(store, name))[0] < 50:
                    await asyncio.sleep(0.005)
        assert (await counts(store, name))[1:] == (0, False)
        async with Worker(await open_store(), after, SETTINGS):
            async with asyncio.timeout(HANGS_S):
                while not (await counts(store, name))[2]:
                    await asyncio.sleep(0.005)
                while (await counts(store, name))[0]:
                    await asyncio.sleep(0.02)
    assert (await counts(store, name))[:2] == (0, 0)


class Looking(MemoryStore):
    """Counts how often it is looked at."""

    looks = 0

    async def look(self, looks: Sequence[Look]) -> tuple[int, list[Any]]:
        self.looks += 1
        return await super().look(looks)


@pytest.mark.hazard(103)
async def test_what_is_idle_is_not_looked_at() -> None:
    clock = ManualClock()
    store, registry = Looking("idle", SETTINGS, clock), program(1_000_000_000)
    async with EntityClient(store, registry, SETTINGS) as client, Worker(store, registry, SETTINGS):
        for number in range(50):
            await client.signal_entity(EntityId("Guest", str(number)), "visit")
        for _ in range(2_000):
            await asyncio.sleep(0)
        looked = store.looks
        for _ in range(200):  # with a heartbeat each
            clock.advance_to(clock.now_ms() + 1_000)
            for _ in range(20):
                await asyncio.sleep(0)
        assert store.looks == looked
