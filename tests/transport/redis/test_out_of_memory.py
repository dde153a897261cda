"""HAZARDS 5: a full server refuses new messages and nothing else, so that workers can drain it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from stead.transport import CommitVerdict, LogWrite, Reply, Running, SentStart, Settings, Task, Timer, Verdict
from stead.transport._redis.store import RedisStore
from support.redis_steps import batch, commit, payloads, put, take
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def own_server(start_server: Callable[..., ValkeyServer]) -> ValkeyServer:
    return start_server()


@pytest.fixture
async def store(own_server: ValkeyServer, settings: Settings) -> AsyncIterator[RedisStore]:
    store = await RedisStore.open(own_server.url, "full", settings)
    yield store
    await store.close()


@pytest.mark.hazard(5)
async def test_a_full_server_takes_no_message_but_everything_that_helps_to_empty_it(
    store: RedisStore, own_server: ValkeyServer
) -> None:
    ids = await put(store, [b"one", b"two", b"three"])
    owner = await take(store)
    timers = commit(owner, b"timers", timers=[Timer(b"t", 1, b"tick")])
    await store.commit([timers], store.generation)
    own_server.run("CONFIG", "SET", "maxmemory", "1mb")
    renewer = store.renewer()

    refused = batch([b"four"])
    assert [result.verdict for result in await store.enqueue([refused])] == [Verdict.FULL]
    assert await payloads(store) == [b"one", b"two", b"three"]  # reading goes on
    applied = commit(
        owner,
        b"drained",
        previous=b"timers",
        consumed=ids[:1],
        states=[("@a@b", b"state" * 1000)],
        sends=[(1, b"hello")],
        replies=[Reply(0, "me", b"answer")],
        logs=[LogWrite("i", [b"event" * 1000])],
        tasks=[Task(b"own", "q", shared=False, payload=b"task"), Task(b"shared", "q", shared=True, payload=b"task")],
        starts=[SentStart(2, "j", b"id", b"start")],
    )
    assert await store.commit([applied], store.generation) == [CommitVerdict.APPLIED]
    assert await store.park(0, owner.token, "@a@c", ids[1:2])
    assert await store.fire_timers(0, owner.token, 10) == (1, None)
    assert await store.mark_running(0, owner.token, Running("@a@b", ids[2], 1))
    assert renewer.renew({0: owner.token}, 10_000) == set()
    [taken] = await store.take_tasks(["q"], "worker", 10, 0)
    assert await store.share_tasks(0, owner.token, "worker", [(b"own", "q")]) != [b""]
    assert await store.mark_task(0, owner.token, b"own") == 1
    assert (await store.keep_tasks("worker", [taken])).lost == []
    retaken = await store.retake_tasks(["q"], "other", 0, 10)
    assert len(retaken) == 2
    assert await store.give_back_tasks("other", retaken) == 2
    assert await store.complete_task(0, b"shared", b"result", taken)
    await take(store, 1)
    await store.heartbeat("worker", {}, 10_000)
    await store.publish({"a": {}}, 10_000)
    assert await store.release(0, owner.token)
    await take(store, token=b"next")
    assert len(await store.info()) == 4
    another = await RedisStore.open(own_server.url, "another", Settings(partitions=4, slot_groups=2))
    await another.close()

    own_server.run("CONFIG", "SET", "maxmemory", "0")
    assert [result.verdict for result in await store.enqueue([refused])] == [Verdict.ACCEPTED]
    renewer.close()
