"""Clients when answers get lost, connections end and servers restart: nothing acknowledged is lost, nothing doubled."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from stead.entities import (
    BacklogFull,
    CallTimeout,
    ClassEntityType,
    Entity,
    EntityClient,
    Registry,
    StoreUnavailable,
)
from stead.entities._message.envelope import Message, decode_message
from stead.transport import ManualClock, MemoryStore, ServerUnsuitable, Settings, Store, StreamId
from stead.transport._redis.store import RedisStore
from support.scripted_worker import ScriptedWorker, scripted_worker
from support.swallowing_proxy import SwallowingProxy
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio


class Counter(Entity):
    value: int = 0

    def add(self, amount: int) -> int:
        return amount


@asynccontextmanager
async def client_of(store: Store, settings: Settings) -> AsyncGenerator[EntityClient, None]:
    registry = Registry()
    registry.add(ClassEntityType(Counter))
    async with EntityClient(store, registry, settings) as client:
        yield client


async def received(store: Store) -> list[Any]:
    positions = dict.fromkeys(range(store.layout.partitions), b"0")
    found = await store.read_inboxes(positions, 100_000, 0)
    return [decode_message(bytes(entry[1][1])).args[0] for _, entries in found for entry in entries]


# -- in memory: one fault at a time --------------------------------------------------------------------------------------


async def test_a_call_whose_enqueue_was_not_answered_runs_once(memory: MemoryStore, settings: Settings) -> None:
    async with scripted_worker(memory) as worker, client_of(memory, settings) as client:
        memory.faults.lose_answers("enqueue", 3)
        assert await client.call_entity(Counter.add, "a", 3) == 3
        assert len(worker.messages) == 1


async def test_answers_are_read_on_after_lost_connections(memory: MemoryStore, settings: Settings) -> None:
    async with scripted_worker(memory), client_of(memory, settings) as client:
        assert await client.call_entity(Counter.add, "a", 1) == 1
        memory.faults.lose_answers("read_replies", 3)
        memory.restart()
        assert await asyncio.gather(*[client.call_entity(Counter.add, str(number), number) for number in range(9)]) == (
            list(range(9))
        )


@pytest.mark.parametrize("error", [ServerUnsuitable("the server refuses this user"), ValueError("of another shape")])
async def test_answers_are_read_on_whatever_a_read_brought(
    memory: MemoryStore, settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    read, errors = memory.read_replies, [error, error]

    async def failing(group: int, client: str, after: StreamId, block_ms: int) -> Sequence[tuple[StreamId, bytes]]:
        if errors:
            raise errors.pop()
        return await read(group, client, after, block_ms)

    monkeypatch.setattr(memory, "read_replies", failing)
    async with scripted_worker(memory), client_of(memory, settings) as client:
        assert await client.call_entity(Counter.add, "a", 2) == 2
    assert errors == []


async def test_answers_are_found_after_a_fail_over_to_lower_stream_ids(settings: Settings) -> None:
    clock = ManualClock()
    memory = MemoryStore("memory", settings, clock)
    lagging = memory.snapshot()
    async with client_of(memory, settings) as client:
        async with scripted_worker(memory):
            clock.advance_to(clock.now_ms() + 1_000)
            assert await client.call_entity(Counter.add, "a", 1) == 1
        memory.restore(lagging)
        # The replica's clock is behind, so its stream IDs are lower than the position that the client has read to.
        clock._now_ms -= 900  # pyright: ignore[reportPrivateUsage]
        async with scripted_worker(memory):
            calling = asyncio.ensure_future(client.call_entity(Counter.add, "b", 2))
            while not calling.done():
                wake_ms = clock.next_wake_ms()
                if wake_ms is not None:
                    clock.advance_to(min(wake_ms, clock.now_ms() + 1))
                await asyncio.sleep(0)
            assert await calling == 2


async def test_the_reply_stream_is_trimmed_and_dropped(memory: MemoryStore, settings: Settings) -> None:
    async with scripted_worker(memory):
        async with client_of(memory, settings) as client:
            for _ in range(5):
                await asyncio.gather(*[client.call_entity(Counter.add, "a", 0) for _ in range(500)])
            while not memory.faults.calls.get("trim_replies"):
                await asyncio.sleep(0.001)
        assert memory.faults.calls["drop_replies"] == 1
        assert memory.snapshot().replies == {}


async def test_a_call_is_refused_when_there_is_no_room(memory: MemoryStore, settings: Settings) -> None:
    memory.faults.full = True
    async with client_of(memory, settings) as client:
        with pytest.raises(BacklogFull):
            await client.call_entity(Counter.add, "a", 1)
        with pytest.raises(BacklogFull):
            await client.signal_entity(Counter.add, "a", 1)
        memory.faults.full = False
        await client.signal_entity(Counter.add, "a", 2)
    assert await received(memory) == [2]


async def test_a_call_ends_when_the_store_is_away_for_too_long(memory: MemoryStore, settings: Settings) -> None:
    hasty = settings.model_copy(update={"store_tries_ms": 50})
    memory.faults.refuse("enqueue", 1_000)
    async with client_of(memory, hasty) as client:
        with pytest.raises(StoreUnavailable) as caught:
            await client.call_entity(Counter.add, "a", 1)
        assert caught.value.outcome == "unknown"


async def test_deadlines_are_those_of_the_hubs_clock(settings: Settings) -> None:
    clock = ManualClock()
    memory = MemoryStore("memory", settings, clock)

    def silent(worker: ScriptedWorker, message: Message) -> Any:
        return worker.SILENCE

    async with scripted_worker(memory, silent) as worker, client_of(memory, settings) as client:
        calling = asyncio.ensure_future(client.call_entity(Counter.add, "a", 1))
        while not worker.messages:
            await asyncio.sleep(0)
        clock.advance_to(clock.now_ms() + settings.call_timeout_ms - 1)
        await asyncio.sleep(0.01)
        assert not calling.done()
        clock.advance_to(clock.now_ms() + 1)
        with pytest.raises(CallTimeout):
            await calling


# -- a real server: crashes, and a proxy that swallows answers -----------------------------------------------------------


async def test_signals_and_calls_go_on_over_crashes_of_the_server(
    start_server: Callable[..., ValkeyServer], settings: Settings
) -> None:
    patient = settings.model_copy(update={"store_tries_ms": 20_000})
    server = start_server()
    stores = [await RedisStore.open(server.url, "crashing", patient) for _ in range(2)]
    total = 0
    async with scripted_worker(stores[0]) as worker, client_of(stores[1], patient) as client:

        async def call_on() -> None:
            nonlocal total
            for _ in range(150):
                await client.call_entity(Counter.add, "sum", 1)
                await client.signal_entity(Counter.add, "sum", 1)
                total += 2

        callers = [asyncio.ensure_future(call_on()) for _ in range(4)]
        async with client.producer() as producer:
            for number in range(3_000):
                await producer.signal(Counter.add, "sum", 1)
                total += 1
                if number % 1_000 == 500:
                    await asyncio.to_thread(server.restart)
        await asyncio.gather(*callers)
        assert await client.call_entity(Counter.add, "sum", 0) == total == 4_200
        assert len(worker.messages) >= 4_201
    for store in stores:
        await store.close()


async def test_swallowed_answers_double_nothing(server: ValkeyServer, settings: Settings) -> None:
    brief = settings.model_copy(update={"store_answer_ms": 150, "read_block_ms": 50, "store_tries_ms": 20_000})
    with tempfile.TemporaryDirectory(prefix="st") as folder:
        proxy = SwallowingProxy(Path(folder), server.socket)
        await proxy.start()
        direct = await RedisStore.open(server.url, "swallowed", brief)
        store = await RedisStore.open(proxy.url, "swallowed", brief)
        async with client_of(store, brief) as client:
            sent = 0
            for _ in range(3):
                await client.signal_entity(Counter.add, "a", sent)
                sent += 1
                proxy.swallow()
                waiting = asyncio.ensure_future(client.signal_entity(Counter.add, "a", sent))
                await proxy.asked.wait()
                proxy.cut()
                await waiting
                sent += 1
            assert await received(direct) == list(range(sent))
        await store.close()
        await direct.close()
        await proxy.stop()


async def test_a_server_that_is_full_refuses_and_then_takes_messages_again(
    start_server: Callable[..., ValkeyServer], settings: Settings
) -> None:
    server = start_server("--maxmemory", "100mb", "--maxmemory-policy", "noeviction")
    store = await RedisStore.open(server.url, "full", settings)
    async with client_of(store, settings) as client:
        await client.signal_entity(Counter.add, "a", 1)
        server.run("CONFIG", "SET", "maxmemory", "1mb")
        with pytest.raises(BacklogFull, match="memory"):
            await client.signal_entity(Counter.add, "a", 2)
        async with client.producer() as producer:
            await producer.signal(Counter.add, "a", 3)
            flushing = asyncio.ensure_future(producer.flush())
            done, _ = await asyncio.wait([flushing], timeout=0.2)
            assert not done
            server.run("CONFIG", "SET", "maxmemory", "100mb")
            await flushing
        assert await received(store) == [1, 3]
    await store.close()
