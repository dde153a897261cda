"""Where a reader of changes is: a place in the feed of each partition, as opaque text (HAZARDS 95).

1. A place names an entry by its ID and its number, and has the entry's mark: what is there under that ID tells whether the server has gone
   back since.
2. IDs and numbers are written as differences, each with as many bits as the largest needs. What few places have is written for those alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from stead.transport import FoundEntry, InvalidInput, StreamId, pack, unpack

_VERSION = 2
_SEQUENCE_MAX = 2**64 - 1  # of a stream ID's second number
_PARTITIONS_MAX = 1_024


class Place(NamedTuple):
    """A place in one feed: behind the entry with this ID and number; or, with `changes`, behind so many of its changes.

    Without an ID it is behind as many entries, of which nobody has seen the last.
    """

    milliseconds: int = 0
    sequence: int = 0
    number: int = 0
    changes: int = 0
    mark: int = 0

    @property
    def stream_id(self) -> StreamId:
        """The ID of the entry."""
        return b"%d-%d" % (self.milliseconds, self.sequence)

    @property
    def after(self) -> StreamId:
        """The ID behind which to read on."""
        if not self.changes:
            return self.stream_id
        if self.sequence:
            return b"%d-%d" % (self.milliseconds, self.sequence - 1)
        return b"%d-%d" % (self.milliseconds - 1, _SEQUENCE_MAX)

    @property
    def whole(self) -> int:
        """How many entries have been read to their end."""
        return self.number - (self.changes > 0)

    @property
    def text(self) -> bytes:
        """As a group of readers keeps it: first what places are ordered by."""
        return b"%d.%d.%d.%d.%d" % (self.whole, self.changes, self.milliseconds, self.sequence, self.mark)

    @classmethod
    def of_text(cls, text: bytes) -> Place:
        """Raises `ValueError` for what is none."""
        whole, changes, milliseconds, sequence, mark = map(int, text.split(b"."))
        return cls(milliseconds, sequence, whole + (changes > 0), changes, mark)

    @classmethod
    def behind(cls, stream_id: StreamId, number: int, mark: int, changes: int = 0) -> Place:
        """The place behind an entry, or behind so many of its changes."""
        milliseconds, _, sequence = stream_id.partition(b"-")
        return cls(int(milliseconds), int(sequence), number, changes, mark)

    @classmethod
    def at_end(cls, found: FoundEntry) -> Place:
        """The place behind all that there is, from what was found of the youngest entry."""
        return cls.behind(found.stream_id, found.written, found.mark)


def write_cursor(hub_id: str, kind: str, places: Sequence[Place]) -> str:
    """The text of places."""
    base = max((place.milliseconds for place in places), default=0)
    least = min((place.number for place in places), default=0)
    columns = [
        [base - place.milliseconds + 1 if place.milliseconds else 0 for place in places],
        [place.number - least for place in places],
        [place.mark for place in places],
    ]
    widths = [max(column, default=0).bit_length() for column in columns]
    bits = 0
    for row in zip(*columns, strict=True):
        for value, width in zip(row, widths, strict=True):
            bits = bits << width | value
    length = (sum(widths) * len(places) + 7) // 8
    few = [
        [number, place.sequence, place.changes]
        for number, place in enumerate(places)
        if place.sequence or place.changes
    ]
    found = [_VERSION, _feed_id(hub_id, kind), base, least, len(places), widths, bits.to_bytes(length, "big"), few]
    return base64.urlsafe_b64encode(pack(found)).decode().rstrip("=")


def read_cursor(cursor: str, hub_id: str, kind: str, partitions: int) -> list[Place]:
    """The places of a text. Raises `InvalidInput` for what is none of this hub and kind."""
    what = f"after={cursor[:20]!r}…"
    try:
        feed_id, places = _read(unpack(base64.urlsafe_b64decode(f"{cursor}===")))
    except _Later as error:
        raise InvalidInput(what, "it is of another version of stead") from error
    except (ValueError, TypeError, OverflowError) as error:  # `InvalidInput` is a ValueError
        raise InvalidInput(what, 'it is no cursor: give one of a change, "oldest", or None') from error
    if feed_id != _feed_id(hub_id, kind) or len(places) != partitions:
        raise InvalidInput(what, "it is a cursor of another hub, or of another entity's changes")
    return places


class _Later(Exception):
    """Written by another version."""


def _read(found: Any) -> tuple[bytes, list[Place]]:
    version, *parts = found
    if version != _VERSION:
        raise _Later
    feed_id, base, least, count, widths, packed, few = parts
    if type(feed_id) is not bytes or type(packed) is not bytes:  # of a number `bytes` would make so many of them
        raise TypeError
    if not 0 <= count <= _PARTITIONS_MAX or len(widths) != 3 or not all(0 <= width <= 64 for width in widths):
        raise ValueError
    bits, rows = int.from_bytes(packed, "big"), list[list[int]]()
    for _ in range(count):
        row: list[int] = []
        for width in reversed(widths):
            row.append(bits & (1 << width) - 1)
            bits >>= width
        rows.append(row[::-1])
    rest: dict[int, tuple[int, int]] = {number: (sequence, changes) for number, sequence, changes in few}
    places = [
        Place(base + 1 - back if back else 0, *_pair(rest.get(place, (0, 0)), least + number), mark)
        for place, (back, number, mark) in enumerate(reversed(rows))
    ]
    if any(value < 0 for place in places for value in place):
        raise ValueError
    return feed_id, places


def _pair(rest: tuple[int, int], number: int) -> tuple[int, int, int]:
    return rest[0], number, rest[1]


def _feed_id(hub_id: str, kind: str) -> bytes:
    return hashlib.blake2b(f"{hub_id}\0{kind}".encode(), digest_size=6).digest()
