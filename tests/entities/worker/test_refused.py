"""A worker whose server refuses, or answers what nobody expects: it tries again, or ends and lets everything go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, Registry, Worker
from stead.transport import Clock, ManualClock, MemoryStore, ServerClock, ServerUnsuitable, Settings
from support.guards import HANGS_S

SETTINGS = Settings(
    partitions=2,
    slot_groups=1,
    lease_ms=1_000,
    heartbeat_ms=50,
    store_tries_ms=5_000,
    read_block_ms=50,
    mailbox_age_ms_max=60,
)
REFUSED = ServerUnsuitable("the server refuses this user")
# What each part of a worker asks of the store.
STEPS = ["heartbeat", "publish", "read_leases", "read_inboxes", "load", "commit", "fire_timers", "renew"]


class Counter(Entity):
    value: int = 0

    def add(self, amount: int) -> None:
        self.value += amount


class Hub:
    """A store whose steps fail as a test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, clock: Clock | None = None) -> None:
        self.store = MemoryStore("hub", SETTINGS, clock or ServerClock())
        self.failing: dict[str, Exception] = {}
        self.asked: list[str] = []
        for step in STEPS[:-1]:
            monkeypatch.setattr(self.store, step, self._wrapped(step, getattr(self.store, step)))
        call_blocking = self.store.call_blocking

        def renew(method: str, step: Callable[[Any], Any]) -> Any:
            self._perhaps(method)
            return call_blocking(method, step)

        monkeypatch.setattr(self.store, "call_blocking", renew)
        self.registry = Registry()
        self.registry.add(ClassEntityType(Counter))
        self.worker = Worker(self.store, self.registry, SETTINGS)
        self.client = EntityClient(self.store, self.registry, SETTINGS)

    def _perhaps(self, step: str) -> None:
        self.asked.append(step)
        if step in self.failing:
            raise self.failing[step]

    def _wrapped(self, step: str, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def perform(*arguments: Any) -> Any:
            self._perhaps(step)
            return await real(*arguments)

        return perform

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(HANGS_S):
            while not condition():
                await self.pass_on()

    async def pass_on(self) -> None:
        if isinstance(self.store.clock, ManualClock):
            self.store.clock.advance_to(self.store.clock.now_ms() + 20)
        await asyncio.sleep(0.001)

    async def asked_again(self, step: str, times: int = 2) -> None:
        """Wait until a step was asked for some more times."""
        before = self.asked.count(step)
        await self.until(lambda: self.asked.count(step) >= before + times)

    async def work(self) -> None:
        """Send what makes every part do something."""
        await self.client.signal_entity(Counter.add, "a", 1)
        await self.client.after(timedelta(milliseconds=200)).signal_entity(Counter.add, "b", 1)

    async def sum(self) -> int:
        counters = [await self.client.read_entity(Counter, key) for key in ("a", "b")]
        return sum(counter.value for counter in counters if counter is not None)

    async def owners(self) -> set[str]:
        self.failing.clear()
        _, views = await self.store.read_leases()
        return {view.owner for view in views}


@pytest.mark.parametrize("step", STEPS)
async def test_what_is_refused_for_a_while_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    hub = Hub(monkeypatch, ManualClock())  # else a slow machine may let leases run out, or all the time for tries
    await hub.worker.start()
    hub.failing[step] = REFUSED
    if step == "publish":
        hub.store.restart()
    await hub.work()
    await hub.asked_again(step)
    hub.failing.clear()
    async with asyncio.timeout(HANGS_S):
        while await hub.sum() < 2:
            await hub.pass_on()
    assert hub.worker.failure is None
    assert len(hub.worker.partitions) == 2
    assert sum("the server refuses this user; trying again" in line for line in caplog.messages) >= 1
    await hub.worker.stop()
    await hub.client.aclose()


@pytest.mark.parametrize("step", STEPS)
async def test_what_is_refused_for_too_long_ends_the_worker_and_frees_what_it_held(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    hub = Hub(monkeypatch, ManualClock())
    await hub.worker.start()
    hub.failing[step] = REFUSED
    if step == "publish":
        hub.store.restart()
    await hub.work()
    await hub.until(lambda: hub.worker.failure is not None)
    assert hub.worker.failure is REFUSED
    assert hub.worker.partitions == frozenset()
    async with asyncio.timeout(HANGS_S):
        while await hub.owners() != {""}:
            await asyncio.sleep(0)
    await hub.worker.stop()
    await hub.client.aclose()


@pytest.mark.parametrize("step", STEPS)
async def test_an_answer_of_another_shape_ends_the_worker_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    hub = Hub(monkeypatch)
    await hub.worker.start()
    held = len(hub.worker.partitions)
    hub.failing[step] = ValueError("not enough values to unpack")
    if step == "publish":
        hub.store.restart()
    await hub.work()
    await hub.until(lambda: hub.worker.failure is not None)
    assert (held, hub.worker.partitions) == (2, frozenset())
    async with asyncio.timeout(HANGS_S):
        while await hub.owners() != {""}:
            await asyncio.sleep(0)
    _, views = await hub.store.read_leases()
    assert all(view.free_since_ms for view in views), "given back, not run out"
    assert any(record.levelno == logging.CRITICAL for record in caplog.records)
    with pytest.raises(ValueError, match="to unpack"):
        await hub.worker.__aexit__(None, None, None)
    await hub.client.aclose()


async def test_another_worker_has_everything_as_soon_as_one_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the one still there: nobody has left the block yet."""
    hub = Hub(monkeypatch)
    await hub.worker.start()
    hub.failing["fire_timers"] = ValueError("of another shape")
    await hub.work()
    await hub.until(lambda: hub.worker.failure is not None)
    hub.failing.clear()
    async with Worker(hub.store, hub.registry, SETTINGS) as other:
        await hub.until(lambda: len(other.partitions) == 2)
        async with asyncio.timeout(HANGS_S):
            while await hub.sum() < 2:
                await asyncio.sleep(0.001)
        board = other._board
        assert board is not None
        assert not any(partition.suspects.active for partition in board.partitions.values())
    await hub.worker.stop()
    await hub.client.aclose()


async def test_names_are_published_again_after_a_fail_over(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(monkeypatch)
    before = hub.store.snapshot()
    await hub.worker.start()
    assert list(await hub.store.published()) == ["counter"]
    hub.store.restore(before)  # nothing is awaited before the worker has seen it
    async with asyncio.timeout(HANGS_S):
        while list(await hub.store.published()) != ["counter"]:
            await asyncio.sleep(0.001)
    await hub.worker.stop()
    await hub.client.aclose()
