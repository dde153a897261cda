"""Shared queues on a server: what else may be in the way, and what is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from stead.transport import ServerUnsuitable, Settings, Taken, Task, TaskLimit
from stead.transport._redis import activities as redis_tasks
from stead.transport._redis.keys import KeyNames
from stead.transport._redis.store import RedisStore
from support.guards import HANGS_S
from support.redis_steps import commit, take
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

TAKEN = Taken("q", b"1-1", 0, b"1", b"", 1)
STEPS: dict[str, Callable[[RedisStore], Awaitable[object]]] = {
    "open": lambda store: store.open_queues(["r", "q"]),
    "take": lambda store: store.take_tasks(["q"], "w", 1, 0),
    "retake": lambda store: store.retake_tasks(["q"], "w", 0, 1),
    "keep": lambda store: store.keep_tasks("w", [TAKEN]),
    "give back": lambda store: store.give_back_tasks("w", [TAKEN]),
    "complete": lambda store: store.complete_task(0, b"1", b"result", TAKEN),
    "share": lambda store: store.share_tasks(0, b"token", "w", [(b"1", "q")]),
}


async def write(store: RedisStore, *tasks: Task) -> None:
    await store.commit([commit(await take(store), tasks=list(tasks))], store.generation)


def own(name: bytes) -> Task:
    return Task(name, "q", shared=False, payload=b"payload")


def shared(name: bytes) -> Task:
    return Task(name, "q", shared=True, payload=b"payload")


@pytest.mark.parametrize("name", STEPS)
async def test_a_queue_of_another_type_stops_each_step_before_its_first_write(
    store: RedisStore, server: ValkeyServer, name: str
) -> None:
    await write(store, own(b"1"))
    server.run("SET", KeyNames(store.layout).queue("q"), "something else")
    before = server.dump()
    with pytest.raises(ServerUnsuitable, match="nothing was written"):
        await STEPS[name](store)
    assert server.dump() == before


async def test_workers_that_left_a_queue_long_ago_are_forgotten_but_what_they_had_is_not(
    store: RedisStore, server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HAZARDS 25: names of workers are drawn anew with every start, so they would pile up."""
    await write(store, shared(b"1"), shared(b"2"))
    [task] = await store.take_tasks(["q"], "idle", 1, 0)
    assert await store.complete_task(0, b"1", b"result", task)
    await store.take_tasks(["q"], "dead", 1, 0)

    def consumers() -> list[object]:
        found: list[object] = server.run("XINFO", "CONSUMERS", KeyNames(store.layout).queue("q"), "workers")
        return found

    await store.open_queues(["q"])
    assert len(consumers()) == 2
    await asyncio.sleep(0.02)
    monkeypatch.setattr(redis_tasks, "_FORGET_MS", 10)
    await store.open_queues(["q"])
    assert len(consumers()) == 1
    assert [taken.task_id for taken in await store.retake_tasks(["q"], "v", 0, 10)] == [b"2"]


@pytest.mark.hazard(113)
@pytest.mark.parametrize("numbers", ["1:0:0", "0:86400000000:0"], ids=["concurrency", "rate"])
async def test_nobody_asks_again_and_again_while_something_waits_behind_a_limit(
    store: RedisStore, server: ValkeyServer, numbers: str
) -> None:
    limit = TaskLimit("charge", numbers, "i", 0)
    await write(store, *(Task(b"%d" % number, "q", True, b"payload", limit) for number in range(2)))
    assert len(await store.take_tasks(["q"], "w", 2, 0)) == 1
    server.run("CONFIG", "RESETSTAT")
    assert await store.take_tasks(["q"], "w", 2, 400) == []
    stats = server.run("INFO", "commandstats")
    calls = {name: stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("xread", "evalsha", "eval")}
    assert calls["xread"] == 1, "one wait, which ends when something comes, or may begin"
    assert calls["evalsha"] + calls["eval"] <= 2, "a look before it, and one after it"


async def test_nothing_is_left_in_a_queue_of_what_nobody_wants(store: RedisStore, server: ValkeyServer) -> None:
    queue = KeyNames(store.layout).queue("q")

    async def left(*names: bytes) -> tuple[int, int]:
        """Entries of the queue, and those that some worker has, once the tasks are not wanted any more."""
        owner = await take(store, token=b"+".join(names), expected=(await store.read_leases())[1][0].token)
        drop = commit(owner, owner.commit_id + b"+", dropped=list(names))
        await store.commit([drop], store.generation)
        await store.keep_tasks("w", taken)
        return server.run("XLEN", queue), server.run("XPENDING", queue, "workers")["pending"]

    await write(store, *(shared(b"%d" % number) for number in range(5)))
    taken = await store.take_tasks(["q"], "w", 4, 0)
    assert await left(b"0", b"1") == (3, 2)
    assert await store.complete_task(0, b"2", b"result", taken[2])
    assert await left(b"0") == (2, 1)
    assert await left(b"3", b"4") == (1, 0), "one was never taken"
    assert await store.take_tasks(["q"], "w", 4, 0) == []
    assert await left(b"0") == (0, 0)


async def test_nothing_is_left_of_the_entry_of_what_was_given_back(store: RedisStore, server: ValkeyServer) -> None:
    queue = KeyNames(store.layout).queue("q")
    await write(store, shared(b"1"))
    for _ in range(3):
        taken = await store.take_tasks(["q"], "w", 1, 0)
        assert await store.give_back_tasks("w", taken) == 1
        assert (server.run("XLEN", queue), server.run("XPENDING", queue, "workers")["pending"]) == (1, 0)


async def test_a_task_whose_giving_back_stopped_in_the_middle_runs_once(
    store: RedisStore, server: ValkeyServer
) -> None:
    """HAZARDS 4: a script has no rollback. It stops here after its first write."""
    keys = KeyNames(store.layout)
    queue = keys.queue("q")
    await write(store, shared(b"1"))
    [task] = await store.take_tasks(["q"], "w", 1, 0)
    server.run("XADD", queue, "*", "p", "0", "t", "1", "n", "0")
    assert await store.take_tasks(["q"], "v", 9, 0) == []
    assert await store.give_back_tasks("w", [task]) == 1
    assert [one.task_id for one in await store.take_tasks(["q"], "v", 9, 0)] == [b"1"]
    assert server.run("XLEN", queue) == 1


async def test_a_queue_that_somebody_deleted_is_made_again(store: RedisStore, server: ValkeyServer) -> None:
    await store.open_queues(["q"])
    server.run("DEL", KeyNames(store.layout).queue("q"))
    assert await store.take_tasks(["q"], "w", 1, 0) == []
    await write(store, shared(b"1"))
    assert len(await store.take_tasks(["q"], "w", 1, 0)) == 1


async def test_workers_of_several_stores_wait_for_one_queue(
    store: RedisStore, server: ValkeyServer, settings: Settings
) -> None:
    other = await RedisStore.open(server.url, store.layout.name, settings)
    waiting = [
        asyncio.ensure_future(one.take_tasks(["q"], name, 1, 5_000)) for one, name in ((store, "w"), (other, "v"))
    ]
    await asyncio.sleep(0.05)
    await write(store, shared(b"1"), shared(b"2"))
    async with asyncio.timeout(HANGS_S):
        taken = [task.task_id for tasks in await asyncio.gather(*waiting) for task in tasks]
    assert sorted(taken) == [b"1", b"2"]
    await other.close()


async def test_each_queue_has_a_key_of_its_own_with_a_group_s_tag(store: RedisStore) -> None:
    keys = KeyNames(store.layout)
    names = ["", "q", "a:b", "}{", "ü"]
    assert len({keys.queue(name) for name in names}) == len(names)
    for name in names:
        assert any(f"{{{tag}}}".encode() in keys.queue(name) for tag in keys.tags)
