"""What is found in packed data without copying it is what msgpack's reader finds."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.transport import LARGE_BYTES, InvalidInput, bytes_leaf
from stead.transport._payloads import pieces
from stead.transport._payloads.caskets import elements_of, entries_of, packed
from stead.transport._payloads.pieces import bytes_in, large_elements, large_entries

pytestmark = pytest.mark.hazard(114)

_msgpack: Any = msgpack
_ERRORS = (ValueError, _msgpack.exceptions.UnpackException)

_long = st.sampled_from([0, 1, 31, 32, 255, 256])
_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | _long.map(lambda length: "t" * length)
    | _long.map(lambda length: b"b" * length)
    | st.builds(
        _msgpack.ExtType, st.integers(0, 9), st.sampled_from([b"", b"1", b"12", b"1234", b"x" * 17, b"y" * 300])
    )
)
_values = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=20)
        | st.dictionaries(st.text(max_size=2), inner, max_size=20)
        | inner.map(lambda value: [value] * 8)
    ),
    max_leaves=10,
)


@pytest.fixture(autouse=True)
def few_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_HEADS_MAX", 5)  # so that the rest is left to msgpack in most examples


def expected(data: bytes) -> list[bytes]:
    """By msgpack's own reader, one element after the other."""
    unpacker = _msgpack.Unpacker(max_buffer_size=0)
    unpacker.feed(data)
    count = unpacker.read_array_header()
    if count > len(data):
        raise ValueError("it ends too early")
    places = [0] * (count + 1)
    for number in range(len(places)):
        places[number] = unpacker.tell()
        if number < len(places) - 1:
            unpacker.skip()
    if places[-1] != len(data):
        raise ValueError("something follows it")
    return [data[places[n] : places[n + 1]] for n in range(len(places) - 1)]


@given(st.lists(_values, max_size=20))
def test_the_elements_of_an_array(values: list[Any]) -> None:
    data = _msgpack.packb(values)
    assert large_elements(data) == expected(data)


@given(st.lists(_values, max_size=5), st.data())
def test_garbage_is_found_out_as_msgpack_finds_it_out(values: list[Any], draw: st.DataObject) -> None:
    data = bytearray(_msgpack.packb(values))
    place = draw.draw(st.integers(0, len(data) - 1))
    data[place] = draw.draw(st.integers(0, 255))
    damaged = bytes(data[: draw.draw(st.integers(1, len(data)))])
    try:
        wanted = expected(damaged)
    except _ERRORS:
        with suppress(*_ERRORS):
            assert large_elements(damaged) is None  # so many that it is left to msgpack
    else:
        assert large_elements(damaged) == wanted


@given(st.dictionaries(st.text(max_size=3), _values, max_size=20))
def test_the_entries_of_a_map(values: dict[str, Any]) -> None:
    found = large_entries(_msgpack.packb(values))
    assert [bytes(each) for each in found] == [_msgpack.packb(each) for pair in values.items() for each in pair]


@pytest.mark.parametrize("length", [65_535, 65_536])
def test_long_ones(length: int) -> None:
    values: list[Any] = ["t" * length, b"b" * length, _msgpack.ExtType(1, b"e" * length), [1] * length, 7]
    data = _msgpack.packb(values)
    assert large_elements(data) == expected(data)


def test_what_is_large_is_a_view_and_nothing_else_is() -> None:
    text = "x" * (LARGE_BYTES + 1)
    data = packed(["small", text])
    small, large = elements_of(data)
    assert type(small) is bytes
    assert isinstance(large, memoryview)
    assert large == packed(text)
    assert entries_of(packed({"k": text, "l": 1})) == {"k": packed(text), "l": packed(1)}
    assert len(elements_of(packed([text, *range(10_000)]))) == 10_001
    for wrong in (packed({"k": text}), packed(text), data + b"\x00", data[:-1]):
        with pytest.raises(InvalidInput):
            elements_of(wrong)
    with pytest.raises(InvalidInput):
        entries_of(data)


@pytest.mark.parametrize("rest", [b"", b"\xc0" * 100, b"\xc0" * (LARGE_BYTES + 1)])
def test_garbage_that_promises_much_takes_no_memory(rest: bytes) -> None:
    """Places for all the elements that its head promises were made before."""
    tracemalloc.start(1)
    try:
        for read, head in ((elements_of, b"\xdd"), (entries_of, b"\xdf")):
            with pytest.raises(InvalidInput):
                read(head + b"\x20\x00\x00\x00" + rest)
        assert tracemalloc.get_traced_memory()[1] < 50 * LARGE_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", [0, 1, 255, 256, 65_535, 65_536])
def test_bytes_in_what_is_packed(length: int) -> None:
    content = b"x" * length
    data = packed(content)
    assert bytes_in(data) == content
    assert _msgpack.unpackb(bytes(bytes_leaf(content))) == content
    assert bytes_in(packed("x" * length)) is None
    assert bytes_in(data + b"x") is None
