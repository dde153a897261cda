"""Code that ends its worker in a turn which no message of the store brings about: its instance is found, and the rest goes on."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from stead.orchestrations import RuntimeStatus
from support.guards import HANGS_S
from support.orchestrating_app import app, deadly, weighing
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess, eventually, shared_out, supervised

pytestmark = pytest.mark.slow

StartWorker = Callable[..., WorkerProcess]

NEIGHBOURS = 40  # every partition has some


@pytest.mark.hazard(20)
async def test_an_orchestrator_that_kills_on_its_activitys_result_is_blocked_and_all_others_end(
    own_server: ValkeyServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    trace = tmp_path / "deaths"
    start = partial(start_worker, "orchestrating_app:app", lease_ms=600, heartbeat_ms=100)
    async with app.connect(own_server.url) as client:
        async with supervised(1, start) as workers:  # with more, what they exchange has its results in inboxes
            await shared_out(client, *workers)
            await client.start_new(deadly, str(trace), instance_id="deadly")
            for number in range(NEIGHBOURS):
                await client.start_new(weighing, number, instance_id=f"beside-{number}")

            async def blocked() -> bool:
                return any(partition.blocked for partition in await client.store.info())

            await eventually(blocked, "a blocked instance")
            for number in range(NEIGHBOURS):
                status = await client.wait_for_completion(f"beside-{number}", timeout=HANGS_S)
                assert (status.runtime_status, status.output) == (RuntimeStatus.COMPLETED, 2 * number)
            status = await client.wait_for_completion(await client.start_new(weighing, 5), timeout=HANGS_S)
            assert status.output == 10
            died = [worker.status for worker in workers if worker.status is not None]
            assert died == [3] * len(died) == [3] * len(trace.read_text().split())
            (why,) = [partition.blocked for partition in await client.store.info() if partition.blocked]
            assert [*why] == ["deadly"]
            tries = app.settings.poison_tries_max
            assert why["deadly"].startswith(f"its turns ended {tries} workers (of programs ")
            # At most one before anybody was suspicious, unless a lease ran out on a starved machine before its owner died.
            assert len(died) >= tries
        for worker in workers:  # a graceful stop, and another owner: it stays as it is, and ends nobody
            if worker.status is None:
                worker.signal(signal.SIGTERM)
        await asyncio.gather(*(worker.ended() for worker in workers))
        last = start()
        await shared_out(client, last)
        status = await client.wait_for_completion(await client.start_new(weighing, 6), timeout=HANGS_S)
        assert status.output == 12
        assert last.status is None
        assert len(trace.read_text().split()) == len(died)
