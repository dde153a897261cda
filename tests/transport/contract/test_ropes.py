"""A rope is the bytes that it stands for, and what is large in it is not copied."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from stead.transport import (
    InvalidInput,
    bytes_leaf,
    is_packed,
    joined,
    pack,
    pack_envelope,
    pack_exact,
    pack_native,
    unpack,
)
from stead.transport._contract import rope as ropes
from stead.transport._contract import roping
from stead.transport._contract.codec import keep_apart, let_buffers_go, unpack_envelope
from stead.transport._contract.rope import LARGE_BYTES, Leaf, Rope
from stead.transport._contract.roping import Apart

pytestmark = pytest.mark.hazard(114)

_msgpack: Any = msgpack
ABOVE = 16


@pytest.fixture(autouse=True, scope="module")
def apart() -> Iterator[None]:
    """What is longer than a few bytes is large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Apart, "least", 0)
        patch.setattr(Apart, "above", None)
        for module in (ropes, roping):
            patch.setattr(module, "LARGE_BYTES", ABOVE)
        patch.setattr(ropes, "_STEP", 3)
        patch.setattr(roping, "_BUFFER_BYTES", 64)
        keep_apart(ABOVE, begin=True)
        yield
    let_buffers_go()


few = settings(max_examples=40)
_texts = st.text(max_size=5) | st.sampled_from(["x" * 40, "äö€\N{GRINNING FACE}z" * 9, "x" * 300 + "€"])
_leaves = st.none() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | _texts | _texts.map(str.encode)
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(_texts, inner, max_size=6),
    max_leaves=12,
)


def as_msgpack(value: Any) -> bytes:
    """The same with no length at which a head is longer than it has to be: only large ones have such."""
    found: bytes = _msgpack.packb(value)
    return found


def kind_of(data: object) -> type:
    return type(data)


def plain(data: bytes) -> Any:
    return _msgpack.unpackb(bytes(data), strict_map_key=False)


@few
@given(_values)
def test_what_is_packed_is_what_is_read(value: Any) -> None:
    data = pack(value)
    assert plain(data) == value
    assert unpack(data) == value
    assert unpack_envelope(data) == value
    assert unpack(pack_envelope((1, value, "end"))) == [1, value, "end"]


@few
@given(_values, st.data())
def test_places_slices_and_sums_are_those_of_bytes(value: Any, draw: st.DataObject) -> None:
    data: Any = pack([value, "y" * 50, value])
    assert kind_of(data) is Rope
    whole = bytes(data)
    assert len(data) == len(whole)
    first = draw.draw(st.integers(-len(whole) - 2, len(whole) + 2))
    end = draw.draw(st.integers(-len(whole) - 2, len(whole) + 2))
    part = data[first:end]
    assert part == whole[first:end]
    assert bytes(part) == whole[first:end]
    assert b"".join(Rope((b"ab", *data.parts)).chunks()) == b"ab" + whole
    assert b"ab" + part == b"ab" + whole[first:end]
    assert part + b"ab" == whole[first:end] + b"ab"
    place = draw.draw(st.integers(-len(whole), len(whole) - 1))
    assert data[place] == whole[place]
    for outside in (len(whole), -len(whole) - 1):
        with pytest.raises(IndexError):
            data[outside]


@few
@given(_values, _values)
def test_ropes_are_equal_where_their_bytes_are(one: Any, other: Any) -> None:
    first, second = pack([one, "y" * 50]), pack([other, "y" * 50])
    assert (first == second) == (bytes(first) == bytes(second))
    assert first == bytes(first)
    assert bytes(first) == first
    assert first == Rope((bytes(first)[:7], memoryview(bytes(first))[7:]))
    assert hash(first) == hash(bytes(first))
    assert first != bytes(first)[:-1] + b"z"
    other_kind: Any = "text"
    assert first != other_kind


def test_what_is_large_is_the_object_itself() -> None:
    text, data, inner = "x" * 100, b"y" * 100, "ä" * 50
    rope: Any = pack({"text": text, "list": [1, data], "map": {"in": inner}})
    assert [part.body for part in rope.parts if isinstance(part, Leaf)] == [text, data, inner]
    found = unpack(rope)
    assert found["text"] is text
    assert found["list"][1] is data
    assert found["map"]["in"] is inner
    assert unpack(pack_exact(text)) is text


class Model(BaseModel):
    text: str
    number: int = 1


@dataclasses.dataclass(slots=True)
class Data:
    text: str
    model: Model


def test_what_is_large_in_models_is_the_object_itself() -> None:
    text = "x" * 100
    found = unpack(pack([Data("small", Model(text=text)), 2**70]))
    assert found == [{"text": "small", "model": {"text": text, "number": 1}}, 2**70]
    assert found[0]["model"]["text"] is text


def test_what_is_not_native_is_not_packed_as_if_it_was() -> None:
    assert pack_native({"a": "x" * 100, "b": (1,)}) is None
    rope = pack_native({"a": "x" * 100, "b": 1})
    assert kind_of(rope) is Rope


def test_many_small_ones_are_packed_once() -> None:
    """Not in a buffer and then once more."""
    rope: Any = pack(list(range(5_000)))
    assert kind_of(rope) is Rope
    assert [type(part) for part in rope.parts] == [memoryview]
    assert unpack(rope) == list(range(5_000))
    several = joined((b"\x92", rope, rope))
    assert unpack(several) == [list(range(5_000))] * 2


def test_a_rope_stands_for_bytes_in_what_is_packed() -> None:
    state = pack({"text": "x" * 100})
    record = pack_envelope((1, state, 5))
    assert bytes(record) == as_msgpack([1, b""])[:2].replace(b"\x92", b"\x93") + bytes(bytes_leaf(state)) + b"\x05"
    found = unpack(record)
    assert found[1] == state
    assert is_packed(found[1])
    assert unpack(found[1]) == {"text": "x" * 100}
    assert is_packed(b"")
    assert not is_packed("x")


def test_bytes_stay_apart_when_they_are_packed_as_bytes() -> None:
    data = b"z" * 100
    views: tuple[Any, ...] = (data, pack(data), memoryview(data))
    for content in views:
        leaf: Any = bytes_leaf(content)
        assert plain(leaf) == bytes(content)
        assert bytes(unpack(leaf)) == bytes(content)


@pytest.mark.parametrize("text", ["\ud800" + "x" * 100, "x" * 100 + "\udfff"])
def test_a_text_with_half_a_character_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="surrogates not allowed"):
        pack({"text": text})


def test_what_is_nested_too_deep_is_refused_beside_what_is_large() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    with pytest.raises(InvalidInput, match="nested deeper"):
        pack(["x" * 100, deep])
    with pytest.raises(InvalidInput, match="nested deeper"):
        unpack(joined((b"\x92", pack("x" * 100), _msgpack.packb(deep))))
    assert unpack(pack([chr(0x90) * 100, 1]))  # what would begin an array is in a text


@pytest.mark.parametrize("end", [b"", b"\x01\x02", b"\xd6\x7e\x00\x00\x00\x07"])
def test_garbage_beside_what_is_large_is_found_out(end: bytes) -> None:
    for more in (b"", b"\xc4\x20" + b"z" * 32):
        data = joined((bytes((0x92 + bool(more),)), pack("x" * 100), more, end))
        with pytest.raises(InvalidInput, match="not what stead stored"):
            unpack(data)


def test_it_begins_where_a_hub_asks_for_it_and_never_below_what_any_hub_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Apart, "least", ABOVE)
    monkeypatch.setattr(Apart, "above", None)
    let_buffers_go()
    keep_apart(1_000, begin=False)
    assert kind_of(pack("x" * 5_000)) is bytes
    keep_apart(500, begin=True)
    assert kind_of(pack("x" * 999)) is bytes
    assert kind_of(pack("x" * 1_001)) is Rope
    keep_apart(2_000, begin=False)
    assert kind_of(pack("x" * 1_001)) is bytes
    monkeypatch.undo()
    assert LARGE_BYTES == 65_536


def test_what_is_too_long_for_a_head_is_refused() -> None:
    with pytest.raises(ValueError, match="4,294,967,296 bytes"):
        Leaf(b"", 2**32)
