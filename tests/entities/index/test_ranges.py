"""Which parts of an index a condition may be in: against all values, tried one by one (HAZARDS 81)."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.entities._index.catalogue import (
    KindIndexes,
    Writes,
    above_text,
    below_text,
    index_of,
    of_text_member,
    text_member,
)
from stead.entities._index.conditions import Compare, Join, Negation, Node, matches
from stead.entities._index.ranges import Ranges, doubtful_places, ranges_of
from stead.entities._index.types import Place, Unplaced, is_text, place_of
from stead.entities._message.record import encode_record
from stead.transport import IndexWrite, pack

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_LONG = "x" * 511
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-3, 3) | st.sampled_from([-(2**53), 2**53, 2**53 - 1]),
    "float": st.sampled_from([-math.inf, -1.5, -0.0, 0.0, 1e-300, 3, 7.25, math.inf]),
    "bool": st.booleans(),
    "datetime": st.integers(-2500, 2500).map(lambda number: _EPOCH + timedelta(microseconds=number)),
    "date": st.dates(date(2026, 1, 1), date(2026, 1, 9)),
    "str": st.sampled_from(["", "a", "a\0", "a\0b", "ab", "b", "\0", "å", "\uffff", "\U0001f600"])
    | st.sampled_from([_LONG, _LONG + "a", _LONG + "ab", _LONG + "aå", _LONG + "b", _LONG + "å"]),
    "UUID": st.sampled_from([UUID(int=number) for number in (0, 1, 255, 256, 2**128 - 1)]),
}


@st.composite
def _comparisons(draw: st.DrawFn, code: str) -> Node:
    values = VALUES[code]
    signs = ["==", "!=", "<", "<=", ">", ">=", "between", "one_of", *(["startswith"] if code == "str" else [])]
    sign = draw(st.sampled_from(signs))
    if sign == "between":
        return Compare("a", sign, (draw(values), draw(values)))
    if sign == "one_of":
        return Compare("a", sign, tuple(draw(st.lists(values | st.none(), max_size=3))))
    if sign in ("==", "!="):
        return Compare("a", sign, (draw(values | st.none()),))
    return Compare("a", sign, (draw(values),))


def _nodes(code: str) -> st.SearchStrategy[Node]:
    return st.recursive(
        _comparisons(code),
        lambda inner: (
            st.builds(Join, st.booleans(), st.lists(inner, min_size=1, max_size=3).map(tuple))
            | st.builds(Negation, inner)
        ),
        max_leaves=4,
    )


def _is_in(ranges: Ranges, place: Place) -> bool:
    return ranges.none if place is None else any(first <= (place, 0.5) < last for first, last in ranges.parts)


@pytest.mark.hazard(81)
@pytest.mark.parametrize("code", VALUES)
def test_the_parts_hold_what_matches_and_nothing_else_but_at_doubtful_places(code: str) -> None:
    @given(node=_nodes(code), value=VALUES[code] | st.none())
    def check(node: Node, value: object) -> None:
        ranges, doubts = ranges_of(node, "a", code), doubtful_places(node, code)
        place = place_of(code, value)
        for (_, last), (first, _) in zip(ranges.parts, ranges.parts[1:], strict=False):
            assert last < first
        if matches(node, {"a": value}):
            assert _is_in(ranges, place)
        elif _is_in(ranges, place):
            assert place in doubts

    check()


def test_of_other_fields_nothing_is_known() -> None:
    node = Join(False, (Compare("a", ">", (3,)), Compare("b", "==", (1,))))
    assert ranges_of(node, "a", "int") == Ranges((((3.0, 1), (math.inf, 1)),), False)
    assert ranges_of(Join(True, node.parts), "a", "int").none


@pytest.mark.hazard(81)
@pytest.mark.parametrize("code", VALUES)
def test_places_are_in_the_order_of_values(code: str) -> None:
    @given(one=VALUES[code], other=VALUES[code])
    def check(one: Any, other: Any) -> None:
        places: Any = (place_of(code, one), place_of(code, other))
        if one < other:
            assert places[0] <= places[1]
        if one == other:
            assert repr(places[0]) == repr(places[1])  # -0.0 too

    check()


@pytest.mark.hazard(81)
@given(
    texts=st.lists(st.text(st.sampled_from("\0\x01aå\U0001f600"), max_size=3), min_size=2, max_size=2),
    keys=st.lists(st.sampled_from(["", "a", "å", "~"]), min_size=2, max_size=2),
)
def test_members_are_in_the_order_of_texts_then_keys(texts: list[str], keys: list[str]) -> None:
    (one, other), (key, second) = [text.encode() for text in texts], [key.encode() for key in keys]
    left, right = text_member(one, key), text_member(other, second)
    assert (left < right) == ((one, key) < (other, second))
    assert of_text_member(left) == (one, key)
    assert below_text(one) <= left < above_text(one)
    if one < other:
        assert above_text(one) < below_text(other)


@pytest.mark.hazard(81)
@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("int", True),
        ("int", 2**53 + 1),
        ("int", 1.0),
        ("float", math.nan),
        ("float", 2**60),
        ("bool", 1),
        ("datetime", datetime(2026, 1, 1)),
        ("datetime", date(2026, 1, 1)),
        ("date", _EPOCH),
        ("str", b"a"),
        ("UUID", "0"),
    ],
)
def test_what_has_no_place(code: str, value: object) -> None:
    with pytest.raises(Unplaced):
        place_of(code, value)


def test_a_time_is_an_instant_whatever_its_zone() -> None:
    there = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert place_of("datetime", there) == place_of("datetime", _EPOCH)
    assert place_of("datetime", datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1.0


# -- what a commit writes ----------------------------------------------------------------------------------------------------

A, B = index_of("k", "a", "int", True, 5), index_of("k", "b", "str", False)
KIND = KindIndexes("k", [A, B])


def _record(**state: object) -> bytes:
    return encode_record(pack(state), 1)


def _written(old: bytes | None, new: bytes | None, *whole: str) -> dict[str, IndexWrite]:
    writes = Writes()
    KIND.write(KIND.places(old), KIND.places(new), b"key", writes, frozenset(whole))
    return {each.name: each for each in writes.all()}


@pytest.mark.hazard(85)
def test_only_what_differs_is_written() -> None:
    text = text_member(b"x", b"key")
    first = _written(None, _record(a=1, b="x"))
    assert first == {A.name: IndexWrite(A.name, [], [(1.0, b"key")]), B.name: IndexWrite(B.name, [], [(0.0, text)])}
    assert _written(_record(a=1, b="x"), _record(a=1, b="x")) == {}
    assert _written(_record(a=1, b="x"), _record(a=2, b="x")) == {A.name: IndexWrite(A.name, [], [(2.0, b"key")])}
    assert _written(_record(a=1, b="x"), _record(a=1, b="y")) == {
        B.name: IndexWrite(B.name, [text], [(0.0, text_member(b"y", b"key"))])
    }
    assert _written(_record(a=None, b="x"), _record(a=1, b="x")) == {
        A.none: IndexWrite(A.none, [b"key"], []),
        A.name: IndexWrite(A.name, [], [(1.0, b"key")]),
    }


@pytest.mark.hazard(90)
def test_what_goes_takes_its_entries_along_and_a_lock_alone_is_in_no_index() -> None:
    assert _written(_record(a=1, b="x"), None) == {
        A.name: IndexWrite(A.name, [b"key"], []),
        B.name: IndexWrite(B.name, [text_member(b"x", b"key")], []),
    }
    assert KIND.places(encode_record(None, 1, ["lock", None, []])) is None
    assert _written(None, encode_record(None, 1, ["lock", None, []])) == {}


@pytest.mark.hazard(86)
def test_a_state_without_the_field_stands_where_its_default_does_or_among_the_unindexed() -> None:
    assert KIND.places(_record(b="x")) == tuple({A: 5.0, B: b"x"}[index] for index in KIND.indexes)
    written = _written(None, _record(a=1))
    assert written["k.unindexed"].added == [(0.0, b"key")]
    assert B.name not in written
    assert _written(_record(a=1), _record(a=1, b="x"))["k.unindexed"].removed == [b"key"]
    assert _written(_record(a=2**60), None) == {"k.unindexed": IndexWrite("k.unindexed", [b"key"], [])}


def test_an_index_that_is_being_built_is_written_whole() -> None:
    assert set(_written(_record(a=1, b="x"), _record(a=1, b="x"), A.name)) == {A.name}


def test_all_that_decides_where_values_stand_is_in_the_name() -> None:
    others = [
        index_of("l", "a", "int", True, 5),
        index_of("k", "b", "int", True, 5),
        index_of("k", "a", "float", True, 5),
        index_of("k", "a", "int", True, 6),
        index_of("k", "a", "int", False),
    ]
    assert len({A.name, *(index.name for index in others)}) == 6
    assert index_of("k", "a", "int", True, 5) == A
    assert not is_text(A.code)
