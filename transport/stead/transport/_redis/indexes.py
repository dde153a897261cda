"""The part of `RedisStore` that is about indexes: the catalogue, and looks at partitions, many in one pipeline (HAZARDS 92).
And about shards: how many there are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from stead.transport._contract.errors import ConnectionLost, KeyDamaged
from stead.transport._contract.feeds import FeedPart, FindEntry, FoundEntry, ReadFeed
from stead.transport._contract.indexes import (
    Adding,
    CatalogueView,
    CountRange,
    FindPlace,
    Look,
    ReadBuilt,
    ReadMembers,
    ReadRange,
    ReadRecords,
    ReadScores,
)
from stead.transport._contract.layout import FORMAT_CATALOGUE
from stead.transport._contract.left_out import UNREADABLE
from stead.transport._contract.shards import SHARDS_SETTLE_MS, ShardCount, decode_shards

from .base import RedisBase, concerning, concerning_hub, is_owner, named, unreadable
from .index_signatures import (
    AdoptCatalogue,
    Adopted,
    Declared,
    DeclareIndexes,
    EntryFound,
    Followed,
    FollowFeed,
    GatherMembers,
    Joining,
    PartOfSet,
    RaisedTo,
    RaiseShards,
    Seek,
    SeekEntry,
    ShardsWanted,
)
from .keys import KeyNames
from .listing import end_of
from .scripts import ADOPT, DECLARE_INDEXES, FIND_ENTRY, GATHER, RAISE_SHARDS, READ_FEED, SEEK, command

_VERSION = b"version"
_SHARDS = b"shards:"  # with this the fields of the hub's record begin that say how many a kind has


class IndexSide(RedisBase):
    """The catalogue, and reads of indexes."""

    async def look(self, looks: Sequence[Look]) -> tuple[int, list[Any]]:
        """Look at partitions, each look at a moment of its own; gives the answers, and the version of the catalogue when all of
        them had been made."""
        commands = [_command_of(self._keys, look) for look in looks]
        asked = command(b"HGET", self._keys.catalogue, _VERSION)
        *answers, version = await self._ask(*commands, asked, each=True)
        with concerning_hub(self._keys.catalogue):
            if isinstance(version, KeyDamaged):
                raise version
            current = int(version or 0)
        return current, [_answer_of(self._keys, *each) for each in zip(looks, answers, strict=True)]

    async def catalogue(self) -> CatalogueView:
        """The indexes that the hub has."""
        with concerning_hub(self._keys.catalogue):
            (flat,) = await self._ask(command(b"HGETALL", self._keys.catalogue))
            return _view_of(flat)

    async def declare_indexes(self, indexes: Mapping[str, bytes], ttl_ms: int) -> CatalogueView:
        """Say that these indexes are wanted for `ttl_ms` from now on. Those that nobody wants any more go."""
        described = [word for index in indexes.items() for word in index]
        names = (self._keys.catalogue, self._keys.catalogue_until, self._keys.record)
        wanted = DeclareIndexes(ttl_ms, described, self._layout.hub_id, str(FORMAT_CATALOGUE))
        with concerning_hub(self._keys.catalogue):
            return _view_of(Declared(*await self._queries.one(DECLARE_INDEXES.call(names, wanted))).catalogue)

    async def shards(self) -> dict[str, ShardCount]:
        """The numbers of shards in the hub's record, by kind."""
        record = self._keys.record
        with concerning_hub(record):
            (flat,) = await self._ask(command(b"HGETALL", record))
            return self._shards_in(flat)

    async def raise_shards(self, wanted: Mapping[str, int], known: Collection[str] = ()) -> dict[str, ShardCount]:
        """Have the hub's record say that kinds have so many shards, unless it says more; gives all that it says then."""
        rows = [ShardsWanted(kind, count, int(kind in known)) for kind, count in wanted.items()]
        asked = RAISE_SHARDS.call(
            (self._keys.record, self._keys.record), RaiseShards(rows, SHARDS_SETTLE_MS, self._layout.hub_id)
        )
        with concerning_hub(self._keys.record):
            return self._shards_in(RaisedTo(*await self._queries.one(asked)).record)

    def _shards_in(self, record: Sequence[bytes]) -> dict[str, ShardCount]:
        """Those that can be read: one kind's trouble is not that of the others."""
        found: dict[str, ShardCount] = {}
        for name, value in zip(record[::2], record[1::2], strict=True):
            if name.startswith(_SHARDS):
                kind = name.removeprefix(_SHARDS).decode(errors="backslashreplace")
                try:
                    found[kind] = decode_shards(value.decode())
                except (KeyDamaged, UnicodeDecodeError) as error:
                    self._left_out.note("shards", kind, error)
                    continue
                self._left_out.readable("shards", kind)
        return found

    async def keep(self, name: str, value: bytes, ttl_ms: int) -> bytes:
        """Keep a value of the hub under a name for a time, unless there is one; gives the one that is there."""
        key = self._keys.kept(name)
        with concerning_hub(key):
            _, found = await self._ask(command(b"SET", key, value, b"NX", b"PX", ttl_ms), command(b"GET", key))
        if found is None:
            raise ConnectionLost("what was to be kept is gone already")
        return bytes(found)

    async def read_kept(self, name: str) -> bytes | None:
        """What is kept under a name."""
        key = self._keys.kept(name)
        with concerning_hub(key):
            (found,) = await self._ask(command(b"GET", key))
        return None if found is None else bytes(found)

    async def adopt(
        self, partition: int, token: bytes, version: int, added: Sequence[Adding], dropped: Mapping[str, Sequence[str]]
    ) -> dict[str, bytes] | None:
        """Make a version of the catalogue that of a partition: indexes come, and others go with their sets."""
        keys = self._keys.partitions[partition]
        going = [keys.entries(name) for names in dropped.values() for name in names]
        joining = [Joining(index, f"[{prefix}", "(" + end_of(prefix.encode()).decode()) for index, prefix in added]
        wanted = AdoptCatalogue(token, str(version), joining, list(dropped))
        with concerning(partition):
            answer = await self._commits.one(ADOPT.call((keys.lease, keys.index, keys.built, *going), wanted))
            if not is_owner(partition, answer):
                return None
            return {name.decode(): reached for name, reached in _pairs(Adopted(*answer).built)}


def _command_of(keys: KeyNames, look: Look) -> bytes:
    own = keys.partitions[look.partition]
    match look:
        case ReadRange():
            return _range_command(own.entries(look.name), look)
        case CountRange():
            count = b"ZLEXCOUNT" if look.by_member else b"ZCOUNT"
            return command(count, own.entries(look.name), _least(look), _most(look))
        case FindPlace():
            return SEEK.call((own.entries(look.name),), Seek(0, repr(look.score), look.member, "", 0))
        case ReadMembers(_, parts, counted):
            bounds = [PartOfSet(int(part.by_member), _least(part), _most(part)) for part in parts]
            return GATHER.call((own.entries(part.name) for part in parts), GatherMembers(counted, bounds))
        case ReadScores(_, name, members):
            return command(b"ZMSCORE", own.entries(name), *members)
        case ReadRecords():
            return command(b"HMGET", own.state, *look.targets)
        case ReadBuilt():
            return command(b"HGETALL", own.built)
        case ReadFeed(_, feed, after, limit):
            return READ_FEED.call((own.feed(feed), own.trimmed), FollowFeed(feed, after, limit))
        case FindEntry(_, feed, stream_id):
            return FIND_ENTRY.call((own.feed(feed), own.trimmed), SeekEntry(feed, stream_id))


def _range_command(entries: bytes, look: ReadRange) -> bytes:
    if look.after is not None and not look.by_member:
        score, member = look.after
        bound = _before_least(look) if look.descending else _most(look)
        return SEEK.call((entries,), Seek(int(look.descending), repr(score), member, bound.decode(), look.limit))
    least, most = _least(look), _most(look)
    if look.after is not None and look.descending:
        most = b"(" + look.after[1]
    elif look.after is not None:
        least = b"(" + look.after[1]
    bounds = (most, least) if look.descending else (least, most)
    reverse = (b"REV",) if look.descending else ()
    if look.by_member:
        return command(b"ZRANGE", entries, *bounds, b"BYLEX", *reverse, b"LIMIT", 0, look.limit)
    return command(b"ZRANGE", entries, *bounds, b"BYSCORE", *reverse, b"LIMIT", 0, look.limit, b"WITHSCORES")


def _least(look: ReadRange | CountRange) -> bytes:
    return _bound(look.least, b"-" if look.by_member else b"-inf", is_open=look.open_least)


def _most(look: ReadRange | CountRange) -> bytes:
    return _bound(look.most, b"+" if look.by_member else b"+inf", is_open=look.open_most)


def _before_least(look: ReadRange) -> bytes:
    """The end of what comes before the range, as ZCOUNT takes it."""
    if look.least is None:
        return b"(-inf"
    return _bound(look.least, b"", is_open=not look.open_least)


def _bound(value: bytes | float | None, none: bytes, *, is_open: bool) -> bytes:
    if value is None:
        return none
    if isinstance(value, bytes):
        return (b"(" if is_open else b"[") + value
    return (b"(" if is_open else b"") + repr(value).encode()


def _key_of(keys: KeyNames, look: Look) -> bytes:
    """The key that a look is at."""
    own = keys.partitions[look.partition]
    match look:
        case ReadRange() | CountRange() | FindPlace():
            return own.entries(look.name)
        case ReadScores():
            return own.entries(look.name)
        case ReadMembers():
            return own.entries(look.parts[0].name)
        case ReadRecords():
            return own.state
        case ReadBuilt():
            return own.built
        case ReadFeed() | FindEntry():
            return own.feed(look.feed)


def _answer_of(keys: KeyNames, look: Look, answer: Any) -> Any:
    if isinstance(answer, KeyDamaged):
        raise named(answer, _key_of(keys, look))
    try:
        match look:
            case ReadRange() if look.by_member:
                return [(0.0, member) for member in answer]
            case ReadRange():
                return [(float(score), member) for member, score in _pairs(answer)]
            case ReadScores():
                return [None if score is None else float(score) for score in answer]
            case ReadBuilt():
                return {index.decode(): reached for index, reached in _pairs(answer)}
            case ReadFeed():
                return _part_of(Followed(*answer))
            case FindEntry():
                return _found_of(EntryFound(*answer))
            case _:
                return answer
    except UNREADABLE as error:
        raise unreadable(look.partition, error) from error


def _part_of(followed: Followed) -> FeedPart:
    trimmed, length, entries = followed
    return FeedPart(int(trimmed), length, [(stream_id, fields[1]) for stream_id, fields in entries])


def _found_of(found: EntryFound) -> FoundEntry:
    return FoundEntry(int(found.trimmed), found.length, found.stream_id, int(found.mark, 16))


def _view_of(flat: Sequence[bytes]) -> CatalogueView:
    fields = dict(_pairs(flat))
    version = int(fields.pop(_VERSION, b"0"))
    return CatalogueView(version, {index.decode(): description for index, description in fields.items()})


def _pairs(flat: Sequence[bytes]) -> zip[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
