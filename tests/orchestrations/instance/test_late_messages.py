"""What comes twice, too early, or for another execution."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.events import TimerFired
from stead.orchestrations._instance.late import EVERY_MS
from support.instance_driver import START_MS, begin, done, only, result_of
from support.kind_bench import KindHub
from support.kind_modes import Make


async def sleeps_twice(context: OrchestrationContext, round_: int | None) -> int:
    event, timer = context.wait_for_external_event("next"), context.create_timer(timedelta(hours=1))
    done, _ = await asyncio.wait([event, timer], return_when="FIRST_COMPLETED")
    if event in done:
        context.continue_as_new((round_ or 0) + 1)
    return round_ or 0


@pytest.mark.hazard(15)
def test_a_timer_of_another_execution_with_the_same_number_is_dropped(make: Make) -> None:
    hub = make(sleeps_twice)
    hub.start("sleeps_twice")
    hub.run()
    before, due_ms = hub.record().execution_id, next(iter(hub.timers.values())).due_ms
    hub.send("one", "event", "next", None)
    hub.run()
    assert hub.record().execution_id != before
    hub.send("one", "timer", before, 1, due_ms)  # it had fired, and was on its way
    hub.run()
    assert (hub.status(), hub.names()) == ("Running", ["ExecutionStarted", "TimerCreated"])
    hub.advance(3_600_000)
    assert hub.output() == 1


async def works(context: OrchestrationContext) -> list[object]:
    return [await context.call_activity("work"), await context.wait_for_external_event("go")]


@pytest.mark.hazard(15)
@pytest.mark.parametrize("between", ["nothing", "an eviction", "the code is gone"])
def test_the_same_result_twice_is_logged_once(make: Make, between: str) -> None:
    hub = make(works)
    hub.activities["work"] = lambda: None
    hub.run_tasks = False
    hub.start("works")
    hub.run()
    execution_id = hub.record().execution_id
    hub.send("one", "task", execution_id, 1, True, "first")
    hub.run()
    if between == "the code is gone":
        hub.registry.codes.clear()
    if between != "nothing":
        hub.crash()
    hub.send("one", "task", execution_id, 1, True, "second")
    hub.run()
    assert hub.names().count("TaskCompleted") == 1
    hub.register(works)
    hub.crash()
    hub.send("one", "event", "go", 1)
    hub.run()
    assert hub.output() == ["first", 1]


@pytest.mark.hazard(16)
def test_a_timer_that_fires_early_leaves_the_time_at_which_it_was_due() -> None:
    async def flow(context: OrchestrationContext) -> list[float]:
        await context.create_timer(timedelta(seconds=60))
        return [context.now.timestamp() * 1000, asyncio.get_running_loop().time() * 1000]

    execution = begin(flow)
    timer = only(execution)
    fired = done(timer)
    assert isinstance(fired, TimerFired)
    execution.feed(replace(fired, at_ms=START_MS + 59_990))
    assert result_of(execution) == [START_MS + 60_000, START_MS + 60_000]


# -- events for nobody ---------------------------------------------------------------------------------------------------


def test_the_log_says_now_and_then_that_events_came_for_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def takes_one(context: OrchestrationContext) -> object:
        return await context.wait_for_external_event("go")

    hub = KindHub(takes_one)
    hub.start("takes_one")
    with caplog.at_level(logging.INFO, "stead.worker"):
        for number in range(3):
            hub.send("one", "event", "go", number)
        hub.send("nobody", "event", "away", 1)
        hub.run()
        assert hub.output() == 0
        hub.advance(EVERY_MS - 1)
        hub.send("one", "event", "again", 1)
        hub.run()
        said = [record.getMessage() for record in caplog.records]
        assert said == ["one: event 'go' came, but there is no such instance, or it has ended: dropped"]
        hub.advance(1)
        hub.send("nobody", "event", "at last", 1)
        hub.run()
    *_, last = [record.getMessage() for record in caplog.records]
    assert last.startswith("nobody: event 'at last' came, but") and "(and 3 more for this or others" in last
    assert len(caplog.records) == 2 and not hub.dead


def test_what_a_failed_instance_keeps_is_not_said_to_be_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(context: OrchestrationContext) -> None:
        raise ValueError("no way")

    hub = KindHub(fails)
    hub.start("fails")
    hub.send("one", "event", "go", 1)
    with caplog.at_level(logging.INFO, "stead.worker"):
        hub.run()
    assert hub.names()[-1] == "EventRaised" and not caplog.records
