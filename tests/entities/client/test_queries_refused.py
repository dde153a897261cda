"""What queries refuse, and where they end."""

from __future__ import annotations

from typing import Any

import pytest

from stead.entities import (
    Entity,
    EntityClient,
    EntityId,
    IndexNotReady,
    InvalidInput,
    StoreUnavailable,
    UnknownEntity,
    field,
)
from support.query_items import REGISTRY, SETTINGS, Bare, Item, Special, all_pages, hub, open_store, put, url

pytestmark = pytest.mark.anyio

__all__ = ["url"]


async def test_limits_say_what_to_do(url: str) -> None:
    async with hub(url, SETTINGS.model_copy(update={"query_results_max": 3})) as client:
        await put(client, {f"k{number}": {"number": 1} for number in range(5)})
        query = client.query(Item).where(Item.number == 1)
        with pytest.raises(InvalidInput, match="STEAD_QUERY_RESULTS_MAX"):
            _ = [each async for each in query]
        with pytest.raises(InvalidInput, match="STEAD_QUERY_RESULTS_MAX"):
            await query.signal(Item.add, 1)
        assert len([each async for each in query.limit(3)]) == 3
        assert len(await all_pages(query, 2)) == 5


async def test_a_page_ends_when_its_states_are_large_enough(url: str) -> None:
    async with hub(url, SETTINGS.model_copy(update={"query_page_bytes_max": 2_048})) as client:
        await put(client, {f"k{number}": {"name": "n" * 700, "number": number} for number in range(9)})
        query = client.query(Item).order_by(Item.number)
        first = await query.page(9)
        assert 1 <= len(first.items) < 5
        assert await all_pages(query, 9) == [f"k{number}" for number in range(9)]


async def test_what_is_wrong_with_a_query_is_said_where_it_is_written(url: str) -> None:
    async with hub(url) as client:
        loose: Any = client
        anything: Any = Item
        special: Any = Special
        refused: list[tuple[Any, str]] = [
            (lambda: loose.query(Item).where(special.extra == 3), "a field of Special"),
            (lambda: loose.query(Special).where(Bare), "give conditions"),
            (lambda: loose.query(Item).where(field("nothing") == 1), "no index of it"),
            (lambda: loose.query("Item").where(anything.number == 1), "the query is by name"),
            (lambda: loose.query(Item).order_by("number"), "give an indexed field"),
            (lambda: loose.query(Item).order_by(special.extra), "a field of Special"),
            (lambda: loose.query(Item).limit(-1), "whole number"),
            (lambda: loose.query(5), "class of an entity"),
        ]
        for wrong, said in refused:
            with pytest.raises(InvalidInput, match=said):
                wrong()
        query = loose.query(Item).where(Item.number == 1)
        for waiting, said in [
            (query.rank(Item.number, "a"), "ask for it without where"),
            (query.limit(3).page(2), "has a limit"),
            (query.page(0), "1 to"),
            (query.page(1, continuation="AAAA"), "not what a page has given"),
            (query.page(1, continuation="ü"), "not what a page has given"),
            (query.signal(Bare.add), "give an operation of that class"),
            (query.signal("add", 1), "give an operation of Item"),
            (query.signal(Item.add, "x"), "points"),
        ]:
            with pytest.raises(InvalidInput, match=said):
                await waiting
        await put(client, {"a": {"number": 1}, "b": {"number": 1}})
        token = (await query.page(1)).continuation
        with pytest.raises(InvalidInput, match="of another query"):
            await loose.query(Item).where(Item.number == 2).page(1, continuation=token)
        with pytest.raises(UnknownEntity):
            loose.query(Entity)
    with pytest.raises(StoreUnavailable):
        await query.count()


async def test_without_a_worker_an_index_is_not_ready(url: str) -> None:
    store = await open_store(url)
    async with EntityClient(store, REGISTRY, SETTINGS) as client:
        with pytest.raises(IndexNotReady, match="start a worker") as raised:
            await client.query(Item).where(Item.number == 1).count()
        assert raised.value.progress == 0
        with pytest.raises(IndexNotReady, match="start a worker"):
            await client.query("Item").order_by(field("number")).page(3)
        assert await client.query(Item).count() == 0
    await store.close()


async def test_an_iteration_gives_each_once_though_it_moves_ahead(url: str) -> None:
    """What moves behind the place that was reached is met again, and not given again."""
    async with hub(url, SETTINGS.model_copy(update={"query_results_max": 1_000})) as client:
        await put(client, {f"k{number:03}": {"number": number} for number in range(250)})
        given: list[EntityId] = []
        async for entity_id, _ in client.query(Item).order_by(Item.number):
            given.append(entity_id)
            if len(given) == 1:
                await client.call_entity(Item.put, "k000", {"number": 900})
        assert len(given) == len(set(given)) == 250
