"""Feeds as a store sees them: streams of entries, each of one partition, written by its commits, trimmed by age and length.

1. A commit adds at most one entry to a feed: what is in it is for the layers above (HAZARDS 94).
2. Entries of a feed are numbered from 1 without gaps, whatever their IDs, and trimmed from the oldest on. So whether something was
   missed is a comparison of numbers, not of times: the clock of a server may step back, and an ID says nothing of what is gone
   (HAZARDS 95, 97).
3. A server that has gone back to an earlier time may write another entry under the ID and the number of one that it has lost. An entry's
   mark, which is made of what is in it, tells them apart.
4. Trimming waits for no reader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from .records import StreamId

LAST: StreamId = b"+"
"""The place of the youngest entry, whichever it is."""


class FeedWrite(NamedTuple):
    """What a commit adds to a feed, and what stays in it: entries at most so old, and at most so many."""

    feed: str
    entry: bytes  # nothing, if there is only something to be trimmed
    keep_ms: int
    length_max: int


class ReadFeed(NamedTuple):
    """The first entries of a feed after an ID; with `limit` 0 how many there are."""

    partition: int
    feed: str
    after: StreamId
    limit: int


class FindEntry(NamedTuple):
    """The entry of a feed with this ID (`LAST`: the youngest), by its mark."""

    partition: int
    feed: str
    stream_id: StreamId


class FeedPart(NamedTuple):
    """A part of a feed, and how much there was and is of it at that moment."""

    trimmed: int  # how many entries are gone: those with numbers up to this one
    length: int  # how many are there
    entries: Sequence[tuple[StreamId, bytes]]

    @property
    def written(self) -> int:
        """How many entries there have been: the number of the youngest."""
        return self.trimmed + self.length


class FoundEntry(NamedTuple):
    """What was found of an entry, and how much there was and is of its feed at that moment."""

    trimmed: int
    length: int
    stream_id: StreamId  # b"0-0" if it is not there
    mark: int  # 0 then

    @property
    def written(self) -> int:
        """How many entries there have been: the number of the youngest."""
        return self.trimmed + self.length


def mark_of_entry(entry: bytes) -> int:
    """A byte that another entry has hardly ever, too. `lua/find_entry.lua` has the same."""
    return hashlib.sha1(bytes(entry), usedforsecurity=False).digest()[0]
