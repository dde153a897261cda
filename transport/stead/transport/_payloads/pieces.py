"""Where the elements of packed data are, found without a copy of what is large.

msgpack's own reader copies all that it is given before it looks at it, and a large payload would be in memory once more for each
layer of what is around it. So of large data only the heads are read here, and what is large in it is given as a view. Many small
elements are left to msgpack, which is faster then and has a small part in its hands at a time. What is looked at may be a rope.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias, cast

import msgpack

from stead.transport._contract.rope import LARGE_BYTES, Rope

_msgpack: Any = msgpack  # it has no types of its own

View: TypeAlias = "memoryview | Rope"

_HEADS_MAX = 256  # of one element that are read here; then msgpack goes on
_READ_BYTES = 65_536
_ELEMENTS_MAX = 4_096

# By the first byte: how many bytes of a length follow, how many there are beside the length and what it counts, and whether it counts
# elements. Of what has a fixed length, that.
_LENGTHS = {
    **{0xC4 + n: (1 << n, 0) for n in range(3)},  # bytes
    **{0xC7 + n: (1 << n, 1) for n in range(3)},  # extensions, with their type
    **{0xD9 + n: (1 << n, 0) for n in range(3)},  # texts
}
_COUNTS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}  # arrays and maps
_FIXED = {
    **dict.fromkeys((*range(0x80), 0xC0, 0xC2, 0xC3, *range(0xE0, 0x100)), 1),
    0xCA: 5,
    0xCB: 9,
    0xCC: 2,
    0xCD: 3,
    0xCE: 5,
    0xCF: 9,
    0xD0: 2,
    0xD1: 3,
    0xD2: 5,
    0xD3: 9,
    **{0xD4 + n: 2 + (1 << n) for n in range(5)},
}


def large_elements(data: bytes) -> list[bytes] | None:
    """The elements of a packed array; those that are large are views of it. None if there are many. Raises `ValueError` for what is
    none."""
    view = _view(data)
    kind = view[0]
    if not (0x90 <= kind <= 0x9F or kind in (0xDC, 0xDD)):
        raise ValueError("it is no array")
    at, count = head(view, 0)
    return list(_elements(view, at, count, whole=True)) if count <= _ELEMENTS_MAX else None


def large_entries(data: bytes) -> list[bytes]:
    """The keys and values of a packed map, in turn; those that are large are views of it. Raises `ValueError` for what is none."""
    view = _view(data)
    kind = view[0]
    if not (0x80 <= kind <= 0x8F or kind in (0xDE, 0xDF)):
        raise ValueError("it is no map")
    at, count = head(view, 0)
    return list(_elements(view, at, count, whole=False))


def bytes_in(data: bytes) -> bytes | None:
    """What packed bytes hold, as a view; None for what are none."""
    view = _view(data)
    width, _ = _LENGTHS.get(view[0], (0, 0)) if view[0] <= 0xC6 else (0, 0)
    if not width or 1 + width + int.from_bytes(view[1 : 1 + width]) != len(view):
        return None
    return cast("bytes", view[1 + width :])


def head(view: View, at: int) -> tuple[int, int]:
    """Where what an element consists of begins, or where it ends, and of how many elements it consists. Raises `ValueError`."""
    if at >= len(view):
        raise ValueError("it ends too early")
    kind: int = view[at]
    if kind in _FIXED:
        return at + _FIXED[kind], 0
    if kind < 0x90:
        return at + 1, 2 * (kind & 0x0F)
    if kind < 0xA0:
        return at + 1, kind & 0x0F
    if kind < 0xC0:
        return at + 1 + (kind & 0x1F), 0
    if kind in _COUNTS:
        width, each = _COUNTS[kind]
        return at + 1 + width, each * int.from_bytes(view[at + 1 : at + 1 + width])
    if kind not in _LENGTHS:
        raise ValueError("no packed value begins so")
    width, beside = _LENGTHS[kind]
    return at + 1 + width + beside + int.from_bytes(view[at + 1 : at + 1 + width]), 0


def _view(data: bytes | Rope) -> View:
    return data if isinstance(data, Rope) else memoryview(data)


def _elements(view: View, at: int, count: int, *, whole: bool) -> Iterator[bytes]:
    if count > len(view):
        raise ValueError("it ends too early")
    for _ in range(count):
        end = _end(view, at)
        piece = view[at:end]
        yield cast("bytes", piece) if len(piece) > LARGE_BYTES else bytes(piece)
        at = end
    if whole and at != len(view):
        raise ValueError("something follows it")


def _end(view: View, first: int) -> int:
    """Where an element ends."""
    at, left = first, 1
    for _ in range(_HEADS_MAX):
        at, more = head(view, at)
        left += more - 1
        if at > len(view):
            raise ValueError("it ends too early")
        if not left:
            return at
    unpacker = _msgpack.Unpacker(_ViewReader(view[first:]), read_size=_READ_BYTES, max_buffer_size=0)
    unpacker.skip()
    return first + int(unpacker.tell())


class _ViewReader:
    """A view, read like a file."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._at = 0

    def read(self, size: int) -> bytes:
        found = bytes(self._view[self._at : self._at + size])
        self._at += len(found)
        return found
