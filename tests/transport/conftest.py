"""What the tests of the Redis store share: one server for all, a hub of its own for each."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from valkey_server import ValkeyServer

from stead.transport import Settings
from stead.transport._redis import RedisStore

_numbers = itertools.count()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def start_server() -> Iterator[Callable[..., ValkeyServer]]:
    """Starts servers with options of the test's own."""
    servers: list[ValkeyServer] = []
    with tempfile.TemporaryDirectory(prefix="st") as folder:

        def start(*options: str) -> ValkeyServer:
            place = Path(folder) / str(len(servers))
            place.mkdir()
            servers.append(ValkeyServer(place, *options))
            servers[-1].start()
            return servers[-1]

        yield start
        for server in servers:
            server.kill()


@pytest.fixture(scope="session")
def server() -> Iterator[ValkeyServer]:
    """A server for all tests that do not harm it."""
    with tempfile.TemporaryDirectory(prefix="st") as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        yield server
        server.kill()


@pytest.fixture
def settings() -> Settings:
    return Settings(partitions=4, slot_groups=2)


@pytest.fixture
async def store(server: ValkeyServer, settings: Settings) -> AsyncIterator[RedisStore]:
    """A hub of the test's own on the common server."""
    store = await RedisStore.open(server.url, f"hub-{next(_numbers)}", settings)
    yield store
    await store.close()
