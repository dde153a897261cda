"""HAZARDS 3: a batch is accepted once, however often it is sent, and never on top of a loss."""

from __future__ import annotations

import pytest

from stead.transport import Batch, EnqueueResult, KeyDamaged, SourceSuperseded, Verdict
from stead.transport._redis.keys import KeyNames
from stead.transport._redis.store import RedisStore
from support.redis_steps import batch, commit, payloads, put, take
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

BEYOND_DOUBLES = 2**63 + 1  # a Lua number would round it


async def verdicts(store: RedisStore, *batches: Batch) -> list[Verdict]:
    return [result.verdict for result in await store.enqueue(batches)]


async def test_a_batch_sent_again_is_a_duplicate(store: RedisStore) -> None:
    first = batch([b"one", b"two"])
    assert await verdicts(store, first, first) == [Verdict.ACCEPTED, Verdict.DUPLICATE]
    assert await store.enqueue([first]) == [EnqueueResult(Verdict.DUPLICATE, 1)]
    assert await payloads(store) == [b"one", b"two"]


async def test_a_batch_that_does_not_follow_is_a_gap_and_says_what_the_store_has(store: RedisStore) -> None:
    assert await store.enqueue([batch([b"lost"], previous=7)]) == [EnqueueResult(Verdict.GAP, -1)]
    assert await verdicts(store, batch([b"one"])) == [Verdict.ACCEPTED]
    assert await store.enqueue([batch([b"three"], previous=1)]) == [EnqueueResult(Verdict.GAP, 0)]
    assert await payloads(store) == [b"one"]


async def test_after_a_refused_batch_the_next_of_the_pipeline_is_refused_too(store: RedisStore) -> None:
    results = await verdicts(
        store,
        batch([b"one"]),
        batch([b"too", b"many"], previous=0, backlog_max=2),
        batch([b"four"], previous=2),
    )
    assert results == [Verdict.ACCEPTED, Verdict.BACKLOG, Verdict.GAP]
    assert await payloads(store) == [b"one"]


async def test_numbers_beyond_the_precision_of_a_double_are_kept(store: RedisStore) -> None:
    first = batch([b"one"], last=BEYOND_DOUBLES)
    following = batch([b"two"], previous=BEYOND_DOUBLES, last=BEYOND_DOUBLES + 1)
    assert await verdicts(store, first, following, following) == [
        Verdict.ACCEPTED,
        Verdict.ACCEPTED,
        Verdict.DUPLICATE,
    ]
    result = await store.enqueue([batch([b"x"], previous=BEYOND_DOUBLES + 5, last=BEYOND_DOUBLES + 9)])
    assert result == [EnqueueResult(Verdict.GAP, BEYOND_DOUBLES + 1)]


async def test_numbers_are_compared_as_numbers(store: RedisStore) -> None:
    assert await verdicts(store, batch([b"nine"], last=9)) == [Verdict.ACCEPTED]
    assert await verdicts(store, batch([b"ten"], previous=9, last=10)) == [Verdict.ACCEPTED]
    assert await verdicts(store, batch([b"old"], previous=3, last=9)) == [Verdict.DUPLICATE]


async def test_sessions_and_partitions_are_apart(store: RedisStore) -> None:
    results = await verdicts(
        store, batch([b"a"]), batch([b"b"], session="other"), batch([b"c"], partition=1), batch([b"d"], previous=0)
    )
    assert results == [Verdict.ACCEPTED] * 4
    assert await payloads(store) == [b"a", b"b", b"d"]


async def test_parked_messages_count_as_backlog(store: RedisStore) -> None:
    ids = await put(store, [b"one", b"two", b"three"])
    owner = await take(store)
    assert await store.park(0, owner.token, "@a@b", ids)
    assert await store.enqueue([batch([b"four"], backlog_max=3)]) == [EnqueueResult(Verdict.BACKLOG, 3)]
    assert await verdicts(store, batch([b"four"], backlog_max=4)) == [Verdict.ACCEPTED]


async def test_a_session_s_record_lives_on_with_every_use(store: RedisStore, server: ValkeyServer) -> None:
    key = KeyNames(store.layout).partitions[0].session("session")
    first = batch([b"one"])
    await store.enqueue([first])
    server.run("PEXPIRE", key, 1000)
    await store.enqueue([first])
    assert 50_000 < server.run("PTTL", key) <= 60_000


async def test_any_bytes_may_be_a_payload(store: RedisStore) -> None:
    contents = [bytes(range(256)), b"", b"\x00", b"\xff" * 300_000, b"\r\n$-1\r\n"]
    assert await verdicts(store, batch(contents)) == [Verdict.ACCEPTED]
    assert await payloads(store) == contents


async def test_more_messages_than_lua_s_stack_holds(store: RedisStore) -> None:
    contents = [b"%d" % number for number in range(20_000)]
    ids = await put(store, contents)
    assert await payloads(store) == contents
    owner = await take(store)
    targets = [f"@a@{number}" for number in range(20_000)]
    large = commit(
        owner,
        consumed=ids,
        states=[(target, b"state") for target in targets],
        created=targets,
        sends=[(1, content) for content in contents],
    )
    await store.commit([large], store.generation)
    assert await payloads(store) == []
    assert await payloads(store, 1) == contents
    assert sum([len(page) async for page in store.list_targets("@a@", 3000)]) == 20_000
    emptied = commit(owner, b"second", previous=b"first", deleted=targets)
    await store.commit([emptied], store.generation)
    assert [page async for page in store.list_targets("", 100)] == []


# -- sources -----------------------------------------------------------------------------------------------------------


async def test_a_source_opened_again_learns_what_was_accepted(store: RedisStore) -> None:
    assert await store.open_source(0, "gateway", 1, 60_000) == -1
    sent = batch([b"x"], last=BEYOND_DOUBLES, session="source:gateway", incarnation=1)
    assert await verdicts(store, sent) == [Verdict.ACCEPTED]
    assert await store.open_source(0, "gateway", 2, 60_000) == BEYOND_DOUBLES


async def test_a_superseded_producer_can_neither_send_nor_open(store: RedisStore) -> None:
    await store.open_source(0, "gateway", 9, 60_000)
    await store.open_source(0, "gateway", 10, 60_000)
    late = batch([b"x"], session="source:gateway", incarnation=9)
    assert await store.enqueue([late]) == [EnqueueResult(Verdict.SUPERSEDED, 10)]
    with pytest.raises(SourceSuperseded, match="gateway"):
        await store.open_source(0, "gateway", 9, 60_000)
    assert await payloads(store) == []


async def test_sources_are_recorded_by_partition_and_for_as_long_as_asked(
    store: RedisStore, server: ValkeyServer
) -> None:
    assert await store.open_source(0, "gateway", 1, 5_000) == -1
    assert await store.open_source(1, "gateway", 7, 5_000) == -1
    key = KeyNames(store.layout).partitions[0].session("source:gateway")
    assert 0 < server.run("PTTL", key) <= 5_000


@pytest.mark.parametrize("name", ["inbox", "session", "lease"])
async def test_a_key_of_another_type_stops_a_batch_before_its_first_write(
    store: RedisStore, server: ValkeyServer, name: str
) -> None:
    keys = KeyNames(store.layout).partitions[0]
    planted = keys.session("session") if name == "session" else getattr(keys, name)
    server.run("RPUSH", planted, "something else")
    before = server.dump()
    damaged, other = await store.enqueue([batch([b"one"]), batch([b"two"], partition=1)])
    assert other.verdict is Verdict.ACCEPTED
    assert damaged.verdict is Verdict.DAMAGED
    assert (
        isinstance(damaged.damage, KeyDamaged)
        and damaged.damage.partition == 0
        and "should be a" in str(damaged.damage)
    )
    other_keys = KeyNames(store.layout).partitions[1]
    for key in (other_keys.inbox, other_keys.session("session")):
        server.run("DEL", key)
    assert server.dump() == before
    server.run("DEL", planted)
