"""What all tests share: asyncio, and a real server whose keys are looked at after every test that used it."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support.valkey_server import ValkeyServer

TESTS = Path(__file__).parent

# Hypothesis looks at the clock to tell slow tests; on a machine that is busy with other things that says nothing of ours.
settings.register_profile(
    "stead",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
settings.load_profile("stead")


# Whose tests start commands, gateways and servers, or run whole worlds: minutes together, so `make quick` leaves them out.
# What it runs is the core, and orchestrations over it in virtual time.
LONG = [
    TESTS / place
    for place in (
        *("app", "contract", "gateway", "processes", "simulation"),
        *("entities/client", "orchestrations/client", "transport/embedded", "transport/redis"),
        *("entities/turns/test_hostile.py", "orchestrations/instance/test_hostile.py"),
        *("entities/turns/test_locks_properties.py", "orchestrations/execution/test_stubborn.py"),
        *("scenarios/test_arguments.py", "scenarios/test_locks.py", "scenarios/test_work.py"),
        *("transport/contract/test_depth.py", "transport/sender/test_properties.py", "transport/sender/test_starts.py"),
        *("transport/test_urls.py", "house/test_patterns.py"),
        *("house/test_docs.py", "house/test_examples.py", "house/test_packaging.py"),
    )
]


def is_long(path: Path) -> bool:
    """Whether what is there is left out by `make quick`."""
    return any(path.is_relative_to(place) for place in LONG)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What is not going to run need not be imported, which for all these takes as long as many tests."""
    return True if config.getoption("markexpr") == "not slow" and is_long(collection_path) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Keep what is compiled, whatever Python was told, and let each of several processes begin with a share of its own.

    All of them collect all files: in one order each would compile each file at the moment at which the others do. That is
    more than half of what collecting costs. And what collecting makes stays: no search for garbage, now or in a test, finds any of it.
    """
    number, count = os.environ.get("PYTEST_XDIST_WORKER", ""), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if number:
        files = [file for place in session.config.args for file in files_of(Path(place), session.config)]
        begin = len(files) * int(number.removeprefix("gw")) // count
        session.config.args[:] = map(str, files[begin:] + files[:begin])
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    gc.disable()
    yield
    gc.freeze()
    gc.enable()
    sys.dont_write_bytecode = written


def files_of(place: Path, config: pytest.Config) -> list[Path]:
    """The files of a folder; what is no folder is itself."""
    files = sorted(place.rglob("test_*.py"))
    return [file for file in files if not pytest_ignore_collect(file.absolute(), config)] or [place]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what takes minutes together; and all processes have the same order, wherever each has begun."""
    items.sort(key=lambda item: item.path)
    long = {path for path in {item.path for item in items} if is_long(path)}
    for item in items:
        if item.path in long:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def shared_server() -> Iterator[ValkeyServer]:
    """A server for all tests that do not harm it. Use `server_url` or `server`."""
    with tempfile.TemporaryDirectory(prefix="st") as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        yield server
        server.kill()


@pytest.fixture
def server(shared_server: ValkeyServer) -> Iterator[ValkeyServer]:
    """The shared server, empty before and after the test; no key may be left that nothing will ever remove."""
    yield shared_server
    try:
        leaks = leaked_keys(shared_server)
        assert not leaks, f"these keys have no time to live and belong to no hub: {leaks}"
    finally:
        shared_server.run("FLUSHALL")


@pytest.fixture
def server_url(server: ValkeyServer) -> str:
    """The URL of the shared server."""
    return server.url


@pytest.fixture
def start_server() -> Iterator[Callable[..., ValkeyServer]]:
    """Starts servers of the test's own, with options of its choice, to be killed and restarted."""
    servers: list[ValkeyServer] = []
    with tempfile.TemporaryDirectory(prefix="st") as folder:

        def start(*options: str, program: str = "") -> ValkeyServer:
            place = Path(folder) / str(len(servers))
            place.mkdir()
            servers.append(ValkeyServer(place, *options, program=program))
            servers[-1].start()
            return servers[-1]

        yield start
        for server in servers:
            server.kill()


def leaked_keys(server: ValkeyServer) -> list[bytes]:
    """Keys that are neither a hub's record, nor a hub's with a record, nor have a time to live (HAZARDS 25)."""
    keys: list[bytes] = server.run("KEYS", "*")
    records = [key for key in keys if key.startswith(b"stead:hub:")]
    prefixes = tuple(
        b"stead:" + record.removeprefix(b"stead:hub:") + b":" + server.run("HGET", record, "hub_id") + b":"
        for record in records
    )
    foreign = [key for key in keys if key not in records and not key.startswith(prefixes)]
    replies = [key for key in keys if b"}:reply:" in key or b":session:" in key]
    return [key for key in foreign + replies if server.run("PTTL", key) < 0]
