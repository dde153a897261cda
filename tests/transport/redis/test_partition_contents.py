"""What a partition holds besides its inbox: parks, timers, dead letters, the index, the marks of unclean ends."""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Sequence
from typing import Any

import pytest

from stead.transport import CommitVerdict, KeyDamaged, Reply, Running, SentStart, Settings, Timer, Unpark
from stead.transport._redis.base import padded
from stead.transport._redis.keys import KeyNames, PartitionKeys
from stead.transport._redis.store import RedisStore
from support.redis_steps import commit, payloads, put, take
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio


# -- parks -------------------------------------------------------------------------------------------------------------


async def test_a_park_is_in_the_order_of_stream_ids_whatever_was_parked_first(store: RedisStore) -> None:
    ids = await put(store, [b"%d" % number for number in range(6)])
    owner = await take(store)
    assert await store.park(0, owner.token, "@a@b", ids[3:])  # the tail, because the mailbox was full
    assert await store.park(0, owner.token, "@a@b", ids[:3])  # and later the head, because it was old
    parked = await store.read_park(0, "@a@b", b"0", 100)
    assert [[entry[0], entry[1][1]] for entry in parked] == [[ids[number], b"%d" % number] for number in range(6)]
    assert [entry[0] for entry in await store.read_park(0, "@a@b", ids[1], 2)] == ids[2:4]
    assert await payloads(store) == []
    again = await take(store, token=b"next", expected=owner.token)
    assert again.parked == {"@a@b": ids[0]}


async def test_entries_that_are_gone_are_passed_over_and_parking_again_changes_nothing(store: RedisStore) -> None:
    ids = await put(store, [b"one", b"two"])
    owner = await take(store)
    await store.commit([commit(owner, consumed=ids[:1])], store.generation)
    for _ in range(2):
        assert await store.park(0, owner.token, "@a@b", ids)
    info = (await store.info())[0]
    assert (info.parked, info.parked_targets, info.backlog) == (1, 1, 0)
    assert await store.park(0, owner.token, "@a@none", ids)
    assert (await store.info())[0].parked_targets == 1


async def test_a_park_ends_when_it_is_really_empty_and_not_when_it_is_said_to_be(store: RedisStore) -> None:
    ids = await put(store, [b"one", b"two", b"three"])
    owner = await take(store)
    await store.park(0, owner.token, "@a@b", ids)
    wrong = commit(owner, b"c1", unparked=[Unpark("@a@b", ids[:1], drained=True)])
    await store.commit([wrong], store.generation)
    next_owner = await take(store, token=b"next", expected=owner.token)
    assert next_owner.parked == {"@a@b": ids[1]}
    rest = commit(next_owner, b"c2", unparked=[Unpark("@a@b", ids[1:], drained=True)])
    await store.commit([rest], store.generation)
    assert (await take(store, token=b"last", expected=b"next")).parked == {}
    info = (await store.info())[0]
    assert (info.parked, info.parked_targets) == (0, 0)


async def test_many_messages_and_any_bytes_can_be_parked(store: RedisStore) -> None:
    contents = [secrets.token_bytes(30) + b":;\x00\xff" for _ in range(3_000)]
    ids = await put(store, contents)
    owner = await take(store)
    assert await store.park(0, owner.token, "@a@:b;", ids)
    entries = await store.read_park(0, "@a@:b;", b"0", 5_000)
    assert [entry[1][1] for entry in entries] == contents
    assert [entry[0] for entry in entries] == ids


def test_padded_ids_compare_as_their_numbers() -> None:
    ids = [b"0-1", b"5-0", b"5-10", b"10-2", b"1763692800000-0", b"1763692800000-9", b"1763692800000-10"]
    assert sorted(ids, key=padded) == ids
    assert {len(padded(stream_id)) for stream_id in ids} == {25}


# -- timers ------------------------------------------------------------------------------------------------------------


async def test_due_timers_fire_in_the_order_of_their_times_and_in_bounded_steps(store: RedisStore) -> None:
    owner = await take(store)
    timers = [Timer(b"\xff%d" % number, 1_000 + number, b"tick %d" % number) for number in reversed(range(5))]
    later = Timer(b"later", owner.now_ms + 3_600_000, b"later")
    await store.commit([commit(owner, timers=[*timers, later])], store.generation)
    assert await store.fire_timers(0, owner.token, 3) == (3, 1_003)
    assert await store.fire_timers(0, owner.token, 3) == (2, later.due_ms)
    assert await store.fire_timers(0, owner.token, 3) == (0, later.due_ms)
    assert await payloads(store) == [b"tick %d" % number for number in range(5)]
    cancelled = commit(owner, b"second", previous=b"first", cancelled=[b"later"])
    await store.commit([cancelled], store.generation)
    assert await store.fire_timers(0, owner.token, 3) == (0, None)
    assert (await take(store, token=b"next", expected=owner.token)).next_due_ms is None


async def test_a_cancelled_timer_is_in_neither_of_its_keys(store: RedisStore, server: ValkeyServer) -> None:
    owner = await take(store)
    timers = [Timer(b"%d" % number, 10 + number, b"payload") for number in range(3)]
    await store.commit([commit(owner, timers=timers)], store.generation)
    await store.commit([commit(owner, b"second", b"first", cancelled=[b"0", b"2", b"never was"])], store.generation)
    keys = KeyNames(store.layout).partitions[0]
    assert server.run("ZRANGE", keys.timers, 0, -1) == [b"1"]
    assert server.run("HKEYS", keys.payloads) == [b"1"]
    await store.commit([commit(owner, b"third", b"second", cancelled=[b"1"])], store.generation)
    assert (server.run("EXISTS", keys.timers), server.run("EXISTS", keys.payloads)) == (0, 0)


# -- dead letters, replies ---------------------------------------------------------------------------------------------


async def test_dead_letters_are_bounded_and_what_was_trimmed_is_counted(server: ValkeyServer) -> None:
    store = await RedisStore.open(server.url, "dead-letters", Settings(partitions=1, dead_letters_max=3))
    owner = await take(store)
    for number in range(5):
        previous = b"%d" % (number - 1) if number else b""
        letters = [b"letter %d" % number, b"another %d" % number]
        await store.commit([commit(owner, b"%d" % number, previous=previous, dead=letters)], store.generation)
    info = (await store.info())[0]
    assert (info.dead, info.dead_trimmed) == (3, 7)
    assert [letter.letter for letter in await store.dead_letters(0, b"0", 10)] == [
        b"another 3",
        b"letter 4",
        b"another 4",
    ]
    await store.close()


async def test_replies_wait_for_their_client_for_a_time(store: RedisStore, server: ValkeyServer) -> None:
    owner = await take(store)
    replies = [Reply(1, "me", b"one"), Reply(0, "you", b"two"), Reply(1, "me", b"three\xff")]
    await store.commit([commit(owner, replies=replies)], store.generation)
    mine = await store.read_replies(1, "me", b"0", 0)
    assert [payload for _, payload in mine] == [b"one", b"three\xff"]
    assert 0 < server.run("PTTL", KeyNames(store.layout).reply(1, "me")) <= 600_000
    await store.trim_replies(1, "me", mine[0][0])
    assert await store.read_replies(1, "me", b"0", 0) == mine[1:]
    await store.drop_replies(1, "me")
    assert await store.read_replies(1, "me", b"0", 1) == []


# -- listing -----------------------------------------------------------------------------------------------------------


async def test_a_listing_merges_all_partitions_in_the_order_of_bytes(store: RedisStore) -> None:
    names = sorted(
        [f"@a@{key}" for key in ("", "z", "é", "日本", "😀", "a", "Z", "a a", "ab")] + ["@b@x"], key=str.encode
    )
    for partition in range(4):
        owner = await take(store, partition)
        mine = names[partition::4]
        states = [(name, b"state of " + name.encode()) for name in mine]
        await store.commit([commit(owner, states=states, created=mine)], store.generation)
    for page in (1, 3, 100):
        pages = [page async for page in store.list_targets("", page)]
        assert all(0 < len(found) <= page for found in pages)
        assert [entry for found in pages for entry in found] == [(name, b"state of " + name.encode()) for name in names]
    listed = [name async for found in store.list_targets("@a@a", 2) for name, _ in found]
    assert listed == ["@a@a", "@a@a a", "@a@ab"]


async def test_what_was_deleted_while_listing_is_left_out(store: RedisStore, server: ValkeyServer) -> None:
    owner = await take(store)
    names = [f"@a@{number}" for number in range(5)]
    await store.commit([commit(owner, states=[(n, b"s") for n in names], created=names)], store.generation)
    server.run("HDEL", KeyNames(store.layout).partitions[0].state, "@a@2")
    assert [name async for found in store.list_targets("@a@", 2) for name, _ in found] == [
        "@a@0",
        "@a@1",
        "@a@3",
        "@a@4",
    ]


async def test_an_instance_that_is_taken_up_while_its_page_is_read_is_listed(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await take(store)
    sent = [SentStart(0, name, b"s", b"start") for name in ("a", "b")]
    await store.commit([commit(owner, b"c1", starts=sent)], store.generation)
    run = store._queries.run

    async def one_by_one(commands: Sequence[bytes], **_: bool) -> list[Any]:
        """The commands of a request, and before its last read (what follows is whose hub it is) a commit from elsewhere."""
        first = await run(commands[:-2])
        if b"HMGET" in commands[-2]:
            taken = commit(owner, b"c2", b"c1", states=[("a", b"r")], created=["a"], started=[("a", b"s")])
            assert await store.commit([taken], store.generation) == [CommitVerdict.APPLIED]
        return [*first, *await run(commands[-2:])]

    monkeypatch.setattr(store._queries, "run", one_by_one)
    [found] = [page async for page in store.list_instances("", 100)]
    assert [name for name, _ in found] == ["a", "b"]
    assert found[0][1].record == b"r"


# -- unclean ends ------------------------------------------------------------------------------------------------------


async def test_unclean_ends_are_counted_until_the_suspect_messages_are_passed(store: RedisStore) -> None:
    ids = await put(store, [b"one", b"two"])
    await take(store, token=b"a")
    second = await take(store, token=b"b", expected=b"a")
    assert (second.unclean, second.suspect_until, second.running) == (1, ids[-1], None)
    assert await store.mark_running(0, b"b", Running("@a@b", ids[0], 2))
    third = await take(store, token=b"c", expected=b"b")
    assert (third.unclean, third.running) == (2, Running("@a@b", ids[0], 2))
    ended = commit(third, b"c1", clear_running=True)
    await store.commit([ended], store.generation)
    assert await store.release(0, b"c")
    fourth = await take(store, token=b"d")
    assert (fourth.unclean, fourth.running) == (2, None)
    await store.commit([commit(fourth, b"c2", suspect_passed=True)], store.generation)
    fifth = await take(store, token=b"e", expected=b"d")
    assert fifth.unclean == 1


@pytest.mark.invariant(12)
@pytest.mark.parametrize("name", [each.name for each in dataclasses.fields(PartitionKeys) if each.name != "prefix"])
async def test_each_key_of_another_type_is_named_and_keeps_its_partition_from_being_taken(
    store: RedisStore, server: ValkeyServer, name: str
) -> None:
    """So nobody takes what its first commit would find broken, and whoever looks sees it though nothing is written."""
    key = getattr(KeyNames(store.layout).partitions[1], name)
    server.run("SET", key, "something else")
    with pytest.raises(KeyDamaged, match=re.escape(key.decode())) as caught:
        await take(store, 1)
    assert caught.value.stands_still == 1
    assert [key.decode() in each.damage for each in await store.info()] == [
        each == 1 for each in range(store.layout.partitions)
    ]
    server.run("DEL", key)
    await take(store, 1)
    assert not any(each.damage for each in await store.info())


# -- reads -------------------------------------------------------------------------------------------------------------


@pytest.mark.hazard(22)
async def test_a_read_asks_for_fewer_entries_when_they_are_large(server: ValkeyServer) -> None:
    store = await RedisStore.open(server.url, "large", Settings(partitions=1, read_bytes_max=1_000_000))
    await put(store, [b"x" * 200_000] * 20)
    sizes: list[int] = []
    after = b"0"
    while answer := await store.read_inboxes({0: after}, 1_000, 0):
        entries = answer[0][1]
        sizes.append(sum(len(entry[1][1]) for entry in entries))
        after = entries[-1][0]
    assert sum(sizes) == 20 * 200_000
    assert max(sizes[1:]) <= 1_000_000
    await store.close()


async def test_workers_and_names_are_forgotten_after_their_time(store: RedisStore, server: ValkeyServer) -> None:
    await store.heartbeat("short", {"pid": 1}, 1)
    await store.publish({"brief": {"form": "class"}}, 1)
    await store.publish({"lasting": {"form": "class"}}, 60_000)
    now_ms, _ = await store.heartbeat("long", {"pid": 2}, 60_000)
    while (await store.heartbeat("long", {"pid": 2}, 60_000))[0] <= now_ms + 1:
        pass
    assert [(worker.worker, worker.info) for worker in await store.workers()] == [("long", {"pid": 2})]
    assert await store.published() == {"lasting": {"form": "class"}}
    await store.heartbeat("long", {"pid": 2}, 60_000)
    assert server.run("HLEN", KeyNames(store.layout).workers) == 1
