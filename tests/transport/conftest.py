"""What the tests of the Redis store share: a hub of each test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from stead.transport import Settings
from stead.transport._redis.store import RedisStore
from support.embedded_tools import end_embedded
from support.valkey_server import ValkeyServer


@pytest.fixture
def settings() -> Settings:
    return Settings(partitions=4, slot_groups=2)


@pytest.fixture
async def store(server: ValkeyServer, settings: Settings) -> AsyncIterator[RedisStore]:
    """A hub on the shared server."""
    store = await RedisStore.open(server.url, "tests", settings)
    yield store
    await store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for an embedded server, which is gone before the folder is deleted."""
    place = tmp_path / "s"
    yield place
    end_embedded(place)
