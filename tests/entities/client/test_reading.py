"""Reading and listing: committed states only, without waiting for an entity, over both stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, assert_type

import pytest
from pydantic import field_validator

from stead.entities import (
    ClassEntityType,
    Entity,
    EntityClient,
    EntityId,
    InvalidInput,
    InvalidState,
    Registry,
    StoreUnavailable,
    UnknownEntity,
)
from stead.entities._message.envelope import Message
from stead.transport import ConnectionLost, MemoryStore, Settings, Store
from support.scripted_worker import scripted_worker

pytestmark = pytest.mark.anyio


class Counter(Entity):
    value: int = 0

    def add(self, amount: int) -> None: ...


class Other(Entity):
    def hello(self) -> None: ...


def client_of(store: Store, settings: Settings, *known: type[Entity]) -> EntityClient:
    registry = Registry()
    for cls in known or (Counter,):
        registry.add(ClassEntityType(cls))
    return EntityClient(store, registry, settings)


async def write(store: Store, settings: Settings, states: Mapping[str, Any]) -> None:
    """Let entities have these states, by their targets."""

    def script(worker: Any, message: Message) -> None:
        worker.states[message.target] = states[message.target]

    async with scripted_worker(store, script):
        client = EntityClient(store, Registry(), settings)
        async with client:
            for target in states:
                await client.call_entity(EntityId.parse(target), "set")


async def collect(listing: AsyncIterator[tuple[EntityId, Any]]) -> list[tuple[str, Any]]:
    return [(str(entity_id), state) async for entity_id, state in listing]


@pytest.mark.invariant(8)
async def test_an_entity_is_read_as_an_instance_or_as_plain_data(store: Store, settings: Settings) -> None:
    await write(store, settings, {"@counter@oslo": {"value": 3}})
    async with client_of(store, settings) as client:
        counter = await client.read_entity(Counter, "oslo")
        assert_type(counter, Counter | None)
        assert counter is not None
        assert counter.value == 3
        assert await client.read_entity(EntityId("COUNTER", "oslo")) == {"value": 3}
        assert await client.read_entity(Counter, "Oslo") is None
        assert await client.read_entity(EntityId("Counter", "bergen")) is None


@pytest.mark.parametrize("state", [0, "", False, [], {}])
async def test_a_falsy_state_is_a_state(store: Store, settings: Settings, state: object) -> None:
    await write(store, settings, {"@plain@a": state})
    async with client_of(store, settings) as client:
        assert await client.read_entity(EntityId("Plain", "a")) == state
        assert await collect(client.list_entities("plain")) == [("@plain@a", state)]


async def test_a_state_that_does_not_validate_is_said_to_be_invalid(store: Store, settings: Settings) -> None:
    await write(store, settings, {"@counter@a": {"value": "many"}})
    async with client_of(store, settings) as client:
        with pytest.raises(InvalidState):
            await client.read_entity(Counter, "a")
        assert await client.read_entity(EntityId(Counter, "a")) == {"value": "many"}


class Moody(Entity):
    value: int = 0

    @field_validator("value")
    @classmethod
    def check(cls, value: int) -> int:
        if value < 0:
            raise {-1: KeyError("slip"), -2: RuntimeError("no"), -3: WithoutText()}[value]
        return value

    def set(self, value: int) -> None: ...


class WithoutText(Exception):
    def __str__(self) -> str:
        raise OSError("no text")


@pytest.mark.parametrize("value", [-1, -2, -3])
async def test_a_validator_that_raises_whatever_it_likes_makes_one_state_unreadable(
    store: Store, settings: Settings, value: int
) -> None:
    await write(store, settings, {"@moody@a": {"value": 1}, "@moody@b": {"value": value}, "@moody@c": {"value": 3}})
    async with client_of(store, settings, Moody) as client:
        with pytest.raises(InvalidState, match="could not be loaded: a validator of its fields raised "):
            await client.read_entity(Moody, "b")
        assert [entity_id.key async for entity_id, _ in client.list_entities(Moody)] == ["a", "c"]
        assert [entity_id.key async for entity_id, _ in client.query(Moody)] == ["a", "c"]


async def test_what_is_not_known_is_said_to_be_unknown(store: Store, settings: Settings) -> None:
    wrong: Any = "Counter"
    async with client_of(store, settings) as client:
        with pytest.raises(UnknownEntity):
            await client.read_entity(Other, "a")
        with pytest.raises(UnknownEntity):
            await collect(client.list_entities(Other))
        with pytest.raises(InvalidInput):
            await client.read_entity(wrong, "a")
        assert await client.read_entity(EntityId("Other", "a")) is None  # no worker ever joined
        await store.publish({"counter": {"name": "Counter", "operations": [], "form": "class"}}, 60_000)
    async with client_of(store, settings) as client:
        with pytest.raises(UnknownEntity):
            await client.read_entity(EntityId("Other", "a"))
        with pytest.raises(UnknownEntity):
            await collect(client.list_entities("Other"))
        assert await client.read_entity(EntityId("Counter", "a")) is None


async def test_listing_is_ascending_over_all_partitions_and_pages(store: Store, settings: Settings) -> None:
    keys = [f"{number:03}" for number in range(100)] + ["å", "a", "B", "", "\U0001f600", "\uffee"]
    states = {f"@counter@{key}": {"value": number} for number, key in enumerate(keys)}
    await write(store, settings, states | {"@counter2@x": {"value": 1}, "@aaa@x": {"value": 1}})
    paged = settings.model_copy(update={"list_page_length": 7})
    async with client_of(store, paged) as client:
        found = [entity_id.key async for entity_id, _ in client.list_entities(Counter)]
        assert found == sorted(keys, key=lambda key: key.encode())
        async for entity_id, counter in client.list_entities(Counter, prefix="09"):
            assert_type(counter, Counter)
            assert entity_id.name == "Counter"
            assert entity_id.key == f"{counter.value:03}"
        assert len(await collect(client.list_entities("counter", prefix="09"))) == 10
        with pytest.raises(InvalidInput):
            await collect(client.list_entities(Counter, prefix="\n"))


async def test_reads_survive_lost_connections(memory: MemoryStore, settings: Settings) -> None:
    states = {f"@counter@{number:03}": {"value": number} for number in range(50)}
    await write(memory, settings, states)
    paged = settings.model_copy(update={"list_page_length": 7})
    async with client_of(memory, paged) as client:
        memory.faults.refuse("read_records", 2)
        assert await client.read_entity(EntityId("Counter", "003")) == {"value": 3}
        found: list[int] = []
        async for _, counter in client.list_entities(Counter):
            found.append(counter.value)
            if len(found) % 10 == 0:
                memory.faults.lose_answers("list_targets", 1)
        assert found == list(range(50))


async def test_reads_end_when_the_store_is_away_for_too_long(memory: MemoryStore, settings: Settings) -> None:
    hasty = settings.model_copy(update={"store_tries_ms": 50})
    memory.faults.refuse("read_records", 1_000)
    memory.faults.refuse("list_targets", 1_000)
    async with client_of(memory, hasty) as client:
        with pytest.raises(StoreUnavailable) as caught:
            await client.read_entity(Counter, "a")
        assert isinstance(caught.value.__cause__, ConnectionLost)
        with pytest.raises(StoreUnavailable):
            await collect(client.list_entities(Counter))
