"""A hub that is no longer on the server: its workers let everything go, say so, and end, so that the next ones join anew."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable

import pytest

from stead.app import App, Settings
from stead.entities import Entity, HubMismatch, Worker
from stead.orchestrations import OrchestrationContext
from support.counting_app import Tally, app
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess, eventually

pytestmark = pytest.mark.slow

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def own_server(start_server: Callable[..., ValkeyServer]) -> ValkeyServer:
    """A server that keeps nothing when it restarts."""
    return start_server("--appendonly", "no")


def flush(server: ValkeyServer) -> None:
    server.run("FLUSHALL")


@pytest.mark.parametrize("harm", [flush, ValkeyServer.restart])
async def test_a_worker_ends_and_the_next_one_works_in_the_new_hub(
    own_server: ValkeyServer, start_worker: StartWorker, harm: Callable[[ValkeyServer], None]
) -> None:
    first = start_worker()
    async with app.connect(own_server.url) as old:
        await old.call_entity(Tally.record, "a", 0)
        harm(own_server)
        assert await first.ended() == 1
        assert first.log.count("critical: the worker ends, and lets everything go") == 1
        assert "error: task hub 'counting': the hub in which this process works is no longer on the server" in first.log
        assert "Traceback" not in first.log and "another worker" not in first.log
        start_worker()
        async with app.connect(own_server.url) as new:
            await new.call_entity(Tally.record, "a", 0)
            assert await new.read_entity(Tally, "a") == Tally(count=1)
        with pytest.raises(HubMismatch):
            await old.signal_entity(Tally.record, "a", 1)
        hubs = {key.split(b":")[2] for key in own_server.run("KEYS", "stead:counting:*")}
        assert hubs == {own_server.run("HGET", "stead:hub:counting", "hub_id")}


class Holder(Entity):
    """Has an operation without an end."""

    async def hold(self) -> None:
        await held("operation")


async def held(what: str) -> None:
    seen.append(f"{what} runs")
    try:
        await asyncio.Event().wait()
    finally:
        seen.append(f"{what} ends")


seen: list[str] = []


def holding_app(**settings: int) -> App:
    made = App("holding", settings=Settings.model_validate({"partitions": 4, "slot_groups": 2} | settings))
    made.entity(Holder)

    @made.activity
    async def hold() -> None:
        await held("activity")

    @made.activity(queue="shared")
    async def hold_shared() -> None:
        await held("shared activity")

    @made.orchestration
    async def wait(context: OrchestrationContext, given: None) -> None:
        await asyncio.gather(context.call_activity(hold), context.call_activity(hold_shared))

    return made


async def has_failed(worker: Worker) -> bool:
    return worker.failure is not None


WAYS = {
    "a heartbeat": {"heartbeat_ms": 200, "lease_ms": 60_000},
    "the thread that renews leases": {"heartbeat_ms": 60_000, "lease_ms": 600},
}


@pytest.mark.parametrize("way", WAYS)
async def test_whoever_finds_it_what_runs_is_cancelled_and_nothing_is_waited_for(
    own_server: ValkeyServer, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    seen.clear()
    holding = holding_app(drain_ms=60_000, activity_heartbeat_ms=60_000, **WAYS[way])
    running = {"operation runs", "activity runs", "shared activity runs"}

    async def run() -> None:
        async with holding.worker(own_server.url) as worker, holding.connect(own_server.url) as client:
            await client.signal_entity(Holder.hold, "a")
            await client.start_new("wait")

            async def all_run() -> bool:
                return set(seen) == running

            async def all_ended() -> object:
                tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("stead-")]
                threads = [thread for thread in threading.enumerate() if thread.name == "stead-leases"]
                return seen[3:] and not tasks and not threads

            await eventually(all_run, "all that holds")
            own_server.run("FLUSHALL")
            await eventually(lambda: has_failed(worker), "the worker's end")
            assert worker.partitions == frozenset()
            await eventually(all_ended, "the end of all parts")  # though nobody has left the block
            assert set(seen) == {*running, "operation ends", "activity ends", "shared activity ends"}

    async with asyncio.timeout(HANGS_S):
        with pytest.raises(HubMismatch):
            await run()
    assert [record.levelno for record in caplog.records].count(logging.CRITICAL) == 1
    assert own_server.run("KEYS", "stead:holding:*") == []


@pytest.mark.parametrize("harm", [flush, ValkeyServer.restart])
async def test_a_worker_that_is_told_to_stop_just_then_stops(
    own_server: ValkeyServer, harm: Callable[[ValkeyServer], None]
) -> None:
    stopping = holding_app(heartbeat_ms=60_000, lease_ms=60_000)
    async with asyncio.timeout(HANGS_S):
        with contextlib.suppress(HubMismatch):  # a part of it may find it before all have ended
            async with stopping.worker(own_server.url) as worker:

                async def holds_all() -> bool:
                    return len(worker.partitions) == 4

                await eventually(holds_all, "all partitions")
                harm(own_server)
    assert own_server.run("KEYS", "stead:holding:*") == []
