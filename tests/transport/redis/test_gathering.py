"""Reads that are made at one time share a pipeline, and nothing else: each has its own answer, its own error and its own end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from stead.transport import ConnectionLost, HubMismatch, InstanceView, KeyDamaged, ServerUnsuitable, Settings
from stead.transport._redis import gathering
from stead.transport._redis.store import RedisStore
from support.redis_steps import commit, take
from support.swallowing_proxy import SwallowingProxy
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

NAMES = [f"target-{number}" for number in range(12)]
NOTHING = InstanceView(None, None, (), None)


@pytest.fixture
async def pipelines(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commands each pipeline of reads had; every target has its name for a record."""
    await store.commit([commit(await take(store), states=[(name, name.encode()) for name in NAMES])], store.generation)
    lengths: list[int] = []
    run = store._queries.run

    async def counted(commands: Sequence[bytes], **options: Any) -> list[Any]:
        lengths.append(len(commands))
        return await run(commands, **options)

    monkeypatch.setattr(store._queries, "run", counted)
    return lengths


Unanswered: TypeAlias = tuple[SwallowingProxy, RedisStore, list["asyncio.Task[InstanceView]"]]


@pytest.fixture
async def unanswered(
    server: ValkeyServer, store: RedisStore, settings: Settings, tmp_path: Path
) -> AsyncIterator[Unanswered]:
    """A store that was asked for every target, behind a proxy that swallows the answers."""
    proxy = SwallowingProxy(tmp_path, server.socket)
    await proxy.start()
    far = await RedisStore.open(proxy.url, store.layout.name, settings)
    try:
        proxy.swallow()
        asked = [asyncio.create_task(far.read_instance(0, name, 0)) for name in NAMES]
        await proxy.asked.wait()
        yield proxy, far, asked
    finally:
        await far.close()
        await proxy.stop()


async def read(store: RedisStore, name: str) -> bytes | None:
    return (await store.read_records(0, [name]))[0]


async def test_one_alone_asks_at_once(store: RedisStore, pipelines: list[int]) -> None:
    assert [await read(store, name) for name in NAMES] == [name.encode() for name in NAMES]
    assert pipelines == [2] * len(NAMES)


async def test_what_is_asked_meanwhile_goes_together_and_each_gets_its_own(
    store: RedisStore, pipelines: list[int]
) -> None:
    for _ in range(3):
        records = await asyncio.gather(*(read(store, name) for name in [*NAMES, "nobody"]))
        assert records == [*(name.encode() for name in NAMES), None]
    assert pipelines == [2, len(NAMES) + 1] * 3


async def test_a_pipeline_has_a_length(
    store: RedisStore, pipelines: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "_COMMANDS_MAX", 7)
    views = await asyncio.gather(*(store.read_instance(0, name, 0) for name in NAMES[:6]))
    assert [view.record for view in views] == [name.encode() for name in NAMES[:6]]
    assert pipelines == [4, 7, 7, 4]


async def test_many_values_are_not_shared(store: RedisStore, pipelines: list[int]) -> None:
    """Who reads little would wait for all of them."""
    many = [NAMES[0]] * 11
    await asyncio.gather(read(store, NAMES[0]), store.read_records(0, many), store.read_instance(0, NAMES[0], 11))
    assert sorted(pipelines) == [2, 2, 5]


@pytest.mark.parametrize("under_way", [1, 2])
@pytest.mark.parametrize("place", [0, 1, 5])
async def test_who_is_cancelled_takes_nobody_along(
    store: RedisStore, pipelines: list[int], place: int, under_way: int
) -> None:
    """`under_way`: the first pipeline, or the second too."""
    asked = [asyncio.ensure_future(read(store, name)) for name in NAMES]
    while len(pipelines) < under_way:
        await asyncio.sleep(0)
    gone = not asked[place].cancel()
    records = await asyncio.gather(*asked, return_exceptions=True)
    assert asked[place].cancelled() or gone
    assert [record for number, record in enumerate(records) if number != place] == [
        name.encode() for name in NAMES if name != NAMES[place]
    ]
    assert await read(store, NAMES[place]) == NAMES[place].encode()
    asked_for = len(NAMES) - (place > 0 and under_way == 1)
    assert pipelines == [2, asked_for, 2], "what nobody waits for was not asked, what was under way was"


@pytest.mark.parametrize("first", [True, False])
async def test_damage_is_told_to_whom_it_concerns(
    store: RedisStore, server: ValkeyServer, pipelines: list[int], first: bool
) -> None:
    server.run("SET", store._keys.partitions[1].state.decode(), "what somebody else wrote")
    damaged = store.read_records(1, ["one"])
    reads: list[Any] = [read(store, name) for name in NAMES]
    reads.insert(0 if first else 5, damaged)
    found = await asyncio.gather(*reads, return_exceptions=True)
    error = found.pop(0 if first else 5)
    assert isinstance(error, KeyDamaged)
    assert error.step == 1
    assert found == [name.encode() for name in NAMES]
    assert len(pipelines) == 2
    server.run("DEL", store._keys.partitions[1].state.decode())  # (the state is looked at after every test)


@pytest.mark.parametrize("place", [0, 5])
async def test_a_right_that_is_missing_is_told_to_whom_it_concerns(
    store: RedisStore, server: ValkeyServer, pipelines: list[int], place: int
) -> None:
    allowed = (store._keys.partitions[0].state, store._keys.record)
    server.run("ACL", "SETUSER", "default", "resetkeys", *(f"~{key.decode()}" for key in allowed))
    try:
        reads: list[Any] = [read(store, name) for name in NAMES]
        reads.insert(place, store.read_records(1, ["one"]))
        found = await asyncio.gather(*reads, return_exceptions=True)
    finally:
        server.run("ACL", "SETUSER", "default", "allkeys")
    assert isinstance(found.pop(place), ServerUnsuitable)
    assert found == [name.encode() for name in NAMES]


async def test_a_hub_that_is_gone_is_told_to_all(store: RedisStore, server: ValkeyServer, pipelines: list[int]) -> None:
    """Else it would look as if there were nothing."""
    await read(store, NAMES[0])  # the connection is there, and has found the hub
    server.run("FLUSHALL")
    found = await asyncio.gather(*(read(store, name) for name in NAMES), return_exceptions=True)
    assert [type(error) for error in found] == [HubMismatch] * len(NAMES)


async def test_a_connection_that_is_lost_fails_who_has_asked_and_the_others_ask_on_the_next(
    unanswered: Unanswered,
) -> None:
    proxy, _, asked = unanswered
    proxy.cut()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(found[0], ConnectionLost)
    assert found[1:] == [NOTHING] * (len(NAMES) - 1)


async def test_a_store_that_is_closed_leaves_nobody_waiting(unanswered: Unanswered) -> None:
    _, far, asked = unanswered
    await far.close()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(error, ConnectionLost) for error in found)


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    yield
    left = [task for task in asyncio.all_tasks() if task.get_name() == "stead asking"]
    assert not left
