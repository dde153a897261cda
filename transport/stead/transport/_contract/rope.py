"""Packed data in which large texts and bytes are not copied: ropes.

A packed text is a head and then its UTF-8, and packed bytes are a head and then themselves. So of a large one only the head has to be
made, and it can stand beside the rest as it is: what is sent, hashed and stored goes through piece by piece, and what is read becomes
the object that users' code is given. A rope stands for bytes, and is typed as such wherever data is passed on: it has a length, places
and slices, it can be compared and added. What it is made of never changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, TypeAlias, cast

LARGE_BYTES = 65_536
"""What is longer is not copied."""
HEAD_BYTES = 5
TEXT_HEAD, BYTES_HEAD = 0xDB, 0xC6
_LENGTH_MAX = 2**32 - 1  # of what msgpack can tell
_STEP = 65_536  # characters of a text that are encoded at a time

Chunk: TypeAlias = "bytes | memoryview"
Part: TypeAlias = "bytes | memoryview | Leaf"


class Leaf:
    """A large text, large bytes, or a rope that stands for bytes, behind its head."""

    __slots__ = ("_marks", "body", "head", "length")

    def __init__(self, body: str | bytes | Rope, length: int | None = None) -> None:
        """`length`: of the UTF-8 of a text, where that is known. Raises `ValueError` for what cannot be packed."""
        self.body = body
        self._marks: Sequence[int] | None = None
        if length is None:
            length = self._find_marks(body)[-1] if isinstance(body, str) and not body.isascii() else len(body)
        if length > _LENGTH_MAX:
            raise ValueError(f"it has {length:,} bytes")
        self.head = bytes((TEXT_HEAD if isinstance(body, str) else BYTES_HEAD,)) + length.to_bytes(4)
        self.length = HEAD_BYTES + length

    def __len__(self) -> int:
        return self.length

    def _find_marks(self, text: str) -> Sequence[int]:
        """Where in the UTF-8 of a text each step of its characters begins, and where that ends."""
        if self._marks is None:
            steps = (text[first : first + _STEP] for first in range(0, len(text), _STEP))
            self._marks = list(accumulate((len(step.encode()) for step in steps), initial=0))
        return self._marks

    def chunks(self, first: int, end: int) -> Iterator[Chunk]:
        """The bytes from one place to another, a piece at a time."""
        if first < HEAD_BYTES:
            yield self.head[first:end]
        first, end = max(first - HEAD_BYTES, 0), end - HEAD_BYTES
        if end <= first:
            return
        body = self.body
        if isinstance(body, Rope):
            yield from body.chunks(first, end)
        elif isinstance(body, bytes):
            yield memoryview(body)[first:end]
        elif body.isascii():
            yield from (body[place : min(place + _STEP, end)].encode() for place in range(first, end, _STEP))
        else:
            yield from self._encoded(body, first, end)

    def _encoded(self, text: str, first: int, end: int) -> Iterator[Chunk]:
        marks = self._find_marks(text)
        for number in range(bisect_right(marks, first) - 1, len(marks) - 1):
            begins = marks[number]
            if begins >= end:
                return
            step = text[number * _STEP : (number + 1) * _STEP].encode()
            yield memoryview(step)[max(first - begins, 0) : end - begins]

    def parts(self, first: int, end: int) -> Iterator[Part]:
        """The same as parts of a rope: what is there already is not copied."""
        if first == 0 and end == self.length:
            yield self
        elif isinstance(self.body, Rope) and first >= HEAD_BYTES:
            yield from self.body.between(first - HEAD_BYTES, end - HEAD_BYTES)
        else:
            yield from self.chunks(first, end)


class Rope:
    """Packed data as a row of parts: bytes, and large values that are not packed."""

    __slots__ = ("_ends", "parts")

    def __init__(self, parts: Iterable[Part]) -> None:
        self.parts = tuple(part for part in parts if len(part))
        self._ends = tuple(accumulate(map(len, self.parts)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __bytes__(self) -> bytes:
        return b"".join(self.chunks())

    def __repr__(self) -> str:
        return f"Rope({len(self):,} bytes)"

    def chunks(self, first: int = 0, end: int | None = None) -> Iterator[Chunk]:
        """The bytes from one place to another, a piece at a time."""
        for part in self.between(first, len(self) if end is None else end):
            if isinstance(part, Leaf):
                yield from part.chunks(0, len(part))
            else:
                yield part

    def between(self, first: int, end: int) -> Iterator[Part]:
        """The parts from one place to another."""
        for number in range(bisect_right(self._ends, first), len(self.parts)):
            part = self.parts[number]
            begins = self._ends[number] - len(part)
            if begins >= end:
                return
            from_, to = max(first - begins, 0), min(end - begins, len(part))
            if isinstance(part, Leaf):
                yield from part.parts(from_, to)
            else:
                yield part if to - from_ == len(part) else memoryview(part)[from_:to]

    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            first, end, _ = at.indices(len(self))
            if end - first <= LARGE_BYTES:
                return b"".join(self.chunks(first, end))
            return rope_of(self.between(first, end))
        place = at + len(self) if at < 0 else at
        if not 0 <= place < len(self):
            raise IndexError("it ends before that")
        return next(self.chunks(place, place + 1))[0]

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, (Rope, bytes, memoryview)):
            return False
        whole = Rope((cast("Chunk", other),)) if not isinstance(other, Rope) else other
        if len(self) != len(whole):
            return False
        if _are_alike(self.parts, whole.parts):
            return True
        return all(
            self[at : at + LARGE_BYTES] == whole[at : at + LARGE_BYTES] for at in range(0, len(self), LARGE_BYTES)
        )

    def __hash__(self) -> int:
        return hash(bytes(self))

    def __add__(self, other: bytes) -> bytes:
        return joined((cast("bytes", self), other))

    def __radd__(self, other: bytes) -> bytes:
        return joined((other, cast("bytes", self)))


def _are_alike(some: Sequence[Part], others: Sequence[Part]) -> bool:
    """Whether two rows of parts are the same, part by part."""
    return len(some) == len(others) and all(
        one.head == other.head and (one.body is other.body or one.body == other.body)
        if isinstance(one, Leaf) and isinstance(other, Leaf)
        else not isinstance(one, Leaf) and not isinstance(other, Leaf) and one == other
        for one, other in zip(some, others, strict=True)
    )


def rope_of(parts: Iterable[Part]) -> bytes:
    """Parts in a row, as a rope; as they are, if they are bytes, and no more than one."""
    found = Rope(parts)
    lone = found.parts[0] if len(found.parts) == 1 else found
    return lone if isinstance(lone, bytes) else cast("bytes", found)


def joined(pieces: Iterable[bytes]) -> bytes:
    """Pieces of data in a row, of which none that is large is copied."""
    pieces = list(pieces)
    if sum(map(len, pieces)) <= LARGE_BYTES:
        return b"".join(pieces)
    parts: list[Part] = []
    small: list[bytes] = []
    for piece in pieces:
        if len(piece) <= LARGE_BYTES:
            small.append(bytes(piece))
            continue
        parts.append(b"".join(small))
        small.clear()
        parts += piece.parts if isinstance(piece, Rope) else (piece,)
    return rope_of((*parts, b"".join(small)))


def bytes_leaf(data: bytes) -> bytes:
    """Data that is packed, packed as bytes: `joined` of it is not copied."""
    body = data if is_packed(data) else Rope((data,))
    return cast("bytes", Rope((Leaf(body),)))


def is_packed(value: object) -> bool:
    """Whether something read stands for bytes: it is such, or a rope."""
    return type(value) is bytes or type(value) is Rope


def chunks_of(data: bytes) -> Iterable[Chunk]:
    """What stands for bytes, a piece at a time."""
    return data.chunks() if isinstance(data, Rope) else (data,)
