"""HAZARDS 1, 19, 20: who holds a partition, by random token; how it changes hands; what is known of unclean ends."""

from __future__ import annotations

import pytest

from stead.transport import LeaseView, Running, Store, TornCommit, stream_order
from support.redis_steps import LEASE_MS, commit, put, take
from support.store_twins import Twin

pytestmark = pytest.mark.anyio


async def lease(store: Store, partition: int = 0) -> LeaseView:
    _, leases = await store.read_leases()
    return leases[partition]


async def test_a_new_hub_s_partitions_are_free(store: Store) -> None:
    _, leases = await store.read_leases()
    assert leases == [LeaseView(place, b"", "", 0, 0, 0, quarantined=False) for place in range(4)]


async def test_an_acquired_partition_is_seen_with_its_owner_and_expiry(store: Store) -> None:
    acquired = await store.acquire(1, "worker-7", b"token", b"", 5_000)
    assert acquired is not None
    assert (acquired.partition, acquired.token, acquired.epoch, acquired.commit_id) == (1, b"token", 1, b"")
    assert await lease(store, 1) == LeaseView(1, b"token", "worker-7", 1, acquired.now_ms + 5_000, 0, quarantined=False)


async def test_of_two_who_want_a_free_partition_one_gets_it(store: Store) -> None:
    assert await store.acquire(0, "one", b"1", b"", 5_000) is not None
    assert await store.acquire(0, "two", b"2", b"", 5_000) is None
    assert (await lease(store)).owner == "one"


async def test_of_two_who_take_over_the_same_lease_one_gets_it(store: Store) -> None:
    """HAZARDS 1: the swap compares the token that was seen."""
    await take(store, token=b"dead")
    assert await store.acquire(0, "one", b"1", b"dead", 5_000) is not None
    assert await store.acquire(0, "two", b"2", b"dead", 5_000) is None
    assert ((await lease(store)).owner, (await lease(store)).epoch) == ("one", 2)


async def test_an_acquisition_whose_answer_was_lost_gives_the_same_when_sent_again(store: Store) -> None:
    """Else a worker would count its own lost answer as its death, or wait for its own lease to run out."""
    await take(store, token=b"dead")
    first = await take(store, token=b"1", expected=b"dead")
    again = await take(store, token=b"1", expected=b"dead")
    assert (again.epoch, again.unclean, again.commit_id) == (first.epoch, first.unclean, first.commit_id) == (2, 1, b"")


async def test_an_expired_lease_is_seen_as_expired_and_is_still_held(twin: Twin) -> None:
    """HAZARDS 19: expiry lets others take over, but until they do a late renewal wins."""
    acquired = await twin.store.acquire(0, "worker", b"token", b"", 30)
    assert acquired is not None
    await twin.pass_ms(40)
    now_ms, leases = await twin.store.read_leases()
    assert (leases[0].token, leases[0].expires_ms) == (b"token", acquired.now_ms + 30)
    assert now_ms > leases[0].expires_ms
    renewer = twin.store.renewer()
    assert renewer.renew({0: b"token"}, 5_000) == set()
    renewer.close()
    now_ms, leases = await twin.store.read_leases()
    assert leases[0].expires_ms > now_ms


async def test_a_renewal_prolongs_what_is_held_and_names_what_is_not(store: Store) -> None:
    await take(store, 0, b"mine")
    await take(store, 1, b"other")
    await take(store, 2, b"mine too")
    renewer = store.renewer()
    before = (await lease(store, 0)).expires_ms
    assert renewer.renew({0: b"mine", 1: b"mine once", 2: b"mine too", 3: b"never"}, 600_000) == {1, 3}
    assert (await lease(store, 0)).expires_ms > before
    assert (await lease(store, 1)).owner == "worker"
    assert (await lease(store, 3)).token == b""
    assert renewer.renew({}, 1_000) == set()
    renewer.close()


async def test_an_empty_token_owns_nothing(store: Store) -> None:
    renewer = store.renewer()
    assert renewer.renew({0: b""}, 1_000) == {0}
    assert not await store.release(0, b"")
    assert not renewer.mark_running(0, b"", Running("@e@k", b"1-0", 1))
    renewer.close()


async def test_a_released_partition_is_free_at_once(store: Store) -> None:
    await take(store)
    now_ms, _ = await store.read_leases()
    assert await store.release(0, b"token")
    free = await lease(store)
    assert (free.token, free.owner, free.epoch) == (b"", "", 1)
    assert free.free_since_ms >= now_ms
    assert (await take(store, token=b"next")).epoch == 2
    assert (await lease(store)).free_since_ms == 0


async def test_only_the_owner_releases(store: Store) -> None:
    await take(store)
    assert not await store.release(0, b"another")
    assert (await lease(store)).token == b"token"


async def test_the_next_owner_learns_the_last_commit(store: Store) -> None:
    owner = await take(store)
    await store.commit([commit(owner, b"one")], store.generation)
    assert (await take(store, token=b"next", expected=b"token")).commit_id == b"one"


# -- unclean ends ------------------------------------------------------------------------------------------------------


async def test_a_first_owner_and_one_after_a_release_suspect_nothing(store: Store) -> None:
    await put(store, [b"a"])
    first = await take(store)
    await store.release(0, b"token")
    second = await take(store, token=b"next")
    assert [(owner.unclean, owner.running) for owner in (first, second)] == [(0, None), (0, None)]


async def test_ends_without_a_release_are_counted_and_the_messages_there_are_suspect(store: Store) -> None:
    """HAZARDS 20: there is no list of deliveries to count."""
    ids = await put(store, [b"a", b"b"])
    await take(store, token=b"1")
    second = await take(store, token=b"2", expected=b"1")
    assert (second.unclean, stream_order(second.suspect_until)) == (1, stream_order(ids[1]))
    ids = await put(store, [b"c"])
    third = await take(store, token=b"3", expected=b"2")
    assert (third.unclean, stream_order(third.suspect_until)) == (2, stream_order(ids[0]))


async def test_a_release_in_between_does_not_clear_the_suspicion(store: Store) -> None:
    """A careful owner that is shut down has not shown that the messages are harmless."""
    await put(store, [b"a"])
    await take(store, token=b"1")
    second = await take(store, token=b"2", expected=b"1")
    await store.release(0, b"2")
    third = await take(store, token=b"3")
    assert (third.unclean, third.suspect_until) == (second.unclean, second.suspect_until) == (1, second.suspect_until)


async def test_passing_the_suspect_messages_clears_the_suspicion(store: Store) -> None:
    await take(store, token=b"1")
    second = await take(store, token=b"2", expected=b"1")
    assert await store.mark_running(0, b"2", Running("@e@k", b"1-0", 1))
    await store.commit([commit(second, suspect_passed=True)], store.generation)
    await store.release(0, b"2")
    third = await take(store, token=b"3")
    assert (third.unclean, stream_order(third.suspect_until), third.running) == (0, (0, 0), None)


async def test_the_marker_of_a_dead_owner_comes_to_the_next(store: Store) -> None:
    await take(store)
    marker = Running("@station@ås", b"1700000000000-3", 2)
    assert await store.mark_running(0, b"token", marker)
    assert (await take(store, token=b"next", expected=b"token")).running == marker


@pytest.mark.hazard(18)
async def test_the_renewer_s_thread_can_leave_a_marker_too(store: Store) -> None:
    """HAZARDS 18: a stuck worker names what it was running, before it ends."""
    await take(store)
    marker = Running("@e@k", b"5-0", 1)
    renewer = store.renewer()
    assert renewer.mark_running(0, b"token", marker)
    renewer.close()
    assert (await take(store, token=b"next", expected=b"token")).running == marker


@pytest.mark.hazard(20)
async def test_an_owner_heard_of_since_its_lease_ran_out_did_not_end_on_a_message(twin: Twin) -> None:
    """It lost the lease, to a server that refused renewals, say: nothing is suspect, and no try is counted."""
    store = twin.store
    await put(store, [b"a"])
    assert await store.acquire(0, "first", b"1", b"", 30) is not None
    assert await store.mark_running(0, b"1", Running("@e@k", b"5-0", 2))
    await twin.pass_ms(40)
    await store.heartbeat("first", {}, 10_000)
    second = await store.acquire(0, "second", b"2", b"1", LEASE_MS)
    assert second is not None
    assert (second.unclean, second.running) == (0, Running("@e@k", b"5-0", 1))
    again = await store.acquire(0, "second", b"2", b"1", LEASE_MS)
    assert again is not None
    assert again.running == second.running


async def test_an_owner_last_heard_of_before_its_lease_ran_out_may_have_ended_on_a_message(twin: Twin) -> None:
    store = twin.store
    await store.heartbeat("first", {}, 10_000)
    assert await store.acquire(0, "first", b"1", b"", 30) is not None
    assert await store.mark_running(0, b"1", Running("@e@k", b"5-0", 2))
    await twin.pass_ms(40)
    second = await store.acquire(0, "second", b"2", b"1", LEASE_MS)
    assert second is not None
    assert (second.unclean, second.running) == (1, Running("@e@k", b"5-0", 2))


async def test_a_worker_that_takes_its_own_lease_again_did_not_end(store: Store) -> None:
    """After a restart of the server it has dropped what it held, and finds its leases there."""
    await store.acquire(0, "first", b"1", b"", LEASE_MS)
    await store.heartbeat("first", {}, 10_000)
    again = await store.acquire(0, "first", b"2", b"1", LEASE_MS)
    assert again is not None
    assert (again.unclean, again.epoch) == (0, 2)


@pytest.mark.hazard(20)
@pytest.mark.parametrize(("tries", "left"), [(1, None), (3, Running("@e@k", b"5-0", 2))])
async def test_a_release_takes_the_try_back_that_it_ended(store: Store, tries: int, left: Running | None) -> None:
    """An operation that was cancelled when its worker was shut down has not ended a worker."""
    await take(store)
    await store.mark_running(0, b"token", Running("@e@k", b"5-0", tries))
    await store.release(0, b"token")
    assert (await take(store, token=b"next")).running == left


async def test_a_former_owner_marks_nothing(store: Store) -> None:
    await take(store)
    await take(store, token=b"next", expected=b"token")
    assert not await store.mark_running(0, b"token", Running("@e@k", b"5-0", 1))
    assert (await take(store, token=b"third", expected=b"next")).running is None


@pytest.mark.hazard(20)
async def test_the_deaths_that_a_lease_remembers_outlast_markers_releases_and_suspicion(store: Store) -> None:
    await take(store, token=b"1")
    owner = await take(store, token=b"2", expected=b"1")
    assert owner.deaths == b""
    marker = Running("@e@k", b"5-0", 1)
    assert await store.mark_running(0, b"2", marker, b"what is \x00 known")
    assert await store.mark_running(0, b"2", Running("@e@l", b"6-0", 1))
    assert not await store.mark_running(0, b"1", None, b"of a former owner")
    third = await take(store, token=b"3", expected=b"2")
    assert (third.running, third.deaths) == (Running("@e@l", b"6-0", 1), b"what is \x00 known")
    assert await store.mark_running(0, b"3", None, b"more")
    await store.commit([commit(third, suspect_passed=True)], store.generation)
    await store.release(0, b"3")
    fourth = await take(store, token=b"4")
    assert (fourth.unclean, fourth.running, fourth.deaths) == (0, None, b"more")
    assert await store.mark_running(0, b"4", marker, b"")
    fifth = await take(store, token=b"5", expected=b"4")
    assert (fifth.running, fifth.deaths) == (marker, b"")


async def test_a_turn_that_ended_takes_its_marker_along(store: Store) -> None:
    await take(store, token=b"1")
    owner = await take(store, token=b"2", expected=b"1")
    await store.mark_running(0, b"2", Running("@e@k", b"5-0", 1))
    await store.commit([commit(owner, clear_running=True)], store.generation)
    third = await take(store, token=b"3", expected=b"2")
    assert (third.running, third.unclean) == (None, 2)


# -- torn commits ------------------------------------------------------------------------------------------------------


async def test_a_partition_torn_in_mid_commit_is_in_quarantine(twin: Twin) -> None:
    """HAZARDS 4: scripts have no rollback, so what a half-done one left is not worked on."""
    store = twin.store
    await take(store)
    twin.tear(0)
    assert (await lease(store)).quarantined
    with pytest.raises(TornCommit):
        await store.acquire(0, "next", b"next", b"token", 5_000)
    with pytest.raises(TornCommit):
        await store.park(0, b"token", "@e@k", [b"1-0"])
    with pytest.raises(TornCommit):
        await store.fire_timers(0, b"token", 10)
    assert (await lease(store)).token == b"token"
    assert not (await lease(store, 1)).quarantined
