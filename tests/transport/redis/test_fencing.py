"""HAZARDS 1 and 4: a commit names the lease token and the commit before, and is applied whole or not at all."""

from __future__ import annotations

import pytest

from stead.transport import (
    CommitVerdict,
    KeyDamaged,
    LogWrite,
    Reply,
    Running,
    SentStart,
    ServerUnsuitable,
    Task,
    Timer,
    TornCommit,
    Unpark,
)
from stead.transport._redis.keys import KeyNames, PartitionKeys
from stead.transport._redis.store import RedisStore
from support.redis_steps import LEASE_MS, commit, payloads, put, read, take
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio


def keys_of(store: RedisStore, partition: int = 0) -> PartitionKeys:
    return KeyNames(store.layout).partitions[partition]


@pytest.mark.invariant(6)
async def test_a_late_commit_of_a_former_owner_changes_nothing(store: RedisStore, server: ValkeyServer) -> None:
    [first] = await put(store, [b"message"])
    former = await take(store, token=b"former")
    await take(store, token=b"present", expected=b"former")
    before = server.dump()
    late = commit(former, consumed=[first], states=[("@a@b", b"late")], sends=[(1, b"late")])
    assert await store.commit([late], store.generation) == [CommitVerdict.FENCED]
    assert server.dump() == before


@pytest.mark.hazard(1)
async def test_a_commit_on_top_of_another_history_changes_nothing(store: RedisStore, server: ValkeyServer) -> None:
    owner = await take(store)
    assert await store.commit([commit(owner, b"one")], store.generation) == [CommitVerdict.APPLIED]
    before = server.dump()
    skipped = commit(owner, b"three", previous=b"two", states=[("@a@b", b"lost history")])
    assert await store.commit([skipped], store.generation) == [CommitVerdict.FENCED]
    assert server.dump() == before


async def test_a_commit_sent_again_is_applied_once(store: RedisStore) -> None:
    owner = await take(store)
    sent = commit(owner, sends=[(1, b"hello")])
    for verdict in (CommitVerdict.APPLIED, CommitVerdict.ALREADY, CommitVerdict.ALREADY):
        assert await store.commit([sent], store.generation) == [verdict]
    assert await payloads(store, 1) == [b"hello"]


async def test_a_commit_that_was_applied_says_so_even_after_the_lease_is_another_s(store: RedisStore) -> None:
    owner = await take(store)
    sent = commit(owner)
    await store.commit([sent], store.generation)
    await take(store, token=b"other", expected=b"token")
    assert await store.commit([sent], store.generation) == [CommitVerdict.ALREADY]


async def test_the_chain_of_commits_goes_on_under_the_next_owner(store: RedisStore) -> None:
    owner = await take(store)
    await store.commit([commit(owner, b"one")], store.generation)
    assert await store.release(0, owner.token)
    following = await take(store, token=b"next")
    assert following.commit_id == b"one"
    assert following.epoch == owner.epoch + 1
    assert await store.commit([commit(following, b"two")], store.generation) == [CommitVerdict.APPLIED]


async def test_an_expired_lease_is_valid_until_somebody_takes_it(store: RedisStore) -> None:
    owner = await store.acquire(0, "worker", b"token", b"", 1)
    assert owner is not None
    assert await store.commit([commit(owner)], store.generation) == [CommitVerdict.APPLIED]


@pytest.mark.invariant(6)
async def test_every_fenced_step_refuses_another_token(store: RedisStore, server: ValkeyServer) -> None:
    [first] = await put(store, [b"message"])
    await take(store)
    before = server.dump()
    renewer = store.renewer()
    assert not await store.park(0, b"wrong", "@a@b", [first])
    assert await store.fire_timers(0, b"wrong", 10) is None
    assert await store.share_tasks(0, b"wrong", "w", [(b"t", "q")]) is None
    assert await store.mark_task(0, b"wrong", b"t") is None
    assert not await store.mark_running(0, b"wrong", Running("@a@b", first, 1))
    assert not await store.release(0, b"wrong")
    assert await store.acquire(0, "worker", b"mine", b"wrong", LEASE_MS) is None
    assert renewer.renew({0: b"wrong", 1: b""}, LEASE_MS) == {0, 1}
    assert not renewer.mark_running(0, b"wrong", Running("@a@b", first, 1))
    renewer.close()
    assert server.dump() == before


async def test_an_empty_token_owns_nothing(store: RedisStore) -> None:
    owner = await take(store)
    assert await store.release(0, owner.token)
    nobody = commit(owner)
    nobody.token = b""
    assert await store.commit([nobody], store.generation) == [CommitVerdict.FENCED]
    assert not await store.release(0, b"")
    assert await store.fire_timers(0, b"", 1) is None


@pytest.mark.hazard(4)
async def test_a_commit_that_stopped_in_the_middle_quarantines_the_partition(
    store: RedisStore, server: ValkeyServer
) -> None:
    [first] = await put(store, [b"message"])
    owner = await take(store)
    server.run("HSET", keys_of(store).lease, "applying", b"\x01\x02")
    before = server.dump()
    assert await store.commit([commit(owner)], store.generation) == [CommitVerdict.TORN]
    with pytest.raises(TornCommit, match="commit 0102"):
        await store.park(0, owner.token, "@a@b", [first])
    with pytest.raises(TornCommit):
        await store.fire_timers(0, owner.token, 10)
    with pytest.raises(TornCommit):
        await store.share_tasks(0, owner.token, "w", [(b"t", "q")])
    with pytest.raises(TornCommit) as caught:
        await store.acquire(0, "other", b"other", owner.token, LEASE_MS)
    assert (caught.value.partition, caught.value.commit_id) == (0, "0102")
    assert server.dump() == before
    _, leases = await store.read_leases()
    assert [lease.quarantined for lease in leases] == [True, False, False, False]


async def test_a_released_partition_stays_in_quarantine_until_an_operator_ends_it(
    store: RedisStore, server: ValkeyServer
) -> None:
    owner = await take(store)
    await store.commit([commit(owner, b"one")], store.generation)
    server.run("HSET", keys_of(store).lease, "applying", b"torn")
    assert await store.release(0, owner.token)
    with pytest.raises(TornCommit):
        await take(store)
    server.run("HSET", keys_of(store).lease, "applying", b"one")
    await take(store)


PLANTED = ["inbox", "state", "index", "timers", "payloads", "parked", "blocked", "dead", "starts", "tasks", "tries"]


@pytest.mark.parametrize("name", [*PLANTED, "receiver", "park", "reply", "log", "queue", "reserving", "listing"])
async def test_a_key_of_another_type_stops_a_commit_before_its_first_write(
    store: RedisStore, server: ValkeyServer, name: str
) -> None:
    owner = await take(store)
    own = keys_of(store)
    places = {
        "receiver": keys_of(store, 1).inbox,
        "reserving": keys_of(store, 2).starts,
        "listing": keys_of(store, 2).index,
        "park": own.park("@a@p"),
        "reply": KeyNames(store.layout).reply(1, "me"),
        "log": own.log("i"),
        "queue": KeyNames(store.layout).queue("q"),
    }
    planted = places[name] if name in places else getattr(own, name)
    server.run("SET", planted, "something else")
    before = server.dump()
    everything = commit(
        owner,
        consumed=[b"1-1"],
        states=[("@a@b", b"state")],
        created=["@a@b"],
        deleted=["@a@c"],
        timers=[Timer(b"t", 1, b"tick")],
        cancelled=[b"u"],
        sends=[(1, b"hello")],
        replies=[Reply(1, "me", b"answer")],
        dead=[b"letter"],
        unparked=[Unpark("@a@p", [b"1-1"], drained=True)],
        blocked=[("@a@d", "why")],
        unblocked=["@a@e"],
        logs=[LogWrite("i", [b"event"])],
        tasks=[Task(b"t", "q", shared=True, payload=b"task")],
        dropped=[b"u"],
        starts=[SentStart(2, "j", b"id", b"start")],
        started=[("i", b"id")],
    )
    [damage] = await store.commit([everything], store.generation)
    assert isinstance(damage, KeyDamaged)
    assert "nothing was written" in str(damage)
    assert (damage.step, damage.key) == (0, planted)
    assert server.dump() == before
    server.run("DEL", planted)
    assert await store.commit([everything], store.generation) == [CommitVerdict.APPLIED]


@pytest.mark.parametrize("name", ["inbox", "parked", "park", "timers", "payloads"])
async def test_a_key_of_another_type_stops_park_and_timers_before_their_first_write(
    store: RedisStore, server: ValkeyServer, name: str
) -> None:
    own = keys_of(store)
    owner = await take(store)
    due = Timer(b"t", 1, b"tick")
    await store.commit([commit(owner, timers=[due])], store.generation)
    [first] = await put(store, [b"message"])
    planted = own.park("@a@b") if name == "park" else getattr(own, name)
    if name in ("inbox", "timers", "payloads"):
        server.run("RENAME", planted, planted + b"-kept")
    server.run("SET", planted, "something else")
    before = server.dump()
    with pytest.raises(ServerUnsuitable):
        await store.park(0, owner.token, "@a@b", [first]) if name in ("parked", "park") else await store.fire_timers(
            0, owner.token, 10
        )
    assert server.dump() == before


async def test_one_lost_partition_does_not_hold_up_the_others(store: RedisStore) -> None:
    owners = [await take(store, partition, b"token") for partition in range(3)]
    await take(store, 1, b"other", expected=b"token")
    commits = [commit(owner, sends=[(3, b"from %d" % owner.partition)]) for owner in owners]
    verdicts = await store.commit(commits, store.generation)
    assert verdicts == [CommitVerdict.APPLIED, CommitVerdict.FENCED, CommitVerdict.APPLIED]
    assert await payloads(store, 3) == [b"from 0", b"from 2"]


async def test_consumed_messages_leave_the_inbox_which_keeps_its_last_id(store: RedisStore) -> None:
    ids = await put(store, [b"one", b"two"])
    owner = await take(store)
    await store.commit([commit(owner, consumed=ids)], store.generation)
    assert await read(store) == []
    again = await take(store, token=b"other", expected=b"token")
    assert again.suspect_until == ids[-1]
