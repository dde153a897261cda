"""Every key that a hub has, holding what stead did not write: the workers live, all else goes on, and it can be mended.

Each test plants something in one key while two workers are at work, uses everything, mends the key, and uses everything
again. The keys are taken from the product's own list, so that a new one is tried too.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from stead.app import App, Client, Settings
from stead.app._hub.info import gather_info
from stead.entities import ClassEntityType, DeadLetters, Entity, EntityId, Indexed, IndexNotReady, InvalidState, indexed
from stead.entities._index.catalogue import unindexed
from stead.entities.extending import index_progress
from stead.orchestrations import OrchestrationContext
from stead.transport import HubLayout, KeyDamaged, SteadError, StoreUnavailable, pack, partition_of
from stead.transport._redis.keys import KeyNames, PartitionKeys
from stead.transport._redis.store import RedisStore
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer

PARTITIONS = 3
NAMES = [field.name for field in dataclasses.fields(PartitionKeys) if field.name != "prefix"]
SETS = ("set of an index", "set of due times", "feed")  # that have names of their own
_ANY = KeyNames(HubLayout("any", "0" * 12, PARTITIONS, 1, "direct", 1, 0))
HUB_NAMES = [name for name, value in vars(_ANY).items() if isinstance(value, bytes)]

app = App(
    "damaged",
    settings=Settings(
        partitions=PARTITIONS,
        slot_groups=2,
        lease_ms=3_000,
        heartbeat_ms=100,
        call_timeout_ms=15_000,
        drain_ms=500,
        activity_heartbeat_ms=300,
        activity_keep_ms=600,
    ),
)


@app.entity(changes=timedelta(hours=1), expires_after=timedelta(days=1))
class Probe(Entity):
    """Counts its calls; tells another one; falls over."""

    value: Indexed[int] = indexed(0)

    def count(self) -> int:
        self.value += 1
        return self.value

    def tell(self, key: str) -> None:
        self.context.signal_entity(Probe.count, key)

    def fail(self) -> None:
        raise ValueError("as asked")


@app.activity
async def near(number: int) -> int:
    return number + 1


@app.activity(queue="far")
async def far(number: int) -> int:
    return number + 1


@app.orchestration
async def sums(context: OrchestrationContext) -> int:
    return await context.call_activity(far, await context.call_activity(near, 1))


def in_partition(number: int, prefix: str, form: str = "{}") -> str:
    """A name whose target lies in a partition."""
    for n in range(10_000):
        name = f"{prefix}{n}"
        if partition_of(form.format(name), PARTITIONS) == number:
            return name
    raise AssertionError("there is one")


KEYS = [in_partition(number, "k", "@probe@{}") for number in range(PARTITIONS)]
instances_begun = 0


class Hub:
    """Two workers and a client on a server, and what a test does to it."""

    def __init__(self, server: ValkeyServer, client: Client, workers: list[Any]) -> None:
        self.server = server
        self.client = client
        self.workers = workers
        assert isinstance(client.store, RedisStore)
        self.store = client.store
        self.keys = KeyNames(client.store.layout)
        self.saved: list[tuple[bytes, bytes | None]] = []

    def key(self, name: str) -> bytes:
        """Of partition 0, or of the hub."""
        own = self.keys.partitions[0]
        match name:
            case "set of an index":
                (index,) = (each for each in ClassEntityType(Probe).indexes if each.field == "value")
                return own.entries(index.name)
            case "set of due times":
                expiry = ClassEntityType(Probe, expires_after=timedelta(days=1)).expiry
                assert expiry is not None
                return own.entries(expiry.name)
            case "unindexed":
                return own.entries(unindexed("probe"))
            case "feed":
                return own.feed("probe")
            case "queue":
                return self.keys.queue("far")
            case _:
                return bytes(getattr(own if name in NAMES else self.keys, name))

    def live(self) -> bool:
        return all(worker.failure is None and not worker._stopping.is_set() for worker in self.workers)

    async def call(self, number: int) -> int:
        return int(await self.client.call_entity(EntityId("Probe", KEYS[number]), "count"))

    async def run(self, number: int) -> Any:
        """An orchestration in a partition."""
        global instances_begun
        instances_begun += 1
        instance_id = in_partition(number, f"i{instances_begun}-")
        await self.client.start_new(sums, instance_id=instance_id)
        return (await self.client.wait_for_completion(instance_id, timeout=HANGS_S)).output

    def save(self, key: bytes) -> None:
        self.saved.append((key, self.server.run("DUMP", key)))

    def mend(self) -> None:
        while self.saved:
            key, dump = self.saved.pop()
            self.server.run("DEL", key)
            if dump is not None:
                self.server.run("RESTORE", key, 0, dump)

    def mend_contents(self, key: bytes) -> None:
        """Take out what was planted, of a key that goes on being used meanwhile."""
        lease = self.server.run("HMGET", key, "token", "commit", "applying") if key.endswith(b":lease") else None
        self.mend()
        if lease is not None:
            for field, value in zip(("token", "commit", "applying"), lease, strict=True):
                self.server.run("HSET", key, field, value or b"")

    async def use_everything(self, number: int) -> None:
        """Whatever touches a partition; it may be refused, for a while, but does not hang."""
        probe = EntityId("Probe", KEYS[number])
        other = EntityId("Probe", KEYS[(number + 1) % PARTITIONS])
        client = self.client
        tries: list[Callable[[], Awaitable[object]]] = [
            lambda: client.signal_entity(probe, "count"),
            lambda: client.signal_entity(probe, "fail"),
            lambda: client.signal_entity(probe, "tell", other.key),
            lambda: client.signal_entity(other, "tell", probe.key),
            lambda: client.after(timedelta(milliseconds=10)).signal_entity(probe, "count"),
            lambda: client.start_new(sums, instance_id=in_partition(number, f"x{instances_begun}-")),
            lambda: client.read_entity(probe),
            lambda: client.query(Probe).where(Probe.value >= 0).page(10),
            lambda: client.query(Probe).where(Probe.value >= 0).count(),
            lambda: client.changes_position(Probe),
        ]
        for attempt in tries:
            with contextlib.suppress(KeyDamaged, StoreUnavailable, InvalidState):
                await asyncio.wait_for(attempt(), 10)

    async def look(self) -> None:
        """Everything that shows something."""
        await gather_info(self.store, self.server.url)
        async for _ in self.client.list_entities("Probe"):
            pass
        async for _ in self.client.list_instances():
            pass
        async for _ in DeadLetters(self.store).all():
            pass


@pytest.fixture
async def hub(server: ValkeyServer) -> AsyncIterator[Hub]:
    async with app.connect(server.url) as client:
        one, two = app.worker(server.url), app.worker(server.url)
        async with one as first, two as second:
            hub = Hub(server, client, [first, second])
            for number in range(PARTITIONS):
                await hub.call(number)
            yield hub
            assert hub.live(), "a worker has ended"


def plant_other_type(hub: Hub, key: bytes) -> None:
    hub.save(key)
    kind = hub.server.run("TYPE", key)
    hub.server.run("DEL", key)
    if kind == b"string":
        hub.server.run("RPUSH", key, "else")
    else:
        hub.server.run("SET", key, "something else")


def give_up_partition(hub: Hub, number: int) -> None:
    """Its worker loses it, and somebody takes it up anew."""
    for worker in hub.workers:
        partition = worker._board.partitions.get(number)
        if partition is not None:
            worker._board.drop(partition, "for a test")


async def others_work(hub: Hub) -> None:
    for number in range(1, PARTITIONS):
        await asyncio.wait_for(hub.call(number), HANGS_S)


async def until(check: Callable[[], Awaitable[bool]], seconds: float = HANGS_S) -> None:
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.05)


@pytest.mark.invariant(12)
@pytest.mark.parametrize("name", [*NAMES, *SETS])
async def test_a_key_of_another_type_stops_its_partition_alone(
    hub: Hub, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = hub.key(name)
    plant_other_type(hub, key)
    if name == "set of due times":
        give_up_partition(hub, 0)  # who holds it knows when somebody is due, and does not look before
    await hub.use_everything(0)
    await others_work(hub)
    await hub.look()

    async def named() -> bool:
        why = (await gather_info(hub.store, hub.server.url)).quarantine
        return list(why) == [0] and key.decode() in why[0]

    await until(named)
    assert any(record.levelno >= logging.ERROR for record in caplog.records)
    await others_work(hub)
    hub.mend()
    assert await asyncio.wait_for(hub.call(0), HANGS_S)
    assert await hub.run(0) == 3

    async def well() -> bool:
        return not (await gather_info(hub.store, hub.server.url)).quarantined

    await until(well)


@pytest.mark.parametrize("name", ["set of an index", "unindexed", "feed", "trimmed", "built"])
async def test_who_reads_a_key_of_another_type_is_told_its_name_and_partition(hub: Hub, name: str) -> None:
    """And nobody stands still for it: only what is to be written does."""
    key = hub.key(name)

    async def read() -> object:
        if name in ("feed", "trimmed"):
            return await hub.client.changes_position(Probe)
        if name == "built":
            return await index_progress(hub.store)
        return await hub.client.query(Probe).where(Probe.value >= 0).count()

    async def is_ready() -> bool:
        with contextlib.suppress(IndexNotReady):
            return bool(await read())
        return False

    await until(is_ready)
    plant_other_type(hub, key)
    with pytest.raises(KeyDamaged, match=re.escape(key.decode())) as caught:
        await read()
    assert (caught.value.stands_still, caught.value.key) == (0, key)
    await others_work(hub)
    hub.mend()
    await until(is_ready)
    assert await asyncio.wait_for(hub.call(0), HANGS_S)


@pytest.mark.parametrize("name", [*HUB_NAMES, "queue"])
async def test_a_key_of_the_whole_hub_of_another_type_stops_nobody_who_does_not_need_it(hub: Hub, name: str) -> None:
    key = hub.key(name)
    if name == "queue":
        assert await hub.run(0) == 3
    plant_other_type(hub, key)
    await asyncio.sleep(0.3)  # some heartbeats
    for number in range(PARTITIONS):
        with contextlib.suppress(SteadError):  # without its record the hub takes in nothing new
            await asyncio.wait_for(hub.call(number), HANGS_S)
        await hub.use_everything(number)
    if name != "record":
        for number in range(PARTITIONS):
            assert await asyncio.wait_for(hub.call(number), HANGS_S)
        await hub.look()
        assert not (await gather_info(hub.store, hub.server.url)).quarantine, "it is no partition's"
    assert hub.live()
    hub.mend()
    for number in range(PARTITIONS):
        assert await asyncio.wait_for(hub.call(number), HANGS_S)
        assert await hub.run(number) == 3


@pytest.mark.parametrize(
    "name", ["names", "names_until", "wishes", "wishes_until", "measures", "catalogue", "catalogue_until"]
)
async def test_a_worker_that_joins_meanwhile_takes_nothing_that_it_cannot_go_on_with(
    hub: Hub, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The others keep it, or it has its share; and what is wrong is said once, not with each heartbeat."""
    plant_other_type(hub, hub.key(name))
    async with app.worker(hub.server.url) as third:
        hub.workers.append(third)
        for _ in range(3):
            for number in range(PARTITIONS):
                assert await asyncio.wait_for(hub.call(number), HANGS_S)
        if not name.startswith("catalogue"):

            async def has_its_share() -> bool:
                return third._board is not None and bool(third._board.partitions)

            await until(has_its_share)
        said = [record for record in caplog.records if record.levelno == logging.CRITICAL]
        assert 1 <= len(said) <= len(hub.workers)
        assert hub.live()
        hub.mend()

        async def all_share() -> bool:
            return all(worker._board.partitions for worker in hub.workers)

        await until(all_share)
        for number in range(PARTITIONS):
            assert await asyncio.wait_for(hub.call(number), HANGS_S)
        hub.workers.remove(third)


async def test_a_catalogue_that_cannot_be_read_leaves_everyone_with_what_they_know(hub: Hub) -> None:
    key = hub.key("catalogue")
    hub.server.run("HSET", key, "another", b"\xc1")
    hub.server.run("HINCRBY", key, "version", 1)
    async with app.worker(hub.server.url) as third:
        hub.workers.append(third)
        for number in range(PARTITIONS):
            assert await asyncio.wait_for(hub.call(number), HANGS_S)
        assert (await gather_info(hub.store, hub.server.url)).left_out["indexes"] == 1
        assert hub.live()
        hub.server.run("HDEL", key, "another")

        async def all_share() -> bool:
            return all(worker._board.partitions for worker in hub.workers)

        await until(all_share)
        for number in range(PARTITIONS):
            assert await asyncio.wait_for(hub.call(number), HANGS_S)
        hub.workers.remove(third)


GARBAGE = (
    b"",
    b"\xff\xfe\xfd",
    b"no number",
    b"\x93\x01\x02",
    b"\xc1",
    b"9" * 400,
    pack([9, "another", {"shape": 1}]),
    b"x" * 300_000,
)


@pytest.mark.parametrize("value", GARBAGE, ids=lambda value: repr(value[:8]))
@pytest.mark.parametrize("name", ["lease", "parked", "blocked", "state", "starts", "tasks", "tries", "payloads"])
async def test_content_of_a_hash_that_cannot_be_read(hub: Hub, name: str, value: bytes) -> None:
    key = getattr(hub.keys.partitions[0], name)
    hub.save(key)
    run = hub.server.run
    for field in run("HKEYS", key):
        if not (name == "lease" and field in (b"token", b"commit", b"applying")):
            run("HSET", key, field, value)
    target = f"@probe@{KEYS[0]}"
    for field in (target, in_partition(0, "garbage"), b"\xff", b"", "a|b|3"):
        run("HSET", key, field, value)
    if name in ("state", "starts"):
        index = hub.keys.partitions[0].index
        hub.save(index)
        for field in (in_partition(0, "garbage"), b"\xff", "@probe@", "@probe"):
            run("ZADD", index, 0, field)
    if name == "payloads":
        timers = hub.keys.partitions[0].timers
        hub.save(timers)
        run("ZADD", timers, 1, target, "inf", "a|b|3", "-inf", b"\xff", "1e300", "far")
    give_up_partition(hub, 0)
    await hub.use_everything(0)
    await others_work(hub)
    await hub.look()
    await others_work(hub)
    assert hub.live()
    hub.mend_contents(key)
    assert await asyncio.wait_for(hub.call(0), HANGS_S)
    assert await hub.run(0) == 3


@pytest.mark.parametrize("value", [b"", b"\x80", b"@probe@x\xff", b"@other@x"])
async def test_how_far_an_index_is_built_that_cannot_be_read(hub: Hub, value: bytes) -> None:
    own, run = hub.keys.partitions[0], hub.server.run
    hub.save(own.index)
    run("ZADD", own.index, 0, b"@probe@x\xff", 0, b"@probe@")
    for field in run("HKEYS", own.built):
        run("HSET", own.built, field, value)
    give_up_partition(hub, 0)
    await hub.use_everything(0)
    await others_work(hub)
    assert await asyncio.wait_for(hub.call(0), HANGS_S)

    async def is_ready() -> bool:
        with contextlib.suppress(IndexNotReady):
            return await hub.client.query(Probe).where(Probe.value >= 0).count() >= PARTITIONS
        return False

    await until(is_ready)
    assert hub.live()


@pytest.mark.parametrize("score", ["inf", "-inf", "0.5"])
async def test_due_times_that_are_none(hub: Hub, score: str) -> None:
    hub.save(key := hub.key("set of due times"))
    hub.server.run("ZADD", key, score, KEYS[0], score, b"\xff", score, "nobody")
    give_up_partition(hub, 0)
    await hub.use_everything(0)
    await others_work(hub)
    assert await asyncio.wait_for(hub.call(0), HANGS_S)
    assert await hub.run(0) == 3
    assert hub.live()


@pytest.mark.parametrize("value", GARBAGE, ids=lambda value: repr(value[:8]))
async def test_messages_that_cannot_be_read(hub: Hub, value: bytes) -> None:
    """In the inbox, the park, the queue, the reply stream, the dead letters, among workers, names and sessions."""
    run, keys = hub.server.run, hub.keys
    assert await hub.run(0) == 3
    own = keys.partitions[0]
    dead = run("XLEN", own.dead)
    run("XADD", own.inbox, "*", "m", value)
    run("XADD", own.inbox, "*", "other", value, "fields", "too")
    run("XADD", own.dead, "*", "m", value)
    run("XADD", keys.queue("far"), "*", "p", value, "t", value)
    run("XADD", keys.queue("far"), "*", "p", value)
    run("XADD", keys.queue("far"), "*", "p", "0", "t", value, "l", value)
    for worker in (b"\xff", "strange", ""):
        run("HSET", keys.workers, worker, value)
        run("ZADD", keys.beats, 10**15, worker)
        run("HSET", keys.names, worker, value)
        run("ZADD", keys.names_until, 10**15, worker)
    reader = hub.client._calls._reader
    run("XADD", keys.reply(reader.group, reader.client), "*", "m", value)
    for session in run("KEYS", own.prefix + b"session:*"):
        run("SET", session, value, "PX", 60_000)
    await hub.use_everything(0)
    await others_work(hub)
    for number in range(PARTITIONS):
        assert await asyncio.wait_for(hub.call(number), HANGS_S)
        assert await hub.run(number) == 3
    await hub.look()
    waits = value[:2] == b"\x93\x09"  # for a later version, which can read it
    assert run("XLEN", own.dead) >= dead + (1 if waits else 3), "what cannot be read is among the dead letters"
    assert hub.store.left_out.counts()["dead letters"] >= 1
    assert hub.live()


ADDRESSES: list[Any] = [[2**62, "c", 1], [-3, "c", 1], [0, "", 2**63], [0, "x" * 100_000, 1], [0, "\0:{}", -1]]


@pytest.mark.invariant(12)
async def test_answers_for_addresses_that_nobody_has_are_nobody_s_trouble(hub: Hub) -> None:
    """Of calls, and of those that wait for instances."""
    run, store = hub.server.run, hub.store
    for number, address in enumerate(ADDRESSES):
        instance_id = in_partition(0, f"nobody-{number}-")
        await hub.client.start_new(sums, instance_id=instance_id)
        for target, operation, key in ((f"@probe@{KEYS[0]}", "count", "r"), (instance_id, "wait", "w")):
            arguments: list[object] = []
            message = pack([1, target, operation, arguments, b"id-%d-%s" % (number, key.encode()), {key: address}])
            run("XADD", hub.keys.partitions[0].inbox, "*", "m", message)
        assert await asyncio.wait_for(hub.call(0), HANGS_S)
        assert (await hub.client.wait_for_completion(instance_id, timeout=HANGS_S)).output == 3
    await others_work(hub)
    assert not (await gather_info(store, hub.server.url)).quarantined
    for key in run("KEYS", b"*reply:*"):
        assert run("PTTL", key) > 0
