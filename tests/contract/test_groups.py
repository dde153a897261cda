"""Groups of readers in a store: who has claimed what, how far it is done, and when all of it is forgotten (HAZARDS 98)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stead.transport import Attendance, Claim, Dropped, GroupRow, GroupView, KeyDamaged, Store
from stead.transport._redis.keys import KeyNames
from stead.transport._redis.store import RedisStore
from support.store_twins import SETTINGS, MemoryTwin, Twin
from support.valkey_server import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.hazard(98)]

KEEP_MS = 1_000_000
PLACES = [b"0.0.x", b"3.0.y"]
_hubs = itertools.count()


def said(
    reader: str, *, reader_ms: int = 60_000, claim_ms: int = 60_000, keep_ms: int = KEEP_MS, **more: Any
) -> Attendance:
    return Attendance(reader, reader_ms, claim_ms, keep_ms, **more)


async def attend(store: Store, reader: str, **more: Any) -> GroupView:
    view = await store.attend_group("s", "g", said(reader, **more))
    assert view is not None
    return view


def held(view: GroupView) -> dict[int, tuple[str, bytes]]:
    return {number: (row.reader, row.fence) for number, row in view.rows.items() if row.fence}


async def test_a_group_is_made_once_and_known_until_nobody_has_attended_it_for_its_time(twin: Twin) -> None:
    store = twin.store
    assert await store.read_group("s", "g") is None
    assert await store.attend_group("s", "g", said("a")) is None
    assert await store.open_group("s", "g", PLACES, 60_000)
    assert not await store.open_group("s", "g", [b"9.0.z", b"9.0.z"], 60_000)
    await store.open_group("s", "a/b", PLACES, KEEP_MS)
    await store.open_group("r", "g", PLACES, KEEP_MS)
    assert await store.groups() == [("r", "g"), ("s", "a/b"), ("s", "g")]
    view = await store.read_group("s", "g")
    assert view is not None and view.rows == {0: GroupRow(PLACES[0]), 1: GroupRow(PLACES[1])}
    await twin.age_ms(40_000)
    assert (await attend(store, "a", keep_ms=60_000)).readers.keys() == {"a"}
    await twin.age_ms(40_000)
    assert await store.read_group("s", "g") is not None
    await twin.age_ms(61_000)
    assert await store.read_group("s", "g") is None
    assert await store.attend_group("s", "g", said("a")) is None


async def test_a_claim_names_the_fence_that_it_has_seen(store: Store) -> None:
    await store.open_group("s", "g", PLACES, KEEP_MS)
    view = await attend(store, "a", claimed=[Claim(0, b"", b"1"), Claim(1, b"no", b"2")])
    assert held(view) == {0: ("a", b"1")}
    assert view.rows[0].until_ms == view.now_ms + 60_000
    view = await attend(store, "b", claimed=[Claim(0, b"", b"3"), Claim(1, b"", b"4"), Claim(7, b"", b"5")])
    assert held(view) == {0: ("a", b"1"), 1: ("b", b"4")}
    assert view.readers == {"a": view.readers["a"], "b": view.now_ms + 60_000}
    view = await attend(store, "b", claimed=[Claim(0, b"1", b"5")])
    assert held(view) == {0: ("b", b"5"), 1: ("b", b"4")}
    view = await attend(store, "a", renewed=[(0, b"1")], released=[(0, b"1"), (1, b"no")])
    assert held(view) == {0: ("b", b"5"), 1: ("b", b"4")}, "what a reader has lost it can neither renew nor give back"
    view = await attend(store, "b", renewed=[(0, b"5")], released=[(1, b"4")], claim_ms=90_000)
    assert held(view) == {0: ("b", b"5")} and view.rows[0].until_ms == view.now_ms + 90_000
    assert view.rows[1] == GroupRow(PLACES[1])
    view = await attend(store, "b", reader_ms=0, released=[(0, b"5")])
    assert not held(view)
    assert list(view.readers) == ["a"]


async def test_only_who_holds_a_partition_moves_its_place_and_only_forwards(store: Store) -> None:
    await store.open_group("s", "g", PLACES, KEEP_MS)
    assert not await store.mark_done("s", "g", 0, b"", b"5.0.x")
    assert not await store.mark_done("s", "g", 0, b"-", b"5.0.x")
    assert not await store.mark_done("s", "none", 0, b"1", b"5.0.x")
    await attend(store, "a", claimed=[Claim(0, b"", b"1")])

    async def place_after(fence: bytes, place: bytes, *, back: bool = False) -> tuple[bool, bytes]:
        done = await store.mark_done("s", "g", 0, fence, place, back=back)
        return done, (await attend(store, "a")).rows[0].place

    assert await place_after(b"2", b"9.0.z") == (False, PLACES[0])
    assert await place_after(b"1", b"5.2.x") == (True, b"5.2.x")
    for earlier in (b"5.1.x", b"4.9.x", b"5.2.z"):
        assert await place_after(b"1", earlier) == (True, b"5.2.x")
    assert await place_after(b"1", b"5.10.x") == (True, b"5.10.x")
    assert await place_after(b"1", b"12.0.x") == (True, b"12.0.x")
    assert await place_after(b"2", b"1.0.x", back=True) == (False, b"12.0.x")
    assert await place_after(b"1", b"1.0.x", back=True) == (True, b"1.0.x")


async def test_who_has_not_attended_for_its_time_does_not_count(twin: Twin) -> None:
    store = twin.store
    await store.open_group("s", "g", PLACES, KEEP_MS)
    await attend(store, "a", reader_ms=20)
    assert await store.drop_group("s", "g") is Dropped.READ
    await twin.pass_ms(30)
    assert (await attend(store, "b")).readers.keys() == {"b"}
    await attend(store, "b", reader_ms=0)
    assert await store.drop_group("s", "g") is Dropped.GONE
    assert await store.drop_group("s", "g") is Dropped.UNKNOWN
    assert (await store.groups(), await store.read_group("s", "g")) == ([], None)


async def test_a_group_that_is_something_else_is_refused(server: ValkeyServer) -> None:
    store = await RedisStore.open(server.url, "damaged-groups", SETTINGS)
    keys = KeyNames(store.layout)
    key = keys.change_group("s", "g")
    for words in (("SET", key, "x"), ("HSET", key, "p0", "nonsense"), ("HSET", key, "p0", "0 - - x")):
        server.run(*words)
        for step in (store.read_group("s", "g"), store.attend_group("s", "g", said("a"))):
            with pytest.raises(KeyDamaged, match="group:s/g"):
                await step
        server.run("DEL", key)
    await store.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("attend"),
            st.sampled_from("ab"),
            st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=2),
            st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=2),
            st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(1, 3)), max_size=3),
            st.sampled_from([0, 60_000]),
        ),
        st.tuples(
            st.just("done"), st.integers(0, 2), st.integers(0, 3), st.integers(0, 12), st.integers(0, 12), st.booleans()
        ),
        st.tuples(st.just("drop")),
        st.tuples(st.just("open")),
    ),
    max_size=15,
)


def fence(number: int) -> bytes:
    return b"f%d" % number if number else b""


async def outcomes(store: Store, steps: list[Any]) -> list[Any]:
    found: list[Any] = [await store.open_group("s", "g", PLACES, KEEP_MS)]
    for name, *values in steps:
        if name == "attend":
            reader, renewed, released, claimed, reader_ms = values
            view = await store.attend_group(
                "s",
                "g",
                said(
                    reader,
                    reader_ms=reader_ms,
                    renewed=[(number, fence(drawn) or b"-") for number, drawn in renewed],
                    released=[(number, fence(drawn) or b"-") for number, drawn in released],
                    claimed=[Claim(number, fence(seen), fence(drawn)) for number, seen, drawn in claimed],
                ),
            )
            if view is None:
                found.append(None)
            else:
                rows = {
                    number: (row.place, row.reader, row.fence, bool(row.until_ms)) for number, row in view.rows.items()
                }
                found.append((sorted(view.readers), rows))
        elif name == "done":
            number, drawn, first, second, back = values
            place = b"%d.%d.x" % (first, second)
            found.append(await store.mark_done("s", "g", number, fence(drawn), place, back=back))
        elif name == "drop":
            found.append(await store.drop_group("s", "g"))
        else:
            found.append(await store.open_group("s", "g", PLACES, KEEP_MS))
    return found


@hypothesis_settings(max_examples=40)
@given(STEPS)
async def test_both_stores_do_the_same(server: ValkeyServer, steps: list[Any]) -> None:
    redis = await RedisStore.open(server.url, f"groups-{next(_hubs)}", SETTINGS)
    assert await outcomes(redis, steps) == await outcomes(MemoryTwin("groups", SETTINGS).store, steps)
    await redis.close()
