"""The hub for users' tests: virtual time, idleness, crashes on demand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from stead.app import App, Settings
from stead.app._testing import driver as module
from stead.app.testing import TestHub
from stead.entities import CallTimeout, Entity, EntityId, InvalidInput

app = App("testing")


@app.entity
class Clock(Entity):
    ticks: list[datetime] = []

    def tick(self, minutes: int) -> None:
        self.ticks.append(self.context.now)
        self.context.after(timedelta(minutes=minutes)).signal_entity(Clock.tick, self.context.entity_id.key, minutes)


@app.entity
class Counter(Entity):
    count: int = 0

    def add(self, amount: int = 1) -> int:
        self.count += amount
        return self.count

    async def add_slowly(self) -> int:
        await asyncio.sleep(0.05)
        return self.add()

    async def add_never(self) -> None:
        await asyncio.Event().wait()

    def later(self, seconds: int) -> None:
        self.context.after(timedelta(seconds=seconds)).signal_entity(Counter.add, self.context.entity_id.key)


async def count(hub: TestHub, key: str) -> int:
    counter = await hub.client.read_entity(Counter, key)
    return counter.count if counter is not None else 0


async def test_time_stands_still_until_it_is_moved() -> None:
    async with TestHub(app) as hub:
        assert hub.now == datetime(2026, 1, 1, tzinfo=UTC)
        await hub.client.after(timedelta(milliseconds=1)).signal_entity(Counter.add, "a", 1)
        await hub.run_until_idle()
        await asyncio.sleep(0.01)
        assert await count(hub, "a") == 0
        await hub.advance(timedelta(milliseconds=1))
        assert await count(hub, "a") == 1
        assert hub.now == datetime(2026, 1, 1, 0, 0, 0, 1_000, tzinfo=UTC)


async def test_everything_happens_at_its_own_time() -> None:
    async with TestHub(app) as hub:
        start = hub.now
        await hub.client.signal_entity(Clock.tick, "hourly", 60)
        await hub.client.signal_entity(Clock.tick, "daily", 24 * 60)
        await hub.advance(timedelta(hours=72))
        hourly = await hub.client.read_entity(Clock, "hourly")
        daily = await hub.client.read_entity(Clock, "daily")
        assert hourly is not None
        assert daily is not None
        assert hourly.ticks == [start + timedelta(hours=hour) for hour in range(73)]
        assert daily.ticks == [start + timedelta(days=day) for day in range(4)]


async def test_years_pass_at_once() -> None:
    async with TestHub(app) as hub:
        await hub.client.after(timedelta(days=3_000)).signal_entity(Counter.add, "a", 1)
        await hub.advance(timedelta(days=2_999))
        assert await hub.client.call_entity(Counter.add, "a", 1) == 1
        await hub.advance(timedelta(days=2))
        assert await hub.client.call_entity(EntityId("Counter", "a"), "add", 1) == 3


async def test_idle_means_that_nothing_runs() -> None:
    async with TestHub(app) as hub:
        await hub.client.signal_entity(Counter.add_slowly, "a")
        await hub.run_until_idle()
        assert await count(hub, "a") == 1


async def test_what_never_ends_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.1)
    async with TestHub(app) as hub:
        await hub.client.signal_entity(Counter.add_never, "a")
        with pytest.raises(TimeoutError, match="does not end"):
            await hub.run_until_idle()
        await hub.restart_worker()
        with pytest.raises(TimeoutError):  # it runs again, since it never ended
            await hub.run_until_idle()
        await hub._driver.replace()
        monkeypatch.setattr(module, "_PATIENCE_S", 20.0)
        await hub._driver.abandon()


async def test_a_call_times_out_in_virtual_time() -> None:
    patient = App("patient", settings=Settings(call_timeout_ms=3_600_000))  # longer than a test may take
    patient.entity(Counter)
    async with TestHub(patient) as hub:
        start = hub.now
        await hub._driver.abandon()  # nobody answers
        with pytest.raises(CallTimeout):
            await hub.client.call_entity(Counter.add, "a", 1)
        assert hub.now - start == timedelta(hours=1)


async def test_waiting_for_an_answer_lets_time_pass_as_far_as_needed() -> None:
    async with TestHub(app) as hub:
        await hub.client.signal_entity(Counter.later, "a", 7)
        await hub.run_until_idle()
        start = hub.now
        assert await hub.client.call_entity(Counter.add, "a", 1) == 1  # needs no time
        assert hub.now == start


async def test_a_crash_keeps_what_was_committed() -> None:
    async with TestHub(app) as hub:
        for _ in range(20):
            await hub.client.signal_entity(Counter.add, "a", 1)
            await hub.restart_worker()
        assert await hub.client.call_entity(Counter.add, "a", 0) == 20


@pytest.mark.parametrize("seed", range(5))
async def test_crashes_at_any_moment_change_nothing(seed: int) -> None:
    async with TestHub(app, kill_seed=seed) as hub:
        for number in range(100):
            await hub.client.signal_entity(Counter.add, str(number % 7), 1)
        await hub.client.signal_entity(Clock.tick, "clock", 60)
        await hub.advance(timedelta(hours=20))
        assert sum([await count(hub, str(key)) for key in range(7)]) == 100
        clock = await hub.client.read_entity(Clock, "clock")
        assert clock is not None
        assert len(clock.ticks) == 21
        assert hub._driver.kills > 10


async def test_every_hub_begins_empty() -> None:
    for _ in range(2):
        async with TestHub(app) as hub:
            assert await hub.client.call_entity(Counter.add, "a", 1) == 1


async def test_time_only_moves_on() -> None:
    async with TestHub(app) as hub:
        with pytest.raises(InvalidInput):
            await hub.advance(timedelta(seconds=-1))


async def test_there_is_a_client_only_within_the_block() -> None:
    hub = TestHub(app)
    with pytest.raises(RuntimeError, match="async with"):
        _ = hub.client
