"""HAZARDS 26: a hub that is no longer on the server takes nothing, makes no key, and is said to be gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from stead.transport import CommitVerdict, ConnectionLost, HubMismatch, Reuse, Settings, Start, Taken, Verdict
from stead.transport._redis.store import RedisStore
from support.redis_steps import LEASE_MS, batch, commit, put, take
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

T = TypeVar("T")

Harm = Callable[[ValkeyServer, Settings], Coroutine[Any, Any, None]]
TAKEN = Taken("queue", b"1-1", 0, b"task", b"payload", 1)


async def flush(server: ValkeyServer, settings: Settings) -> None:
    server.run("FLUSHALL")


async def restart_empty(server: ValkeyServer, settings: Settings) -> None:
    server.restart()


async def flush_and_make_anew(server: ValkeyServer, settings: Settings) -> None:
    server.run("FLUSHALL")
    await (await RedisStore.open(server.url, "hub", settings)).close()


async def restart_and_make_anew(server: ValkeyServer, settings: Settings) -> None:
    server.restart()
    await (await RedisStore.open(server.url, "hub", settings)).close()


HARMS: list[Harm] = [flush, restart_empty, flush_and_make_anew, restart_and_make_anew]


@pytest.fixture
def own_server(start_server: Callable[..., ValkeyServer]) -> ValkeyServer:
    """A server that keeps nothing when it restarts."""
    return start_server("--appendonly", "no")


@pytest.fixture
async def own(own_server: ValkeyServer, settings: Settings) -> AsyncIterator[RedisStore]:
    store = await RedisStore.open(own_server.url, "hub", settings)
    yield store
    await store.close()


def steps(store: RedisStore, round_: int) -> Mapping[str, Callable[[], Awaitable[object]]]:
    """All that accepts, holds or makes something, and all that clients read."""
    name = str(round_)
    plain = batch([b"m"], session=name)
    start = replace(batch([b"s"], session=name, partition=1), starts=[Start(0, name, b"id", Reuse.FINISHED)])

    async def pages(listing: AsyncIterator[object]) -> list[object]:
        return [page async for page in listing]

    return {
        "enqueue": lambda: store.enqueue([plain]),
        "enqueue a start": lambda: store.enqueue([start]),
        "open a source": lambda: store.open_source(0, f"source-{name}", 1, 60_000),
        "acquire": lambda: store.acquire(2 + round_, "worker", b"token", b"", LEASE_MS),
        "heartbeat": lambda: store.heartbeat("worker", {}, 10_000),
        "publish": lambda: store.publish({"kind": {}}, 10_000),
        "open queues": lambda: store.open_queues(["queue"]),
        "take tasks": lambda: store.take_tasks(["queue"], "worker", 1, 0),
        "retake tasks": lambda: store.retake_tasks(["queue"], "worker", 1, 1),
        "keep tasks": lambda: store.keep_tasks("worker", [TAKEN]),
        "give back tasks": lambda: store.give_back_tasks("worker", [TAKEN]),
        "read replies": lambda: store.read_replies(0, "client", b"0", 0),
        "read records": lambda: store.read_records(0, ["@a@b"]),
        "read a log": lambda: store.read_log(0, "a", 0, 1),
        "read an instance": lambda: store.read_instance(0, "a", 1),
        "list targets": lambda: pages(store.list_targets("@", 10)),
        "list instances": lambda: pages(store.list_instances("", 10)),
        "workers": store.workers,
        "published": store.published,
        "dead letters": lambda: store.dead_letters(0, b"0", 10),
        "info": store.info,
    }


async def insist(step: Callable[[], Awaitable[T]]) -> T:
    """A step as its callers take it: again when the connection is lost."""
    while True:
        try:
            return await step()
        except ConnectionLost:
            pass


@pytest.mark.hazard(26)
@pytest.mark.parametrize("harm", HARMS)
async def test_no_step_is_carried_out_in_a_hub_that_is_gone(
    own_server: ValkeyServer, own: RedisStore, settings: Settings, harm: Harm
) -> None:
    for step in steps(own, 0).values():  # now every connection is there
        await step()
    generation = own.generation
    await harm(own_server, settings)
    now = "another one" if harm in (flush_and_make_anew, restart_and_make_anew) else "there is none"
    for what, step in steps(own, 1).items():
        with pytest.raises(HubMismatch, match=f"no longer on the server, and {now}.*restart this process"):
            await insist(step)
            pytest.fail(f"{what} was carried out")
    assert own_server.run("KEYS", f"stead:hub:{own.layout.hub_id}:*") == []
    assert own.generation == generation


@pytest.mark.parametrize("harm", HARMS)
async def test_an_owner_of_a_hub_that_is_gone_changes_nothing(
    own_server: ValkeyServer, own: RedisStore, settings: Settings, harm: Harm
) -> None:
    ids = await put(own, [b"one", b"two"])
    owner = await take(own)
    generation = own.generation
    await harm(own_server, settings)
    effects = commit(owner, consumed=ids[:1], states=[("@a@b", b"state")], created=["@a@b"], sends=[(1, b"hello")])

    async def outcomes() -> list[object]:
        return [
            await own.commit([effects], generation),
            await own.park(0, owner.token, "@a@b", ids[1:]),
            await own.fire_timers(0, owner.token, 10),
            await own.share_tasks(0, owner.token, "worker", [(b"task", "queue")]),
            await own.release(0, owner.token),
        ]

    if harm in (flush, flush_and_make_anew):
        assert await outcomes() == [[CommitVerdict.FENCED], False, None, None, False]
    else:
        with pytest.raises(HubMismatch):
            await insist(outcomes)
    renewer = own.renewer()
    assert renewer.renew({0: owner.token}, LEASE_MS) == {0}
    renewer.close()
    assert own_server.run("KEYS", f"stead:hub:{own.layout.hub_id}:*") == []


async def test_a_request_of_many_batches_is_refused_as_a_whole(own_server: ValkeyServer, own: RedisStore) -> None:
    chain = [batch([b"%d" % number], previous=number - 1) for number in range(5)]
    await own.enqueue(chain[:2])
    own_server.run("FLUSHALL")
    with pytest.raises(HubMismatch):
        await own.enqueue(chain[2:])


async def test_a_hub_that_is_restored_goes_on(own_server: ValkeyServer, own: RedisStore) -> None:
    await own.enqueue([batch([b"one"])])
    own_server.run("RENAME", "stead:hub:hub", "elsewhere")
    with pytest.raises(HubMismatch):
        await own.enqueue([batch([b"two"], previous=0)])
    own_server.run("RENAME", "elsewhere", "stead:hub:hub")
    assert [result.verdict for result in await own.enqueue([batch([b"two"], previous=0)])] == [Verdict.ACCEPTED]


async def test_a_server_that_keeps_its_data_is_the_same_hub(
    start_server: Callable[..., ValkeyServer], settings: Settings
) -> None:
    server = start_server()
    store = await RedisStore.open(server.url, "hub", settings)
    await store.enqueue([batch([b"one"])])
    server.restart()
    again = await insist(lambda: store.enqueue([batch([b"two"], previous=0)]))
    assert [result.verdict for result in again] == [Verdict.ACCEPTED]
    await store.close()
