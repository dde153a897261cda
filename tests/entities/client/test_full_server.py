"""A server whose memory is full: what frees it is accepted and carried out, and waiting goes on; the rest is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from stead.entities import BacklogFull, ClassEntityType, Entity, EntityId, Registry, Worker
from stead.entities._client.calls import PendingCall
from stead.orchestrations import (
    OrchestrationClient,
    OrchestrationContext,
    OrchestrationRegistry,
    Orchestrations,
    RuntimeStatus,
    make_orchestration,
)
from stead.transport import MemoryStore, Settings, Store
from stead.transport._redis.store import RedisStore
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio


class Note(Entity):
    text: str = ""

    def write(self, text: str) -> None:
        self.text = text


async def done(context: OrchestrationContext, text: str) -> str:
    return text


async def waiting(context: OrchestrationContext) -> int:
    return await context.wait_for_external_event("go", int)


@dataclass
class World:
    """A hub with a worker, and a way to fill its server."""

    client: OrchestrationClient
    full: Callable[[], AbstractContextManager[None]]


@contextmanager
def full_memory(store: MemoryStore) -> Generator[None]:
    store.faults.full = True
    yield
    store.faults.full = False


@contextmanager
def full_server(server: ValkeyServer) -> Generator[None]:
    server.run("CONFIG", "SET", "maxmemory", "1mb")
    yield
    server.run("CONFIG", "SET", "maxmemory", "0")


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest, settings: Settings) -> AsyncGenerator[World]:
    store: Store
    if request.param == "memory":
        store = memory = MemoryStore("full", settings)

        def full() -> AbstractContextManager[None]:
            return full_memory(memory)
    else:
        server: ValkeyServer = request.getfixturevalue("start_server")()
        store = await RedisStore.open(server.url, "full", settings)

        def full() -> AbstractContextManager[None]:
            return full_server(server)

    entities, known = Registry(), OrchestrationRegistry(settings)
    entities.add(ClassEntityType(Note))
    known.add_orchestration(make_orchestration(done))
    known.add_orchestration(make_orchestration(waiting))
    worker = Worker(store, entities, settings, "worker", [Orchestrations(known, settings)])
    async with worker, OrchestrationClient(store, entities, settings, known) as client:
        yield World(client, full)
    await store.close()


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stead.orchestrations._client.client.WAIT_LOOK_S_FIRST", 0.05)


async def test_finished_instances_can_be_purged(world: World) -> None:
    client = world.client
    ids = [await client.start_new("done", "x" * 1_000, instance_id=f"i{number}") for number in range(30)]
    for instance_id in ids:
        await client.wait_for_completion(instance_id)
    with world.full():
        assert await client.purge(ids[0]) is True
        assert await client.purge_instances() == 29
    assert [status async for status in client.list_instances()] == []


@pytest.mark.usefixtures("looks_often")
async def test_instances_can_be_terminated_and_then_purged(world: World) -> None:
    client = world.client
    await client.start_new("waiting", instance_id="a")
    with world.full():
        await client.terminate("a", "no room")
        assert (await client.wait_for_completion("a")).runtime_status is RuntimeStatus.TERMINATED
        assert await client.purge("a") is True


async def test_entities_can_be_deleted(world: World) -> None:
    client = world.client
    for key in "abc":
        await client.call_entity(Note.write, key, "text")
    with world.full():
        await client.signal_entity(EntityId("note", "a"), "DELETE")
        await client.signal_entity(Note.delete, "b")
        await client.call_entity(Note.delete, "c")
        await client.call_entity(EntityId("Note", "a"), "delete")
        await client.call_entity(Note.delete, "b")
        assert [found async for found in client.list_entities(Note)] == []


async def test_what_brings_something_is_refused(world: World) -> None:
    client = world.client
    await client.start_new("waiting", instance_id="a")
    await client.call_entity(Note.write, "a", "text")
    with world.full():
        refused: list[Callable[[], Awaitable[object]]] = [
            lambda: client.start_new("done", "x"),
            lambda: client.raise_event("a", "go", 1),
            lambda: client.suspend("a"),
            lambda: client.resume("a"),
            lambda: client.terminate("a", "\N{MOUNTAIN}" * 4_000),
            lambda: client.call_entity(Note.write, "a", "more"),
            lambda: client.signal_entity(Note.write, "a", "more"),
            lambda: client.after(timedelta(hours=1)).signal_entity(Note.delete, "a"),
        ]
        for request in refused:
            with pytest.raises(BacklogFull, match="memory is full"):
                await request()
    found = await client.read_entity(Note, "a")
    assert found is not None
    assert found.text == "text"


@pytest.mark.usefixtures("looks_often")
async def test_waiting_looks_by_itself_while_the_question_is_refused(world: World) -> None:
    client = world.client
    await client.start_new("waiting", instance_id="a")
    with world.full():
        waiting = asyncio.ensure_future(client.wait_for_completion("a"))
        await client.call_entity(Note.delete, "a")  # by then the question was refused
        await client.terminate("a")
        assert (await waiting).runtime_status is RuntimeStatus.TERMINATED
    assert not client._calls._pending


@pytest.mark.usefixtures("looks_often")
async def test_waiting_asks_again_at_each_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = world.client
    await client.start_new("waiting", instance_id="a")
    asked = 0
    send = client._send_call

    async def counted(pending: PendingCall, payload: bytes, *, frees: bool = False) -> None:
        nonlocal asked
        asked += 1
        await send(pending, payload, frees=frees)

    monkeypatch.setattr(client, "_send_call", counted)
    with world.full():
        waiting = asyncio.ensure_future(client.wait_for_completion("a"))
        while asked < 3 and not waiting.done():
            await asyncio.sleep(0.01)
    await client.raise_event("a", "go", 7)
    assert (await waiting).output == 7
