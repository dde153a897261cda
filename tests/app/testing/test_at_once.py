"""The hub for users' tests when several things wait for it at once: they share one time, and leave nothing behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from stead.app import App
from stead.app._testing import driver as module
from stead.app.testing import TestHub
from stead.entities import CallTimeout, Entity
from stead.entities._worker import turn_runner
from stead.orchestrations import OrchestrationContext
from stead.transport import StoreUnavailable
from support.guards import HANGS_S

app = App("testing-at-once")
MINUTE = timedelta(minutes=1)
DAY_S = 86_400


@app.entity
class Counter(Entity):
    count: int = 0

    def add(self, amount: int = 1) -> int:
        self.count += amount
        return self.count

    async def add_never(self) -> None:
        await asyncio.Event().wait()


@app.activity
async def echo(value: int) -> int:
    return value


@app.orchestration
async def job(context: OrchestrationContext, minutes: int) -> datetime:
    for number in range(minutes):
        await context.call_activity(echo, number)
        await context.create_timer(MINUTE)
    return context.now


@app.orchestration
async def busy(context: OrchestrationContext, steps: int) -> int:
    return sum([await context.call_activity(echo, 1) for _ in range(steps)])


@app.orchestration
async def waits(context: OrchestrationContext) -> str:
    return await context.wait_for_external_event("Go", str)


@asynccontextmanager
async def hub_of(kill_seed: int | None = None) -> AsyncGenerator[TestHub]:
    """A hub of which nothing is left after its block."""
    before = asyncio.all_tasks()
    async with TestHub(app, kill_seed=kill_seed) as hub:
        yield hub
    assert hub._driver._pilot is None
    assert asyncio.all_tasks() <= before


async def some(hub: TestHub, count: int, minutes: int) -> list[str]:
    return [await hub.client.start_new(job, minutes, instance_id=f"job-{number}") for number in range(count)]


async def when_over(hub: TestHub, instance_id: str, timeout: float) -> tuple[str, timedelta]:
    """How a wait ended, and how much time had passed by then."""
    began = hub.now
    try:
        status = await hub.client.wait_for_completion(instance_id, timeout=timeout)
    except CallTimeout:
        return "CallTimeout", hub.now - began
    return status.runtime_status, hub.now - began


async def test_several_waits_share_the_time() -> None:
    async with hub_of() as hub:
        start = hub.now
        ids = await some(hub, 5, 3)
        done = await asyncio.gather(*[hub.client.wait_for_completion(i, timeout=DAY_S) for i in ids])
        assert [status.output for status in done] == [start + 3 * MINUTE] * 5
        assert hub.now == start + 3 * MINUTE


async def test_each_wait_has_its_own_end() -> None:
    async with hub_of() as hub:
        ids = await some(hub, 2, 3)
        never = await hub.client.start_new(waits)
        waiting = (
            when_over(hub, ids[0], DAY_S),
            when_over(hub, ids[0], 179.999),
            when_over(hub, ids[1], 90),
            when_over(hub, ids[1], 180),
            when_over(hub, never, 600),
            when_over(hub, never, 0),
        )
        assert list(await asyncio.gather(*waiting)) == [
            ("Completed", 3 * MINUTE),
            ("CallTimeout", timedelta(seconds=179.999)),
            ("CallTimeout", timedelta(seconds=90)),
            ("Completed", 3 * MINUTE),
            ("CallTimeout", 10 * MINUTE),
            ("CallTimeout", timedelta(0)),
        ]


async def test_moving_the_time_beside_a_wait_stops_at_its_own_end() -> None:
    async with hub_of() as hub:
        start = hub.now
        (instance_id,) = await some(hub, 1, 10)
        waiting = asyncio.create_task(hub.client.wait_for_completion(instance_id, timeout=DAY_S))
        await hub.run_until_idle()
        assert hub.now == start
        for number in range(1, 6):
            await hub.advance(timedelta(seconds=30))
            assert hub.now == start + number * timedelta(seconds=30)
            assert await hub.client.call_entity(Counter.add, "a") == number
            assert hub.now == start + number * timedelta(seconds=30)
        assert not waiting.done()
        await waiting
        assert hub.now == start + 10 * MINUTE


async def test_moves_at_once_each_count_from_where_they_began() -> None:
    async with hub_of() as hub:
        start, ends = hub.now, list[timedelta]()

        async def move(minutes: int) -> None:
            await hub.advance(minutes * MINUTE)
            ends.append(hub.now - start)

        await asyncio.gather(move(3), move(1), hub.run_until_idle(), move(2), move(1))
        assert ends == [MINUTE, MINUTE, 2 * MINUTE, 3 * MINUTE]


async def test_what_the_clock_is_too_coarse_for_ends_too() -> None:
    async with hub_of() as hub:
        never = await hub.client.start_new(waits)
        start = hub.now
        for number in range(1, 4):
            await hub.advance(timedelta(microseconds=1))
            assert hub.now == start + number * timedelta(milliseconds=1)
        assert await when_over(hub, never, 0.0001) == ("CallTimeout", timedelta(milliseconds=1))
        assert (await when_over(hub, never, float("inf")))[0] == "CallTimeout"


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    async with hub_of() as hub:
        start = hub.now
        (instance_id,) = await some(hub, 1, 10)
        never = await hub.client.start_new(waits)
        await hub.run_until_idle()
        before = asyncio.all_tasks()
        waiting: list[asyncio.Task[Any]] = [
            asyncio.create_task(hub.client.wait_for_completion(never, timeout=DAY_S)),
            asyncio.create_task(hub.advance(MINUTE)),
        ]
        for _ in range(20):
            await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(error) for error in ended] == [asyncio.CancelledError] * 2
        await asyncio.sleep(0)
        assert not hub._driver._goals
        assert {task for task in asyncio.all_tasks() - before if task.get_name().startswith("stead test")} == set()
        for _ in range(100):  # nobody moves the time any more
            await asyncio.sleep(0)
        assert hub.now == start
        cancelled = asyncio.create_task(hub.client.wait_for_completion(never, timeout=1))
        other = asyncio.create_task(when_over(hub, instance_id, DAY_S))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert await other == ("Completed", 10 * MINUTE)


async def test_whoever_stops_waiting_may_do_more_before_time_moves() -> None:
    async with hub_of() as hub:
        start = hub.now
        never = await hub.client.start_new(waits)
        await hub.run_until_idle()
        first = asyncio.create_task(hub.client.wait_for_completion(never, timeout=DAY_S))
        second = asyncio.create_task(when_over(hub, never, DAY_S))
        for _ in range(module._QUIET_PASSES * 3 // 4):
            await asyncio.sleep(0)
        first.cancel()
        for _ in range(module._QUIET_PASSES * 3 // 4):
            await asyncio.sleep(0)
        assert hub.now == start
        assert await second == ("CallTimeout", timedelta(days=1))


async def test_a_dead_end_is_seen_at_once_by_all() -> None:
    async with hub_of() as hub:
        (instance_id,) = await some(hub, 1, 3)
        await hub.run_until_idle()
        await hub._driver.abandon()  # its timer becomes due, and nobody fires it
        moving = asyncio.create_task(hub.advance(MINUTE))
        assert await asyncio.gather(*[when_over(hub, instance_id, seconds) for seconds in (DAY_S, 3_600)]) == [
            ("CallTimeout", timedelta(days=1)),
            ("CallTimeout", timedelta(hours=1)),
        ]
        await moving
        with pytest.raises(CallTimeout):
            await hub.client.call_entity(Counter.add, "a")


async def test_all_who_wait_are_told_that_it_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.1)
    async with TestHub(app) as hub:
        await hub.client.signal_entity(Counter.add_never, "a")
        never = await hub.client.start_new(waits)
        waiting: list[Coroutine[Any, Any, Any]] = [
            hub.run_until_idle(),
            hub.advance(MINUTE),
            hub.client.wait_for_completion(never, timeout=1),
        ]
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(error) for error in ended] == [TimeoutError] * 3
        assert all("does not end" in str(error) for error in ended)
        monkeypatch.setattr(module, "_PATIENCE_S", 20.0)
        await hub._driver.abandon()


async def test_the_end_of_the_block_ends_what_waits() -> None:
    async with hub_of() as hub:
        never = await hub.client.start_new(waits)
        waiting: list[asyncio.Task[Any]] = [
            asyncio.create_task(hub.client.wait_for_completion(never, timeout=DAY_S)),
            asyncio.create_task(hub.client.call_entity(Counter.add, "a")),
            asyncio.create_task(hub.advance(MINUTE)),
            asyncio.create_task(hub.restart_worker()),
        ]
        await asyncio.sleep(0)
        late = hub
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(ended[2], RuntimeError)
    assert all(error is None or isinstance(error, Exception) for error in ended)
    with pytest.raises(RuntimeError, match="has ended"):
        await late.restart_worker()


@pytest.mark.parametrize("passes", range(0, 30, 3))
async def test_a_restart_beside_waits_and_one_that_is_cancelled(passes: int) -> None:
    async with hub_of() as hub:
        ids = await some(hub, 3, 3)
        waiting = asyncio.gather(*[when_over(hub, i, DAY_S) for i in ids])
        for _ in range(passes):
            await asyncio.sleep(0)
        restarts = [asyncio.create_task(hub.restart_worker()) for _ in range(3)]
        for _ in range(passes):
            await asyncio.sleep(0)
        restarts[0].cancel()
        restarts[2].cancel()
        await asyncio.gather(*restarts, return_exceptions=True)
        assert await waiting == [("Completed", 3 * MINUTE)] * 3


@pytest.mark.parametrize("seed", range(3))
async def test_a_hub_is_not_idle_while_turns_are_taken_slice_by_slice(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a slow machine, where a replay takes many passes of the loop of which the store hears nothing."""
    monkeypatch.setattr(turn_runner, "_SLICE_S", 0.0)
    await test_crashes_beside_several_waits_change_nothing(seed)


@pytest.mark.parametrize("seed", range(12))
async def test_crashes_beside_several_waits_change_nothing(seed: int) -> None:
    async with hub_of(seed) as hub:
        for number in range(6):
            await hub.client.start_new(busy, 240, instance_id=f"busy-{number}")
        waiting = [hub.client.wait_for_completion(f"busy-{number}", timeout=DAY_S) for number in range(6)]
        assert [status.output for status in await asyncio.gather(*waiting)] == [240] * 6
        assert hub._driver.kills > 1


@pytest.mark.parametrize("kills", [False, True])
@pytest.mark.parametrize("seed", range(10))
async def test_everything_at_once(seed: int, kills: bool) -> None:
    chance = random.Random(seed)
    async with hub_of(seed if kills else None) as hub:
        start, moments = hub.now, list[datetime]()
        ids = await some(hub, 4, 3)

        async def call(key: str) -> None:
            for number in range(1, 6):
                assert await hub.client.call_entity(Counter.add, key) == number

        async def move() -> None:
            for _ in range(chance.randrange(1, 6)):
                before = hub.now
                delta = timedelta(seconds=chance.randrange(40))
                await hub.advance(delta)
                assert hub.now == before + delta
                moments.append(hub.now)

        async def restart() -> None:
            for _ in range(3):
                for _ in range(chance.randrange(30)):
                    await asyncio.sleep(0)
                await hub.restart_worker()

        async def give_up() -> None:
            waiting = asyncio.create_task(hub.client.wait_for_completion(ids[0], timeout=1))
            for _ in range(chance.randrange(60)):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait((waiting,))

        parts: list[Coroutine[Any, Any, Any]] = [
            *[when_over(hub, i, DAY_S) for i in ids],
            call("a"),
            call("b"),
            move(),
            move(),
            restart(),
            give_up(),
        ]
        chance.shuffle(parts)
        done = await asyncio.gather(*parts, hub.run_until_idle())
        assert done.count(("Completed", 3 * MINUTE)) == 4
        assert hub.now == max([start + 3 * MINUTE, *moments])
        assert moments == sorted(moments)


@pytest.mark.parametrize("passes", [0, 1, 2, 5])
@pytest.mark.parametrize("only", ["stead test pilot", "stead"])
async def test_nobody_waits_for_a_hub_whose_tasks_other_code_has_cancelled(only: str, passes: int) -> None:
    async with hub_of() as hub:
        await hub.client.start_new(waits, instance_id="waits")
        await hub.run_until_idle()
        waiting = [
            asyncio.create_task(hub.client.wait_for_completion("waits", DAY_S)),
            asyncio.create_task(hub.advance(timedelta(days=3))),
        ]
        await asyncio.sleep(0)  # there is a pilot now
        for _ in range(passes):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks():
            if task.get_name().startswith(only):
                task.cancel()
        async with asyncio.timeout(HANGS_S):
            for waiter in waiting:
                with pytest.raises((RuntimeError, StoreUnavailable), match="cancelled"):
                    await waiter
            if only == "stead":  # the worker too
                with pytest.raises(RuntimeError, match="cancelled, and not by the worker"):
                    await hub.run_until_idle()
                await hub.restart_worker()
            await hub.client.raise_event("waits", "Go", "on")
            assert (await hub.client.wait_for_completion("waits")).output == "on"
            assert await hub.client.call_entity(Counter.add, "two") == 1
