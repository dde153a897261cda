"""HAZARDS 24: timers enter the inbox in due order, bounded, by the server's time, and only for the owner."""

from __future__ import annotations

import pytest

from stead.transport import Acquired, Store, Timer
from support.redis_steps import commit, payloads, take
from support.store_twins import Twin

pytestmark = pytest.mark.anyio


async def with_timers(store: Store, *timers: Timer, partition: int = 0) -> Acquired:
    owner = await take(store, partition)
    await store.commit([commit(owner, b"set", timers=list(timers))], store.generation)
    return owner


async def test_timers_fire_in_the_order_of_their_due_times(store: Store) -> None:
    await with_timers(store, Timer(b"1", 30, b"third"), Timer(b"2", 10, b"first"), Timer(b"3", 20, b"second"))
    assert await store.fire_timers(0, b"token", 10) == (3, None)
    assert await payloads(store) == [b"first", b"second", b"third"]


async def test_timers_due_at_the_same_time_fire_in_the_order_of_their_ids(store: Store) -> None:
    await with_timers(store, Timer(b"b", 10, b"second"), Timer(b"a", 10, b"first"), Timer(b"\xff", 10, b"third"))
    await store.fire_timers(0, b"token", 10)
    assert await payloads(store) == [b"first", b"second", b"third"]


@pytest.mark.hazard(24)
async def test_firing_is_bounded_and_says_when_the_next_is_due(store: Store) -> None:
    future_ms = store.clock.now_ms() + 3_600_000
    await with_timers(store, *(Timer(b"%d" % due, due, b"%d" % due) for due in (1, 2, 3)), Timer(b"f", future_ms, b"f"))
    assert await store.fire_timers(0, b"token", 2) == (2, 3)
    assert await store.fire_timers(0, b"token", 2) == (1, future_ms)
    assert await store.fire_timers(0, b"token", 2) == (0, future_ms)
    assert await payloads(store) == [b"1", b"2", b"3"]
    assert (await store.info())[0].timers == 1


async def test_without_timers_none_fire(store: Store) -> None:
    await take(store)
    assert await store.fire_timers(0, b"token", 10) == (0, None)


async def test_a_timer_fires_when_its_time_has_come_and_once(twin: Twin) -> None:
    store = twin.store
    await store.refresh_facts()
    due_ms = (await store.read_leases())[0] + 60
    await with_timers(store, Timer(b"t", due_ms, b"ring"))
    early = await store.fire_timers(0, b"token", 10)
    if (await store.read_leases())[0] < due_ms:  # a slow machine may have come to it by then
        assert early == (0, due_ms)
    await twin.pass_ms(70)
    in_time = await store.fire_timers(0, b"token", 10)
    assert early is not None and in_time is not None
    assert (early[0] + in_time[0], in_time[1]) == (1, None)
    assert await store.fire_timers(0, b"token", 10) == (0, None)
    assert await payloads(store) == [b"ring"]


async def test_the_next_owner_learns_when_the_next_timer_is_due(store: Store) -> None:
    await with_timers(store, Timer(b"2", 2_000_000_000_000, b"x"), Timer(b"1", 1_999_999_999_999, b"y"))
    assert (await take(store, token=b"next", expected=b"token")).next_due_ms == 1_999_999_999_999
    assert (await take(store, partition=1)).next_due_ms is None


async def test_a_cancelled_timer_never_fires(store: Store) -> None:
    owner = await with_timers(store, Timer(b"1", 1, b"x"), Timer(b"2", 2, b"y"))
    await store.commit([commit(owner, b"two", b"set", cancelled=[b"1", b"never was"])], store.generation)
    assert await store.fire_timers(0, b"token", 10) == (1, None)
    assert await payloads(store) == [b"y"]


async def test_a_timer_set_again_replaces_the_one_with_its_id(store: Store) -> None:
    owner = await with_timers(store, Timer(b"1", 2_000_000_000_000, b"old"))
    again = commit(owner, b"two", b"set", cancelled=[b"1"], timers=[Timer(b"1", 5, b"new")])
    await store.commit([again], store.generation)
    assert await store.fire_timers(0, b"token", 10) == (1, None)
    assert await payloads(store) == [b"new"]


@pytest.mark.hazard(24)
async def test_only_the_owner_fires_timers(store: Store) -> None:
    await with_timers(store, Timer(b"1", 1, b"x"))
    assert await store.fire_timers(0, b"another", 10) is None
    assert await store.fire_timers(1, b"token", 10) is None
    assert await payloads(store) == []


async def test_more_timers_than_one_lua_call_takes(store: Store) -> None:
    timers = [Timer(b"%05d" % number, number, b"%d" % number) for number in range(9_000)]
    await with_timers(store, *reversed(timers))
    assert await store.fire_timers(0, b"token", 9_000) == (9_000, None)
    assert await payloads(store) == [b"%d" % number for number in range(9_000)]


@pytest.mark.hazard(24)
async def test_a_timer_that_is_due_in_20_ms_is_not_fired_now(store: Store) -> None:
    await store.refresh_facts()
    due_ms = (await store.read_leases())[0] + 20
    await with_timers(store, Timer(b"t", due_ms, b"ring"))
    fired = await store.fire_timers(0, b"token", 10)
    if (await store.read_leases())[0] < due_ms:  # a slow machine may have come to it by then
        assert fired == (0, due_ms)
        assert await payloads(store) == []
