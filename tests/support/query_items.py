"""A kind with indexes, and hubs to query it in."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, Indexed, Query, Registry, Worker, indexed
from stead.transport import MemoryStore, Settings, Store
from stead.transport._redis.store import RedisStore

SETTINGS = Settings(partitions=3, slot_groups=2, heartbeat_ms=50, query_results_max=40)
_hubs = itertools.count()


class Item(Entity):
    number: Indexed[int] = indexed(0)
    name: Indexed[str] = indexed("")
    seen: Indexed[datetime | None] = indexed(None)
    ratio: Indexed[float | None] = indexed(None)
    note: int = 0

    def put(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        self.note += 1  # so that it exists, whatever it is given

    def add(self, points: int) -> None:
        self.number += points


class Special(Item):
    extra: Indexed[int] = indexed(1)


class Bare(Entity):
    """Without an index."""

    count: int = 0

    def add(self) -> None:
        self.count += 1


REGISTRY = Registry()
for _cls in (Item, Special, Bare):
    REGISTRY.add(ClassEntityType(_cls))


async def open_store(url: str, settings: Settings = SETTINGS) -> Store:
    """A hub of its own."""
    name = f"queries-{next(_hubs)}"
    return await RedisStore.open(url, name, settings) if url else MemoryStore(name, settings)


@contextlib.asynccontextmanager
async def hub(url: str, settings: Settings = SETTINGS, registry: Registry = REGISTRY) -> AsyncGenerator[EntityClient]:
    """A hub of its own with a worker, and a client."""
    store = await open_store(url, settings)
    try:
        async with Worker(store, registry, settings), EntityClient(store, registry, settings) as client:
            yield client
    finally:
        await store.close()


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("server_url")) if request.param == "redis" else ""


async def put(client: EntityClient, states: dict[str, dict[str, Any]], cls: type[Item] = Item) -> None:
    for key, values in states.items():
        await client.call_entity(cls.put, key, values)


async def all_pages(query: Query[Item], size: int) -> list[str]:
    found: list[str] = []
    token = None
    while True:
        page = await query.page(size, continuation=token)
        assert len(page.items) <= size
        found += [entity_id.key for entity_id, _ in page.items]
        token = page.continuation
        if token is None:
            return found
