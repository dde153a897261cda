"""What workers have measured: kept since they began and within the minute, and taken into one sum when they have ended."""

from __future__ import annotations

import pytest

from stead.transport import Batch, HubMismatch, Store
from stead.transport._redis.store import RedisStore
from support.store_twins import SETTINGS, Twin
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio


async def test_it_is_kept_by_worker_and_minute(store: Store) -> None:
    assert await store.measures([7]) == ({}, [{}])
    assert await store.measure("a", b"a sums", 7, b"a in 7", 60_000, first=True)
    assert await store.measure("b", b"b sums", 7, b"b in 7", 60_000, first=True)
    assert await store.measure("a", b"\x00more", 8, b"a in 8", 60_000, first=False)
    sums, minutes = await store.measures([7, 8, 9])
    assert sums == {"a": b"\x00more", "b": b"b sums"}
    assert minutes == [{"a": b"a in 7", "b": b"b in 7"}, {"a": b"a in 8"}, {}]


async def test_minutes_are_forgotten_and_sums_are_not(twin: Twin) -> None:
    await twin.store.measure("a", b"sums", 7, b"in 7", 50, first=True)
    await twin.pass_ms(60)
    assert await twin.store.measures([7]) == ({"a": b"sums"}, [{}])


async def test_ended_ones_are_taken_into_one_sum_exactly_once(store: Store) -> None:
    for worker in ("a", "b", "c"):
        await store.measure(worker, worker.encode(), 7, b"", 60_000, first=True)
    assert not await store.fold_measures({"a": b"other"}, b"", b"sum")
    assert not await store.fold_measures({"a": b"a"}, b"sum", b"sum")
    assert await store.fold_measures({"a": b"a", "b": b"b"}, b"", b"sum")
    assert not await store.fold_measures({"a": b"a"}, b"sum", b"again"), "it is gone"
    assert await store.measures([]) == ({"": b"sum", "c": b"c"}, [])
    assert not await store.measure("a", b"a goes on", 7, b"", 60_000, first=False)
    assert await store.measure("a", b"a begins anew", 7, b"", 60_000, first=True)
    assert await store.fold_measures({"c": b"c"}, b"sum", b"sum of three")
    assert (await store.measures([]))[0] == {"": b"sum of three", "a": b"a begins anew"}


async def test_it_is_kept_though_the_server_is_full(twin: Twin) -> None:
    with twin.full():
        assert await twin.store.measure("a", b"sums", 7, b"", 60_000, first=True)


async def test_nothing_is_written_for_a_hub_that_is_gone(server: ValkeyServer) -> None:
    store = await RedisStore.open(server.url, "measured", SETTINGS)
    server.run("FLUSHALL")
    with pytest.raises(HubMismatch):
        await store.measure("a", b"sums", 7, b"", 60_000, first=True)
    await store.close()


async def test_how_old_the_oldest_message_is_can_be_told(twin: Twin) -> None:
    store = twin.store
    assert {place.oldest_ms for place in await store.info()} == {None}
    before_ms = (await store.heartbeat("w", {}, 60_000))[0]
    for number in range(2):
        await store.enqueue([Batch(1, "s", 0, number - 1, number, [b"x"], 10, 60_000)])
        await twin.pass_ms(20)
    first_ms = (await store.info())[1].oldest_ms
    assert first_ms is not None
    assert before_ms <= first_ms <= (await store.heartbeat("w", {}, 60_000))[0] - 20
    held = await store.acquire(1, "w", b"t" * 16, b"", 60_000)
    assert held is not None
    entries = (await store.read_inboxes({1: b"0"}, 10, 0))[0][1]
    assert await store.park(1, held.token, "@a@b", [entries[0][0]])
    assert [place.oldest_ms for place in await store.info()] == [None, first_ms, None, None], "parked ones count"
