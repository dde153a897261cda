"""Workers and servers that are killed while orchestrations run: each ends exactly once with the right result, no money and
no lock is lost, and no activity's result.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from stead.orchestrations import Orchestration, RuntimeStatus
from support.orchestrating_app import app, hello, patient, poisoned, poisoned_at_once
from support.orchestrating_load import FINISH_S, instances
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess, eventually, shared_out

pytestmark = pytest.mark.slow

StartWorker = Callable[..., WorkerProcess]

APP = "orchestrating_app:app"


@pytest.mark.parametrize("local_hops", [0, 1])
async def test_killed_workers_are_replaced(
    own_server: ValkeyServer, start_worker: StartWorker, local_hops: int
) -> None:
    settings = {"local_hops": local_hops}
    first, second = start_worker(APP, **settings), start_worker(APP, **settings)
    async with app.connect(own_server.url) as client:
        await shared_out(client, first, second)
        async with instances(client) as load:
            await load.progress()
            first.signal(signal.SIGKILL)
            assert await first.ended() == -signal.SIGKILL
            third = start_worker(APP, **settings)
            await load.progress()
            await shared_out(client, second, third)
            await load.progress()
            second.signal(signal.SIGKILL)
            await second.ended()
            await load.progress()


async def test_a_worker_that_was_stopped_past_its_lease_does_no_harm(
    own_server: ValkeyServer, start_worker: StartWorker
) -> None:
    first, second = start_worker(APP), start_worker(APP)
    async with app.connect(own_server.url) as client:
        await shared_out(client, first, second)
        async with instances(client) as load:
            await load.progress()
            first.signal(signal.SIGSTOP)
            await shared_out(client, second)
            await load.progress()
            first.signal(signal.SIGCONT)
            await shared_out(client, first, second)
            await load.progress()


@pytest.mark.invariant(10)
@pytest.mark.parametrize("local_hops", [0, 1])
async def test_a_killed_server_comes_back_with_everything(
    own_server: ValkeyServer, start_worker: StartWorker, local_hops: int
) -> None:
    first, second = start_worker(APP, local_hops=local_hops), start_worker(APP, local_hops=local_hops)
    async with app.connect(own_server.url) as client:
        await shared_out(client, first, second)
        async with instances(client) as load:
            for _ in range(2):
                await load.progress()
                await asyncio.to_thread(own_server.kill)
                await asyncio.to_thread(own_server.start)
            await load.progress()
        assert first.status is None
        assert second.status is None


async def test_workers_that_come_and_go_hand_over(own_server: ValkeyServer, start_worker: StartWorker) -> None:
    # Leases longer than any wait of this test: only what was given back can go on elsewhere.
    patient = {"lease_ms": 600_000, "worker_keep_ms": 600_000}
    worker = start_worker(APP, **patient)
    async with app.connect(own_server.url) as client:
        await shared_out(client, worker)
        async with instances(client) as load:
            for _ in range(3):
                await load.progress()
                successor = start_worker(APP, **patient)
                worker.signal(signal.SIGTERM)
                assert await worker.ended() == 0
                worker = successor
                await shared_out(client, worker)
            await load.progress()


async def test_workers_that_keep_nothing_in_memory_do_the_same(
    own_server: ValkeyServer, start_worker: StartWorker
) -> None:
    forgetful = {"replay_every_turn": 1, "activations_max": 5, "mailbox_length_max": 3, "batch_length_max": 20}
    first, second = start_worker(APP, **forgetful), start_worker(APP, **forgetful)
    async with app.connect(own_server.url) as client:
        await shared_out(client, first, second)
        async with instances(client) as load:
            await load.progress()
            first.signal(signal.SIGKILL)
            await first.ended()
            await load.progress()


async def test_activities_outlive_deployments(
    own_server: ValkeyServer, start_worker: StartWorker, tmp_path: Path
) -> None:
    """What a worker gives back goes on at once in the next one, and none of this counts as a death."""
    # Nothing is taken over within the time of this test, and a single death would be one too many.
    settings = {"drain_ms": 100, "activity_keep_ms": 600_000, "activity_tries_max": 1}
    traces = tmp_path / "began"

    async with app.worker(own_server.url, queues=["another"]), app.connect(own_server.url) as client:
        instance_id = await client.start_new(patient, str(tmp_path))
        worker = start_worker(APP, **settings)
        for deployments in range(4):

            async def all_run(times: int = deployments + 1) -> bool:
                return traces.exists() and len(traces.read_text().split()) == 3 * times

            await eventually(all_run, "the next run of each activity")
            if deployments < 3:
                successor = start_worker(APP, **settings)
                worker.signal(signal.SIGTERM)
                assert await worker.ended() == 0
                worker = successor
        (tmp_path / "go").touch()
        status = await client.wait_for_completion(instance_id, timeout=FINISH_S)
        assert (status.runtime_status, status.output) == (RuntimeStatus.COMPLETED, [0, 1, 2])


@pytest.mark.parametrize("orchestration", [poisoned, poisoned_at_once], ids=["ordinary", "local"])
async def test_an_activity_that_kills_its_workers_fails_in_the_end(
    own_server: ValkeyServer, start_worker: StartWorker, tmp_path: Path, orchestration: Orchestration[str, str]
) -> None:
    # Durable Functions #338: one poison message was delivered 24,489 times.
    trace = tmp_path / "deaths"
    workers = [start_worker(APP, lease_ms=600, heartbeat_ms=100, activity_tries_max=3) for _ in range(2)]

    async def replace() -> None:
        while True:
            running = sum(worker.status is None for worker in workers)
            workers.extend(
                start_worker(APP, lease_ms=600, heartbeat_ms=100, activity_tries_max=3) for _ in range(2 - running)
            )
            await asyncio.sleep(0.05)

    async with app.connect(own_server.url) as client:
        await shared_out(client, *workers)
        replacing = asyncio.create_task(replace())
        try:
            instance_id = await client.start_new(orchestration, str(trace))
            status = await client.wait_for_completion(instance_id, timeout=FINISH_S)
            assert status.runtime_status == RuntimeStatus.FAILED
            assert "PoisonActivity" in str(status.failure) + str(status.failure and status.failure.cause)
            assert len(trace.read_text().split()) <= 8
            other = await client.start_new(hello)
            done = await client.wait_for_completion(other, timeout=FINISH_S)
            assert done.runtime_status == RuntimeStatus.COMPLETED
        finally:
            replacing.cancel()
            await asyncio.wait([replacing])
