"""The machine's clock is set while workers of a real server wait for timers, and before others are set."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from stead.app import App, Settings
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

app = App("machine-clock", settings=Settings(partitions=4, slot_groups=2, heartbeat_ms=200))


@app.entity
class Bell(Entity):
    rung: int = 0

    def ring(self) -> None:
        self.rung += 1


@app.orchestration
async def nap(context: OrchestrationContext) -> float:
    began = context.now
    await asyncio.sleep(0.4)
    return (context.now - began).total_seconds()


@pytest.mark.parametrize("hours", [-5.0, 5.0])
async def test_what_waits_and_what_is_sent_later_is_in_time(
    server: ValkeyServer, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    real = time.time
    async with app.connect(server.url) as client, app.worker(server.url), asyncio.timeout(HANGS_S):
        began = time.monotonic()
        await client.after(timedelta(milliseconds=400)).signal_entity(Bell.ring, "before")
        before = await client.start_new(nap)
        monkeypatch.setattr(time, "time", lambda: real() + hours * 3_600)
        await client.after(timedelta(milliseconds=400)).signal_entity(Bell.ring, "after")
        after = await client.start_new(nap)
        for instance in (before, after):
            slept = (await client.wait_for_completion(instance)).output
            assert slept is not None
            assert 0.4 <= slept < 25
        for key in ("before", "after"):
            while (bell := await client.read_entity(Bell, key)) is None or not bell.rung:
                await asyncio.sleep(0.01)
        assert time.monotonic() - began >= 0.399
