"""HAZARDS 2 and 6: lost answers, lost connections, lost scripts and another server behind the same address."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from stead.transport import CommitVerdict, ConnectionLost, ServerChanged, ServerUnsuitable, Settings, Verdict
from stead.transport._redis.answers import ReplyError, fault
from stead.transport._redis.link import check_version
from stead.transport._redis.scripts import command
from stead.transport._redis.store import RedisStore
from stead.transport._redis.wire import Address, Wire
from support.guards import HANGS_S
from support.redis_steps import LEASE_MS, batch, commit, payloads, put, take
from support.swallowing_proxy import SwallowingProxy
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def proxy(server: ValkeyServer, tmp_path: Path) -> AsyncIterator[SwallowingProxy]:
    proxy = SwallowingProxy(tmp_path, server.socket)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def far(proxy: SwallowingProxy, store: RedisStore, settings: Settings) -> AsyncIterator[RedisStore]:
    """The same hub as `store`, through the proxy."""
    far = await RedisStore.open(proxy.url, store.layout.name, settings)
    yield far
    await far.close()


# -- lost answers ------------------------------------------------------------------------------------------------------


async def test_an_enqueue_whose_answer_was_lost_raises_and_is_a_duplicate_when_sent_again(
    far: RedisStore, proxy: SwallowingProxy
) -> None:
    sent = batch([b"one", b"two"])
    await far.enqueue([batch([b"warm"], session="warm")])
    proxy.swallow()
    asked = asyncio.ensure_future(far.enqueue([sent]))
    await proxy.asked.wait()
    proxy.cut()
    with pytest.raises(ConnectionLost):
        await asked
    assert [result.verdict for result in await far.enqueue([sent])] == [Verdict.DUPLICATE]
    assert await payloads(far) == [b"warm", b"one", b"two"]


async def test_a_commit_whose_answer_was_lost_is_already_applied_when_sent_again(
    far: RedisStore, proxy: SwallowingProxy
) -> None:
    owner = await take(far)
    sent = commit(owner, sends=[(1, b"hello")])
    proxy.swallow()
    asked = asyncio.ensure_future(far.commit([sent], far.generation))
    await proxy.asked.wait()
    proxy.cut()
    with pytest.raises(ConnectionLost):
        await asked
    assert await far.commit([sent], far.generation) == [CommitVerdict.ALREADY]
    assert await payloads(far, 1) == [b"hello"]


@pytest.mark.hazard(6)
async def test_nothing_is_sent_twice_by_the_library_itself(far: RedisStore, proxy: SwallowingProxy) -> None:
    await take(far, 1)
    connections = proxy.connections
    proxy.swallow()
    asked = asyncio.ensure_future(far.acquire(0, "worker", b"token", b"", LEASE_MS))
    await proxy.asked.wait()
    proxy.cut()
    with pytest.raises(ConnectionLost):
        await asked
    assert proxy.connections == connections
    _, leases = await far.read_leases()
    assert (leases[0].epoch, leases[0].token) == (1, b"token")


async def test_an_acquisition_whose_answer_was_lost_gives_the_same_when_sent_again(
    far: RedisStore, proxy: SwallowingProxy
) -> None:
    await take(far, 1)
    proxy.swallow()
    asked = asyncio.ensure_future(take(far))
    await proxy.asked.wait()
    proxy.cut()
    with pytest.raises(ConnectionLost):
        await asked
    again = await take(far)
    assert (again.epoch, again.unclean, again.commit_id) == (1, 0, b"")


async def test_an_answer_that_does_not_come_in_time_is_a_lost_connection(
    proxy: SwallowingProxy, store: RedisStore
) -> None:
    impatient = Settings(partitions=4, slot_groups=2, store_answer_ms=50)
    far = await RedisStore.open(proxy.url, store.layout.name, impatient)
    await far.heartbeat("worker", {}, 10_000)
    proxy.swallow()
    with pytest.raises(ConnectionLost, match="in time"):
        await far.heartbeat("worker", {}, 10_000)
    proxy.cut()
    await far.heartbeat("worker", {}, 10_000)
    await far.close()


async def test_each_answer_has_its_own_time_and_one_timer_is_for_all(
    proxy: SwallowingProxy, server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked first is not waited for longer because others have asked since, and what may take its time may take it."""
    loop = asyncio.get_running_loop()
    timers: list[float] = []
    call_at = loop.call_at

    def counted(when: float, *args: Any, **options: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, *args, **options)

    monkeypatch.setattr(loop, "call_at", counted)
    ping, long = command(b"PING"), command(b"BLPOP", b"nothing", 60)
    wire = await Wire.open(Address.from_url(proxy.url))
    for _ in range(100):
        assert await wire.send(ping, 1, 60.0) == [b"PONG"]
    assert len(timers) == 1
    proxy.swallow()
    began = loop.time()
    slow, quick = wire.send(long, 1, 60.0), wire.send(ping, 1, 0.1)
    with pytest.raises(ConnectionLost, match="in time"):
        await quick
    with pytest.raises(ConnectionLost, match="in time"):
        await slow
    assert not wire.is_open
    assert timers[1:] == [pytest.approx(began + 0.1, abs=0.05)], "the first one is no longer than the second"
    # What is overdue when the timer looks is told by what is left then.
    wire = await Wire.open(Address.from_url(f"unix://{server.socket}"))
    timers.clear()
    assert await wire.send(ping, 1, 0.05) == [b"PONG"]
    began = loop.time()
    blocked = wire.send(long, 1, 0.15)
    with pytest.raises(ConnectionLost, match="in time"):
        await blocked
    assert loop.time() - began >= 0.14
    assert len(timers) == 2
    assert wire._check is None


async def test_a_connection_that_is_closed_leaves_no_timer(server: ValkeyServer) -> None:
    wire = await Wire.open(Address.from_url(f"unix://{server.socket}"))
    assert await wire.send(command(b"PING"), 1, 60.0) == [b"PONG"]
    timer = wire._check
    assert timer is not None
    wire.drop("enough")
    assert timer.cancelled()


async def test_a_read_that_was_cancelled_does_not_delay_the_next(store: RedisStore) -> None:
    read = asyncio.ensure_future(store.read_inboxes({0: b"0"}, 10, 60_000))
    await put_later(store)
    read.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await read
    async with asyncio.timeout(HANGS_S):
        assert dict(await store.read_inboxes({0: b"0", 1: b"0"}, 10, 60_000)).keys() == {1}


async def put_later(store: RedisStore) -> None:
    """Put a message where the first read does not look: once it is in, that read has surely been sent."""
    await store.enqueue([batch([b"elsewhere"], partition=1)])


async def test_a_query_that_was_cancelled_leaves_the_next_answer_in_its_place(store: RedisStore) -> None:
    queries = [asyncio.ensure_future(store.read_records(0, [f"@a@{number}"])) for number in range(10)]
    await asyncio.sleep(0)
    for query in queries[::2]:
        query.cancel()
    await asyncio.gather(*queries, return_exceptions=True)
    await store.heartbeat("worker", {"a": 1}, 10_000)
    assert [worker.worker for worker in await store.workers()] == ["worker"]


async def test_closing_ends_a_blocked_read(store: RedisStore) -> None:
    read = asyncio.ensure_future(store.read_inboxes({0: b"0"}, 10, 60_000))
    await put_later(store)
    await store.close()
    with pytest.raises(ConnectionLost):
        await read
    with pytest.raises(ConnectionLost, match="closed"):
        await store.workers()


# -- lost scripts ------------------------------------------------------------------------------------------------------


@pytest.mark.hazard(6)
async def test_scripts_that_the_server_forgot_are_loaded_and_the_same_sent_again_in_order(
    store: RedisStore, server: ValkeyServer
) -> None:
    owner = await take(store)
    server.run("SCRIPT", "FLUSH")
    chain = [batch([b"%d" % number], previous=number - 1) for number in range(5)]
    assert [result.verdict for result in await store.enqueue(chain)] == [Verdict.ACCEPTED] * 5
    server.run("SCRIPT", "FLUSH")
    assert await store.commit([commit(owner)], store.generation) == [CommitVerdict.APPLIED]
    server.run("SCRIPT", "FLUSH")
    renewer = store.renewer()
    assert renewer.renew({0: owner.token}, LEASE_MS) == set()
    renewer.close()
    assert await payloads(store) == [b"0", b"1", b"2", b"3", b"4"]


# -- another server ----------------------------------------------------------------------------------------------------


@pytest.mark.hazard(2)
async def test_a_restarted_server_is_a_new_generation_and_takes_no_commit_of_the_old_one(
    start_server: Callable[..., ValkeyServer], settings: Settings
) -> None:
    server = start_server()
    store = await RedisStore.open(server.url, "hub", settings)
    generation = store.generation
    ids = await put(store, [b"one"])
    owner = await take(store)
    sent = commit(owner, consumed=ids, states=[("@a@b", b"state")])
    server.restart()
    with pytest.raises((ServerChanged, ConnectionLost)):
        await store.commit([sent], generation)
    with pytest.raises(ServerChanged):
        await store.commit([sent], generation)
    assert store.generation == generation + 1
    assert await payloads(store) == [b"one"]
    assert await store.read_records(0, ["@a@b"]) == [None]
    again = await take(store, token=b"again", expected=owner.token)
    assert await store.commit([commit(again, consumed=ids)], store.generation) == [CommitVerdict.APPLIED]
    await store.close()


@pytest.mark.hazard(2)
async def test_every_connection_looks_at_the_server_before_it_is_used(
    start_server: Callable[..., ValkeyServer], settings: Settings
) -> None:
    server = start_server()
    store = await RedisStore.open(server.url, "hub", settings)
    owner = await take(store)
    generation = store.generation
    server.restart()
    with contextlib.suppress(ConnectionLost):
        await store.workers()
    await store.workers()  # this connection finds the new server, and the one for commits is distrusted with it
    assert store.generation == generation + 1
    with pytest.raises(ServerChanged):
        await store.commit([commit(owner)], generation)
    await store.close()


async def test_a_server_that_is_not_there_is_a_lost_connection(tmp_path: Path) -> None:
    with pytest.raises(ConnectionLost, match="cannot connect"):
        await RedisStore.open(f"unix://{tmp_path}/none", "hub", Settings())
    with pytest.raises(ConnectionLost, match="cannot connect"):
        await RedisStore.open("redis://127.0.0.1:1/0", "hub", Settings())


async def test_a_server_that_accepts_and_says_nothing_is_a_lost_connection(
    proxy: SwallowingProxy, settings: Settings
) -> None:
    proxy.swallow()
    with pytest.raises(ConnectionLost, match="cannot connect"):
        await RedisStore.open(proxy.url, "hub", settings.model_copy(update={"connect_ms": 50}))


async def test_a_renewer_says_that_the_server_is_gone_and_goes_on_when_it_is_back(
    start_server: Callable[..., ValkeyServer], settings: Settings
) -> None:
    server = start_server()
    store = await RedisStore.open(server.url, "hub", settings)
    owner = await take(store)
    renewer = store.renewer()
    assert renewer.renew({0: owner.token}, LEASE_MS) == set()
    server.kill()
    with pytest.raises(ConnectionLost):
        renewer.renew({0: owner.token}, LEASE_MS)
    server.start()
    assert renewer.renew({0: owner.token, 1: b"other"}, LEASE_MS) == {1}
    renewer.close()
    await store.close()


# -- what the server's errors mean -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        "LOADING Valkey is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "MISCONF Valkey is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "NOREPLICAS Not enough good replicas to write.",
        "ERR max number of clients reached",
    ],
)
def test_what_may_pass_is_a_lost_connection_so_that_callers_try_again(message: str) -> None:
    error = fault(ReplyError(message))
    assert isinstance(error, ConnectionLost)
    assert message in str(error)


@pytest.mark.parametrize(
    "message",
    [
        "NOAUTH Authentication required.",
        "NOPERM this user has no permissions to run the 'xadd' command",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "MOVED 3999 127.0.0.1:6381",
        "ERR something new",
    ],
)
def test_what_only_people_can_mend_names_the_fault(message: str) -> None:
    error = fault(ReplyError(message))
    assert isinstance(error, ServerUnsuitable)
    assert message in str(error)


@pytest.mark.parametrize("version", ["6.2.14", "5.0", "", "weird"])
def test_a_server_too_old_for_the_scripts_is_refused_by_its_version(version: str) -> None:
    with pytest.raises(ServerUnsuitable, match=r"Redis 7\.0"):
        check_version({"redis_version": version})


def test_versions_that_will_do() -> None:
    for version in ("7.0.0", "7.2.4", "8.1.0", "10.0.1"):
        check_version({"redis_version": version})


def test_an_address_is_read_from_a_url() -> None:
    plain = Address.from_url("redis://me:p%40ss@example.org:6380/3")
    assert (plain.host, plain.port, plain.username, plain.password, plain.db, plain.tls) == (
        "example.org",
        6380,
        "me",
        "p@ss",
        3,
        None,
    )
    assert Address.from_url("unix:///tmp/s?db=2").path == "/tmp/s"
    assert Address.from_url("unix:///tmp/s?db=2").db == 2
    assert Address.from_url("rediss://example.org").tls is not None
