"""What the tests of `/api/v1` share: the app with an entity that keeps order, lines of signals, a worker beside the test."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx

from stead.app import App
from stead.entities import Entity, EntityContext
from support.gateway_app import make_app
from support.gateway_tools import Served
from support.guards import HANGS_S

T = TypeVar("T")

NDJSON = {"content-type": "application/x-ndjson"}


def make_v1_app() -> App:
    """The app of the gateway's tests, and an entity that keeps the order of what it is told."""
    app = make_app()

    @app.entity
    class Log(Entity):
        numbers: list[int] = []

        def add(self, number: int) -> None:
            self.numbers.append(number)

    @app.entity_function("Anything")
    def anything(context: EntityContext) -> object:
        context.set_state([context.operation_name, *context.args])
        if context.operation_name == "remind":
            context.reminder("check", at=datetime(2200, 1, 1, tzinfo=UTC)).signal("look")
        return context.args

    return app


def fresh() -> str:
    """A name that nothing has yet."""
    return uuid.uuid4().hex


def line(key: str, *args: object, operation: str = "record", **more: object) -> bytes:
    """One line of a bulk request."""
    return json.dumps({"entity": "Station", "key": key, "operation": operation, "args": args, **more}).encode() + b"\n"


def post_lines(served: Served, body: bytes | Iterable[bytes], **headers: str) -> httpx.Response:
    """A bulk request."""
    return served.http.post("/api/v1/signals", content=body, headers=NDJSON | headers)


def eventually(look: Callable[[], T | None], seconds: float = HANGS_S) -> T:
    """What something gives, once it gives something."""
    until = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)
    return found


def state(served: Served, key: str, count: int) -> dict[str, Any]:
    """The state of a station, once so many readings were recorded."""

    def look() -> dict[str, Any] | None:
        answer = served.http.get(f"/api/v1/entities/Station/{key}")
        found: dict[str, Any] | None = answer.json()["state"] if answer.status_code == 200 else None
        return found if found and found["count"] >= count else None

    found = eventually(look)
    assert found["count"] == count
    return found


@contextmanager
def work(app: App, store_url: str) -> Generator[None]:
    """A worker in a thread, for as long as the block takes."""
    ready = threading.Event()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def live() -> None:
        ends.append((asyncio.get_running_loop(), asyncio.Event()))
        async with app.worker(store_url):
            ready.set()
            await ends[0][1].wait()

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="worker")
    thread.start()
    assert ready.wait(HANGS_S)
    try:
        yield
    finally:
        ends[0][0].call_soon_threadsafe(ends[0][1].set)
        thread.join(HANGS_S)
