"""Feeds as a store sees them: streams of entries, each of one partition, written by its commits, trimmed by age and length.

1. A commit adds at most one entry to a feed: what is in it is for the layers above (HAZARDS 94).
2. Entries of a feed are numbered from 1 without gaps, whatever their IDs, and trimmed from the oldest on. So whether something was
   missed is a comparison of numbers, not of times: the clock of a server may step back, and an ID says nothing of what is gone
   (HAZARDS 95, 97).
3. Trimming waits for no reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .records import StreamId


class FeedWrite(NamedTuple):
    """What a commit adds to a feed, and what stays in it: entries at most so old, and at most so many."""

    feed: str
    entry: bytes  # nothing, if there is only something to be trimmed
    keep_ms: int
    length_max: int


class ReadFeed(NamedTuple):
    """The first entries of a feed after an ID; with `limit` 0 where its end is."""

    partition: int
    feed: str
    after: StreamId
    limit: int


class FeedPart(NamedTuple):
    """A part of a feed, and how much there was and is of it at that moment."""

    trimmed: int  # how many entries are gone: those with numbers up to this one
    length: int  # how many are there
    last: StreamId  # the youngest that is there; nothing, unless that was asked for
    entries: Sequence[tuple[StreamId, bytes]]
