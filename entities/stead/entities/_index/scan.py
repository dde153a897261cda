"""Reads an index of all partitions in one order, a piece at a time: says what to look at, and takes the answers. Does no I/O.

The order is total: by place, then by key; None after all values in both directions, by key. Descending reverses the two within
themselves. So a position is a place and a key, whatever partition it is in, and one position is enough to go on from (HAZARDS 82).

    segments of the order  ─ each read from all partitions: a *source* each ─▶ what no unread source can come before is ready
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from stead.transport import LISTING, CountRange, ReadMembers, ReadRange

from .catalogue import Index, above_text, below_text, of_text_member, text_member, unindexed
from .ranges import Part, Ranges
from .types import Place

SOURCES_MAX = 512
"""How many sources are read at once: of a condition with many parts, as many parts as that allows."""
PIECE_MAX = 1000
"""Entries of one source that are read at once."""
PARTS_APART_MAX = 8
"""Parts that are counted by a command each; more of them by one script for each partition."""


class Position(NamedTuple):
    """Where an entity stands in an order: its place, None last, and its key."""

    place: Place
    key: bytes


def in_order(positions: Iterable[Position], *, descending: bool) -> list[Position]:
    """Positions in their order."""
    values: list[Any] = []
    nones: list[Position] = []
    for position in positions:
        (nones if position.place is None else values).append(position)
    values.sort(reverse=descending)
    nones.sort(key=lambda position: position.key, reverse=descending)
    return values + nones


def is_after(one: Position, other: Position, *, descending: bool) -> bool:
    """Whether one comes after the other."""
    left: Any = one
    right: Any = other
    if one.place is None or other.place is None:
        if one.place is not None or other.place is not None:
            return one.place is None
        return one.key < other.key if descending else one.key > other.key
    return bool(left < right if descending else left > right)


class Source:
    """One part of a set of one partition, read from one end to the other."""

    __slots__ = ("_after", "_look", "_place", "buffer", "ended", "last", "partition")

    def __init__(self, look: ReadRange, place: Callable[[tuple[float, bytes]], Position]) -> None:
        """`place`: where an entry stands in the order."""
        self.partition = look.partition
        self._look = look
        self._after = look.after
        self._place = place
        self.ended = False
        self.buffer: list[Position] = []
        self.last: Position | None = None  # the last that was read

    def look(self, limit: int) -> ReadRange:
        """How to read it on."""
        self._look = self._look._replace(limit=limit, after=self._after)
        return self._look

    def take(self, entries: Sequence[tuple[float, bytes]]) -> None:
        """What was read."""
        self.ended = len(entries) < self._look.limit
        if not entries:
            return
        self._after = entries[-1]
        self.buffer += map(self._place, entries)
        self.last = self.buffer[-1]


def _by_score(entry: tuple[float, bytes]) -> Position:
    return Position(*entry)


def _by_text(entry: tuple[float, bytes]) -> Position:
    return Position(*of_text_member(entry[1]))


def _by_key(entry: tuple[float, bytes]) -> Position:
    return Position(None, entry[1])


class Scan:
    """Merges an index of all partitions into one order: see the module's head."""

    def __init__(
        self,
        kind: str,
        index: Index | None,
        ranges: Ranges,
        partitions: int,
        *,
        descending: bool,
        after: Position | None = None,
    ) -> None:
        """Reads the ranges, from behind a position on; without an index the listing of the kind."""
        self._kind = kind
        self._index = index
        self._partitions = partitions
        self._descending = descending
        self._after = after
        parts: list[Part | None] = [*(reversed(ranges.parts) if descending else ranges.parts)]
        if after is not None:
            parts = [] if after.place is None else [part for part in parts if self._is_ahead(part, after.place)]
        self._segments = [*parts, None]  # at last what has no place: None, and what cannot be indexed
        self._none = ranges.none
        self._sources: list[Source] = []
        self._factor = 1

    def _is_ahead(self, part: Part | None, place: Any) -> bool:
        """Whether something in a part may come after a place."""
        assert part is not None, "a part of the values"
        return part[0] < (place, 1) if self._descending else part[1] > (place, 0)

    @property
    def ended(self) -> bool:
        """Whether all has been given."""
        return not self._segments and all(source.ended and not source.buffer for source in self._sources)

    def looks(self, wanted: int) -> list[tuple[Source, ReadRange]]:
        """What to read next, to get about so many more."""
        if all(source.ended and not source.buffer for source in self._sources):
            self._open()
        unread = [source for source in self._sources if not source.ended and not source.buffer]
        if not unread:
            return []
        limit = min(PIECE_MAX, self._factor * (math.ceil(wanted / len(self._sources)) + 2))
        self._factor = min(self._factor * 2, PIECE_MAX)  # a filter that matches little needs more
        return [(source, source.look(limit)) for source in unread]

    def _open(self) -> None:
        """Go on to the next segments."""
        self._sources = []
        while self._segments and len(self._sources) + self._partitions <= max(SOURCES_MAX, self._partitions):
            part = self._segments.pop(0)
            if part is None:
                if self._sources:
                    self._segments.insert(0, None)
                    return
                self._sources += self._apart()
            else:
                index = self._index
                assert index is not None, "the listing has no parts"
                place = _by_text if index.is_text else _by_score
                self._sources += [Source(self._of_part(index, partition, part), place) for partition in self._all()]

    def _all(self) -> range:
        return range(self._partitions)

    def _apart(self) -> list[Source]:
        """What has no place, by key: of an index None, and what cannot be indexed; of the listing all."""
        after = self._after.key if self._after is not None and self._after.place is None else None
        if self._index is None:
            prefix = listed_prefix(self._kind)
            all_of_them = ReadRange(0, LISTING, prefix, prefix + b"\xff", False, True, True, self._descending)
            start = None if after is None else (0.0, prefix + after)
            looks = [all_of_them._replace(partition=partition, after=start) for partition in self._all()]
            return [Source(look, lambda entry: Position(None, entry[1][len(prefix) :])) for look in looks]
        names = ([self._index.none] if self._none else []) + [unindexed(self._kind)]
        start = None if after is None else (0.0, after)
        return [
            Source(ReadRange(partition, name, by_member=True, descending=self._descending, after=start), _by_key)
            for name in names
            for partition in self._all()
        ]

    def _of_part(self, index: Index, partition: int, part: Part) -> ReadRange:
        after = self._after
        start: tuple[float, bytes] | None = None
        if (
            after is not None
            and after.place is not None
            and part[0] <= (after.place, 0)
            and (after.place, 1) <= part[1]
        ):
            is_text = isinstance(after.place, bytes)
            start = (0.0, text_member(after.place, after.key)) if is_text else (after.place, after.key)  # type: ignore[arg-type, assignment]
        return ReadRange(partition, index.name, *bounds_of(index, part), descending=self._descending, after=start)

    def ready(self, most: int) -> list[tuple[Position, int]]:
        """At most so many positions, with their partitions, in order, as far as no source has to be read on first."""
        unread = [source for source in self._sources if not source.ended]
        if any(source.last is None for source in unread):
            return []
        of = {position: source for source in self._sources for position in source.buffer}
        ordered = in_order(of, descending=self._descending)
        edges = {source.last for source in unread}
        edge = next((place for place, position in enumerate(ordered) if position in edges), None)
        if edge is None:
            edge = -1 if unread else len(ordered)
        given = ordered[: min(most, edge + 1)]
        left = set(given)
        for source in {of[position] for position in given}:
            source.buffer = [position for position in source.buffer if position not in left]
        return [(position, of[position].partition) for position in given]


def bounds_of(index: Index, part: Part) -> tuple[bytes | float | None, bytes | float | None, bool, bool, bool]:
    """A part's bounds as a look has them: least, most, whether each is open, and whether they are members."""
    (low, low_side), (high, high_side) = part
    if index.is_text:
        least = above_text(low) if low_side else below_text(low)
        most = above_text(high) if high_side else below_text(high)
        return least, most, False, True, True
    return low, high, bool(low_side), not high_side, False


def listed_prefix(kind: str) -> bytes:
    """With which the members of the listing begin that are of a kind."""
    return f"@{kind}@".encode()


def gathering(kind: str, index: Index, ranges: Ranges, partitions: int) -> list[ReadMembers]:
    """The looks that read all that is in the ranges, and what cannot be indexed, each partition at one moment."""
    return [
        ReadMembers(
            partition,
            [*parts_of(partition, index, ranges), CountRange(partition, unindexed(kind), by_member=True)],
        )
        for partition in range(partitions)
    ]


def counting(index: Index, ranges: Ranges, doubtful: Ranges, partitions: Iterable[int]) -> list[ReadMembers]:
    """The looks that count what is in the ranges, and read what is in those that are doubtful and what cannot be indexed, each partition
    at one moment: so nothing is both counted and read anew, wherever it goes then."""
    found: list[ReadMembers] = []
    for partition in partitions:
        sure, unsure = parts_of(partition, index, ranges), parts_of(partition, index, doubtful)
        apart = CountRange(partition, unindexed(index.kind), by_member=True)
        found.append(ReadMembers(partition, [*sure, *unsure, apart], len(sure)))
    return found


def unindexed_counts(kind: str, partitions: int) -> list[CountRange]:
    """The looks whose sum is how many of a kind some index cannot hold."""
    return [CountRange(partition, unindexed(kind)) for partition in range(partitions)]


def parts_of(partition: int, index: Index, ranges: Ranges) -> list[CountRange]:
    """The parts of a partition's sets that ranges are, and None's, if that is in them."""
    values = [CountRange(partition, index.name, *bounds_of(index, part)) for part in ranges.parts]
    return [*values, *([CountRange(partition, index.none, by_member=True)] if ranges.none else [])]


def gathered_keys(index: Index, ranges: Ranges, answer: Sequence[Sequence[bytes]]) -> set[bytes]:
    """The keys that such a look has found."""
    count = len(ranges.parts)
    parts, apart = answer[:count], answer[count:]
    keys = {of_text_member(member)[1] if index.is_text else member for part in parts for member in part}
    return keys.union(*apart)


def listing_counts(kind: str, partitions: int) -> list[CountRange]:
    """The looks whose sum is how many of a kind are listed."""
    prefix = listed_prefix(kind)
    return [
        CountRange(partition, LISTING, prefix, prefix + b"\xff", open_most=True, by_member=True)
        for partition in range(partitions)
    ]


def counts_of(index: Index, ranges: Ranges, partitions: int) -> list[CountRange | ReadMembers]:
    """The looks whose sum is how many entries of all partitions lie in the ranges, without those that cannot be indexed."""
    if len(ranges.parts) > PARTS_APART_MAX:
        gathered = gathering(index.kind, index, ranges, partitions)
        return [look._replace(parts=look.parts[:-1], counted=len(look.parts) - 1) for look in gathered]
    found: list[CountRange | ReadMembers] = [
        CountRange(partition, index.name, *bounds_of(index, part))
        for part in ranges.parts
        for partition in range(partitions)
    ]
    if ranges.none:
        found += [CountRange(partition, index.none) for partition in range(partitions)]
    return found


def counted_in(answers: Iterable[int | Sequence[int]]) -> int:
    """The sum of what such looks have counted."""
    return sum(answer if isinstance(answer, int) else answer[0] for answer in answers)
