"""A server that lost what it had acknowledged: the answer of a bulk request names every partition."""

from __future__ import annotations

import json

import httpx
import pytest

from stead.app import App, Settings
from stead.entities import Entity
from stead.gateway import asgi
from stead.transport import open_store
from stead.transport._memory.store import MemoryStore

pytestmark = pytest.mark.anyio
NAME = "lossy-http"
SETTINGS = Settings(partitions=8, slot_groups=1)


def make_app() -> App:
    app = App(NAME, settings=SETTINGS)

    @app.entity
    class Counter(Entity):
        total: int = 0

        def add(self, amount: int) -> None:
            self.total += amount

    return app


def body(amount: int) -> bytes:
    signals = [{"entity": "Counter", "key": f"k{n}", "operation": "add", "args": [amount]} for n in range(100)]
    return b"".join(json.dumps(signal).encode() + b"\n" for signal in signals)


async def test_a_bulk_request_is_told_of_every_partition() -> None:
    app = make_app()
    application = asgi(app, "memory://")
    store = await open_store("memory://", NAME, SETTINGS)
    assert isinstance(store, MemoryStore)
    headers = {"content-type": "application/x-ndjson"}
    async with app.worker("memory://"):  # publishes the names
        pass
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://stead") as client:
        lagging = store.snapshot()
        first = await client.post("/api/v1/signals", content=body(1), headers=headers)
        assert (first.status_code, first.json()["accepted"]) == (200, 100), first.text
        store.restore(lagging)
        second = await client.post("/api/v1/signals", content=body(2), headers=headers)
    await application.aclose()
    assert second.status_code == 503
    problem = second.json()
    assert sorted(lost["partition"] for lost in problem["lost"]) == list(range(8))
    assert sum(lost["to"] - lost["from"] + 1 for lost in problem["lost"]) == 100
    assert all(f"partition {number}" in problem["detail"] for number in range(8))
