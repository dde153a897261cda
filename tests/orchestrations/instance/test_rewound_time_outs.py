"""An instance that failed by a time-out, or whose time-outs ran out while it lay failed, has time again after a rewinding."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest

from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.event_codec import decode_event, encode_event
from stead.orchestrations._history.events import Event, ExecutionCompleted
from support.kind_bench import KindHub
from support.kind_modes import Make

Function = Callable[[OrchestrationContext], Coroutine[Any, Any, object]]
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


async def with_timeout(context: OrchestrationContext) -> object:
    async with asyncio.timeout(3600):
        return await context.wait_for_external_event("go")


async def with_wait_for(context: OrchestrationContext) -> object:
    return await asyncio.wait_for(context.wait_for_external_event("go"), 3600)


async def with_anyio(context: OrchestrationContext) -> object:
    with anyio.fail_after(3600):
        return await context.wait_for_external_event("go")


class TooLate(Exception):
    """An error of the user's."""


async def with_a_timer(context: OrchestrationContext) -> object:
    event, timer = context.wait_for_external_event("go"), context.create_timer(timedelta(hours=1))
    done, _ = await asyncio.wait([event, timer], return_when="FIRST_COMPLETED")
    if event not in done:
        raise TooLate
    return event.result()


async def with_an_activity(context: OrchestrationContext) -> object:
    async with asyncio.timeout(3600):
        await context.call_activity("slow")
        return await context.wait_for_external_event("go")


async def with_a_message(context: OrchestrationContext) -> object:
    try:
        return await with_timeout(context)
    except TimeoutError:
        await context.call_activity("tell")
        raise


async def after_a_sleep(context: OrchestrationContext) -> object:
    await asyncio.sleep(60)
    return await with_timeout(context)


TIME_OUTS = [
    *(with_timeout, with_wait_for, with_anyio, with_a_timer, with_an_activity, with_a_message, after_a_sleep),
]


def timed_out(make: Make, function: Function) -> KindHub:
    hub = make(function)
    hub.activities.update(slow=lambda: None, tell=lambda: None)
    hub.run_tasks = function is not with_an_activity
    hub.start(function.__name__)
    hub.advance(HOUR_MS + 120_000)
    assert hub.status() == "Failed"
    hub.run_tasks = True
    return hub


def rewound(hub: KindHub) -> KindHub:
    hub.send("one", "rewind", "")
    return hub.run()


@pytest.mark.parametrize("function", TIME_OUTS)
def test_the_time_out_begins_anew(make: Make, function: Function, caplog: pytest.LogCaptureFixture) -> None:
    hub = timed_out(make, function)
    hub.advance(DAY_MS)
    with caplog.at_level(logging.WARNING):
        rewound(hub)
        hub.advance(HOUR_MS - 1_000)
        hub.crash().run()
        assert hub.status() == "Running"
        hub.send("one", "event", "go", 42)
        hub.run()
    assert hub.output() == 42
    assert "another input" not in caplog.text


@pytest.mark.parametrize("function", TIME_OUTS)
def test_it_runs_out_again_and_is_rewound_again(make: Make, function: Function) -> None:
    hub = timed_out(make, function)
    for _ in range(2):
        hub.advance(DAY_MS)
        rewound(hub).advance(HOUR_MS - 1_000)
        assert hub.status() == "Running"
        hub.advance(2_000)
        assert hub.status() == "Failed"


async def fails_within(context: OrchestrationContext) -> object:
    async with asyncio.timeout(3600):
        await asyncio.sleep(600)
        await context.call_activity("fragile")
        return await context.wait_for_external_event("go")


def test_a_time_out_of_what_lay_failed_has_what_was_left(make: Make) -> None:
    hub = make(fails_within)
    hub.start("fails_within")
    hub.advance(700_000)  # there is no such activity
    assert hub.status() == "Failed"
    hub.activities["fragile"] = lambda: None
    hub.advance(DAY_MS)
    rewound(hub).advance(50 * 60_000 - 1_000)
    assert hub.status() == "Running"
    hub.advance(2_000)
    assert (hub.status(), hub.record().failure["type"]) == ("Failed", "TimeoutError")  # type: ignore[index]


def test_a_time_out_that_is_still_to_come_stays_where_it_is(make: Make) -> None:
    hub = make(fails_within)
    hub.start("fails_within")
    hub.advance(700_000)
    hub.activities["fragile"] = lambda: None
    rewound(hub).advance(HOUR_MS - 701_000)
    assert hub.status() == "Running"
    hub.advance(2_000)
    assert hub.status() == "Failed"


async def sleeps_and_breaks(context: OrchestrationContext) -> object:
    await asyncio.sleep(3600)
    return 1 / len(broken)


broken: list[int] = []


def test_a_timer_that_was_only_slept_for_is_not_slept_for_again(make: Make) -> None:
    broken.clear()
    hub = make(sleeps_and_breaks)
    hub.start("sleeps_and_breaks")
    hub.advance(HOUR_MS)
    assert hub.status() == "Failed"
    broken.append(1)
    assert rewound(hub).output() == 1


def test_a_history_of_before_says_it_by_its_error() -> None:
    hub = timed_out(KindHub, with_timeout)
    before: list[Event] = [decode_event(data) for data in hub.logs["one"]]
    assert isinstance(before[-1], ExecutionCompleted) and before[-1].ran_out == 1
    before[-1] = replace(before[-1], ran_out=None)
    hub.logs["one"] = [encode_event(event) for event in before]
    hub.crash().advance(DAY_MS)
    assert rewound(hub).status() == "Running"
