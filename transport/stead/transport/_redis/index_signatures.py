"""What the scripts of indexes and of numbers of shards are given and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .signature import Signature


class DeclareIndexes(NamedTuple):
    """Indexes that are wanted."""

    ttl_ms: int
    described: Sequence[str | bytes]  # index, description, ...
    hub_id: str
    format: str  # that the hub has at least, once it has an index


class Declared(NamedTuple):
    """All that there are now, and the version."""

    catalogue: Sequence[bytes]  # field, value, ...


class Joining(NamedTuple):
    """An index that a partition is to have."""

    name: str
    first: str  # as ZRANGEBYLEX takes them: the bounds of the targets that it is of
    end: str


class AdoptCatalogue(NamedTuple):
    """A version of the catalogue for a partition."""

    token: bytes
    version: str
    added: Sequence[Joining]
    dropped: Sequence[str]  # indexes


class Adopted(NamedTuple):
    """How far each index has been built."""

    verdict: int
    built: Sequence[bytes]  # index, how far, ...


class Seek(NamedTuple):
    """Entries of a set after one of them, whether or not that is there."""

    descending: int  # 0 or 1
    score: str
    member: bytes
    bound: str  # a score as ZCOUNT takes it: the most, or if descending the most of what comes before the least
    limit: int  # 0: how many come before it, 1 if it is there, and how many come after it


class PartOfSet(NamedTuple):
    """Some entries of a set, between two bounds as ZRANGE takes them."""

    by_member: int  # 0 or 1
    least: bytes
    most: bytes


class GatherMembers(NamedTuple):
    """Parts of sets, in the order of the keys."""

    counted: int  # of the first so many only how many they are
    parts: Sequence[PartOfSet]


class FollowFeed(NamedTuple):
    """Entries of a feed."""

    feed: str
    after: bytes
    limit: int  # 0: how many there are


class Followed(NamedTuple):
    """A part of it."""

    trimmed: bytes
    length: int
    entries: Sequence[Any]  # ID, fields


class ShardsWanted(NamedTuple):
    """A kind that is to have so many shards."""

    kind: str
    total: int
    known: int  # 1: it has been there, without any, if none are noted


class RaiseShards(NamedTuple):
    """Kinds that are to have shards."""

    wanted: Sequence[ShardsWanted]
    settle_ms: int
    hub_id: str


class RaisedTo(NamedTuple):
    """What the hub's record has then."""

    record: Sequence[bytes]  # field, value, ...


RAISE_SHARDS = Signature(
    RaiseShards, keys="shards:hash", last_keys="record:hash", rows=(ShardsWanted,), answer=RaisedTo
)


class SeekEntry(NamedTuple):
    """An entry of a feed."""

    feed: str
    stream_id: bytes


class EntryFound(NamedTuple):
    """What was found of it."""

    trimmed: bytes
    length: int
    stream_id: bytes
    mark: bytes


DECLARE_INDEXES = Signature(
    DeclareIndexes, keys="catalogue:hash catalogue_until:zset", last_keys="record:hash", answer=Declared
)
ADOPT = Signature(
    AdoptCatalogue,
    keys="lease:hash index:zset built:hash",
    more_keys="the sets (zset) of the indexes that go",
    rows=(Joining,),
    answer=Adopted,
)
SEEK = Signature(Seek, keys="entries:zset")
GATHER = Signature(GatherMembers, more_keys="the set (zset) of each part", rows=(PartOfSet,))
READ_FEED = Signature(FollowFeed, keys="stream:stream trimmed:hash", answer=Followed)
FIND_ENTRY = Signature(SeekEntry, keys="stream:stream trimmed:hash", answer=EntryFound)
