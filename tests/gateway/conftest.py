"""What the tests of the gateway share: a server for each module, and a gateway with a worker on it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.gateway_app import make_app
from support.gateway_tools import Served, serve
from support.valkey_server import ValkeyServer

KEYS = {"read-key": ["read"], "signal-key": ["read", "signal"], "manage-key": ["read", "signal", "manage"]}


@pytest.fixture(scope="module")
def module_server() -> Iterator[ValkeyServer]:
    """A real server of the module's own."""
    with tempfile.TemporaryDirectory(prefix="st") as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="module")
def served(module_server: ValkeyServer) -> Iterator[Served]:
    """A gateway of the tests' app with a worker, open to everybody."""
    with serve(make_app(), module_server.url) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(module_server: ValkeyServer) -> Iterator[Served]:
    """The same with keys: `read-key`, `signal-key`, `manage-key`."""
    with serve(make_app(), module_server.url, keys=KEYS) as running:
        yield running
