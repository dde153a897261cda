"""JSON lines of a log have the same fields everywhere: who wrote them, about what."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stead.app import App
from stead.app._console.logs import CONTEXT, Context, JsonFormatter
from stead.entities import Entity, Worker
from stead.orchestrations import OrchestrationClient, OrchestrationContext, Orchestrations, ReplayFilter
from stead.transport import MemoryStore, ServerClock, Settings

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=1, slot_groups=1, replay_every_turn=True)
app = App("logged", settings=SETTINGS)
log = logging.getLogger("users.own")


@app.entity
class Box(Entity):
    n: int = 0

    def add(self, secret: str) -> None:
        log.info("inline")

    async def wait(self) -> None:
        await asyncio.sleep(0)
        log.info("waited")


@app.activity
async def work(number: int) -> int:
    log.info("active")
    return number


@app.activity
def plain(number: int) -> int:
    log.info("threaded")
    return number


@app.orchestration
async def flow(context: OrchestrationContext, number: int) -> int:
    log.info("begun")
    return await context.call_activity(work, number) + await context.call_activity(plain, number)


@pytest.fixture(params=[False, True])
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What was logged; with the filter for replays or without."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    if request.param:
        handler.addFilter(ReplayFilter())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield written
    log.removeHandler(handler)
    CONTEXT.hub, CONTEXT.worker, CONTEXT.at_work = "", "", Context().at_work


async def test_each_says_whose_it_is(lines: io.StringIO, request: pytest.FixtureRequest) -> None:
    began = datetime.now(UTC) - timedelta(milliseconds=1)  # a line has no more than these
    store = MemoryStore("logged", SETTINGS, ServerClock())
    client = OrchestrationClient(store, app.registry, SETTINGS, app.orchestrations)
    worker = Worker(store, app.registry, SETTINGS, "w", [Orchestrations(app.orchestrations, SETTINGS)])
    CONTEXT.hub, CONTEXT.worker, CONTEXT.at_work = "logged", worker.name, worker.at_work
    async with worker:
        await client.call_entity(Box.add, "a", "the payload")
        await client.call_entity(Box.wait, "b")
        instance = await client.start_new(flow, 1)
        await client.wait_for_completion(instance)
    await client.aclose()
    log.info("outside")
    written: list[dict[str, Any]] = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert "the payload" not in lines.getvalue()
    times = [datetime.fromisoformat(each["time"]) for each in written]
    assert times == sorted(times) and all(began <= time <= datetime.now(UTC) for time in times)
    assert {(each["hub"], each["worker"], each["level"]) for each in written} == {("logged", worker.name, "info")}
    whose = {
        (each["message"], each.get("entity"), each.get("instance"), each.get("operation"), each.get("replaying", False))
        for each in written
    }
    first = {
        ("inline", "@box@a", None, "add", False),
        ("waited", "@box@b", None, "wait", False),
        ("begun", None, instance, None, False),
        ("active", None, instance, "work", False),
        ("threaded", None, instance, "plain", False),
        ("outside", None, None, None, False),
    }
    filtered = request.node.callspec.params["lines"]
    assert whose == (first if filtered else first | {("begun", None, instance, None, True)})
    assert sum(each["message"] == "begun" and not each.get("replaying") for each in written) == 1
    assert {each["event"] for each in written if each["message"] == "inline"} == {"test_json_lines.add"}
