"""Which columns the table of a kind has, and what is in them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from stead.app import App, Client
from stead.app.testing import TestHub
from stead.entities import (
    Entity,
    EntityId,
    InvalidInput,
    UnknownEntity,
)
from support.tables_app import SETTINGS, Odd, Own, Thing, app, hub_of, rows


@pytest.mark.hazard(93)
async def test_each_type_has_its_column() -> None:
    given_values = {
        "count": -(2**53),
        "share": 1.5,
        "on": True,
        "note": 'a\0"é',
        "raw": b"\xff\0",
        "day": date(1, 1, 1),
        "at": datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))),
        "lasts": timedelta(days=-1, microseconds=3),
        "colour": "blue",
        "price": Decimal("0.10"),
        "tags": {"b", "a"},
        "rows": [[1, 2], []],
        "either": "x",
        "anything": {"n": [None, float("nan")]},
        "pairs": {"a": 1},
    }
    async with hub_of((Thing.put, "k", given_values), (Thing.see, "k", 4.0)) as client:
        table = await client.to_arrow(Thing)
        [row] = table.to_pylist()
    types = {field.name: str(field.type) for field in table.schema}
    assert list(types)[:2] == ["_key", "count"]
    assert {name: kind for name, kind in types.items() if kind != "string"} == {
        "count": "int64",
        "share": "double",
        "on": "bool",
        "raw": "binary",
        "day": "date32[day]",
        "at": "timestamp[us, tz=UTC]",
        "lasts": "duration[us]",
        "tags": "list<item: string>",
        "rows": "list<item: list<item: int64>>",
    }
    assert row["seen"] == '{"count":1,"sum":4.0,"mean":4.0,"min":4.0,"max":4.0,"variance":null}'
    assert row | {"seen": ""} == given_values | {
        "_key": "k",
        "at": datetime(2026, 1, 1, 10, tzinfo=UTC),
        "size": "s",
        "price": "0.10",
        "wakes": "07:00:00",
        "uid": str(UUID(int=0)),
        "tags": ["a", "b"],
        "either": '"x"',
        "anything": '{"n":[null,"NaN"]}',
        "spot": '{"x":0}',
        "pairs": '{"a":1}',
        "seen": "",
    }


@pytest.mark.hazard(93)
async def test_names_that_differ_by_case_or_need_quotes() -> None:
    async with hub_of((Odd.poke, "k")) as client:
        table = await client.to_arrow("Odd-Names")
        assert table.schema.names == ["_key", "name", "Name_2", "NAME_2_2", "order", "größe"]
        query = 'select name, name_2, name_2_2, "order" o, "größe" g from "Odd-Names"'
        assert await rows(client, query) == [{"name": 1, "Name_2": 2, "NAME_2_2": 3, "o": 4, "g": 6}]


async def test_what_no_class_here_describes_is_json() -> None:
    async with TestHub(app) as hub:
        await hub.client.call_entity(EntityId("Switch", "a"), "poke")
        await hub.client.call_entity(Own.poke, "b")
        await hub.client.call_entity(Odd.poke, "c")
        assert await rows(hub.client, "select * from switch") == [{"_key": "a", "_state": '{"on":[1,true,null]}'}]
        assert await rows(hub.client, "select _state->>'$.value' as v from Own") == [{"v": "7"}]
        driver = hub._driver
        stranger = Client(driver.store, App("other").registry, driver.settings, App("other").orchestrations)
        assert await rows(stranger, "select _key, (_state->>'größe')::int s from \"odd-names\"") == [
            {"_key": "c", "s": 6}
        ]
        assert (await stranger.to_arrow("switch")).num_rows == 1
        with pytest.raises(UnknownEntity):
            await stranger.to_arrow("Ship")


@pytest.mark.hazard(93)
@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("lasts", timedelta.max, "P2739726Y9DT23H59M59.999999S"),
        ("rows", [[2**70]], f"[[{2**70}]]"),
    ],
)
async def test_what_a_column_cannot_hold_makes_it_text(field: str, value: Any, shown: str) -> None:
    many = [(Thing.put, f"k{number}", {"on": True}) for number in range(20)]
    async with hub_of(*many, (Thing.put, "k5", {field: value})) as client:
        table = await client.to_arrow(Thing)
        assert str(table.schema.field(field).type) == "string" and table.num_rows == 20
        assert await rows(client, f"select {field} f from Thing where _key = 'k5'") == [{"f": shown}]


@pytest.mark.hazard(93)
async def test_an_integer_of_more_than_64_bits_is_text_and_that_is_said() -> None:
    big = App("big", settings=SETTINGS)

    @big.entity
    class Big(Entity):
        value: int = 0

        def put(self, value: int) -> None:
            self.value = value

    async with hub_of((Big.put, "a", 1), (Big.put, "b", 2**63 - 1), of=big) as client:
        assert str((await client.to_arrow(Big)).schema.field("value").type) == "int64"
        await client.call_entity(Big.put, "c", 2**64)
        assert await rows(client, "select value from Big order by _key") == [
            {"value": "1"},
            {"value": str(2**63 - 1)},
            {"value": str(2**64)},
        ]
        # Both readings of one query go on with the same columns.
        assert await rows(client, "select count(*) n from Big a join Big b on a.value = b.value") == [{"n": 3}]
        assert await rows(client, "select max(value::hugeint) m from Big") == [{"m": Decimal(2**64)}]
        with pytest.raises(InvalidInput, match=r"Big\.value: text"):
            await client.sql("select sum(value) from Big")


async def test_states_of_before_are_migrated_and_what_cannot_be_read_is_left_out() -> None:
    old = App("tables", settings=SETTINGS)

    @old.entity(name="Thing")
    class Before(Entity):
        count: Any = 0

        def put(self, count: Any) -> None:
            self.count = count

    async with TestHub(old) as hub:
        await hub.client.call_entity(Before.put, "a", 5)
        await hub.client.call_entity(Before.put, "b", "five")
        driver = hub._driver
        client = Client(driver.store, app.registry, driver.settings, app.orchestrations)
        table = (await client.to_arrow(Thing)).to_pylist()
        assert [(row["_key"], row["count"], row["size"]) for row in table] == [("a", 5, "s")]
        assert driver.store.left_out.counts() == {"entities": 1}
