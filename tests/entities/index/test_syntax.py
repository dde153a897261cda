"""Conditions and orders as text, as terminals and URLs have them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from stead.entities._index.conditions import Compare, matches
from stead.entities._index.syntax import parse_order, parse_where, read_words
from stead.entities._index.types import IndexType
from stead.transport import InvalidInput

TYPES = {
    name: IndexType(code, True)
    for name, code in {
        "n": "int",
        "f": "float",
        "b": "bool",
        "t": "datetime",
        "d": "date",
        "s": "str",
        "u": "UUID",
    }.items()
}


def parsed(text: str) -> list[Any]:
    return [read_words(condition.node, TYPES) for condition in parse_where(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n>=100 s=NO", [Compare("n", ">=", (100,)), Compare("s", "==", ("NO",))]),
        ("  n != -3  ", [Compare("n", "!=", (-3,))]),
        ("s=NO,SE,'a b'", [Compare("s", "one_of", ("NO", "SE", "a b"))]),
        (r's="a \"b\", c"', [Compare("s", "==", ('a "b", c',))]),
        ("s^=å s=null", [Compare("s", "startswith", ("å",)), Compare("s", "==", (None,))]),
        ("s='null'", [Compare("s", "==", ("null",))]),
        ("b=TRUE f<1e3", [Compare("b", "==", (True,)), Compare("f", "<", (1000.0,))]),
        ("t>2030-01-31T12:00:00Z", [Compare("t", ">", (datetime(2030, 1, 31, 12, tzinfo=UTC),))]),
        ("t>2030-01-31", [Compare("t", ">", (datetime(2030, 1, 31, tzinfo=UTC),))]),
        ("d<=2030-01-31", [Compare("d", "<=", (date(2030, 1, 31),))]),
        (f"u={UUID(int=5)}", [Compare("u", "==", (UUID(int=5),))]),
        ("", []),
        ("s=a=b", [Compare("s", "==", ("a=b",))]),
    ],
)
def test_what_is_written_is_what_is_meant(text: str, expected: list[Any]) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize(
    "text", ["n", "n>", "n>=1,2", "=3", "n>=x", "b=1", 's="a', "n>=1and s=a b", "s=a,", "t=soon", "5=n"]
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parsed(text)


def test_orders() -> None:
    order, descending = parse_order("-score")
    assert (order.name, descending) == ("score", True)
    assert parse_order("score")[1] is False
    with pytest.raises(InvalidInput):
        parse_order("--score")


def test_all_terms_have_to_match() -> None:
    conditions = parse_where("n>=1 s^=a")
    node = (conditions[0] & conditions[1]).node
    assert matches(read_words(node, TYPES), {"n": 1, "s": "ab"})
    assert not matches(read_words(node, TYPES), {"n": 0, "s": "ab"})
