"""An instance that failed by a time-out, or whose time-outs ran out while it lay failed, has time again after a rewinding."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest

from stead.app import App
from stead.entities import EntityId
from stead.orchestrations import ActivityFailed
from stead.orchestrations._definition.retry import RetryPolicy
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


broken: list[int] = []
"""What the code that broke looks at: mended once there is something."""


app = App("timeouts")


@app.activity
def shaky() -> None:
    """Here for its name and policy: what runs is a `Shaky`."""


@app.activity
def sluggish() -> None:
    """Here for its name: what runs is no better."""


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


async def told_then_raised(context: OrchestrationContext) -> object:
    try:
        return await with_timeout(context)
    except TimeoutError:
        await context.call_activity("tell")
        raise TooLate from None


async def told_twice_within(context: OrchestrationContext) -> object:
    other = context.wait_for_external_event("abort")
    try:
        return await with_wait_for(context)
    except TimeoutError:
        await context.call_activity("tell")
        await asyncio.sleep(5)
        await context.call_activity("tell")
        raise TooLate(other)  # noqa: B904 - as people write it


async def told_twice_and_raised_from(context: OrchestrationContext) -> object:
    late = None
    try:
        return await with_anyio(context)
    except TimeoutError as error:
        late = error
    await context.call_activity("tell")
    await context.call_activity("tell")
    raise TooLate from late


async def told_behind_it(context: OrchestrationContext) -> object:
    with contextlib.suppress(TimeoutError):
        return await with_timeout(context)
    await asyncio.gather(context.call_activity("tell"), context.call_activity("tell"))
    context.signal_entity(EntityId("Late", "one"), "add")
    raise TooLate


async def told_after_a_timer(context: OrchestrationContext) -> object:
    event, timer = context.wait_for_external_event("go"), context.create_timer(timedelta(hours=1))
    await asyncio.wait([event, timer], return_when="FIRST_COMPLETED")
    if timer.done():
        await context.call_activity(shaky.with_options(retry=RetryPolicy(3)))
        raise RuntimeError("too late")
    return event.result()


async def told_after_as_completed(context: OrchestrationContext) -> object:
    event, timer = context.wait_for_external_event("go"), context.create_timer(timedelta(hours=1))
    for first in asyncio.as_completed([event, timer]):
        value = await first
        if value is None:
            await context.call_activity("tell")
            raise TooLate
        return value
    return None


async def told_after_a_wait(context: OrchestrationContext) -> object:
    event = context.wait_for_external_event("go")
    done, _ = await asyncio.wait([event], timeout=3600)
    if not done:
        await context.call_activity("tell")
        raise TooLate
    return event.result()


async def in_a_group(context: OrchestrationContext) -> object:
    async def waits() -> object:
        try:
            return await with_timeout(context)
        except TimeoutError as error:
            await context.call_activity("tell")
            await context.call_activity("tell")
            raise TooLate from error

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(waits())
    return waiting.result()


async def raced_by_a_task(context: OrchestrationContext) -> object:
    event, sleep = context.wait_for_external_event("go"), asyncio.ensure_future(asyncio.sleep(3600))
    done, _ = await asyncio.wait([event, sleep], return_when="FIRST_COMPLETED")
    if event not in done:
        raise TooLate
    return event.result()


async def told_that_a_task_was_first(context: OrchestrationContext) -> object:
    event, sleep = context.wait_for_external_event("go"), asyncio.ensure_future(asyncio.sleep(3600))
    done, _ = await asyncio.wait([event, sleep], return_when="FIRST_COMPLETED")
    if event not in done:
        await context.call_activity("tell")
        await context.call_activity("tell")
        raise TooLate from TimeoutError()
    return event.result()


async def told_of_an_activity(context: OrchestrationContext) -> object:
    try:
        await context.call_activity(sluggish.with_options(total_timeout=timedelta(hours=1)))
    except ActivityFailed as error:
        await context.call_activity("tell")
        await context.call_activity("tell")
        raise TooLate from error
    return await context.wait_for_external_event("go")


async def polls(context: OrchestrationContext) -> object:
    event = context.wait_for_external_event("go")
    try:
        async with asyncio.timeout(3600):
            while not event.done():
                await context.call_activity("tell")
                await asyncio.wait([event], timeout=600)
            return event.result()
    except TimeoutError as error:
        await context.call_activity("tell")
        raise TooLate from error


TIME_OUTS = [
    *(with_timeout, with_wait_for, with_anyio, with_a_timer, with_an_activity, with_a_message, after_a_sleep),
    *(told_then_raised, told_twice_within, told_twice_and_raised_from, told_behind_it, told_after_a_timer),
    *(told_after_as_completed, told_after_a_wait, in_a_group, polls),
    *(raced_by_a_task, told_that_a_task_was_first),
]


class Shaky:
    """An activity whose every other attempt fails."""

    def __init__(self) -> None:
        self.attempts = 0

    def __call__(self) -> None:
        self.attempts += 1
        if self.attempts % 2:
            raise OSError("nobody there")


def timed_out(make: Make, function: Function) -> KindHub:
    hub = make(function)
    hub.activities.update(slow=lambda: None, tell=lambda: None, shaky=Shaky())
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
        hub.advance(10_000)
        assert hub.status() == "Failed"


def test_the_time_for_an_activity_begins_anew(make: Make) -> None:
    hub = make(told_of_an_activity)
    hub.activities.update(sluggish=lambda: None, tell=lambda: None)
    hub.run_tasks = False
    hub.start("told_of_an_activity")
    hub.advance(HOUR_MS)
    hub.run_tasks = True
    hub.crash().run()
    assert hub.status() == "Failed"
    hub.advance(DAY_MS)
    hub.run_tasks = False
    rewound(hub).advance(HOUR_MS - 1_000)
    assert hub.status() == "Running"
    hub.run_tasks = True
    hub.crash().run()
    hub.send("one", "event", "go", 42)
    assert hub.run().output() == 42


async def failed_later(context: OrchestrationContext) -> object:
    late = not (await asyncio.wait([context.wait_for_external_event("go")], timeout=3600))[0]
    for _ in range(2):
        await context.call_activity("tell")
    if late and not broken:
        raise TooLate
    return 42


async def broke_on_a_result(context: OrchestrationContext) -> object:
    with contextlib.suppress(TimeoutError):
        await with_timeout(context)
    await context.call_activity("tell")
    return 42 // len(broken)


async def broke_while_it_handled_it(context: OrchestrationContext) -> object:
    try:
        return await with_timeout(context)
    except TimeoutError:
        await context.call_activity("tell")
        return 42 // len(broken)


async def slept_beside(context: OrchestrationContext) -> object:
    other = context.wait_for_external_event("abort")
    await asyncio.sleep(3600)
    await context.call_activity("tell")
    if not broken and not other.done():
        raise TooLate
    return 42


@pytest.mark.parametrize("function", [failed_later, broke_on_a_result, broke_while_it_handled_it, slept_beside])
def test_what_went_well_after_a_time_out_that_was_dealt_with_is_not_done_again(make: Make, function: Function) -> None:
    broken.clear()
    told: list[None] = []
    hub = make(function)
    hub.activities["tell"] = lambda: told.append(None)
    hub.start(function.__name__)
    hub.advance(HOUR_MS + 120_000)
    assert hub.status() == "Failed"
    before = len(told)
    rewound(hub)
    assert (hub.status(), len(told)) == ("Failed", before)
    broken.append(1)  # mended
    assert (rewound(hub).output(), len(told)) == (42, before)


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
