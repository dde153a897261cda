"""Every test of this folder that asks for a store runs over both: in memory, and on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from stead.transport import Settings, Store
from stead.transport._redis.store import RedisStore
from support.store_twins import SETTINGS, MemoryTwin, RedisTwin, Twin


@pytest.fixture
def settings() -> Settings:
    return SETTINGS


@pytest.fixture(params=["memory", "redis"])
async def twin(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Twin]:
    """A hub of the test's own, with its world."""
    if request.param == "memory":
        yield MemoryTwin("contract", settings)
        return
    server = request.getfixturevalue("server")
    store = await RedisStore.open(server.url, "contract", settings)
    yield RedisTwin(store, server)
    await store.close()


@pytest.fixture
def store(twin: Twin) -> Store:
    """A hub of the test's own."""
    return twin.store
