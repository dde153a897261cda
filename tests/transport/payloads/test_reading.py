"""A large payload that is read piece by piece is what was stored, however it comes; and what is not is found out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stead.transport import InvalidInput, PayloadLocked, unpack
from stead.transport._contract.rope import Leaf, Rope
from stead.transport._payloads import frames, gathering, large
from stead.transport._payloads.frames import Frames, frames_of
from stead.transport._payloads.gathering import Gatherer
from stead.transport._payloads.large import Cutter
from stead.transport._payloads.reading import PLAIN, BlobReading, Reference

pytestmark = pytest.mark.hazard(114)

_msgpack: Any = msgpack

_texts = st.text(max_size=5) | st.sampled_from(["x" * 40, "äö€\N{GRINNING FACE}z" * 20, "x" * 70_000, "ä€" * 40_000])
_values = st.recursive(
    st.none() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | _texts | _texts.map(str.encode),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=8,
)


def in_pieces(data: bytes, lengths: Iterable[int]) -> list[bytes]:
    pieces: list[bytes] = []
    at = 0
    for length in lengths:
        if at >= len(data):
            break
        pieces.append(data[at : at + length])
        at += length
    return pieces


@settings(max_examples=40)
@given(_values, st.lists(st.sampled_from([1, 2, 7, 100, 30_000, 100_000]), min_size=1))
def test_what_comes_in_pieces_is_what_was_packed(value: Any, lengths: list[int]) -> None:
    data: bytes = _msgpack.packb(value)
    lengths = [*lengths, 50_000]
    gatherer = Gatherer()
    for piece in in_pieces(data, itertools.cycle(lengths)):
        gatherer.take(piece)
    found = gatherer.whole()
    assert found == data
    assert unpack(found) == _msgpack.unpackb(data, strict_map_key=False)


def test_what_is_large_in_it_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def parts(value: Any) -> list[type]:
        gatherer = Gatherer()
        gatherer.take(_msgpack.packb(value))
        found: Any = gatherer.whole()
        return [type(part) for part in found.parts] if isinstance(found, Rope) else [type(found)]

    assert parts(["x" * 65_537, {"k": b"y" * 65_537}]) == [bytes, Leaf, bytes, Leaf]
    assert parts(["x" * 65_536, b"y" * 65_535]) == [bytes]
    monkeypatch.setattr(gathering, "_HEADS_MAX", 3)
    assert parts([1, 2, "x" * 65_537]) == [bytes], "what comes after many heads is left as it is"


@pytest.mark.parametrize(
    "damaged", [b"\xdb\x00\x02\x00\x00abc", b"\xc6\x00\x02\x00\x00abc", b"\xdb\x00\x01\x00\x01" + b"\xff" * 65_537]
)
def test_what_nobody_has_packed_is_found_out(damaged: bytes) -> None:
    gatherer = Gatherer()
    with pytest.raises(ValueError, match=r"too early|can't decode"):
        for piece in (damaged[:4], damaged[4:]):
            gatherer.take(piece)
        gatherer.whole()


@pytest.mark.parametrize("garbage", [b"\xc1abc", b"\x93\x01", b"\xd9", b""])
def test_other_garbage_is_found_out_by_who_reads_it(garbage: bytes) -> None:
    gatherer = Gatherer()
    gatherer.take(garbage)
    found = gatherer.whole()
    assert bytes(found) == garbage
    with pytest.raises(InvalidInput):
        unpack(found)


# -- frames ------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def short_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (frames, large):
        monkeypatch.setattr(module, "FRAME_BYTES", 1_000)


def mirrored(data: bytes) -> bytes:
    """A codec's doing."""
    return b"\x01" + data[::-1]


def unmirrored(data: bytes) -> bytes:
    if data[:1] != b"\x01":
        raise PayloadLocked("what is stored was written by a later version of stead")
    return data[:0:-1]


def read(content: bytes, name: str = "", length: int = 300) -> bytes:
    reading = BlobReading(Reference(name or sha256(content).hexdigest(), len(content)), unmirrored)
    for piece in in_pieces(content, itertools.repeat(length)):
        reading.take(piece)
    return reading.data()


DATA: bytes = _msgpack.packb(["x" * 2_500, 7])


def framed(data: bytes = DATA) -> list[bytes]:
    return list(frames_of(data, sha256(data).digest(), mirrored))


@pytest.mark.parametrize("length", [1, 1_003, 10_000])
def test_frames_are_read(length: int) -> None:
    made = framed()
    assert len(made) == 4  # the mark, and three
    assert DATA not in b"".join(made)
    assert max(map(len, made)) < 1_100
    assert read(b"".join(made), length=length) == DATA


CHANGES: dict[str, Callable[[list[bytes], list[bytes]], list[bytes]]] = {
    "the last is missing": lambda made, other: made[:-1],
    "the first is missing": lambda made, other: [made[0], *made[2:]],
    "there is none": lambda made, other: made[:1],
    "two in another order": lambda made, other: [made[0], made[2], made[1], made[3]],
    "one twice": lambda made, other: [*made, made[3]],
    "one of another payload": lambda made, other: [*made[:2], other[2], made[3]],
    "one is cut short": lambda made, other: [*made[:-1], made[-1][:-1]],
    "one is empty": lambda made, other: [made[0], b"\x00\x00\x00\x01\x01", *made[1:]],
}


@pytest.mark.parametrize("change", CHANGES)
def test_frames_that_are_not_those_that_were_made_are_found_out(change: str) -> None:
    changed = b"".join(CHANGES[change](framed(), framed(_msgpack.packb(["y" * 2_500, 7]))))
    with pytest.raises(PayloadLocked, match="missing, or are another one's"):
        read(changed)


def test_what_was_encoded_as_a_whole_is_read() -> None:
    """As versions of before have written it, and what is short."""
    assert read(mirrored(DATA)) == DATA
    with pytest.raises(PayloadLocked, match="later version"):
        read(b"\x09" + DATA)


def test_what_holds_something_else_is_damaged_whatever_that_is() -> None:
    for content in (PLAIN + DATA, mirrored(DATA), b"".join(framed()), b"\x09", b""):
        with pytest.raises(PayloadLocked, match="is damaged: it holds something else"):
            read(content, name="0" * 64)
    with pytest.raises(PayloadLocked, match="is not what stead packs"):
        read(PLAIN + b"\xdb\x00\x02\x00\x00abc")


def test_a_short_payload_has_no_frames_and_a_long_one_is_never_encoded_as_a_whole() -> None:
    given: list[int] = []

    def encode(data: bytes) -> bytes:
        given.append(len(data))
        return mirrored(data)

    cutter = Cutter(100, encode, unmirrored)
    for data in (_msgpack.packb("x" * 900), _msgpack.packb("x" * 5_000)):
        content = cutter.cut(data)
        assert content is not None
        (reference,) = cutter.pending
        stored = cutter.pending.pop(reference)
        assert stored is not None
        reading = cutter.reading(reference)
        for piece in stored.chunks():
            reading.take(piece)
        cutter.fetched = {reference: reading}
        assert cutter.fill(content) == data
        assert bytes(stored)[:1] == (b"\x01" if len(data) < 1_000 else b"\x03")
    assert max(given) < 1_100


@pytest.mark.parametrize(
    ("value", "cuts"),
    [
        ([1, ["x" * 80_000, "y" * 300_000], None], 1),  # what is not large is long enough to be a view
        ([1, ["x" * 80_000, "y" * 80_000, "z" * 300_000], None], 1),  # and two of them are large together
        ([1, ["x" * 300_000, b"y" * 300_000, 5], {"k": "z" * 300_000}], 3),
        ([["x" * 300_000, ["y" * 300_000, 1]], 2], 2),
        ({"k": ["x" * 300_000]}, 1),
        (list(range(100_000)), 1),
    ],
)
def test_what_is_cut_out_is_put_back_where_it_was(value: Any, cuts: int) -> None:
    cutter = Cutter(200_000, None, unmirrored)
    data: bytes = _msgpack.packb(value)
    content = cutter.cut(data)
    assert content is not None
    assert len(content) < 90_000
    assert len(cutter.pending) == cuts
    fetched: dict[Reference, BlobReading | None] = {}
    for reference, stored in cutter.pending.items():
        assert stored is not None
        fetched[reference] = reading = cutter.reading(reference)
        reading.take(bytes(stored))
    cutter.fetched = fetched
    assert cutter.fill(content) == data


def test_what_is_refused_holds_on_to_no_buffer() -> None:
    """A view that lives as long as the traceback does is taken apart after what it looks at, which Python then complains about."""

    def refuse(frame: bytes) -> bytes:
        raise PayloadLocked("not its key")

    reading = Frames(refuse, lambda piece: None)
    with pytest.raises(PayloadLocked) as refused:
        reading.take((5).to_bytes(4) + b"12345")
    reading._held.write(bytes(1_000))  # which a view would not let grow
    assert refused.value.__traceback__ is not None
