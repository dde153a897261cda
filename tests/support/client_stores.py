"""Clients over both stores: in memory, and on a real server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import cast

import pytest

from stead.transport import MemoryStore, Settings, Store
from stead.transport._redis.store import RedisStore

_numbers = itertools.count()

OpenStore = Callable[[], Awaitable[Store]]


@pytest.fixture
def settings() -> Settings:
    return Settings(partitions=4, slot_groups=2, store_tries_ms=2_000)


@pytest.fixture(params=["memory", "redis"])
async def open_store(request: pytest.FixtureRequest, settings: Settings) -> AsyncGenerator[OpenStore, None]:
    """Opens the test's hub, as each process would for itself."""
    hub = f"clients-{next(_numbers)}"
    stores: list[Store] = []
    memory = MemoryStore(hub, settings)
    url = cast("str", request.getfixturevalue("server_url")) if request.param == "redis" else ""

    async def open_it() -> Store:
        store: Store = await RedisStore.open(url, hub, settings) if url else memory
        stores.append(store)
        return store

    yield open_it
    for store in stores:
        await store.close()


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    return await open_store()


@pytest.fixture
def memory(settings: Settings) -> MemoryStore:
    """A store whose faults the test chooses."""
    return MemoryStore("memory", settings)
