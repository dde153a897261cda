"""Events in, actions out: the outcome, what is pending, suspension, events, ends of all kinds."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._execution.outcome import Completed, ContinuedAsNew
from stead.orchestrations._history.errors import ActivityFailed
from stead.orchestrations._history.event_table import fields_of
from stead.orchestrations._history.events import Event, ExecutionResumed, ExecutionSuspended, TaskCompleted, TimerFired
from support.instance_driver import (
    START_MS,
    PlainCode,
    Running,
    begin,
    done,
    failed,
    failure_of,
    only,
    raised,
    result_of,
    scheduled,
    started,
)


async def test_steps_in_sequence() -> None:
    async def flow(context: OrchestrationContext, input: int) -> int:
        total = input
        for _ in range(3):
            total += await context.call_activity("add", total)
        return total

    execution = begin(flow, 1)
    for expected in (1, 2, 4):
        (call,) = scheduled(execution)
        assert fields_of(call) == ("add", [expected], None, "", None, 1)
        assert execution.pending == {call.task_id: call}
        execution.feed(done(call, expected))
    assert execution.outcome == Completed(8)
    assert execution.pending == {}


@pytest.mark.hazard(16)
async def test_time_is_that_of_the_events_and_never_goes_back() -> None:
    async def flow(context: OrchestrationContext) -> list[datetime]:
        times = [context.now]
        for name in ("a", "b", "c"):
            await context.wait_for_external_event(name)
            times.append(context.now)
        return times

    execution = begin(flow)
    for name, at_ms in (("a", 5), ("b", 3), ("c", 9)):
        execution.feed(raised(name, at_ms=START_MS + at_ms))
    start = datetime.fromtimestamp(START_MS / 1000, UTC)
    assert result_of(execution) == [start + timedelta(milliseconds=n) for n in (0, 5, 5, 9)]


async def test_an_activity_that_fails_raises_at_the_await() -> None:
    async def flow(context: OrchestrationContext) -> str:
        try:
            await context.call_activity("broken")
        except ActivityFailed as error:
            return f"{error.name} {error.error_type} {error.message}"
        return "no"

    execution = begin(flow)
    execution.feed(failed(only(execution), ValueError("bad")))
    assert result_of(execution) == "broken ValueError bad"


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3), RecursionError("deep"), GeneratorExit()])
async def test_whatever_the_code_raises_is_the_instance_s_failure(error: BaseException) -> None:
    async def flow(context: OrchestrationContext) -> None:
        await context.call_activity("x")
        raise error

    execution = begin(flow)
    execution.feed(done(only(execution)))
    assert failure_of(execution).error_type == type(error).__qualname__


async def test_a_keyboard_interrupt_is_the_worker_s() -> None:
    async def flow(context: OrchestrationContext) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin(flow)
    asyncio.get_running_loop()


async def test_cancelling_oneself_is_a_failure() -> None:
    async def flow(context: OrchestrationContext) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)

    assert failure_of(begin(flow)).error_type.endswith("CancelledError")


async def test_the_outer_loop_and_its_task_are_as_before() -> None:
    async def flow(context: OrchestrationContext) -> bool:
        return asyncio.get_running_loop() is outer

    outer = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert result_of(begin(flow)) is False
    assert asyncio.get_running_loop() is outer
    assert asyncio.current_task() is task


async def test_the_end_leaves_what_is_pending_to_the_worker() -> None:
    async def flow(context: OrchestrationContext) -> str:
        context.call_activity("never awaited")
        context.create_timer(timedelta(hours=1))
        await context.call_activity("awaited")
        context.create_timer(timedelta(hours=2))
        context.call_activity("too late")
        return "end"

    execution = begin(flow)
    activity, timer, awaited = scheduled(execution)
    execution.feed(done(awaited))
    late = scheduled(execution)
    assert [event.name for event in late] == ["too late"]  # the timer was never set
    assert execution.pending == {1: activity, 2: timer, 5: late[0]}
    execution.feed(done(activity))
    assert execution.outcome == Completed("end")


async def test_cancelled_tasks_are_told_and_accept_nothing() -> None:
    async def flow(context: OrchestrationContext) -> str:
        slow = context.call_activity("slow")
        await context.wait_for_external_event("stop")
        assert slow.cancel()
        assert not slow.cancel()
        return str(await context.call_activity("next"))

    execution = begin(flow)
    (slow,) = scheduled(execution)
    assert execution.accepts(done(slow))
    assert not execution.accepts(TimerFired(START_MS, slow.task_id, START_MS))
    assert not execution.accepts(TaskCompleted(START_MS, 99, None))
    execution.feed(raised("stop"))
    (following,) = execution.take()
    assert execution.called_off == [slow.task_id]
    assert not execution.accepts(done(slow))
    execution.feed(done(following, "x"))
    assert result_of(execution) == "x"


# -- events ------------------------------------------------------------------------------------------------------------


async def test_events_are_kept_in_their_order_without_regard_to_case() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        await context.call_activity("first")
        return [await context.wait_for_external_event(name) for name in ("GO", "go", "Go")]

    execution = begin(flow)
    (call,) = scheduled(execution)
    for n, name in enumerate(("Go", "gO", "other", "GO")):
        execution.feed(raised(name, n))
    execution.feed(done(call))
    assert result_of(execution) == [0, 1, 3]


async def test_the_first_who_waits_gets_the_first_and_cancelled_ones_are_skipped() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        waits = [context.wait_for_external_event("go") for _ in range(4)]
        waits[1].cancel()
        return list(await asyncio.gather(waits[0], waits[2], waits[3]))

    execution = begin(flow)
    for n in range(3):
        execution.feed(raised("go", n))
    assert result_of(execution) == [0, 1, 2]


async def test_an_event_of_another_type_is_the_waiter_s_error() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        with pytest.raises(ValueError, match=r"^event 'n': .* \(it is 'many'\)$"):
            await context.wait_for_external_event("n", int)
        return [await context.wait_for_external_event("n", list[int] | None)]

    execution = begin(flow)
    execution.feed(raised("n", "many"))
    execution.feed(raised("n", [1, 2]))
    assert result_of(execution) == [[1, 2]]


# -- continue as new ---------------------------------------------------------------------------------------------------


async def test_continue_as_new_carries_what_was_not_processed() -> None:
    async def flow(context: OrchestrationContext) -> str:
        await context.wait_for_external_event("a")
        context.wait_for_external_event("prefetched")
        await context.call_activity("x")
        context.continue_as_new(7)
        return "ignored"

    execution = begin(flow)
    for n, name in enumerate(("a", "b", "Prefetched", "a", "b")):
        execution.feed(raised(name, n))
    execution.feed(done(only(execution)))
    kept = [("b", 1), ("Prefetched", 2), ("a", 3), ("b", 4)]
    assert execution.outcome == ContinuedAsNew(7, None, kept)
    execution.feed(raised("late", 5))
    assert execution.outcome == ContinuedAsNew(7, None, [*kept, ("late", 5)])


async def test_continue_as_new_without_events() -> None:
    async def flow(context: OrchestrationContext) -> None:
        await context.wait_for_external_event("go")
        context.continue_as_new(None, preserve_unprocessed_events=False)

    execution = begin(flow)
    execution.feed(raised("other"))
    execution.feed(raised("go"))
    assert execution.outcome == ContinuedAsNew(None, None, [])


async def test_an_error_after_continue_as_new_is_a_failure() -> None:
    async def flow(context: OrchestrationContext) -> None:
        try:
            context.continue_as_new(1)
        finally:
            raise ValueError("after it")

    assert failure_of(begin(flow)).message == "after it"


# -- suspension --------------------------------------------------------------------------------------------------------


async def test_events_are_held_while_it_is_suspended() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        first = await context.call_activity("x")
        return [first, await context.wait_for_external_event("go"), context.now.timestamp() * 1000 - START_MS]

    def suspended_and_resumed() -> list[Event]:
        return [
            ExecutionSuspended(START_MS + 1, 0, "stop"),
            raised("go", 1, START_MS + 2),
            ExecutionSuspended(START_MS + 3, 0, "again"),
            done(call, 0, 4),
            ExecutionResumed(START_MS + 10, 0, "on"),
        ]

    execution = begin(flow)
    (call,) = scheduled(execution)
    for event in suspended_and_resumed()[:-1]:
        execution.feed(event)
    assert execution.outcome is None
    assert not execution.accepts(done(call))  # it is there already
    assert execution.pending == {}
    execution.feed(suspended_and_resumed()[-1])
    assert result_of(execution) == [0, 1, 10]
    replayed = Running(PlainCode(flow), [started(), call, *suspended_and_resumed()])
    assert result_of(replayed) == [0, 1, 10]


async def test_events_held_behind_a_continue_as_new_are_carried() -> None:
    async def flow(context: OrchestrationContext) -> None:
        await context.wait_for_external_event("go")
        context.continue_as_new()

    execution = begin(flow)
    execution.feed(ExecutionSuspended(START_MS, 0, ""))
    for n in range(3):
        execution.feed(raised("go", n))
    execution.feed(ExecutionResumed(START_MS, 0, ""))
    assert isinstance(execution.outcome, ContinuedAsNew)
    assert execution.outcome.events == [("go", 1), ("go", 2)]
