"""`stead plan`: its figures are those of a real server, within a quarter."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from stead.app import App, Settings
from stead.app._cli.main import run
from stead.app._commands.plan import Load, amount, plan
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext
from support.valkey_server import ValkeyServer


@pytest.fixture
def own_server() -> Iterator[ValkeyServer]:
    """A server that nobody else fills."""
    with tempfile.TemporaryDirectory(prefix="st") as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        yield server
        server.kill()


def at_rest(url: str) -> int:
    """The bytes that a server uses for what it stores, once that changes no more.

    Without what it keeps for a client of the test: its connections' buffers, and the answers that it was given last, which do
    not grow with what is stored.
    """
    with cast("Any", redis.Redis).from_url(url) as client:

        def stored() -> int:
            memory = client.info("memory")
            answers = sum(
                int(client.memory_usage(key, samples=0)) for key in client.scan_iter("*:reply:*", count=1_000)
            )
            return int(memory["used_memory"]) - int(memory["mem_clients_normal"]) - answers

        used = stored()
        while True:
            time.sleep(0.3)
            before, used = used, stored()
            if abs(used - before) < 4_096:
                return used


SETTINGS = Settings(partitions=8, slot_groups=2)


@pytest.mark.slow
@pytest.mark.parametrize(("key_bytes", "state_bytes"), [(8, 12), (8, 160), (30, 160), (12, 1_000)])
async def test_entities_take_what_it_says(key_bytes: int, state_bytes: int, own_server: ValkeyServer) -> None:
    app = App("planned", settings=SETTINGS)

    @app.entity
    class Thing(Entity):
        t: str = ""

        def put(self, text: str) -> None:
            self.t = text

    async with app.worker(own_server.url), app.connect(own_server.url) as client:

        async def fill(first: int, behind: int) -> None:
            async with client.producer() as producer:
                for number in range(first, behind):
                    await producer.signal(Thing.put, str(number).rjust(key_bytes, "k"), "s" * (state_bytes - 5))
            for number in range(64):  # behind all others, in every partition
                await client.call_entity(Thing.put, f"last{number}", "s")

        await fill(0, 1_000)
        before = at_rest(own_server.url)
        await fill(1_000, 4_000)
        found = (at_rest(own_server.url) - before) / 3_000
    (row,) = plan(Load(entities=1, key_bytes=key_bytes, state_bytes=state_bytes)).server
    assert found == pytest.approx(row.each, rel=0.25)


@pytest.mark.slow
@pytest.mark.parametrize(("activities", "payload"), [(0, 40), (6, 40), (4, 300)])
async def test_instances_take_what_it_says(activities: int, payload: int, own_server: ValkeyServer) -> None:
    app = App("planned", settings=SETTINGS)

    @app.activity
    async def step(text: str) -> str:
        return text

    @app.orchestration
    async def steps(context: OrchestrationContext, number: int) -> None:
        for _ in range(number):
            await context.call_activity(step, "x" * payload)

    async with app.worker(own_server.url), app.connect(own_server.url) as client:

        async def go(first: int, behind: int) -> None:
            async def one(number: int) -> None:
                instance_id = await client.start_new(steps, activities, instance_id=f"i{number:06}")
                await client.wait_for_completion(instance_id, 100)

            for some in range(first, behind, 50):  # at once, so that the server makes one write to its disk of many
                await asyncio.gather(*(one(number) for number in range(some, some + 50)))

        await go(0, 150)
        before = at_rest(own_server.url)
        await go(150, 950)
        found = (at_rest(own_server.url) - before) / 800
    (row,) = plan(Load(instances=1, activities=activities, payload_bytes=payload)).server
    assert found == pytest.approx(row.each, rel=0.25)


def test_sums_are_sums() -> None:
    found = plan(Load(entities=1_000_000, state_bytes=200, instances=1_000, indexes=2, workers=4, active=100_000))
    assert found.server_bytes == sum(row.count * row.each for row in found.server)
    assert [row.count for row in found.server] == [1_000_000, 2_000_000, 1_000]
    assert found.worker[1].count == 25_000
    assert found.server_bytes < found.maxmemory_bytes < found.file_bytes
    assert plan(Load(entities=10, active=1_000)).worker[1].count == 5  # no more are in use than there are


def test_it_is_shown_as_tables_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--entities", "1e6", "--state-bytes", "200"]) == 0
    shown = capsys.readouterr().out
    assert "1,000,000" in shown
    assert "maxmemory" in shown
    assert run(["plan", "--entities", "250k", "--instances", "1_000", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [row["count"] for row in data["server"]] == [250_000, 1_000]
    assert data["server_bytes"] == sum(row["bytes"] for row in data["server"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what the hub is to hold"),
        (["--entities", "many"], "--entities: 'many' is not a whole number"),
        (["--entities", "-5"], "--entities"),
        (["--entities", "1.5"], "--entities: '1.5'"),
        (["--entities", "1e99"], "--entities"),
        (["--instances", "5", "--workers", "0"], "--workers: one is the least"),
    ],
)
def test_what_it_cannot_use_is_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", *words]) == 2
    assert said in capsys.readouterr().err


def test_amounts() -> None:
    assert [amount(size) for size in (0, 999, 1_000, 1_234_567, 10**9, 10**12)] == [
        *("0 B", "999 B", "1 kB", "1.23 MB", "1 GB", "1 TB")
    ]
