"""What a client was given is sent as it was, whatever its giver does with it while the client waits for something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, EntityId, InvalidInput, Registry
from stead.entities._message.envelope import Message, decode_message, encode_message, message_extras
from stead.orchestrations._client.many import OrchestrationClient
from stead.orchestrations._definition.registry import OrchestrationRegistry
from stead.transport import MemoryStore, Settings

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=4, slot_groups=2, calls_in_flight_max=1)


class Book(Entity):
    pages: list[Any] = []

    def add(self, page: Any) -> None: ...


async def received(store: MemoryStore, operation: str) -> list[Message]:
    """What waits in all inboxes for an operation, once there is something."""
    while True:
        positions = dict.fromkeys(range(store.layout.partitions), b"0")
        inboxes = await store.read_inboxes(positions, 1_000, 0)
        messages = [decode_message(bytes(entry[1][1])) for _, entries in inboxes for entry in entries]
        found = [message for message in messages if message.operation == operation and message.target != "@book@first"]
        if found:
            return found


async def signal_with_producer(client: OrchestrationClient, page: Any) -> None:
    async with client.producer() as producer:
        await producer.signal(EntityId("Elsewhere", "k"), "add", page)


async def signal_of_a_source(client: OrchestrationClient, page: Any) -> None:
    async with client.producer("source") as producer:
        await producer.signal_once(1, Book.add, "k", page)


WAYS: dict[str, tuple[str, Callable[[OrchestrationClient, Any], Awaitable[Any]]]] = {
    "signal": ("add", lambda client, page: client.signal_entity(Book.add, "k", page)),
    "signal by name": ("add", lambda client, page: client.signal_entity(EntityId("Elsewhere", "k"), "add", page)),
    "call": ("add", lambda client, page: client.call_entity(Book.add, "k", page)),
    "call by name": ("add", lambda client, page: client.call_entity(EntityId("Elsewhere", "k"), "add", page)),
    "producer": ("add", signal_with_producer),
    "source": ("add", signal_of_a_source),
    "start": ("start", lambda client, page: client.start_new("elsewhere", page)),
}


def client_of(store: MemoryStore) -> OrchestrationClient:
    registry = Registry()
    registry.add(ClassEntityType(Book))
    return OrchestrationClient(store, registry, SETTINGS, OrchestrationRegistry(SETTINGS))


def given_in(message: Message) -> Any:
    return message.args[2] if message.operation == "start" else message.args[-1]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("steps", [1, 2, 4])
async def test_what_is_sent_is_what_was_given(way: str, steps: int) -> None:
    """However far the client has come when its caller changes the value."""
    store = MemoryStore("kept", SETTINGS)
    operation, send = WAYS[way]
    async with client_of(store) as client:
        first = asyncio.ensure_future(client.call_entity(Book.add, "first", 0))  # takes the only slot
        await asyncio.sleep(0)
        page = {"n": 1}
        task = asyncio.ensure_future(send(client, page))
        for _ in range(steps):
            await asyncio.sleep(0)
        page["n"] = 2
        first.cancel()
        assert [given_in(message) for message in await received(store, operation)] == [{"n": 1}]
        task.cancel()
        await asyncio.gather(first, task, return_exceptions=True)


@pytest.mark.parametrize("steps", [1, 2, 4])
async def test_an_events_data_is_what_was_given(steps: int) -> None:
    store = MemoryStore("kept", SETTINGS)
    async with client_of(store) as client:
        await client.start_new("book", instance_id="one")
        page = {"n": 1}
        task = asyncio.ensure_future(client.raise_event("one", "page", page))
        for _ in range(steps):
            await asyncio.sleep(0)
        page["n"] = 2
        await task
        assert [message.args[1] for message in await received(store, "event")] == [{"n": 1}]


def test_an_argument_that_cannot_be_stored_is_named() -> None:
    half = "half a character: \ud800"
    with pytest.raises(InvalidInput, match="argument 2 of 'op'"):
        encode_message("@e@k", "op", ["well", half], b"id")
    with pytest.raises(InvalidInput, match="argument 'name' of 'op'"):
        encode_message("@e@k", "op", [], b"id", message_extras(kwargs={"name": half}))
    with pytest.raises(InvalidInput, match="argument 1 of 'op'"):
        encode_message("@e@k", "op", [[{"deep": half}]], b"id")
