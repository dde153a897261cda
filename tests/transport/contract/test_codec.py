"""The codec: what goes in comes out, of the same types, and nothing else gets through."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import pathlib
from collections import OrderedDict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple, cast
from uuid import UUID

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from stead.transport import InvalidInput, pack, partition_of, unpack

_msgpack: Any = msgpack

_zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_text = st.text(st.characters(exclude_categories=["Cs"]))
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**63)
    | st.floats(allow_nan=False)
    | _text
    | st.binary()
    | st.datetimes()
    | st.datetimes(timezones=_zones)
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
)
_hashable = st.recursive(
    _scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=6
)
values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(_hashable, inner, max_size=4)
        | st.sets(_hashable, max_size=4)
    ),
    max_leaves=12,
)


def shape(value: Any) -> Any:
    """A value with the types of all its parts, because 1 == True == 1.0."""
    if isinstance(value, dict):
        return dict, [(shape(key), shape(item)) for key, item in cast("Any", value).items()]
    if isinstance(value, (list, tuple)):
        return [type(cast("Any", value)), *map(shape, cast("list[Any]", value))]
    return type(value), value


@given(values)
def test_what_is_packed_comes_back_with_its_types(value: Any) -> None:
    assert shape(unpack(pack([value]))) == shape([value])


@given(
    st.lists(_hashable, max_size=8, unique=True)
)  # of two that are equal, such as 0 and False, a set keeps the first
def test_equal_sets_give_equal_bytes(items: list[Any]) -> None:
    reverse: set[Any] = set()
    for item in reversed(items):
        reverse.add(item)  # in the other order
    assert pack(set(items)) == pack(reverse)


def test_a_tuple_at_the_top_is_a_record() -> None:
    assert _msgpack.unpackb(pack((1, "two"))) == [1, "two"]


def test_not_a_number_comes_back() -> None:
    assert str(unpack(pack([float("nan"), Decimal("NaN")]))) == "[nan, Decimal('NaN')]"


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str):
    __slots__ = ()


class Pair(NamedTuple):
    left: int
    right: int


class Point(BaseModel):
    x: int
    at: Colour


@dataclasses.dataclass
class Shape:
    points: list[Point]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Word("word"), "word"),
        (Pair(1, 2), (1, 2)),
        (Shape([Point(x=1, at=Colour.RED)]), {"points": [{"x": 1, "at": "red"}]}),
        (OrderedDict([("a", 1)]), {"a": 1}),
        (deque([1, 2]), [1, 2]),
        (pathlib.PurePosixPath("/tmp"), "/tmp"),
    ],
)
def test_what_has_a_schema_is_written_as_plain_data(value: object, plain: object) -> None:
    result = unpack(pack([value]))[0]
    assert result == plain
    assert type(result) is type(plain)


@pytest.mark.parametrize("value", [object(), 1j, lambda: None, "\ud800", int, iter([1])])
def test_what_cannot_be_stored_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="cannot be stored"):
        pack([value])
    assert unpack(pack([1])) == [1], "a refusal leaves nothing behind in the packer"


@given(st.binary(max_size=40))
def test_garbage_is_refused_or_read_but_never_breaks(data: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        unpack(data)


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x92\x01", pack(1) + b"\x00", _msgpack.packb(_msgpack.ExtType(77, b""))]
)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="not what stead stored"):
        unpack(data)


def test_too_deep_is_refused() -> None:
    value: list[Any] = []
    for _ in range(3000):
        value = [value]
    with pytest.raises(InvalidInput):
        pack(value)


def test_the_bytes_of_each_type_never_change() -> None:
    """Stored data outlives versions: this golden record must be readable for ever."""
    value = [
        datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        date(2026, 1, 2),
        time(3, 4),
        timedelta(days=1, microseconds=2),
        Decimal("1.50"),
        UUID(int=1),
        {1, 2},
        frozenset({1}),
        (1, (2,)),
        2**70,
    ]
    golden = (
        "9ac72001323032362d30312d30325430333a30343a30352e3030303030362b30303a3030c70a02323032362d30"
        "312d3032d70330333a30343a3030d60493010002d605312e3530d80600000000000000000000000000000001c7"
        "070792c40101c40102d60891c40101c706099201d5099102c7090a400000000000000000"
    )
    packed = pack(value)
    assert unpack(packed) == value
    assert packed.hex() == golden


@pytest.mark.hazard(29)
@pytest.mark.parametrize(("target", "partition"), [("@station@oslo", 10), ("@station@", 63), ("@counter@ä", 8)])
def test_partitions_never_change(target: str, partition: int) -> None:
    assert partition_of(target, 64) == partition


@given(_text, st.integers(1, 1024))
def test_a_partition_is_in_range(key: str, partitions: int) -> None:
    assert 0 <= partition_of(f"@a@{key}", partitions) < partitions
