"""Queries against a list of dicts: on both stores, with what changes meanwhile (HAZARDS 82-84, 90)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stead.entities import (
    EntityClient,
    EntityId,
    IndexNotReady,
    InvalidInput,
    PartlySent,
    Registry,
    StoreUnavailable,
    UnknownEntity,
    Worker,
    field,
)
from stead.entities._client import indexes, published, query_signals
from stead.entities._index.conditions import Condition, Node, matches
from stead.transport import ManualClock, MemoryStore, ReadRecords
from support.guards import HANGS_S
from support.query_cases import NODES, ORDERS, STATES, VALUES, ordered
from support.query_items import REGISTRY, SETTINGS, Bare, Item, Special, all_pages, hub, open_store, put, url
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

__all__ = ["url"]


@pytest.mark.parametrize("on_a_server", [False, True])
@pytest.mark.timeout(600)
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    states=STATES,
    gone=st.sets(st.sampled_from([f"k{number}" for number in range(8)]), max_size=3),
    asked=st.lists(st.tuples(NODES, ORDERS, st.integers(1, 5)), min_size=1, max_size=3),
)
async def test_queries_are_what_a_list_of_dicts_says(
    server: ValkeyServer, on_a_server: bool, states: dict[str, Any], gone: set[str], asked: list[Any]
) -> None:
    async with hub(server.url if on_a_server else "") as client:
        await put(client, states)
        for key in gone & states.keys():
            await client.call_entity(Item.delete, key)
        left = {key: state for key, state in states.items() if key not in gone}
        for node, order, size in asked:
            await _check(client, left, node, order, size)


async def _check(client: EntityClient, states: dict[str, Any], node: Node, order: Any, size: int) -> None:
    expected = [key for key, state in states.items() if matches(node, state)]
    query = client.query(Item).where(Condition(node, frozenset({Item})))
    assert await query.count() == len(expected)
    if order is not None:
        query = query.order_by(getattr(Item, order[0]), descending=order[1])
    found = [(entity_id.key, item) async for entity_id, item in query]
    for key, item in found:
        assert {name: getattr(item, name) for name in VALUES} == states[key]
    keys = [key for key, _ in found]
    pages = await all_pages(query, size)
    limited = [entity_id.key async for entity_id, _ in query.limit(size)]
    if order is None:
        assert sorted(keys) == sorted(pages) == sorted(expected)
        assert len(set(limited)) == len(limited) == min(size, len(expected))
        assert set(limited) <= set(expected)
        return
    in_order = ordered(states, expected, order)
    assert keys == pages == in_order
    assert limited == in_order[:size]
    everyone = ordered(states, list(states), order)
    for key in keys[:2]:
        rank = await client.query(Item).rank(getattr(Item, order[0]), key, descending=order[1])
        assert rank == everyone.index(key) + 1


async def test_what_exists_is_counted_and_nothing_else(url: str) -> None:
    async with hub(url) as client:
        assert await client.query(Item).count() == 0
        assert [each async for each in client.query(Item)] == []
        await put(client, {"a": {}, "b": {"number": 2}})
        await client.call_entity(Special.put, "c", {})
        assert await client.query(Item).count() == 2
        assert await client.query(Special).where(Special.extra == 1, Special.number == 0).count() == 1
        assert [each.key async for each, _ in client.query(Item)] == ["a", "b"]
        await client.call_entity(Item.delete, "a")
        assert await client.query(Item).where(Item.number >= 0).count() == 1
        assert await client.query(Item).rank(Item.number, "a") is None
        assert await client.query(Item).rank(Item.number, "b") == 1


@pytest.mark.hazard(89)
async def test_a_failed_operation_leaves_no_trace_in_an_index(url: str) -> None:
    async with hub(url) as client:
        await put(client, {"a": {"number": 1}})
        with pytest.raises(Exception, match="NaN is neither"):
            await client.call_entity(Item.put, "a", {"number": 5, "ratio": float("nan")})
        with pytest.raises(Exception, match="without a zone"):
            await client.call_entity(Item.put, "a", {"seen": datetime(2026, 1, 1)})
        with pytest.raises(Exception, match=r"2\*\*53"):
            await client.call_entity(Item.put, "a", {"number": 2**53 + 1})
        assert [item.number async for _, item in client.query(Item).where(Item.number > 0)] == [1]
        assert await client.query(Item).where(Item.number == 5).count() == 0


@pytest.mark.hazard(84)
async def test_signals_reach_each_once_though_they_move_in_the_order(url: str) -> None:
    async with hub(url) as client:
        await put(client, {f"k{number}": {"number": number} for number in range(20)})
        query = client.query(Item).where(Item.number >= 10).order_by(Item.number)
        assert await query.signal(Item.add, 100) == 10
        for number in range(20):  # behind the signal
            await client.call_entity(Item.put, f"k{number}", {})
        found = sorted([item.number async for _, item in client.query(Item)])
        assert found == [*range(10), *range(110, 120)]
        assert await client.query("Item").where(field("number") >= 110).signal("add", 1) == 10
        assert await client.query(Special).signal(Item.add, 1) == 0  # a base's operation is that of the class


@pytest.mark.hazard(84)
async def test_signals_that_are_repeated_reach_each_once(url: str) -> None:
    async with hub(url) as client:
        await put(client, {f"k{number}": {"number": 5} for number in range(6)})
        query = client.query(Item).where(Item.number == 5)
        assert await query.signal_once("bonus", Item.add, 1) == 6
        await put(client, {"late": {"number": 5}})
        assert await query.signal_once("bonus", Item.add, 1) == 6
        assert await client.query(Item).where(Item.number == 5).signal_once("other", Item.add, 1) == 1
        for key in [*(f"k{number}" for number in range(6)), "late"]:
            await client.call_entity(Item.put, key, {})
        assert {item.number async for _, item in client.query(Item)} == {6}


async def test_signals_that_stop_half_way_say_how_many_were_sent() -> None:
    settings = SETTINGS.model_copy(update={"store_tries_ms": 200, "query_results_max": 2_000})
    store = MemoryStore("partly", settings)
    async with Worker(store, REGISTRY, settings), EntityClient(store, REGISTRY, settings) as client:
        await put(client, {f"k{number}": {"number": 1} for number in range(7)})
        store.faults.refuse("enqueue", 1_000)
        with pytest.raises(PartlySent) as raised:
            await client.query(Item).where(Item.number == 1).signal(Item.add, 1)
        with pytest.raises(PartlySent):
            await client.query(Item).where(Item.number == 1).signal_once("all", Item.add, 1)
        store.faults.clear()
        assert await client.query(Item).where(Item.number == 1).signal_once("all", Item.add, 1) == 7
    assert (raised.value.sent, raised.value.total) == (0, 7)
    assert raised.value.__cause__ is not None


async def test_signals_tell_how_many_have_theirs_and_are_repeated_where_they_stopped(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_signals, "_CHUNK_LENGTH", 3)
    told: list[tuple[int, int]] = []

    def note(sent: int, total: int) -> None:
        told.append((sent, total))
        if (sent, total) == (3, 8) and len(told) < 3:
            raise StoreUnavailable("the client has lost the store", "unknown")

    async with hub(url) as client:
        await put(client, {f"k{number}": {"number": 1} for number in range(8)})
        query = client.query(Item).where(Item.number == 1).with_options(progress=note)
        with pytest.raises(StoreUnavailable):
            await query.signal_once("bonus", Item.add, 1)
        await client.call_entity(Item.put, "late", {"number": 1})
        assert await query.signal_once("bonus", Item.add, 1) == 8
        assert told == [(0, 8), (3, 8), (0, 8), (3, 8), (6, 8), (8, 8)]
        for key in [*(f"k{number}" for number in range(8)), "late"]:
            await client.call_entity(Item.put, key, {})
        assert await client.query(Item).where(Item.number == 2).count() == 8
        told.clear()
        assert await client.query(Item).with_options(progress=note).limit(2).signal(Item.add, 1) == 2
        assert await client.query(Item).where(Item.number == 9).with_options(progress=note).signal(Item.add, 1) == 0
        assert told == [(0, 2), (2, 2), (0, 0)]


async def test_a_name_of_repeated_signals_stands_for_other_entities_a_day_later() -> None:
    clock = ManualClock()
    store = MemoryStore("a-day-later", SETTINGS, clock)
    async with Worker(store, REGISTRY, SETTINGS), EntityClient(store, REGISTRY, SETTINGS) as client:
        await put(client, {"a": {"number": 1}, "b": {"number": 1}})
        query = client.query(Item).where(Item.number >= 1)
        for wrong in ("", "x" * 300, "a\nb"):
            with pytest.raises(InvalidInput):
                await query.signal_once(wrong, Item.add, 1)
        assert await query.signal_once("bonus", Item.add, 1) == 2
        await put(client, {"c": {"number": 1}})
        assert await query.signal_once("bonus", Item.add, 1) == 2
        clock.advance_to(clock.now_ms() + 86_400_001)
        assert await query.signal_once("bonus", Item.add, 1) == 3
        await put(client, {key: {} for key in "abc"})
        assert [item.number async for _, item in client.query(Item).order_by(Item.number)] == [2, 3, 3]


@pytest.mark.hazard(92)
async def test_a_second_number_is_asked_of_its_index_before_states_are_read(url: str) -> None:
    async with hub(url) as client:
        await put(client, {f"k{number:02}": {"number": number % 5, "ratio": float(number % 7)} for number in range(40)})
        looked: list[Any] = []
        look = client._store.look  # pyright: ignore[reportPrivateUsage]

        async def noted(looks: Any) -> Any:
            looked.append(list(looks))
            return await look(looks)

        client._store.look = noted  # type: ignore[method-assign]  # pyright: ignore[reportPrivateUsage]
        query = client.query(Item).where(Item.number == 3, Item.ratio == 5.0)
        found = [entity_id.key async for entity_id, _ in query]
        assert found == [f"k{number:02}" for number in range(40) if number % 5 == 3 and number % 7 == 5]
        assert await query.count() == len(found)
        for page in (await query.page(1), await query.order_by(Item.name).page(2)):
            assert page.items
        read = [
            target for looks in looked for each in looks if isinstance(each, ReadRecords) for target in each.targets
        ]
        assert set(read) == {f"@item@{key}" for key in found}


@pytest.mark.hazard(83)
async def test_what_has_moved_is_given_at_its_place_or_by_a_later_page() -> None:
    store = MemoryStore("moving", SETTINGS)
    async with Worker(store, REGISTRY, SETTINGS), EntityClient(store, REGISTRY, SETTINGS) as client:
        await put(client, {f"k{number}": {"number": number} for number in range(6)})
        between = _Between(store)
        query = client.query(Item).order_by(Item.number)
        between.then(lambda: client.call_entity(Item.put, "k1", {"number": 9}))
        first = await query.page(3)
        assert [entity_id.key for entity_id, _ in first.items] == ["k0", "k2"]  # k1 is beyond the page by now
        rest = await query.page(10, continuation=first.continuation)
        assert [entity_id.key for entity_id, _ in rest.items] == ["k3", "k4", "k5", "k1"]
        between.then(lambda: client.call_entity(Item.put, "k5", {"number": 0}))
        found = [(item.number, entity_id.key) async for entity_id, item in query.where(Item.number <= 5)]
        assert found == [(0, "k0"), (0, "k5"), (2, "k2"), (3, "k3"), (4, "k4")]
        between.then(lambda: client.call_entity(Item.delete, "k2"))
        assert [entity_id.key async for entity_id, _ in query.where(Item.number < 3)] == ["k0", "k5"]


class _Between:
    """Lets something happen after the next look at indexes, and before the states are read."""

    def __init__(self, store: MemoryStore) -> None:
        self._look = store.look
        self._next: Any = None
        store.look = self._looked  # type: ignore[method-assign]

    def then(self, happen: Any) -> None:
        self._next = happen

    async def _looked(self, looks: Any) -> Any:
        answers = await self._look(looks)
        if self._next is not None and type(looks[0]).__name__ == "ReadRange":
            happen, self._next = self._next, None
            await happen()
        return answers


async def test_queries_by_name_are_checked_against_what_workers_have_published(url: str) -> None:
    async with hub(url) as client:
        await put(client, {"a": {"number": 1, "name": "x"}, "b": {"number": 2}})
        query = client.query("item").where(field("number") >= 2)
        assert [(str(entity_id), state["number"]) async for entity_id, state in query] == [("@item@b", 2)]
        assert await client.query("Item").rank(field("number"), "b", descending=True) == 1
        assert [state["note"] async for _, state in client.query("Bare")] == []
        for wrong, said in [
            (client.query("Item").where(field("note") == 1), "has no index of it; it has: name"),
            (client.query("Item").where(field("number") >= "a"), "type str, and not int"),
            (client.query("Item").where(field("number").startswith("a")), "only text"),
        ]:
            with pytest.raises(InvalidInput, match=said):
                await wrong.count()
        with pytest.raises(UnknownEntity):
            await client.query("Nobody").count()


@pytest.mark.parametrize("known", [REGISTRY, Registry()], ids=["by its class", "by what workers say"])
async def test_a_kind_without_indexes_says_which_line_of_code_adds_one(url: str, known: Registry) -> None:
    store = await open_store(url)
    said = r"Bare has no index of it\. .* `count: Indexed\[int\] = indexed\(0\)`"
    async with Worker(store, REGISTRY, SETTINGS), EntityClient(store, known, SETTINGS) as asker:
        await asker.call_entity(EntityId("Bare", "x"), "add")
        for query in (asker.query("Bare").where(field("count") >= 1), asker.query("Bare").order_by(field("count"))):
            with pytest.raises(InvalidInput, match=said):
                await query.page(10)
    await store.close()


async def test_before_any_worker_has_come_a_query_by_name_waits_for_one(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "KEEP_S", 0.05)
    monkeypatch.setattr(indexes, "KEEP_S", 1_000.0)  # which there are is looked up because the kind is published
    store = await open_store(url)
    asker = EntityClient(store, Registry(), SETTINGS)
    query = asker.query("Item").where(field("number") == 1)
    with pytest.raises(IndexNotReady, match="start a worker"):
        await query.count()
    async with Worker(store, REGISTRY, SETTINGS), EntityClient(store, REGISTRY, SETTINGS) as client:
        await client.call_entity(Item.put, "a", {"number": 1})
        async with asyncio.timeout(HANGS_S):
            while True:
                try:
                    assert await query.count() == 1
                    break
                except IndexNotReady:
                    await asyncio.sleep(0.01)
    await store.close()


async def test_kinds_without_indexes_can_be_listed_and_counted(url: str) -> None:
    async with hub(url) as client:
        for number in range(5):
            await client.call_entity(Bare.add, f"k{number}")
        query = client.query(Bare)
        assert await query.count() == 5
        assert await query.limit(2).count() == 2
        assert [entity_id.key async for entity_id, _ in query.limit(3)] == ["k0", "k1", "k2"]
        page = await query.page(3)
        assert [entity_id.key for entity_id, _ in page.items] == ["k0", "k1", "k2"]
        page = await query.page(3, continuation=page.continuation)
        assert ([entity_id.key for entity_id, _ in page.items], page.continuation) == (["k3", "k4"], None)
