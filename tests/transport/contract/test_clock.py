"""The machine's clock is set, by hours: what is reckoned in the server's time does not notice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, Registry, Worker
from stead.transport import MemoryStore, ServerClock, Settings
from support.guards import HANGS_S

HOUR_S = 3_600.0
JUMPS = [pytest.param(-HOUR_S, id="back"), pytest.param(HOUR_S, id="ahead")]
SETTINGS = Settings(partitions=2, slot_groups=1, heartbeat_ms=50, read_block_ms=50)


@pytest.fixture
def set_machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the machine's clock, by so many seconds."""
    real = time.time

    def set_by(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return set_by


@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_was_corrected_once_is_right_whatever_the_machine_says(
    set_machine: Callable[[float], None], jump: float
) -> None:
    passed = 100.0
    clock = ServerClock(lambda: passed)
    clock.correct(1_000_000)
    passed += 2.5
    set_machine(jump)
    assert clock.now_ms() == 1_002_500
    clock.correct(2_000_000)
    passed += 0.001
    assert clock.now_ms() == 2_000_001


@pytest.mark.parametrize("jump", JUMPS)
def test_one_that_no_server_has_corrected_keeps_the_time_of_its_beginning(
    set_machine: Callable[[float], None], jump: float
) -> None:
    passed = 5.0
    before = time.time() * 1000
    clock = ServerClock(lambda: passed)
    set_machine(jump)
    passed += 60.0
    assert clock.now_ms() == pytest.approx(before + 60_000, abs=5_000)


class Bellboy(Entity):
    rung: int = 0

    def ring(self) -> None:
        self.rung += 1


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.add(ClassEntityType(Bellboy))
    return registry


async def rung(client: EntityClient) -> int:
    bellboy = await client.read_entity(Bellboy, "b")
    return bellboy.rung if bellboy is not None else 0


@pytest.mark.parametrize("jump", JUMPS)
async def test_scheduled_signals_come_when_they_are_due(
    registry: Registry, set_machine: Callable[[float], None], jump: float
) -> None:
    """One that waits already, and one that is sent after the jump."""
    store = MemoryStore("jumps", SETTINGS, ServerClock())
    client = EntityClient(store, registry, SETTINGS)
    async with Worker(store, registry, SETTINGS):
        began = time.monotonic()
        await client.after(timedelta(milliseconds=300)).signal_entity(Bellboy.ring, "b")
        set_machine(jump)
        await client.after(timedelta(milliseconds=400)).signal_entity(Bellboy.ring, "b")
        async with asyncio.timeout(HANGS_S):
            while await rung(client) < 2:
                assert await rung(client) <= (time.monotonic() - began >= 0.299)
                await asyncio.sleep(0.002)
        assert time.monotonic() - began >= 0.399
    await client.aclose()


async def test_a_wait_that_was_reckoned_with_a_wrong_clock_ends_when_the_clock_is_corrected(registry: Registry) -> None:
    """The clock was an hour behind when the timer was looked at, and a heartbeat puts it right."""
    clock = ServerClock()
    store = MemoryStore("corrected", SETTINGS, clock)
    client = EntityClient(store, registry, SETTINGS)
    async with Worker(store, registry, SETTINGS):
        await client.after(timedelta(hours=1)).signal_entity(Bellboy.ring, "b")
        async with asyncio.timeout(HANGS_S):
            while not any(info.timers for info in await store.info()):
                await asyncio.sleep(0.002)
            assert await rung(client) == 0
            clock.correct(clock.now_ms() + 3_600_000)
            while await rung(client) < 1:
                await asyncio.sleep(0.002)
    await client.aclose()
