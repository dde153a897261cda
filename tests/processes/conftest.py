"""A server of the test's own, and workers of it that do not outlive the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess

SETTINGS = {"lease_ms": 1_500, "heartbeat_ms": 300, "worker_keep_ms": 1_500}


@pytest.fixture
def own_server(start_server: Callable[..., ValkeyServer]) -> ValkeyServer:
    """A server that the test may harm."""
    return start_server()


@pytest.fixture
def start_worker(own_server: ValkeyServer, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts workers of the counting app or another, with short leases unless the test says otherwise."""
    workers: list[WorkerProcess] = []

    def start(app: str = "counting_app:app", code: Path | None = None, **settings: int) -> WorkerProcess:
        name, settings = f"worker{len(workers)}", {**SETTINGS, **settings}
        worker = WorkerProcess(tmp_path, name, own_server.url, settings, app, code)
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.end()
