"""Indexes that come and go while a hub has data: built in the background, by workers of two versions (HAZARDS 85-88)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stead.entities import (
    ClassEntityType,
    Entity,
    EntityClient,
    Indexed,
    IndexNotReady,
    InvalidDefinition,
    Registry,
    Worker,
    indexed,
)
from stead.entities._index.catalogue import read_catalogue
from stead.entities._worker import indexes as building
from stead.transport import (
    FORMAT_CATALOGUE,
    CountRange,
    HubMismatch,
    ManualClock,
    MemoryStore,
    ReadBuilt,
    ReadRange,
    Settings,
    Store,
)
from stead.transport._contract import layout
from stead.transport._redis.store import RedisStore
from support.client_stores import OpenStore
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=2, slot_groups=2, heartbeat_ms=20)


def _kind(annotation: Any, default: Any) -> tuple[Registry, Any]:
    """A version of the program, with its class."""

    def put(self: Any, value: Any) -> None:
        self.value = value
        self.touched += 1

    put.__annotations__ = {"value": Any, "return": None}
    annotations = {"value": annotation, "touched": int}
    body = {"__annotations__": annotations, "value": default, "touched": 0, "put": put, "__module__": __name__}
    cls = type("Thing", (Entity,), body)
    registry = Registry()
    registry.add(ClassEntityType(cls))
    return registry, cls


@pytest.fixture
def settings() -> Settings:
    return SETTINGS


async def until(condition: Any) -> None:
    """Wait for something that workers do."""
    async with asyncio.timeout(HANGS_S):
        while not await condition():
            await asyncio.sleep(0.01)


async def is_ready(query: Any) -> bool:
    try:
        await query.count()
    except IndexNotReady:
        return False
    return True


async def entries(store: Store, prefix: str = "") -> list[tuple[float, bytes]]:
    """All entries of all indexes, of both partitions."""
    catalogue = read_catalogue(await store.catalogue())
    looks = [ReadRange(place, name, limit=10_000) for name in catalogue.indexes for place in (0, 1)]
    _, answers = await store.look(looks)
    return sorted(entry for answer in answers for entry in answer)


@pytest.mark.hazard(88)
async def test_an_index_that_is_added_is_built_in_steps_beside_the_work(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "STEP_LENGTH", 7)
    before, old = _kind(int, 0)
    async with Worker(store, before, SETTINGS), EntityClient(store, before, SETTINGS) as client:
        async with client.producer() as producer:
            for number in range(60):
                await producer.signal(old.put, f"k{number}", number)
        await client.call_entity(old.delete, "k59")
        for number in range(59):
            await client.call_entity(old.put, f"k{number}", number)
    after, new = _kind(Indexed[int], indexed(0))
    async with EntityClient(store, after, SETTINGS) as client:
        with pytest.raises(IndexNotReady):
            await client.query(new).where(new.value >= 0).count()
        async with Worker(store, after, SETTINGS):
            for number in range(0, 60, 5):  # meanwhile
                await client.call_entity(new.put, f"k{number}", number + 1_000)
            await client.call_entity(new.delete, "k1")
            query = client.query(new).where(new.value >= 0)
            await until(lambda: is_ready(query))
            expected = sorted(number + 1_000 if number % 5 == 0 else number for number in range(59) if number != 1)
            assert await query.count() == len(expected)
            assert [thing.value async for _, thing in query.order_by(new.value)] == expected
    assert len(await entries(store)) == len(expected)


@pytest.mark.hazard(88)
async def test_building_goes_on_where_a_worker_that_died_left_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "STEP_LENGTH", 3)
    before, old = _kind(int, 0)
    async with Worker(store, before, SETTINGS), EntityClient(store, before, SETTINGS) as client:
        for number in range(40):
            await client.call_entity(old.put, f"k{number}", number)
    after, new = _kind(Indexed[int], indexed(0))
    async with EntityClient(store, after, SETTINGS) as client:
        query = client.query(new).where(new.value >= 0)
        lives = 0
        while not await is_ready(query):
            lives += 1
            worker = Worker(store, after, SETTINGS)
            await worker.start()
            await asyncio.sleep(0)
            await client.call_entity(new.put, f"k{lives}", lives + 100)
            await worker.abandon()
            assert lives < 100
        assert await query.count() == 40
        assert sorted([thing.touched async for _, thing in query]) == [1] * (40 - min(lives, 40)) + [2] * min(lives, 40)


@pytest.mark.hazard(86)
async def test_a_worker_of_the_version_before_maintains_what_its_class_does_not_know(
    store: Store, open_store: OpenStore
) -> None:
    before, old = _kind(int, 0)
    after, new = _kind(Indexed[int], indexed(0))
    async with (
        Worker(await open_store(), before, SETTINGS),
        Worker(store, after, SETTINGS),
        EntityClient(store, after, SETTINGS) as client,
    ):
        query = client.query(new).where(new.value >= 0)
        await until(lambda: is_ready(query))
        for turn in range(3):
            for number in range(20):
                await client.call_entity(new.put, f"k{number}", number + 100 * turn)
            assert await query.count() == 20
            assert [thing.value async for _, thing in query.order_by(new.value)] == [n + 100 * turn for n in range(20)]
        # What only the class that knows the index refuses, and queries find all the same.
        async with EntityClient(await open_store(), before, SETTINGS) as other:
            for number in range(20):
                await other.call_entity(old.put, f"k{number}", number)
        assert await query.count() == 20
    assert sorted(score for score, _ in await entries(store)) == [float(number) for number in range(20)]


@pytest.mark.hazard(86)
async def test_what_cannot_be_indexed_is_looked_through(store: Store) -> None:
    before, old = _kind(int, 0)
    async with Worker(store, before, SETTINGS), EntityClient(store, before, SETTINGS) as client:
        for number in range(10):
            await client.call_entity(old.put, f"k{number}", 2**60 if number == 3 else number)
    after, new = _kind(Indexed[int], indexed(0))
    async with Worker(store, after, SETTINGS), EntityClient(store, after, SETTINGS) as client:
        query = client.query(new).where(new.value >= 5)
        await until(lambda: is_ready(query))
        assert await query.count() == 6
        assert [item.key async for item, _ in query.order_by(new.value)][-1] == "k3"
        await client.call_entity(new.put, "k3", 4)
        assert await query.count() == 5


@pytest.mark.hazard(85)
async def test_another_type_is_another_index_beside_the_old_one(store: Store, open_store: OpenStore) -> None:
    numbers, one = _kind(Indexed[int], indexed(0))
    texts, other = _kind(Indexed[float], indexed(0.0))
    async with Worker(store, numbers, SETTINGS), EntityClient(store, numbers, SETTINGS) as client:
        for number in range(8):
            await client.call_entity(one.put, f"k{number}", number)
        async with EntityClient(store, texts, SETTINGS) as newer:
            query = newer.query(other).where(other.value >= 4.0)
            with pytest.raises(IndexNotReady, match="of this type"):
                await query.count()
            async with Worker(await open_store(), texts, SETTINGS):
                await until(lambda: is_ready(query))
                assert await query.count() == 4
                assert await client.query(one).where(one.value >= 4).count() == 4
    assert len(read_catalogue(await store.catalogue()).indexes) == 2


@pytest.mark.hazard(87)
async def test_an_index_goes_when_nobody_has_declared_it_for_long() -> None:
    settings = SETTINGS.model_copy(update={"names_keep_ms": 1_000})
    clock = ManualClock()
    store = MemoryStore("dropping", settings, clock)
    after, new = _kind(Indexed[int], indexed(0))
    before, _ = _kind(int, 0)

    async def pass_time(milliseconds: int) -> None:
        for _ in range(milliseconds // 20):
            clock.advance_to(clock.now_ms() + 20)
            await asyncio.sleep(0.002)

    async with Worker(store, after, settings), EntityClient(store, after, settings) as client:
        await client.call_entity(new.put, "a", 5)
        assert await client.query(new).where(new.value == 5).count() == 1
        await pass_time(2_000)
        assert (await store.catalogue()).version == 1
    async with Worker(store, before, settings):
        await pass_time(2_000)
        view = await store.catalogue()
        assert (view.version, dict(view.indexes)) == (2, {})
        await pass_time(200)
        _, built = await store.look([ReadBuilt(0), ReadBuilt(1)])
        assert built == [{}, {}]
    name = ClassEntityType(_kind(Indexed[int], indexed(0))[1]).indexes[0].name
    _, counts = await store.look([CountRange(place, name) for place in (0, 1)])
    assert counts == [0, 0]


@pytest.mark.hazard(87)
async def test_work_goes_on_when_the_last_index_has_gone(store: Store) -> None:
    """Its partitions have adopted a catalogue in which there is nothing, and their commits say so."""
    settings = SETTINGS.model_copy(update={"names_keep_ms": 200})
    after, new = _kind(Indexed[int], indexed(0))
    before, old = _kind(int, 0)
    async with Worker(store, after, settings), EntityClient(store, after, settings) as client:
        await client.call_entity(new.put, "a", 5)
    async with Worker(store, before, settings), EntityClient(store, before, settings) as client:

        async def adopted() -> bool:
            _, built = await store.look([ReadBuilt(0), ReadBuilt(1)])
            return not (await store.catalogue()).indexes and built == [{}, {}]

        await until(adopted)
        for number in range(8):
            await client.call_entity(old.put, f"k{number}", number)
        read = await client.read_entity(old, "k7")
        assert read is not None and read.value == 7


@pytest.mark.hazard(26)
@pytest.mark.hazard(86)
async def test_nothing_is_declared_while_a_worker_lives_that_knows_no_indexes(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    after, new = _kind(Indexed[int], indexed(0))
    await store.heartbeat("earlier", {"kinds": 0}, 600_000)  # nobody knows what it can run, so it is left nothing
    async with Worker(store, after, SETTINGS), EntityClient(store, after, SETTINGS) as client:
        await client.call_entity(new.put, "a", 5)  # it works all the same
        assert (await store.catalogue()).indexes == {}
        with pytest.raises(IndexNotReady):
            await client.query(new).where(new.value == 5).count()
        assert "earlier is of a version of stead that does not maintain indexes" in caplog.text
        await store.leave("earlier")
        await until(lambda: is_ready(client.query(new).where(new.value == 5)))
        assert await client.query(new).where(new.value == 5).count() == 1


@pytest.mark.hazard(26)
@pytest.mark.hazard(86)
async def test_versions_that_know_no_indexes_stay_away_from_a_hub_that_has_some(
    server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await RedisStore.open(server_url, "with-indexes", SETTINGS)
    before, _ = _kind(int, 0)
    after, _ = _kind(Indexed[int], indexed(0))
    async with Worker(store, before, SETTINGS):
        again = await RedisStore.open(server_url, "with-indexes", SETTINGS)
        assert again.layout.format == 1
        await again.close()
    async with Worker(store, after, SETTINGS):
        again = await RedisStore.open(server_url, "with-indexes", SETTINGS)
        assert again.layout.format == FORMAT_CATALOGUE
        await again.close()
    await store.close()
    monkeypatch.setattr(layout, "FORMATS", frozenset({1}))
    with pytest.raises(HubMismatch, match="has format 2"):
        await RedisStore.open(server_url, "with-indexes", SETTINGS)


def test_too_many_indexes_are_refused_when_a_worker_begins() -> None:
    after, _ = _kind(Indexed[int], indexed(0))
    with pytest.raises(InvalidDefinition, match="STEAD_INDEXES_MAX"):
        building.indexes_of(after.types(), 0)
