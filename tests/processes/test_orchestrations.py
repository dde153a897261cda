"""Workers and servers that are killed while orchestrations run: each ends exactly once with the right result, no money and
no lock is lost, and no activity's result.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stead.app import Client
from stead.orchestrations import RuntimeStatus
from support.orchestrating_app import CITIES, WIDTH, Account, Ends, app, fan_out, hello, patient, poisoned, transfer
from support.valkey_server import ValkeyServer
from support.worker_processes import WorkerProcess, eventually, shared_out

pytestmark = pytest.mark.slow

StartWorker = Callable[..., WorkerProcess]

APP = "orchestrating_app:app"
ACCOUNTS = [f"account-{number}" for number in range(10)]
MONEY = 1_000
ROUNDS_PER_S = 10
RUNNING_MAX = 60  # a slow machine is given less, not more than it can take
FINISH_S = 40.0


class Instances:
    """A steady stream of all three kinds while its block lasts; afterwards all have ended as they should."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._expected: dict[str, object] = {}
        self._over = False

    @property
    def started(self) -> int:
        return len(self._expected)

    async def run(self) -> None:
        client = self._client
        number = 0
        while not self._over:
            source, destination = ACCOUNTS[number % 10], ACCOUNTS[(number * 7 + 3) % 10]
            self._expected[await client.start_new(hello, instance_id=f"hello-{number}")] = [
                f"Hello {city}!" for city in CITIES
            ]
            self._expected[await client.start_new(fan_out, number, instance_id=f"fan-{number}")] = sum(
                (number + each) ** 2 for each in range(WIDTH)
            )
            if source != destination:
                order = (source, destination, 1 + number % 9)
                self._expected[await client.start_new(transfer, order, instance_id=f"transfer-{number}")] = None
            number += 1
            await asyncio.sleep(1 / ROUNDS_PER_S)  # the rate, nothing waits for it
            while not self._over and self.started - await self._completed() > RUNNING_MAX:
                await asyncio.sleep(1 / ROUNDS_PER_S)

    def end(self) -> None:
        self._over = True

    async def progress(self) -> None:
        """Wait until something that is not there yet is completed."""
        before = await self._completed()
        began = self.started

        async def moved() -> bool:
            return await self._completed() > before + 5 and self.started > began

        await eventually(moved, "progress of orchestrations")

    async def _completed(self) -> int:
        return sum([1 async for _ in self._client.list_instances(statuses=["Completed"])])

    async def check(self) -> None:
        """Everything ended, once, with the right result."""
        client = self._client
        for instance_id, expected in self._expected.items():
            status = await client.wait_for_completion(instance_id, timeout=FINISH_S)
            assert (status.runtime_status, status.output) == (RuntimeStatus.COMPLETED, expected), (
                f"{instance_id}: {status}"
            )
        listed = {status.instance_id async for status in client.list_instances()}
        assert listed == set(self._expected)
        # An answer from each account says that no lock is left.
        balances = [await client.call_entity(Account.add, name, 0) for name in ACCOUNTS]
        assert sum(balances) == MONEY * len(ACCOUNTS)
        await eventually(self._all_noted, "the last signals")
        for number in range(0, len(self._expected) // 3, 7):
            await self._check_history(f"fan-{number}")

    async def _all_noted(self) -> bool:
        noted: dict[str, int] = {}
        async for _, ends in self._client.list_entities(Ends):
            noted.update(ends.times)
        assert set(noted.values()) <= {1}, f"ended more than once: {[one for one in noted if noted[one] > 1]}"
        return noted.keys() == self._expected.keys()

    async def _check_history(self, instance_id: str) -> None:
        status = await self._client.get_status(instance_id, show_history=True)
        assert status is not None and status.history is not None
        kinds = [(event.event_type, event.task_id) for event in status.history]
        assert len(kinds) == len(set(kinds)), f"{instance_id} has an event twice"
        assert sum(kind == "TaskCompleted" for kind, _ in kinds) == WIDTH


@asynccontextmanager
async def instances(client: Client) -> AsyncGenerator[Instances]:
    """Runs instances beside the block, and checks all of them at its end."""
    await asyncio.gather(*(client.call_entity(Account.add, name, MONEY) for name in ACCOUNTS))
    load = Instances(client)
    task = asyncio.create_task(load.run())
    try:
        yield load
        load.end()
        await asyncio.wait_for(task, FINISH_S)
        await load.check()
    finally:
        task.cancel()
        await asyncio.wait([task])


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


async def test_an_activity_that_kills_its_workers_fails_in_the_end(
    own_server: ValkeyServer, start_worker: StartWorker, tmp_path: Path
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
            instance_id = await client.start_new(poisoned, str(trace))
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
