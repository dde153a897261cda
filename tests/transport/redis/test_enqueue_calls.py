"""How many calls batches take, what goes into each, and which reads find out what is wrong with a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stead.transport import Batch, HubLayout, KeyDamaged, Recipient, Reuse, Start, Verdict
from stead.transport._redis.enqueueing import calls_of
from stead.transport._redis.keys import KeyNames
from stead.transport._redis.scripts import ENQUEUE, ENQUEUE_FREEING
from stead.transport._redis.store import RedisStore
from support.redis_steps import batch, payloads
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

KEYS = KeyNames(HubLayout("hub", "id", 4, 2, "direct", 1, 0))
LAST_ID = "18446744073709551615-18446744073709551615"


def carried(batches: Sequence[Batch], length_max: int = 100, bytes_max: int = 1_000) -> list[list[bytes]]:
    """Of each call, what its batches begin with."""
    return [[each.payloads[0] for each in some] for _, some in calls_of(KEYS, "id", batches, length_max, bytes_max)]


@pytest.mark.hazard(40)
def test_batches_of_several_partitions_go_in_one_call() -> None:
    assert carried([]) == []
    assert carried([batch([b"%d" % place], partition=place) for place in range(4)]) == [[b"0", b"1", b"2", b"3"]]
    assert carried([batch([b"a"]), batch([b"b"], session="other")]) == [[b"a", b"b"]]


@pytest.mark.hazard(40)
def test_a_call_has_one_batch_at_most_of_a_partition_and_session() -> None:
    batches = [batch([b"a"]), batch([b"b"], partition=1), batch([b"c"], previous=0), batch([b"d"], partition=2)]
    assert carried(batches) == [[b"a", b"b"], [b"c", b"d"]]


@pytest.mark.hazard(39)
@pytest.mark.hazard(40)
def test_what_frees_memory_goes_apart_by_a_script_of_its_own() -> None:
    batches = [batch([b"%d" % place], partition=place, freeing=place > 1) for place in range(4)]
    calls = list(calls_of(KEYS, "id", batches, 100, 1_000))
    assert [(len(some), ENQUEUE.sha in call, ENQUEUE_FREEING.sha in call) for call, some in calls] == [
        (2, True, False),
        (2, False, True),
    ]


@pytest.mark.hazard(37)
@pytest.mark.hazard(40)
def test_a_call_is_no_larger_than_a_batch_may_be() -> None:
    batches = [batch([b"%d" % place] * 40, partition=place) for place in range(4)]
    assert carried(batches) == [[b"0", b"1"], [b"2", b"3"]]
    batches = [batch([b"x" * size], partition=place) for place, size in enumerate((600, 400, 5_000, 1))]
    assert [len(some) for some in carried(batches)] == [2, 1, 1]


async def test_one_call_carries_the_batches_of_all_partitions(store: RedisStore, server: ValkeyServer) -> None:
    batches = [batch([b"%d" % place], partition=place) for place in range(4)]
    before = server.run("INFO", "commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
    await store.enqueue(batches)
    assert server.run("INFO", "commandstats")["cmdstat_evalsha"]["calls"] - before == 1


@pytest.mark.hazard(4)
@pytest.mark.parametrize("name", ["inbox", "session", "lease"])
@pytest.mark.parametrize("again", [False, True])
async def test_a_key_that_holds_something_else_is_named_whatever_would_have_become_of_the_batch(
    store: RedisStore, server: ValkeyServer, name: str, again: bool
) -> None:
    own = KeyNames(store.layout).partitions[1]
    batches = [batch([b"%d" % place], partition=place) for place in range(3)]
    if again:
        await store.enqueue(batches)
    key = own.session("session") if name == "session" else getattr(own, name)
    server.run("DEL", key)
    server.run("SADD", key, "something else")
    before = server.dump()
    first, damaged, last = await store.enqueue(batches)
    assert first.verdict is last.verdict is (Verdict.DUPLICATE if again else Verdict.ACCEPTED)
    assert damaged.verdict is Verdict.DAMAGED
    assert isinstance(damaged.damage, KeyDamaged)
    assert (damaged.damage.key, damaged.damage.step) == (key, 1)
    assert {key: value for key, value in server.dump().items() if b":1:" in key} == {
        key: value for key, value in before.items() if b":1:" in key
    }
    server.run("DEL", key)


@pytest.mark.hazard(4)
@pytest.mark.parametrize("name", ["starts", "state"])
async def test_what_is_read_for_recipients_is_named_too_if_it_holds_something_else(
    store: RedisStore, server: ValkeyServer, name: str
) -> None:
    keys = [getattr(KeyNames(store.layout).partitions[place], name) for place in range(2)]
    for key in keys:
        server.run("SADD", key, "something else")
    before = server.dump()
    batches = [batch([b"%d" % place], partition=place, session=f"s{place}") for place in range(3)]
    asking = [replace(batches[0], recipients=[Recipient(0, "i")]), *batches[1:]]
    damaged, plain, last = await store.enqueue(asking)
    assert damaged.verdict is Verdict.DAMAGED
    assert isinstance(damaged.damage, KeyDamaged)
    assert (damaged.damage.key, damaged.damage.partition) == (keys[0], 0)
    assert plain.verdict is last.verdict is Verdict.ACCEPTED, "who wants nothing of instances does not look at them"
    assert {key: value for key, value in server.dump().items() if b":0:" in key} == {
        key: value for key, value in before.items() if b":0:" in key
    }
    server.run("DEL", *keys)
    assert (await store.enqueue(asking))[0].refused == {0}


def test_who_has_recipients_alone_names_no_index() -> None:
    own = KEYS.partitions[0]
    one = batch([b"a"])
    for asking, named in (
        (one, (False, False, False)),
        (replace(one, recipients=[Recipient(0, "i")]), (True, True, False)),
        (replace(one, starts=[Start(0, "i", b"m", Reuse.NEVER)]), (True, True, True)),
    ):
        [(call, _)] = calls_of(KEYS, "id", [asking], 100, 1_000)
        words = call.split(b"\r\n")
        assert tuple(key in words for key in (own.starts, own.state, own.index)) == named


@pytest.mark.hazard(40)
async def test_a_write_that_fails_is_that_batch_s_trouble_alone(store: RedisStore, server: ValkeyServer) -> None:
    server.run("XADD", KeyNames(store.layout).partitions[1].inbox, LAST_ID, "m", "last")
    results = await store.enqueue([batch([b"%d" % place], partition=place) for place in range(3)])
    assert [result.verdict for result in results] == [Verdict.ACCEPTED, Verdict.DAMAGED, Verdict.ACCEPTED]
    assert [await payloads(store, place) for place in (0, 2)] == [[b"0"], [b"2"]]
