"""What clients and producers say when their hub is no longer on the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from stead.entities import AcknowledgedLost, ClassEntityType, Entity, EntityClient, HubMismatch, Registry
from stead.transport import Settings
from stead.transport._redis.store import RedisStore
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

KEYS = [f"k{number}" for number in range(16)]  # every partition has some


class Counter(Entity):
    value: int = 0

    def add(self, amount: int) -> int:
        return amount


@pytest.fixture
def settings() -> Settings:
    return Settings(partitions=4, slot_groups=2, read_block_ms=100)


@pytest.fixture
async def client(server: ValkeyServer, settings: Settings) -> AsyncIterator[EntityClient]:
    """A client of a hub in which no worker runs."""
    store = await RedisStore.open(server.url, "gone", settings)
    registry = Registry()
    registry.add(ClassEntityType(Counter))
    async with EntityClient(store, registry, settings) as client:
        yield client
    await store.close()


async def newcomer(server: ValkeyServer, settings: Settings) -> None:
    """Somebody joins the hub of that name, and so makes it."""
    await (await RedisStore.open(server.url, "gone", settings)).close()


async def test_signals_calls_and_reads_say_it_each_time(
    server: ValkeyServer, client: EntityClient, settings: Settings
) -> None:
    for key in KEYS:
        await client.signal_entity(Counter.add, key, 1)
    server.run("FLUSHALL")
    for _ in range(2):
        for key in KEYS:
            with pytest.raises(HubMismatch):
                await client.signal_entity(Counter.add, key, 1)
        with pytest.raises(HubMismatch):
            await client.call_entity(Counter.add, "a", 1)
        with pytest.raises(HubMismatch):
            await client.read_entity(Counter, "k0")
        with pytest.raises(HubMismatch):
            await client.list_entities(Counter).__anext__()
        await newcomer(server, settings)


async def test_calls_in_flight_end_before_their_deadlines(server: ValkeyServer, client: EntityClient) -> None:
    calls = [asyncio.ensure_future(client.call_entity(Counter.add, key, 1)) for key in KEYS]
    await client.signal_entity(Counter.add, "last", 1)  # now the calls are on the server
    server.run("FLUSHALL")
    async with asyncio.timeout(10):  # a call has 30 s
        for call in calls:
            with pytest.raises(HubMismatch):
                await call


async def test_a_producer_ends_for_good(server: ValkeyServer, client: EntityClient, settings: Settings) -> None:
    producer = client.producer()
    await producer.signal(Counter.add, "a", 1)
    await producer.flush()
    server.run("FLUSHALL")
    with pytest.raises(HubMismatch):
        for key in KEYS:
            await producer.signal(Counter.add, key, 1)
        await producer.flush()
    await newcomer(server, settings)
    for key in KEYS:
        with pytest.raises(HubMismatch):
            await producer.signal(Counter.add, key, 1)
    with pytest.raises(HubMismatch):
        await producer.flush()
    await producer.aclose()


async def test_leaving_a_producers_block_raises_it(server: ValkeyServer, client: EntityClient) -> None:
    with pytest.raises(HubMismatch):
        async with client.producer() as producer:
            await producer.signal(Counter.add, "a", 1)
            await producer.flush()
            server.run("FLUSHALL")
            await producer.signal(Counter.add, "a", 1)


@pytest.mark.parametrize("opened", [True, False])
async def test_a_sources_producer_ends_for_good(server: ValkeyServer, client: EntityClient, opened: bool) -> None:
    producer = client.producer(source="gateway-7")
    if opened:
        for number, key in enumerate(KEYS):
            await producer.signal_once(number, Counter.add, key, 1)
        await producer.flush()
    record = server.run("HGETALL", "stead:hub:gone")
    server.run("FLUSHALL")
    with pytest.raises(HubMismatch):
        for number, key in enumerate(KEYS, 100):
            await producer.signal_once(number, Counter.add, key, 1)
        await producer.flush()
    # Even where the hub is as it was: what follows would follow a hole.
    server.run("HSET", "stead:hub:gone", *(word for pair in record.items() for word in pair))
    with pytest.raises(HubMismatch):
        await producer.signal_once(1_000, Counter.add, "k0", 1)
    await producer.aclose()


async def test_what_the_hub_lost_of_a_session_is_another_thing(server: ValkeyServer, client: EntityClient) -> None:
    await client.signal_entity(Counter.add, "a", 1)
    sessions = [key for key in server.run("KEYS", "stead:gone:*") if b":session:" in key]
    server.run("DEL", *sessions)
    with pytest.raises(AcknowledgedLost):
        await client.signal_entity(Counter.add, "a", 1)
    await client.signal_entity(Counter.add, "a", 1)
