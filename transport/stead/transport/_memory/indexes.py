"""Indexes in memory: the sets, the looks at them, and the catalogue. The twin of `_redis/indexes` and its scripts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from stead.transport._contract.feeds import (
    LAST,
    FeedPart,
    FeedWrite,
    FindEntry,
    FoundEntry,
    ReadFeed,
    mark_of_entry,
)
from stead.transport._contract.indexes import (
    NOT_BEGUN,
    READY,
    Adding,
    CatalogueView,
    CountRange,
    FindPlace,
    IndexWrite,
    Look,
    ReadBuilt,
    ReadMembers,
    ReadRange,
    ReadRecords,
    ReadScores,
)
from stead.transport._contract.records import stream_order
from stead.transport._contract.shards import ShardCount, raised

from .base import MemoryBase
from .state import Feed, PartitionState, SortedSet, check_whole, owns
from .streams import format_id


def write_indexes(state: PartitionState, indexed: Sequence[IndexWrite], built: Sequence[tuple[str, bytes]]) -> None:
    """What a commit changes in the sets of its partition."""
    for name, removed, added, rises in indexed:
        entries = state.entries.setdefault(name, SortedSet())
        for member in removed:
            entries.remove(member)
        for score, member in added:
            if not (rises and entries.scores.get(member, score) > score):
                entries.put(score, member)
    state.built.update(built)


def write_feeds(state: PartitionState, feeds: Sequence[FeedWrite], now_ms: int) -> None:
    """What a commit adds to feeds of its partition, and takes from them."""
    for name, entry, keep_ms, length_max in feeds:
        feed = state.feeds.setdefault(name, Feed())
        if entry:
            feed.stream.append(now_ms, entry)
        orders = list(feed.stream)
        too_many = len(orders) - length_max
        for place, order in enumerate(orders):
            if order >= (now_ms - keep_ms, 0) and place >= too_many:
                break
            feed.stream.delete(order)
            feed.trimmed += 1


class MemoryIndexes(MemoryBase):
    """The catalogue, and reads of indexes."""

    async def look(self, looks: Sequence[Look]) -> tuple[int, list[Any]]:
        """Look at partitions; gives the answers, and the version of the catalogue when all of them had been made."""

        def answers() -> tuple[int, list[Any]]:
            found = [_look(self._state.partitions[look.partition], look) for look in looks]
            return self._state.catalogue.version, found

        return await self._call("look", answers)

    async def catalogue(self) -> CatalogueView:
        """The indexes that the hub has."""
        return await self._call("catalogue", lambda: self._state.catalogue)

    async def declare_indexes(self, indexes: Mapping[str, bytes], ttl_ms: int) -> CatalogueView:
        """Say that these indexes are wanted for `ttl_ms` from now on. Those that nobody wants any more go."""
        wanted = dict(indexes)

        def declare() -> CatalogueView:
            hub, now_ms = self._state, self._clock.now_ms()
            hub.catalogue_until.update(dict.fromkeys(wanted, now_ms + ttl_ms))
            gone = [index for index, until_ms in hub.catalogue_until.items() if until_ms < now_ms]
            kept = {**wanted, **hub.catalogue.indexes}
            for index in gone:
                del hub.catalogue_until[index]
                kept.pop(index, None)
            if kept.keys() != hub.catalogue.indexes.keys():
                hub.catalogue = CatalogueView(hub.catalogue.version + 1, kept)
            return hub.catalogue

        return await self._call("declare_indexes", declare)

    async def shards(self) -> dict[str, ShardCount]:
        """The numbers of shards in the hub's record, by kind."""
        return await self._call("shards", lambda: dict(self._state.shards))

    async def raise_shards(self, wanted: Mapping[str, int], known: Collection[str] = ()) -> dict[str, ShardCount]:
        """Have the hub's record say that kinds have so many shards, unless it says more; gives all that it says then."""

        def put() -> dict[str, ShardCount]:
            shards, now_ms = self._state.shards, self._clock.now_ms()
            for kind, count in wanted.items():
                shards[kind] = raised(shards.get(kind), count, now_ms, known=kind in known)
            return dict(shards)

        return await self._call("raise_shards", put)

    async def keep(self, name: str, value: bytes, ttl_ms: int) -> bytes:
        """Keep a value of the hub under a name for a time, unless there is one; gives the one that is there."""

        def put() -> bytes:
            now_ms = self._clock.now_ms()
            kept = self._state.kept
            for old in [old for old, (until_ms, _) in kept.items() if until_ms <= now_ms]:
                del kept[old]
            return kept.setdefault(name, (now_ms + ttl_ms, value))[1]

        return await self._call("keep", put)

    async def read_kept(self, name: str) -> bytes | None:
        """What is kept under a name."""

        def read() -> bytes | None:
            until_ms, value = self._state.kept.get(name, (0, None))
            return value if until_ms > self._clock.now_ms() else None

        return await self._call("read_kept", read)

    async def adopt(
        self, partition: int, token: bytes, version: int, added: Sequence[Adding], dropped: Mapping[str, Sequence[str]]
    ) -> dict[str, bytes] | None:
        """Make a version of the catalogue that of a partition: indexes come, and others go with their sets."""

        def take_over() -> dict[str, bytes] | None:
            state = self._state.partitions[partition]
            if not owns(state, token):
                return None
            check_whole(partition, state)
            for index, prefix in added:
                empty = not any(target.startswith(prefix) for target in state.index)
                state.built.setdefault(index, READY if empty else NOT_BEGUN)
            for index, names in dropped.items():
                state.built.pop(index, None)
                for name in names:
                    state.entries.pop(name, None)
            state.catalogue = version
            return dict(state.built)

        return await self._call("adopt", take_over)


def _look(state: PartitionState, look: Look) -> Any:
    match look:
        case ReadRange():
            return _set_of(state, look.name).read(look)
        case CountRange():
            first, last = _set_of(state, look.name).bounds(look)
            return max(0, last - first)
        case FindPlace():
            entries, sought = _set_of(state, look.name).order, (look.score, look.member)
            before, behind = bisect_left(entries, sought), bisect_right(entries, sought)
            return [before, behind - before, len(entries) - behind]
        case ReadMembers(_, parts, counted):
            found = [_members(_set_of(state, part.name), part) for part in parts]
            return [sum(map(len, found[:counted])), *found[counted:]] if counted else found
        case ReadScores(_, name, members):
            scores = _set_of(state, name).scores
            return [scores.get(member) for member in members]
        case ReadRecords():
            return [state.records.get(target) for target in look.targets]
        case ReadBuilt():
            return dict(state.built)
        case ReadFeed():
            return _part(state.feeds.get(look.feed) or Feed(), look)
        case FindEntry():
            return _find_entry(state.feeds.get(look.feed) or Feed(), look.stream_id)


def _members(entries: SortedSet, part: CountRange) -> list[bytes]:
    first, last = entries.bounds(part)
    return [member for _, member in entries.order[first:last]]


def _part(feed: Feed, look: ReadFeed) -> FeedPart:
    stream = feed.stream
    found = [(format_id(order), stream.entries[order]) for order in stream.after(stream_order(look.after), look.limit)]
    return FeedPart(feed.trimmed, len(stream), found)


def _find_entry(feed: Feed, stream_id: bytes) -> FoundEntry:
    stream = feed.stream
    order = stream_order(stream.youngest if stream_id == LAST else stream_id)
    entry = stream.entries.get(order)
    if entry is None:
        return FoundEntry(feed.trimmed, len(stream), format_id((0, 0)), 0)
    return FoundEntry(feed.trimmed, len(stream), format_id(order), mark_of_entry(entry))


def _set_of(state: PartitionState, name: str) -> SortedSet:
    if name:
        return state.entries.get(name) or SortedSet()
    listing = SortedSet()
    for target in state.index:
        listing.put(0.0, target.encode())
    return listing
