"""Indexes in a store: written by the commit that writes states, fenced by the catalogue's version, read by ranges (HAZARDS 91, 92)."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stead.transport import (
    LISTING,
    NOT_BEGUN,
    READY,
    Acquired,
    Adding,
    CatalogueView,
    Commit,
    CommitAnswer,
    CommitVerdict,
    CountRange,
    FindPlace,
    IndexWrite,
    ReadBuilt,
    ReadMembers,
    ReadRange,
    ReadRecords,
    ReadScores,
    Store,
)
from stead.transport._redis.store import RedisStore
from support.redis_steps import commit, take
from support.store_twins import SETTINGS, MemoryTwin, Twin
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

OSLO = "@station@oslo"
_ids = (str(number).encode() for number in itertools.count())
_hubs = itertools.count()


async def apply(store: Store, *commits: Commit) -> list[CommitAnswer]:
    return await store.commit(commits, store.generation)


async def one(store: Store, look: Any) -> Any:
    _, [answer] = await store.look([look])
    return answer


async def write(store: Store, owner: Acquired, previous: bytes, *indexed: IndexWrite) -> bytes:
    """Commit changes of indexes; gives the commit's ID."""
    commit_id = next(_ids)
    assert await apply(store, commit(owner, commit_id, previous, indexed=indexed)) == [CommitVerdict.APPLIED]
    return commit_id


@pytest.mark.hazard(91)
async def test_a_commit_changes_the_entries_of_its_partition_and_of_no_other(store: Store) -> None:
    owner = await take(store)
    first = await write(store, owner, b"", IndexWrite("n", [], [(2.0, b"b"), (1.0, b"a"), (2.0, b"a\xff")]))
    assert await one(store, ReadRange(0, "n")) == [(1.0, b"a"), (2.0, b"a\xff"), (2.0, b"b")]
    await write(
        store, owner, first, IndexWrite("n", [b"b", b"none"], [(-5.5, b"a\xff")]), IndexWrite("t", [], [(0.0, b"x")])
    )
    assert await one(store, ReadRange(0, "n")) == [(-5.5, b"a\xff"), (1.0, b"a")]
    assert await one(store, ReadRange(0, "t", by_member=True)) == [(0.0, b"x")]
    assert await one(store, ReadRange(1, "n")) == []


@pytest.mark.hazard(104)
async def test_an_entry_that_rises_is_never_behind_what_it_was(store: Store) -> None:
    owner = await take(store)
    first = await write(store, owner, b"", IndexWrite("due.1.x", [], [(5.0, b"a"), (5.0, b"b"), (5.0, b"c")]))
    risen = IndexWrite("due.1.x", [b"c"], [(4.0, b"a"), (6.0, b"b"), (1.0, b"c"), (2.0, b"d")], True)
    second = await write(store, owner, first, risen)
    assert await one(store, ReadScores(0, "due.1.x", [b"a", b"b", b"c", b"d", b"e"])) == [5.0, 6.0, 1.0, 2.0, None]
    assert await one(store, ReadScores(1, "due.1.x", [b"a"])) == [None]
    many = [(float(place), b"%d" % place) for place in range(9_001)]
    await write(store, owner, second, IndexWrite("due.2.x", [], many, True))
    assert await one(store, ReadRange(0, "due.2.x", limit=10_000)) == many


async def test_scores_are_doubles_to_the_last_bit(store: Store) -> None:
    owner = await take(store)
    scores = [-math.inf, -(2.0**53), 0.1 + 0.2, 2.0**53 - 1, 2.0**53, 1e300, math.inf]
    await write(store, owner, b"", IndexWrite("n", [], [(score, repr(score).encode()) for score in scores]))
    assert [score for score, _ in await one(store, ReadRange(0, "n"))] == scores


async def test_a_commit_is_refused_if_the_partition_has_adopted_another_catalogue(store: Store) -> None:
    owner = await take(store)
    assert await store.adopt(0, owner.token, 3, [Adding("n", "@station@")], {}) == {"n": READY}
    write_one: dict[str, Any] = {
        "states": [(OSLO, b"state")],
        "created": [OSLO],
        "indexed": [IndexWrite("n", [], [(1.0, b"oslo")])],
    }
    for version in (0, 2, 4):
        assert await apply(store, commit(owner, next(_ids), catalogue=version, **write_one)) == [CommitVerdict.OUTDATED]
    assert await one(store, ReadRange(0, "n")) == []
    assert await one(store, ReadRecords(0, [OSLO])) == [None]
    commit_id = next(_ids)
    whole = commit(owner, commit_id, catalogue=3, built=[("m", b"@station@a")], **write_one)
    assert await apply(store, whole) == [CommitVerdict.APPLIED]
    assert await one(store, ReadRange(0, "n")) == [(1.0, b"oslo")]
    assert await one(store, ReadBuilt(0)) == {"n": READY, "m": b"@station@a"}
    again = await take(store, token=b"other", expected=b"token")
    assert (again.catalogue, dict(again.built)) == (3, {"n": READY, "m": b"@station@a"})
    assert await apply(store, whole) == [CommitVerdict.ALREADY]


async def test_one_that_is_outdated_makes_its_component_void(store: Store) -> None:
    owners = [await take(store, place) for place in (0, 1)]
    await store.adopt(1, owners[1].token, 1, [], {})
    both = [commit(owner, b"both", component=1, states=[(OSLO, b"x")]) for owner in owners]
    assert await apply(store, *both) == [CommitVerdict.VOID, CommitVerdict.OUTDATED]
    assert await one(store, ReadRecords(0, [OSLO])) == [None]


async def test_a_new_index_is_ready_only_where_there_is_nothing_that_it_could_be_of(store: Store) -> None:
    owner = await take(store)
    await apply(store, commit(owner, next(_ids), states=[(OSLO, b"x")], created=[OSLO]))
    added = [Adding("n", "@station@"), Adding("m", "@stationary@"), Adding("k", "@s@")]
    assert await store.adopt(0, owner.token, 1, added, {}) == {"n": NOT_BEGUN, "m": READY, "k": READY}
    assert await store.adopt(0, b"another's", 2, [], {}) is None
    assert await store.adopt(0, owner.token, 1, added, {}) == {"n": NOT_BEGUN, "m": READY, "k": READY}


async def test_an_index_that_goes_takes_its_sets_along(store: Store) -> None:
    owner = await take(store)
    await store.adopt(0, owner.token, 1, [Adding("n", "@s@"), Adding("m", "@s@")], {})
    sets = [IndexWrite(name, [], [(1.0, b"a")]) for name in ("n", "n.none", "m")]
    await apply(store, commit(owner, next(_ids), catalogue=1, indexed=sets))
    assert await store.adopt(0, owner.token, 2, [], {"n": ["n", "n.none"], "never": ["never"]}) == {"m": READY}
    assert [await one(store, ReadRange(0, name)) for name in ("n", "n.none", "m")] == [[], [], [(1.0, b"a")]]


@pytest.mark.hazard(87)
async def test_the_catalogue_grows_by_who_wants_and_shrinks_when_nobody_has_for_a_while(twin: Twin) -> None:
    store = twin.store
    assert await store.catalogue() == CatalogueView(0, {})
    assert await store.declare_indexes({}, 1_000) == CatalogueView(0, {})
    assert await store.declare_indexes({"n": b"1", "m": b"\xff2"}, 600_000) == CatalogueView(
        1, {"n": b"1", "m": b"\xff2"}
    )
    assert (await store.declare_indexes({"n": b"1"}, 1)).version == 1  # it is wanted by another, for longer
    await twin.pass_ms(50)
    assert await store.declare_indexes({"m": b"2"}, 600_000) == CatalogueView(2, {"m": b"\xff2"})
    version, _ = await store.look([ReadBuilt(0)])
    assert version == 2
    assert await store.catalogue() == CatalogueView(2, {"m": b"\xff2"})


@pytest.mark.hazard(92)
async def test_many_looks_are_one_request_and_each_has_its_answer(store: Store) -> None:
    owner = await take(store)
    entries = [(float(place // 3), b"%02d" % place) for place in range(12)]
    await write(store, owner, b"", IndexWrite("n", [], entries))
    _, answers = await store.look(
        [
            ReadRange(0, "n", limit=2),
            ReadRange(0, "n", least=1.0, open_least=True, most=2.0, limit=9),
            ReadRange(0, "n", descending=True, most=2.0, open_most=True, limit=2),
            CountRange(0, "n", least=1.0),
            CountRange(0, "n", most=0.0),
            FindPlace(0, "n", 1.0, b"04"),
            FindPlace(0, "n", 1.0, b"045"),
            FindPlace(0, "none", 1.0, b"a"),
            ReadRange(1, LISTING, by_member=True),
        ]
    )
    assert answers == [entries[:2], entries[6:9], [entries[5], entries[4]], 9, 3, [4, 1, 7], [5, 0, 7], [0, 0, 0], []]


@pytest.mark.hazard(92)
async def test_parts_of_sets_are_read_and_counted_at_one_moment_and_scores_by_members(store: Store) -> None:
    owner = await take(store)
    numbers = IndexWrite("n", [], [(float(place), b"%d" % place) for place in range(6)])
    texts = IndexWrite("t", [], [(0.0, b"a\0x"), (0.0, b"b\0y")])
    await write(store, owner, b"", numbers, texts)
    parts = [
        CountRange(0, "n", most=2.0, open_most=True),
        CountRange(0, "n", least=4.0, open_least=True),
        CountRange(0, "t", b"b", by_member=True),
        CountRange(0, "none", by_member=True),
    ]
    _, answers = await store.look(
        [
            ReadMembers(0, parts),
            ReadMembers(0, parts, counted=len(parts)),
            ReadMembers(0, parts, counted=1),
            ReadMembers(1, parts, counted=3),
            ReadMembers(1, parts),
            ReadScores(0, "n", [b"5", b"x", b"0"]),
            ReadScores(1, "n", [b"5"]),
        ]
    )
    assert answers == [
        [[b"0", b"1"], [b"5"], [b"b\0y"], []],
        [4],
        [2, [b"5"], [b"b\0y"], []],
        [0, []],
        [[], [], [], []],
        [5.0, None, 0.0],
        [None],
    ]


async def test_the_listing_is_read_like_any_set(store: Store) -> None:
    owner = await take(store)
    targets = ["@a@1", "@b@1", "@b@å", "@c@1"]
    await apply(store, commit(owner, next(_ids), states=[(name, b"x") for name in targets], created=targets))
    answer = await one(store, ReadRange(0, LISTING, b"@b@", b"@bA", by_member=True, after=(0.0, b"@b@1"), limit=9))
    assert answer == [(0.0, "@b@å".encode())]


# -- the same on both stores, whatever is read ----------------------------------------------------------------------------

_scores = st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 1.0, 2.0**53, math.inf])
_members = st.binary(min_size=1, max_size=3) | st.sampled_from([b"a" * 250 + b"%d" % place for place in range(5)])
_entries = st.dictionaries(_members, _scores, max_size=20)


@st.composite
def _ranges(draw: st.DrawFn) -> ReadRange:
    by_member = draw(st.booleans())
    bounds: Any = st.none() | (_members if by_member else _scores)
    found = ReadRange(
        0,
        "t" if by_member else "n",
        draw(bounds),
        draw(bounds),
        draw(st.booleans()),
        draw(st.booleans()),
        by_member,
        draw(st.booleans()),
        limit=draw(st.integers(1, 8)),
    )
    after = (0.0, draw(_members)) if by_member else (draw(_scores), draw(_members))
    return found._replace(after=after) if _is_within(found, after) and draw(st.booleans()) else found


def _is_within(look: ReadRange, entry: tuple[float, bytes]) -> bool:
    value: Any = entry[1 if look.by_member else 0]
    least: Any = look.least
    most: Any = look.most
    above = least is None or value > least or (value == least and not look.open_least)
    return above and (most is None or value < most or (value == most and not look.open_most))


def expected(look: ReadRange, entries: dict[bytes, float]) -> list[tuple[float, bytes]]:
    """What a range holds, said in the plainest way."""
    all_of_them = sorted((0.0 if look.by_member else score, member) for member, score in entries.items())
    found = [entry for entry in all_of_them if _is_within(look, entry)]
    if look.descending:
        found.reverse()
    if look.after is not None:
        after = look.after
        found = [entry for entry in found if (entry < after if look.descending else entry > after)]
    return found[: look.limit]


@pytest.mark.hazard(82)
@pytest.mark.timeout(300)
@hypothesis_settings(max_examples=60)
@given(looks=st.lists(_ranges(), min_size=1, max_size=6), entries=_entries)
async def test_ranges_are_what_they_say_on_both_stores(
    server: ValkeyServer, looks: list[ReadRange], entries: dict[bytes, float]
) -> None:
    redis_store = await RedisStore.open(server.url, f"ranges-{next(_hubs)}", SETTINGS)
    try:
        sets = [
            IndexWrite("n", [], [(score, member) for member, score in entries.items()]),
            IndexWrite("t", [], [(0.0, member) for member in entries]),
        ]
        for store in (MemoryTwin("ranges", SETTINGS).store, redis_store):
            await write(store, await take(store), b"", *sets)
            _, answers = await store.look(looks)
            assert answers == [expected(look, entries) for look in looks]
            counts = [CountRange(*look[:7]) for look in looks]
            _, counted = await store.look(counts)
            assert counted == [len(expected(look._replace(after=None, limit=99), entries)) for look in looks]
    finally:
        await redis_store.close()
