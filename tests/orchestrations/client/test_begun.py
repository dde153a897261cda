"""A start says who waits for the end, if the one before was waited for; and whoever waits hears of it whoever runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from stead.entities import AcknowledgedLost, Registry, Worker
from stead.entities.extending import Message, PendingCall, decode_message
from stead.orchestrations import (
    InstanceExists,
    OrchestrationClient,
    OrchestrationContext,
    OrchestrationRegistry,
    Orchestrations,
    UnknownInstance,
    make_orchestration,
)
from stead.orchestrations._client import begun as begun_module
from stead.orchestrations._client import client as client_module
from stead.orchestrations._history.messages import TELLS
from stead.transport import MemoryStore, Settings, Store
from support.guards import HANGS_S
from support.scripted_instances import ScriptedInstances, scripted_instances

pytestmark = pytest.mark.anyio


async def flow(context: OrchestrationContext, word: str) -> str:
    return word


def registry() -> OrchestrationRegistry:
    known = OrchestrationRegistry(Settings())
    known.add_orchestration(make_orchestration(flow))
    return known


@pytest.fixture
async def worker(store: Store) -> AsyncGenerator[ScriptedInstances, None]:
    async with scripted_instances(store) as running:
        yield running


@pytest.fixture
async def client(store: Store, settings: Settings) -> AsyncGenerator[OrchestrationClient, None]:
    async with OrchestrationClient(store, Registry(), settings, registry()) as opened:
        yield opened
        assert not opened._calls._pending  # nothing is left of what was waited for, or was not


async def tell(store: Store, worker: ScriptedInstances, *, says: bool = True, does: bool = True) -> None:
    """Let the worker be one that tells, or one of before; the client has asked nobody yet."""
    worker.tells = does
    await store.heartbeat("scripted", {TELLS: True} if says else {}, 60_000)


def of(worker: ScriptedInstances, instance_id: str) -> list[str]:
    """The operations that came for an instance; a start that says who waits counts as "start, told"."""
    messages = [message for message in worker.messages if message.target == instance_id]
    return [f"{message.operation}{', told' * (message.waiter is not None)}" for message in messages]


async def finish(client: OrchestrationClient, instance_id: str, output: object = None) -> None:
    await client.raise_event(instance_id, "finish", output)


async def heard(worker: ScriptedInstances, instance_id: str) -> None:
    async with asyncio.timeout(HANGS_S):
        while instance_id not in worker.records:
            await asyncio.sleep(0)


async def run(client: OrchestrationClient, worker: ScriptedInstances, instance_id: str) -> Any:
    """Start an instance, wait for it, and meanwhile let it end."""
    await client.start_new("flow", "x", instance_id=instance_id)
    waiting = asyncio.ensure_future(client.wait_for_completion(instance_id))
    await heard(worker, instance_id)
    await finish(client, instance_id, instance_id)
    async with asyncio.timeout(HANGS_S):
        return (await waiting).output


async def test_who_waits_again_and_again_sends_nothing_for_it(
    store: Store, client: OrchestrationClient, worker: ScriptedInstances
) -> None:
    await tell(store, worker)
    assert [await run(client, worker, name) for name in "abc"] == ["a", "b", "c"]
    assert sorted(of(worker, "a")) == ["event", "start", "wait"]  # nobody could know
    assert of(worker, "b") == of(worker, "c") == ["start, told", "event"]


async def test_who_does_not_wait_is_told_once_too_often(
    store: Store, client: OrchestrationClient, worker: ScriptedInstances
) -> None:
    await tell(store, worker)
    assert await run(client, worker, "a") == "a"
    for name in "bc":
        await client.start_new("flow", "x", instance_id=name)
        await finish(client, name, name)
        async with asyncio.timeout(HANGS_S):
            while client._calls._pending or len(of(worker, name)) < 2:
                await asyncio.sleep(0)
    assert of(worker, "b") == ["start, told", "event"]
    assert of(worker, "c") == ["start", "event"]
    assert (await client.wait_for_completion("b")).output == "b"
    assert await run(client, worker, "d") == "d"
    assert of(worker, "d") == ["start, told", "event"]  # somebody waits again


@pytest.mark.parametrize("says", [False, True], ids=["known", "unknown"])
async def test_a_worker_of_before_is_asked(
    store: Store, client: OrchestrationClient, worker: ScriptedInstances, monkeypatch: pytest.MonkeyPatch, says: bool
) -> None:
    """At once if it is known that there is one; if one has come unseen, after the first look."""
    monkeypatch.setattr(client_module, "WAIT_LOOK_S_FIRST", 0.05 if says else 1_000.0)
    await tell(store, worker, says=says, does=False)
    assert await run(client, worker, "a") == "a"
    await client.start_new("flow", "x", instance_id="b")
    waiting = asyncio.ensure_future(client.wait_for_completion("b"))
    async with asyncio.timeout(HANGS_S):
        while "wait" not in of(worker, "b"):
            await asyncio.sleep(0)
        await finish(client, "b", "b")
        assert (await waiting).output == "b"
    assert of(worker, "b") == ["start, told", "wait", "event"]


async def test_one_worker_of_before_among_others_is_enough(
    store: Store, client: OrchestrationClient, worker: ScriptedInstances, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(begun_module, "WORKERS_KEEP_S", 0.0)
    await tell(store, worker)
    assert [await run(client, worker, name) for name in "ab"] == ["a", "b"]
    assert of(worker, "b") == ["start, told", "event"]
    await store.heartbeat("of before", {}, 60_000)
    assert await run(client, worker, "c") == "c"
    async with asyncio.timeout(HANGS_S):
        while "wait" not in of(worker, "c"):
            await asyncio.sleep(0)
    await store.leave("of before")
    assert await run(client, worker, "d") == "d"
    assert of(worker, "d") == ["start, told", "event"]


async def test_a_start_that_is_refused_leaves_nothing(
    store: Store, client: OrchestrationClient, worker: ScriptedInstances
) -> None:
    await tell(store, worker)
    assert await run(client, worker, "a") == "a"
    await client.start_new("flow", "x", instance_id="b")
    with pytest.raises(InstanceExists):
        await client.start_new("flow", "x", instance_id="b")
    await finish(client, "b", 7)
    assert (await client.wait_for_completion("b")).output == 7


async def test_no_more_are_remembered_than_may_be(
    store: Store, client: OrchestrationClient, worker: ScriptedInstances, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(begun_module, "BEGUN_MAX", 2)
    await tell(store, worker)
    assert await run(client, worker, "0") == "0"
    for name in "123456":
        await client.start_new("flow", "x", instance_id=name)
        await client.start_new("flow", "x", instance_id=name, reuse="always")
    assert len(client._begun._begun) == 2
    assert len(client._calls._pending) <= 2
    for name in "123456":
        await finish(client, name, name)
        assert (await client.wait_for_completion(name)).output == name


async def test_an_answer_that_comes_before_anybody_waits_is_no_loss(
    store: Store, client: OrchestrationClient, worker: ScriptedInstances
) -> None:
    await tell(store, worker)
    assert await run(client, worker, "a") == "a"
    for name in ("b", "c"):
        await client.start_new("flow", "x", instance_id=name)
        await finish(client, name, name)
        async with asyncio.timeout(HANGS_S):
            while client._calls._pending or len(of(worker, name)) < 2:
                await asyncio.sleep(0)
            assert (await client.wait_for_completion(name)).output == name


@pytest.mark.parametrize("when", ["before the wait", "during the wait"])
async def test_a_server_that_has_lost_the_start_is_asked(
    memory: MemoryStore, settings: Settings, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """It failed over to one that did not have it. Before the wait that is known, and the first look is not waited for."""
    monkeypatch.setattr(client_module, "WAIT_LOOK_S_FIRST", 1_000.0 if when == "before the wait" else 0.05)
    async with (
        scripted_instances(memory) as worker,
        OrchestrationClient(memory, Registry(), settings, registry()) as client,
    ):
        await tell(memory, worker)
        assert await run(client, worker, "a") == "a"
        before = memory.snapshot()
        await client.start_new("flow", "x", instance_id="b")
        waiting = None
        if when == "during the wait":
            waiting = asyncio.ensure_future(client.wait_for_completion("b"))
            await heard(worker, "b")
        worker.records.pop("b", None)
        memory.restore(before)
        async with asyncio.timeout(HANGS_S):
            with pytest.raises((AcknowledgedLost, UnknownInstance)):
                await (waiting or client.wait_for_completion("b"))


async def test_workers_tell(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = MemoryStore("hub", settings)
    worker = Worker(memory, Registry(), settings, "worker", [Orchestrations(registry(), settings)])
    async with (
        asyncio.timeout(HANGS_S),
        worker,
        OrchestrationClient(memory, Registry(), settings, registry()) as client,
    ):
        sent: list[Message] = []
        send = client._send_call

        async def noting(pending: PendingCall, payload: bytes) -> None:
            sent.append(decode_message(payload))
            await send(pending, payload)

        monkeypatch.setattr(client, "_send_call", noting)
        for name in "abcde":
            assert (await client.wait_for_completion(await client.start_new("flow", name))).output == name
        assert [message.operation for message in sent] == ["wait"]
