"""A whole hub as users have one: a server, two workers and `stead serve`, each a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

from support.guards import HANGS_S
from support.valkey_server import ValkeyServer

ROOT = Path(__file__).parents[2]
READY_S = HANGS_S
WORKERS = ("ant", "bee")


@contextmanager
def running(app: str, *, environment: dict[str, str] | None = None) -> Generator[httpx.Client]:
    """A client of the hub of an app in `tests/support` (`MODULE:ATTRIBUTE`), once all of its partitions have a worker."""
    with tempfile.TemporaryDirectory(prefix="st") as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        server = ValkeyServer(Path(folder))
        server.start()
        variables = {**os.environ, "STEAD_URL": server.url, "PYTHONPATH": str(ROOT), **(environment or {})}
        commands = [["serve", app, "--port", str(port)], *(["worker", app, "--name", name] for name in WORKERS)]
        processes = [
            subprocess.Popen([sys.executable, "-m", "stead.app", *command], cwd=Path(__file__).parent, env=variables)
            for command in commands
        ]
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=READY_S) as http:
                until(lambda: http.get("/health/ready").is_success)
                until(lambda: len(http.get("/api/v1/hub").json()["workers"]) == len(WORKERS))
                until(lambda: all(place["owner"] for place in http.get("/api/v1/hub").json()["partitions"]))
                yield http
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()
            server.kill()


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("the hub is not ready")
        time.sleep(0.1)
