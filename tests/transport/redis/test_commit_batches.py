"""A batch of commits on a real server: what fails in mid-script, how large a call may be, and which bytes are sent."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from stead.transport import Acquired, Commit, CommitVerdict, HubLayout, KeyDamaged, LogWrite, Reply, Settings
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
