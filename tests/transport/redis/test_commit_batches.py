"""A batch of commits on a real server: what fails in mid-script, how large a call may be, and which bytes are sent."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import chain
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from stead.transport import (
    Acquired,
    Commit,
    CommitVerdict,
    FeedWrite,
    HubLayout,
    IndexWrite,
    KeyDamaged,
    LogWrite,
    Reply,
    SentStart,
    Settings,
    Task,
    Timer,
    Unpark,
    components_of,
)
from stead.transport._redis.commit import calls_of, pack_batch
from stead.transport._redis.keys import KeyNames, PartitionKeys
from stead.transport._redis.scripts import COMMIT
from stead.transport._redis.store import RedisStore
from support.redis_steps import commit, payloads, put, take
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

APPLIED, TORN = CommitVerdict.APPLIED, CommitVerdict.TORN
TARGET = "@station@oslo"
LAST_ID = "18446744073709551615-18446744073709551615"
KEEP = (10, 1_000)
KEYS = KeyNames(HubLayout("hub", "id", 4, 2, "direct", 1, 0))


def keys_of(store: RedisStore, partition: int) -> PartitionKeys:
    return KeyNames(store.layout).partitions[partition]


def exhaust(server: ValkeyServer, stream: bytes) -> None:
    """Nothing can be added to it any more, which its type does not tell."""
    server.run("XADD", stream, LAST_ID, "m", "last")


async def owners_of(store: RedisStore, count: int) -> list[Acquired]:
    return [await take(store, place) for place in range(count)]


def calls_made(server: ValkeyServer) -> int:
    """How many scripts the server has run."""
    return int(server.run("INFO", "commandstats").get("cmdstat_evalsha", {}).get("calls", 0))


EXHAUSTED: dict[str, Any] = {
    "its own": {"dead": [b"letter"]},
    "a receiver": {"sends": [(3, b"x")]},
    "a client's": {"replies": [Reply(0, "client", b"x")]},
}


@pytest.mark.hazard(32)
@pytest.mark.parametrize("stream", EXHAUSTED)
async def test_a_write_that_fails_tears_its_component_and_no_other(
    store: RedisStore, server: ValkeyServer, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    """All of it: one member whole and the other half would be a message that nobody has sent and somebody has."""
    owners = await owners_of(store, 3)
    dead, receiver = keys_of(store, 1).dead, keys_of(store, 3).inbox
    answers = KeyNames(store.layout).reply(0, "client")
    exhaust(server, {"its own": dead, "a receiver": receiver}.get(stream, answers))
    effects: list[dict[str, Any]] = [{"component": 1}, {"component": 1, **EXHAUSTED[stream]}, {}]
    sent = [
        commit(owner, b"batch", states=[(TARGET, b"x")], sends=[*more.pop("sends", ()), (2, b"m")], **more)
        for owner, more in zip(owners, effects, strict=True)
    ]
    with caplog.at_level(logging.CRITICAL):
        assert await store.commit(sent, store.generation) == [TORN, TORN, APPLIED]
    assert caplog.text.count("stopped in the middle") == 2
    _, leases = await store.read_leases()
    assert [lease.quarantined for lease in leases] == [True, True, False, False]
    assert b"m" in await payloads(store, 2)
    assert await store.read_records(2, [TARGET]) == [b"x"]
    assert await store.commit(sent, store.generation) == [TORN, TORN, CommitVerdict.ALREADY]
    assert await store.commit([commit(owners[2], b"next", b"batch")], store.generation) == [APPLIED]
    server.run("DEL", answers)


@pytest.mark.hazard(32)
@pytest.mark.parametrize(
    "effects", [EXHAUSTED["a receiver"], EXHAUSTED["a client's"]], ids=["a receiver", "a client's"]
)
async def test_everybody_whose_message_is_not_there_is_torn(
    store: RedisStore, server: ValkeyServer, effects: dict[str, Any]
) -> None:
    """Not only who wrote to that stream first."""
    owners = await owners_of(store, 3)
    answers = KeyNames(store.layout).reply(0, "client")
    for stream in (keys_of(store, 3).inbox, answers):
        exhaust(server, stream)
    sent = [commit(owner, b"batch", **(effects if place != 1 else {})) for place, owner in enumerate(owners)]
    assert await store.commit(sent, store.generation) == [TORN, APPLIED, TORN]
    server.run("DEL", answers)


@pytest.mark.hazard(32)
def test_nobody_s_commit_ends_before_every_effect_of_the_batch() -> None:
    """`applying` of all, then all effects, then `commit` of all: seen in the script, since nobody can look in between."""
    body = COMMIT.source.split("\nappend_all(receivers, false)")[0].rpartition("\nfor i, member in ipairs(members) do")[
        0
    ]
    rest = COMMIT.source.removeprefix(body)
    assert body.rstrip().endswith("end")
    assert body.count("'applying', batch_id") == 2
    assert "'commit', batch_id" not in body
    steps = (
        "pcall(write, member)",
        "\nappend_all(receivers, false)",
        "\nappend_all(replies, true)",
        "pcall(step",
        "'commit', batch_id",
    )
    places = [rest.index(step) for step in steps]
    assert places == sorted(places)


@pytest.mark.hazard(31)
async def test_a_lease_that_is_none_is_its_partition_s_trouble_alone(store: RedisStore, server: ValkeyServer) -> None:
    owners = await owners_of(store, 3)
    server.run("SET", keys_of(store, 1).lease, "something else")
    sent = [commit(owner, b"batch", sends=[(3, b"%d" % owner.partition)]) for owner in owners]
    first, damage, last = await store.commit(sent, store.generation)
    assert (first, last) == (APPLIED, APPLIED)
    assert isinstance(damage, KeyDamaged)
    assert damage.step == 1
    assert await payloads(store, 3) == [b"0", b"2"]


@pytest.mark.hazard(31)
async def test_a_number_that_is_none_is_its_partition_s_trouble_alone(store: RedisStore, server: ValkeyServer) -> None:
    owners = await owners_of(store, 2)
    server.run("HSET", keys_of(store, 1).lease, "trimmed", "many")
    sent = [commit(owner, b"batch", dead=[b"letter"]) for owner in owners]
    first, damage = await store.commit(sent, store.generation)
    assert first is APPLIED
    assert isinstance(damage, KeyDamaged)
    assert await store.dead_letters(1, b"0", 10) == []


@pytest.mark.hazard(33)
def test_the_same_batch_gives_the_same_bytes() -> None:
    sent = [Commit(p, b"t", b"", b"id", sends=[(3 - p, b"x")], logs=[LogWrite("i", [b"e"])]) for p in range(3)]
    assert pack_batch(KEYS, sent, *KEEP) == pack_batch(KEYS, sent, *KEEP)


# -- limits ------------------------------------------------------------------------------------------------------------


def places_of(commits: Sequence[Commit], bytes_max: int) -> list[list[int]]:
    return [list(places) for _, places in calls_of(KEYS, commits, *KEEP, bytes_max)]


@pytest.mark.hazard(37)
def test_a_batch_that_is_larger_than_a_call_may_be_goes_in_several() -> None:
    small = [Commit(place, b"t", b"", b"id", states=[(TARGET, b"x" * 100)]) for place in range(4)]
    large = [Commit(place, b"t", b"", b"id", states=[(TARGET, b"x" * 10_000)]) for place in range(4)]
    assert places_of(small, 5_000) == [[0, 1, 2, 3]]
    assert places_of(large, 25_000) == [[0, 1], [2, 3]]
    assert places_of(large, 5_000) == [[0], [1], [2], [3]]  # one by itself goes however large it is
    for place in (0, 3):
        large[place].component = 1
    assert places_of(large, 5_000) == [[0, 3], [1], [2]]


@pytest.mark.hazard(66)
@given(
    members=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([10, 1_000, 9_000])), min_size=1, max_size=8),
    bytes_max=st.sampled_from([1_000, 10_000, 100_000]),
)
def test_what_is_linked_is_in_one_call_however_large(members: list[tuple[int, int]], bytes_max: int) -> None:
    keys = KeyNames(HubLayout("hub", "id", 8, 4, "direct", 1, 0))
    commits = [
        Commit(place, b"t", b"", b"id", states=[(TARGET, b"x" * size)], component=component)
        for place, (component, size) in enumerate(members)
    ]
    calls = [set(places) for _, places in calls_of(keys, commits, *KEEP, bytes_max)]
    assert sorted(chain.from_iterable(calls)) == list(range(len(commits)))
    for linked in components_of(commits):
        assert sum(not places.isdisjoint(linked) for places in calls) == 1


def keys_touched(server: ValkeyServer, monitored: Sequence[str]) -> set[str]:
    """The keys of commands, as the server itself finds them in them."""
    return {
        str(key)
        for command in monitored
        if command != "TIME"
        for key in server.run("COMMAND GETKEYS", *command.split(" "))
    }


@pytest.mark.hazard(66)
async def test_the_one_call_of_what_is_linked_names_every_key_that_it_touches(
    store: RedisStore, server: ValkeyServer
) -> None:
    """Whatever groups its partitions are in: else it could not be sent to where its keys are."""
    effects: dict[str, Any] = {
        "states": [(TARGET, b"x")],
        "created": [TARGET],
        "deleted": ["@gone@1"],
        "timers": [Timer(b"timer", 5, b"due")],
        "cancelled": [b"cancelled"],
        "replies": [Reply(1, "client", b"x")],
        "dead": [b"letter"],
        "unparked": [Unpark("@parked@1", [b"2-0"], True)],
        "blocked": [("@blocked@1", "reason")],
        "tasks": [Task(b"i|e|1", "q", True, b"task"), Task(b"i|e|2", "", False, b"task")],
        "dropped": [b"i|e|0"],
        "starts": [SentStart(1, "instance", b"start", b"x")],
        "started": [("other", b"message")],
        "logs": [LogWrite("instance", [b"event"])],
        "indexed": [IndexWrite("score", [b"a"], [(1.0, b"b")])],
        "built": [("score", b"~")],
        "feeds": [FeedWrite("feed", b"change", 1_000, 10)],
    }
    owners = await owners_of(store, 4)
    sent = [commit(owner, b"batch", component=1, sends=[(3, b"m")], **effects) for owner in owners]
    with cast("Any", Redis)(unix_socket_path=str(server.socket)).monitor() as monitor:
        assert await store.commit(sent, store.generation) == [APPLIED] * 4
        server.run("ECHO", "end")
        seen: list[Any] = []
        for each in monitor.listen():
            if each["command"] == "ECHO end":
                break
            seen.append(each)
    (call,) = [each["command"].split(" ") for each in seen if each["command"].startswith("EVALSHA")]
    named = call[3 : 3 + int(call[2])]
    touched = keys_touched(server, [each["command"] for each in seen if each["client_type"] == "lua"])
    assert touched <= set(named)
    assert {key.partition("{")[2].partition("}")[0] for key in touched} == set(KeyNames(store.layout).tags)


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    return Settings(partitions=4, slot_groups=2, batch_bytes_max=getattr(request, "param", 4_000_000))


@pytest.mark.hazard(37)
@pytest.mark.parametrize("settings", [20_000], indirect=True)
async def test_verdicts_of_several_calls_are_those_of_their_members(store: RedisStore, server: ValkeyServer) -> None:
    owners = await owners_of(store, 4)
    await take(store, 1, b"other", b"token")
    sent = [commit(owner, b"batch", states=[(TARGET, b"x" * 9_000)], component=owner.partition % 2) for owner in owners]
    before = calls_made(server)
    assert await store.commit(sent, store.generation) == [
        APPLIED,
        CommitVerdict.FENCED,
        APPLIED,
        CommitVerdict.VOID,
    ]
    assert calls_made(server) - before == 3  # 1 and 3 are linked


async def test_one_call_carries_the_commits_of_all_partitions(store: RedisStore, server: ValkeyServer) -> None:
    owners = await owners_of(store, 4)
    ids = [await put(store, [b"m"], place) for place in range(4)]
    sent = [commit(owner, b"batch", consumed=each) for owner, each in zip(owners, ids, strict=True)]
    before = calls_made(server)
    assert await store.commit(sent, store.generation) == [APPLIED] * 4
    assert calls_made(server) - before == 1
