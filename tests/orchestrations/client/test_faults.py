"""The client of orchestrations when answers get lost, connections end, and workers and servers die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from stead.entities import CallTimeout, Registry, StoreUnavailable, Worker
from stead.entities.extending import decode_message
from stead.orchestrations import (
    InstanceExists,
    OrchestrationClient,
    OrchestrationContext,
    OrchestrationRegistry,
    Orchestrations,
    RuntimeStatus,
    make_orchestration,
)
from stead.transport import MemoryStore, Settings, Store
from stead.transport._redis.store import RedisStore
from support.scripted_instances import scripted_instances
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio


async def patient(context: OrchestrationContext) -> int:
    return await context.wait_for_external_event("go", int)


def registry() -> OrchestrationRegistry:
    known = OrchestrationRegistry(Settings())
    known.add_orchestration(make_orchestration(patient))
    return known


def worker_of(store: Store, settings: Settings) -> Worker:
    return Worker(store, Registry(), settings, "worker", [Orchestrations(registry(), settings)])


@asynccontextmanager
async def client_of(store: Store, settings: Settings) -> AsyncGenerator[OrchestrationClient, None]:
    async with OrchestrationClient(store, Registry(), settings, registry()) as client:
        yield client


async def test_a_start_whose_answer_got_lost_is_no_collision(memory: MemoryStore, settings: Settings) -> None:
    async with client_of(memory, settings) as client:
        memory.faults.lose_answers("enqueue", 2)
        assert await client.start_new("patient", instance_id="a") == "a"
        memory.faults.lose_answers("enqueue", 2)
        with pytest.raises(InstanceExists):
            await client.start_new("patient", instance_id="a")
        positions = dict.fromkeys(range(memory.layout.partitions), b"0")
        found = await memory.read_inboxes(positions, 100, 0)
        envelopes = [entry[1][1] for _, entries in found for entry in entries]
        assert [decode_message(bytes(envelope)).target for envelope in envelopes] == ["a"]


async def test_reads_are_made_again(memory: MemoryStore, settings: Settings) -> None:
    async with scripted_instances(memory), client_of(memory, settings) as client:
        for number in range(5):
            await client.start_new("patient", instance_id=f"a{number}")
        await client.raise_event("a0", "finish", 1)
        for method in ("read_instance", "read_log"):
            memory.faults.refuse(method, 2)
        status = await client.wait_for_completion("a0")
        assert (status.output, status.name) == (1, "patient")
        memory.faults.refuse("read_log", 1)
        assert len(await client.read_history("a0")) == 2
        memory.faults.refuse("list_instances", 1)
        memory.faults.refuse("read_log", 1)
        listed = [status.instance_id async for status in client.list_instances(show_input=True)]
        assert listed == [f"a{number}" for number in range(5)]
        memory.faults.lose_answers("enqueue", 1)
        assert await client.purge("a0") is True


async def test_a_server_that_stays_away_is_said_to_be_away(memory: MemoryStore) -> None:
    brief = Settings(partitions=4, slot_groups=2, store_tries_ms=100)
    async with client_of(memory, brief) as client:
        memory.faults.refuse("read_instance", 1_000)
        with pytest.raises(StoreUnavailable):
            await client.get_status("a")
        with pytest.raises(CallTimeout):
            await client.wait_for_completion("a", timeout=0.01)


async def test_waiting_goes_on_over_the_death_of_workers(memory: MemoryStore, settings: Settings) -> None:
    async with client_of(memory, settings) as client:
        await client.start_new("patient", instance_id="a")
        waiting = asyncio.ensure_future(client.wait_for_completion("a"))
        for _ in range(3):
            worker = worker_of(memory, settings)
            await worker.start()
            await asyncio.sleep(0.02)
            await worker.abandon()
        assert not waiting.done()
        worker = worker_of(memory, settings)
        await worker.start()
        await client.raise_event("a", "go", 5)
        assert (await waiting).output == 5
        await worker.stop()


async def test_everything_goes_on_over_crashes_of_the_server(
    start_server: Callable[..., ValkeyServer], settings: Settings
) -> None:
    lasting = settings.model_copy(update={"store_tries_ms": 20_000, "lease_ms": 2_000})
    server = start_server()
    stores = [await RedisStore.open(server.url, "crashing", lasting) for _ in range(2)]
    async with client_of(stores[1], lasting) as client, worker_of(stores[0], lasting):

        async def one(number: int) -> int | None:
            instance_id = await client.start_new("patient", instance_id=f"a{number}")
            waiting = asyncio.ensure_future(client.wait_for_completion(instance_id))
            await asyncio.sleep(0.02)
            await client.raise_event(instance_id, "go", number)
            return (await waiting).output

        async def many() -> list[int | None]:
            return [output for first in range(0, 200, 20) for output in await some(first)]

        async def some(first: int) -> list[int | None]:
            return list(await asyncio.gather(*(one(number) for number in range(first, first + 20))))

        running = asyncio.ensure_future(many())
        for _ in range(3):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.restart)
        assert await running == list(range(200))
        counts = await client.count_instances()
        assert counts == {("patient", RuntimeStatus.COMPLETED): 200}
    for store in stores:
        await store.close()
