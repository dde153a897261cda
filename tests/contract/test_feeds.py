"""Feeds in a store: entries written by commits, numbered without gaps, trimmed without waiting for anybody (HAZARDS 94, 95, 97)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stead.transport import (
    LAST,
    Acquired,
    Commit,
    CommitAnswer,
    CommitVerdict,
    FeedPart,
    FeedWrite,
    FindEntry,
    FoundEntry,
    KeyDamaged,
    ReadFeed,
    ReadRecords,
    Store,
    mark_of_entry,
)
from stead.transport._contract.records import stream_order
from stead.transport._redis.keys import KeyNames
from stead.transport._redis.store import RedisStore
from support.redis_steps import commit, take
from support.store_twins import SETTINGS, MemoryTwin, Twin
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

FOR_EVER_MS = 86_400_000
_ids = (str(number).encode() for number in itertools.count())
_hubs = itertools.count()


async def apply(store: Store, *commits: Commit) -> list[CommitAnswer]:
    return await store.commit(commits, store.generation)


async def part(store: Store, feed: str = "s", after: bytes = b"0-0", limit: int = 100, partition: int = 0) -> FeedPart:
    _, [answer] = await store.look([ReadFeed(partition, feed, after, limit)])
    found: FeedPart = answer
    return found


async def find(store: Store, stream_id: bytes, feed: str = "s", partition: int = 0) -> FoundEntry:
    _, [answer] = await store.look([FindEntry(partition, feed, stream_id)])
    found: FoundEntry = answer
    return found


async def entries(store: Store, feed: str = "s", after: bytes = b"0-0", limit: int = 100) -> list[bytes]:
    return [entry for _, entry in (await part(store, feed, after, limit)).entries]


class Writer:
    """The owner of a partition, which writes to feeds."""

    def __init__(self, store: Store, owner: Acquired) -> None:
        self.store = store
        self.owner = owner
        self.previous = owner.commit_id

    async def add(self, *feeds: FeedWrite, **effects: Any) -> None:
        commit_id = b"w" + next(_ids)
        made = commit(self.owner, commit_id, self.previous, feeds=feeds, **effects)
        assert await apply(self.store, made) == [CommitVerdict.APPLIED]
        self.previous = commit_id


def added(entry: bytes, feed: str = "s", keep_ms: int = FOR_EVER_MS, length_max: int = 1_000) -> FeedWrite:
    return FeedWrite(feed, entry, keep_ms, length_max)


@pytest.mark.hazard(94)
async def test_an_entry_is_there_with_the_states_of_its_commit_and_once(store: Store) -> None:
    writer = Writer(store, await take(store))
    await writer.add(added(b"1"), added(b"other", "t"), states=[("@s@a", b"x")], created=["@s@a"])
    await writer.add(added(b"2"))
    _, answers = await store.look([ReadRecords(0, ["@s@a"]), ReadFeed(0, "s", b"0-0", 9), ReadFeed(0, "t", b"0-0", 9)])
    assert answers[0] == [b"x"]
    assert [[entry for _, entry in each.entries] for each in answers[1:]] == [[b"1", b"2"], [b"other"]]
    assert await part(store, partition=1) == await part(store, "never") == FeedPart(0, 0, [])
    again = commit(writer.owner, writer.previous, b"", feeds=[added(b"2")])
    assert await apply(store, again) == [CommitVerdict.ALREADY]
    late = commit(writer.owner, b"late", b"not the last one", feeds=[added(b"3")])
    assert await apply(store, late) == [CommitVerdict.FENCED]
    assert await entries(store) == [b"1", b"2"]


@pytest.mark.hazard(95)
async def test_what_comes_after_an_entry_is_read_in_pieces_and_its_end_is_told(store: Store) -> None:
    writer = Writer(store, await take(store))
    assert await find(store, LAST) == FoundEntry(0, 0, b"0-0", 0)
    for number in range(5):
        await writer.add(added(b"%d" % number))
    first = await part(store, limit=2)
    assert (first.trimmed, first.length, [entry for _, entry in first.entries]) == (0, 5, [b"0", b"1"])
    assert await entries(store, after=first.entries[-1][0], limit=2) == [b"2", b"3"]
    assert await part(store, limit=0) == FeedPart(0, 5, [])
    end = await find(store, LAST)
    assert (end.length, end.written, end.mark) == (5, 5, mark_of_entry(b"4"))
    assert await entries(store, after=end.stream_id) == []
    await writer.add(added(b"5"))
    assert await entries(store, after=end.stream_id) == [b"5"]
    for stream_id, entry in (await part(store)).entries:
        assert await find(store, stream_id) == FoundEntry(0, 6, stream_id, mark_of_entry(entry))
    assert await find(store, b"1-1") == FoundEntry(0, 6, b"0-0", 0)
    ids = [stream_order(stream_id) for stream_id, _ in (await part(store)).entries]
    assert ids == sorted(set(ids)) and len(ids) == 6


@pytest.mark.hazard(97)
async def test_what_is_too_much_or_too_old_goes_and_is_counted(twin: Twin) -> None:
    store = twin.store
    writer = Writer(store, await take(store))
    for number in range(5):
        await writer.add(added(b"%d" % number, length_max=3))
    assert await entries(store) == [b"2", b"3", b"4"]
    kept = await part(store)
    assert (kept.trimmed, kept.length) == (2, 3)
    await twin.pass_ms(60)
    await writer.add(added(b"5", keep_ms=50), added(b"t", "t"))
    assert await entries(store) == [b"5"]
    assert (await part(store)).trimmed == 5
    await twin.pass_ms(60)
    await writer.add(added(b"", keep_ms=50))  # only trims: as the owner of a feed does to which nothing is added
    assert await part(store) == FeedPart(6, 0, [])
    await writer.add(added(b"6"))
    assert (await part(store)).trimmed == 6 and await entries(store) == [b"6"]
    assert await entries(store, "t") == [b"t"]


async def test_a_feed_that_is_something_else_is_refused_before_anything_is_written(
    server: ValkeyServer,
) -> None:
    store = await RedisStore.open(server.url, "damaged", SETTINGS)
    owner = await take(store)
    keys = KeyNames(store.layout).partitions[0]
    for key, words in ((keys.feed("s"), ("SET", "x")), (keys.trimmed, ("HSET", "s", "no number"))):
        server.run(words[0], key, *words[1:])
        made = commit(owner, next(_ids), states=[("@s@a", b"x")], feeds=[added(b"1")])
        [answer] = await apply(store, made)
        assert isinstance(answer, KeyDamaged)
        _, [records] = await store.look([ReadRecords(0, ["@s@a"])])
        assert records == [None]
        server.run("DEL", key)
    await store.close()


WRITES = st.lists(
    st.tuples(st.sampled_from(["s", "t"]), st.booleans(), st.integers(1, 4), st.booleans()), min_size=1, max_size=12
)


@pytest.mark.hazard(95)
@hypothesis_settings(max_examples=25)
@given(WRITES)
async def test_whether_something_was_missed_is_told_by_numbers(
    server: ValkeyServer, writes: list[tuple[str, bool, int, bool]]
) -> None:
    """A reader that has read so many entries up to an ID has missed something just if more than these were trimmed."""
    redis = await RedisStore.open(server.url, f"feeds-{next(_hubs)}", SETTINGS)
    for store in (MemoryTwin("feeds", SETTINGS).store, redis):
        writer = Writer(store, await take(store))
        all_of: dict[str, list[bytes]] = {"s": [], "t": []}
        place: dict[str, tuple[bytes, int]] = {"s": (b"0-0", 0), "t": (b"0-0", 0)}
        for number, (feed, adds, length_max, reads) in enumerate(writes):
            entry = b"%d" % number if adds else b""
            await writer.add(added(entry, feed, length_max=length_max))
            all_of[feed] += [entry] if adds else []
            if not reads:
                continue
            after, count = place[feed]
            found = await part(store, feed, after, 2)
            missed = max(0, found.trimmed - count)
            expected = all_of[feed][count + missed : count + missed + 2]
            assert [each for _, each in found.entries] == expected
            assert found.trimmed + found.length == len(all_of[feed])
            if found.entries:
                place[feed] = found.entries[-1][0], count + missed + len(found.entries)
    await redis.close()
