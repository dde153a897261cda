"""What a worker tells over HTTP, if it is given ports: `/metrics` for Prometheus, `/health/live` and `/health/ready`.

A thread of its own answers, so that a worker whose event loop stands still is seen to be alive no more, instead of not being
seen at all; what it tells it asks the event loop for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TypeVar

from stead.app._console.faults import CommandFault
from stead.app._console.logs import CONTEXT
from stead.entities import Worker

from .systemd import told_to_systemd

T = TypeVar("T")

_ANSWER_S = 5.0  # an event loop that does not come to it within this stands still


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a worker is to be asked; None: nowhere."""

    metrics: int | None = None
    health: int | None = None
    host: str = "127.0.0.1"

    def of_process(self, index: int) -> Ports:
        """Those of the process with that number, from 1: one after the other."""
        more = index - 1
        return replace(self, metrics=self.metrics and self.metrics + more, health=self.health and self.health + more)

    def arguments(self) -> list[str]:
        """As they are typed."""
        given = [("--metrics-port", self.metrics), ("--health-port", self.health)]
        words = [word for name, port in given if port is not None for word in (name, str(port))]
        return [*words, "--host", self.host] if words else []


NO_PORTS = Ports()


@asynccontextmanager
async def beside_worker(worker: Worker, ports: Ports, *, is_child: bool) -> AsyncGenerator[None]:
    """Tell of a worker for as long as the block takes: over HTTP, and systemd. (A child's parent tells that.)"""
    CONTEXT.worker, CONTEXT.at_work = worker.name, worker.at_work
    asked: dict[int, dict[str, Callable[[], tuple[int, str, bytes]]]] = {}
    probe = _Probe(worker, asyncio.get_running_loop())
    if ports.metrics is not None:
        asked.setdefault(ports.metrics, {})["/metrics"] = probe.metrics
    if ports.health is not None:
        asked.setdefault(ports.health, {}).update({"/health/live": probe.live, "/health/ready": probe.ready})
    async with AsyncExitStack() as stack:
        for port, paths in asked.items():
            stack.callback(_serve(ports.host, port, paths))
        if not is_child:
            await stack.enter_async_context(told_to_systemd(lambda: None, lambda: worker.not_ready))
        yield


class _Probe:
    """What is asked of a worker, from a thread."""

    def __init__(self, worker: Worker, loop: asyncio.AbstractEventLoop) -> None:
        self._worker = worker
        self._loop = loop

    def metrics(self) -> tuple[int, str, bytes]:
        from stead.gateway import MEDIA_TYPE, worker_exposition  # whoever is not asked starts sooner

        view = self._ask(lambda: self._worker.view)
        if view is None:
            return _said(503, "the worker has not joined its hub yet, or its event loop stands still")
        return 200, MEDIA_TYPE, self._ask(lambda: worker_exposition(self._worker.meters, view)) or b""

    def live(self) -> tuple[int, str, bytes]:
        return _said(200) if self._ask(lambda: True) else _said(503, "the event loop stands still")

    def ready(self) -> tuple[int, str, bytes]:
        found = self._ask(lambda: (self._worker.not_ready,))
        return _said(503, "the event loop stands still") if found is None else _said(503 if found[0] else 200, found[0])

    def _ask(self, what: Callable[[], T]) -> T | None:
        """What the event loop says to it; None if it does not come to it."""

        async def answer() -> T:
            return what()

        try:
            asked = asyncio.run_coroutine_threadsafe(answer(), self._loop)
        except RuntimeError:  # it is closed
            return None
        try:
            return asked.result(_ANSWER_S)
        except TimeoutError:
            asked.cancel()
            return None


def _said(status: int, reason: str | None = None) -> tuple[int, str, bytes]:
    said = {"status": "ok"} if reason is None else {"status": "unavailable", "reason": reason}
    return status, "application/json", json.dumps(said).encode()


def _serve(host: str, port: int, paths: dict[str, Callable[[], tuple[int, str, bytes]]]) -> Callable[[], None]:
    """Answer at a port, from a thread; gives what ends that. Raises `CommandFault` if it cannot be listened to."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = paths.get(self.path.partition("?")[0])
            status, media_type, body = _said(404, "there is nothing here") if answer is None else answer()
            self.send_response(status)
            self.send_header("content-type", media_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise CommandFault(f"cannot listen at {host}:{port}: {error.strerror or error}") from None
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="stead-probes", daemon=True).start()

    def end() -> None:
        server.shutdown()
        server.server_close()

    return end
