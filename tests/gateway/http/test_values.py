"""What JSON says of values that it lacks, how instants are written and read, and how a query is read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, computed_field
from starlette.requests import Request

from stead.gateway._http.errors import HttpError
from stead.gateway._http.json_values import milliseconds, parse_instant, ticks, to_json, whole_seconds
from stead.gateway._http.query import Query
from stead.orchestrations import RuntimeStatus


class Colour(Enum):
    RED = "red"


class Point(BaseModel):
    x: int
    raw: bytes = b"\xff"


class Sized(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True, extra="forbid")

    width: int = Field(alias="w")

    @computed_field
    def area(self) -> int:
        return self.width**2


@dataclasses.dataclass
class Pair:
    left: int
    right: Decimal


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\xff\xfe\x00", '"//4A"'),
        (datetime(2026, 1, 2, 3, 4, 5, 678, UTC), '"2026-01-02T03:04:05.000678Z"'),
        (date(2026, 1, 2), '"2026-01-02"'),
        (Decimal("1.10"), '"1.10"'),
        (timedelta(seconds=90), '"PT1M30S"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Colour.RED, '"red"'),
        (Point(x=1), '{"x":1,"raw":"/w=="}'),
        (Sized(w=3), '{"width":3}'),
        (Pair(1, Decimal(2)), '{"left":1,"right":"2"}'),
        ({1}, "[1]"),
        ((1, "é"), '[1,"é"]'),
        ({2: None, None: 2, True: 3}, '{"2":null,"null":2,"true":3}'),
        ({b"\xff": 1}, '{"/w==":1}'),
        (float("nan"), '"NaN"'),
        ([float("-inf"), {"a": b""}, float("inf")], '["-Infinity",{"a":""},"Infinity"]'),
        ("\ud800", '"\\ud800"'),
        (2**70, str(2**70)),
    ],
    ids=repr,
)
def test_everything_has_a_form(value: object, text: str) -> None:
    assert to_json(value).decode() == text


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
)


@given(plain)
def test_what_is_written_is_json(value: object) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(to_json(value), parse_constant=refuse)


def test_instants_are_written_as_each_surface_has_them() -> None:
    instant = datetime(2018, 2, 28, 6, 18, 49, 345237, timezone(timedelta(hours=1)))
    assert whole_seconds(instant) == "2018-02-28T05:18:49Z"
    assert milliseconds(instant) == "2018-02-28T05:18:49.345Z"
    assert ticks(instant) == "2018-02-28T05:18:49.3452370Z"


@pytest.mark.parametrize(
    "text",
    [
        "2018-02-28T05:18:49Z",
        "2018-02-28T05:18:49",
        "2018-02-28 05:18:49",
        "2018-02-28T05:18:49.0000000Z",
        "2018-02-28T06:18:49+01:00",
        "2018-02-28T06:18:49 01:00",  # a "+" that nobody escaped
        " 2018-02-28T05:18:49Z ",
        "20180228T051849Z",
    ],
)
def test_instants_are_read(text: str) -> None:
    assert parse_instant(text) == datetime(2018, 2, 28, 5, 18, 49, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["yesterday", "", "2018-13-01", "1", "0001-01-01T00:00:00+14:00", "2018-02-28T25:00:00"]
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_instant(text)


def query(text: str) -> Query:
    return Query(Request({"type": "http", "headers": [], "query_string": text.encode()}))


def test_a_query_is_read_without_regard_to_case() -> None:
    q = query("ShowInput=FALSE&top=7&Wait=1.5&createdtimefrom=2018-02-28&name=&taskHub=x&CODE=y&connection=z")
    assert q.boolean("showInput", True) is False
    assert q.boolean("showHistory", False) is False
    assert q.integer("top", 100) == 7
    assert q.integer("skip", None) is None
    assert q.number("wait", 0.0) == 1.5
    assert q.instant("createdTimeFrom") == datetime(2018, 2, 28, tzinfo=UTC)
    assert q.instant("createdTimeTo") is None
    assert q.text("name") is None
    assert q.choice("order", "asc", ["asc", "desc"]) == "asc"
    q.done()


def test_statuses_may_be_parted_and_repeated() -> None:
    both = [RuntimeStatus.PENDING, RuntimeStatus.RUNNING]
    assert query("runtimeStatus=Pending,Running").statuses() == both
    assert query("runtimeStatus=pending&RUNTIMESTATUS=%20RUNNING%20,").statuses() == both
    assert query("runtimeStatus=").statuses() == []


MISTYPED: list[tuple[str, Callable[[Query], object], str]] = [
    ("top=seven", lambda q: q.integer("top", 1), "top"),
    ("TOP=-1", lambda q: q.integer("top", 1), "TOP"),
    ("top=99999999999999999999999", lambda q: q.integer("top", 1), "top"),
    ("top=%D9%A1", lambda q: q.integer("top", 1), "top"),
    ("top=1&top=2", lambda q: q.integer("top", 1), "top"),
    ("wait=nan", lambda q: q.number("wait", 1), "wait"),
    ("wait=1_0", lambda q: q.number("wait", 1), "wait"),
    ("wait=-1", lambda q: q.number("wait", 1), "wait"),
    ("showInput=yes", lambda q: q.boolean("showInput", True), "showInput"),
    ("from=today", lambda q: q.instant("from"), "from"),
    ("runtimeStatus=Complete", lambda q: q.statuses(), "runtimeStatus"),
    ("runtimeStatus=Running,Compelted", lambda q: q.statuses(), "runtimeStatus"),
    ("order=up", lambda q: q.choice("order", "asc", ["asc", "desc"]), "order"),
    ("runtimeSatus=Running", lambda q: q.done(), "runtimeSatus"),
]


@pytest.mark.parametrize(("text", "read", "name"), MISTYPED)
def test_what_a_query_mistypes_is_400_and_named(text: str, read: Callable[[Query], object], name: str) -> None:
    with pytest.raises(HttpError) as refused:
        read(query(text))
    assert refused.value.status == 400
    assert refused.value.errors[0]["loc"] == ["query", name]
    assert repr(name) in refused.value.message


def test_a_query_that_cannot_be_read_is_400() -> None:
    for text in ("a=%FF", "&".join(f"a{number}=1" for number in range(1_001))):
        with pytest.raises(HttpError) as refused:
            query(text)
        assert refused.value.status == 400
