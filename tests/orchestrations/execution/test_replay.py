"""A replay gives what the first run gave, or says what is different."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from stead.entities import EntityId
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._execution.outcome import Completed
from stead.orchestrations._history.event_table import fields_of, name_of
from stead.orchestrations._history.events import Event, ExecutionRewound, TaskCompleted, TaskScheduled
from support.instance_driver import (
    START_MS,
    TYPES,
    Driver,
    PlainCode,
    Running,
    begin,
    done,
    failed,
    failure_of,
    raised,
    result_of,
    scheduled,
    started,
)

Flow = Callable[..., Coroutine[Any, Any, Any]]


def replay(function: Flow, history: list[Event], played: int | None = None) -> Running:
    return Running(PlainCode(function), history, TYPES, played)


async def original(context: OrchestrationContext) -> Any:
    first = await context.call_activity("pay", 1)
    await asyncio.sleep(5)
    return await context.call_activity("ship", first)


def history_of(function: Flow, answers: int) -> list[Event]:
    """The log after so many answers, in the order in which they were asked for."""
    execution = begin(function)
    history = [started()]
    waiting: list[Event] = []
    for _ in range(answers + 1):
        asked = scheduled(execution)
        history.extend(asked)
        waiting.extend(asked)
        if history and waiting and answers:
            answers -= 1
            history.append(done(waiting.pop(0)))
            execution.feed(history[-1])
    execution.close()
    return history


async def test_a_replay_asks_for_nothing_again() -> None:
    for answers in range(3):
        execution = replay(original, history_of(original, answers))
        assert execution.take() == []
        assert len(execution.pending) == 1
        execution.close()
    assert replay(original, history_of(original, 3)).outcome == Completed(None)


async def changed_name(context: OrchestrationContext) -> None:
    await context.call_activity("bill", 1)


async def changed_kind(context: OrchestrationContext) -> None:
    await context.call_sub_orchestrator("pay", 1)


async def gone(context: OrchestrationContext) -> None:
    await context.wait_for_external_event("nothing else")


async def ends(context: OrchestrationContext) -> str:
    return "at once"


async def raises(context: OrchestrationContext) -> None:
    raise LookupError("the true cause")


async def inserted(context: OrchestrationContext) -> None:
    await context.call_activity("pay", 1)
    await context.call_activity("check")
    await asyncio.sleep(5)


CHANGES: list[tuple[Flow, int, list[str]]] = [
    (changed_name, 0, ["number 1", "the activity 'pay'", "the activity 'bill'"]),
    (changed_kind, 0, ["the activity 'pay'", "the sub-orchestration 'pay'"]),
    (gone, 0, ["number 1", "the activity 'pay'", "does not schedule"]),
    (gone, 1, ["number 1", "the activity 'pay'", "not scheduled at that point"]),
    (ends, 0, ["the activity 'pay'", "does not schedule"]),
    (raises, 1, ["the activity 'pay'", "does not schedule"]),
    (inserted, 2, ["number 2", "a timer", "the activity 'check'"]),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
async def test_changed_code_fails_with_both_sides_and_the_likely_cause(number: int) -> None:
    function, answers, words = CHANGES[number]
    execution = replay(function, history_of(original, answers))
    failure = failure_of(execution)
    assert failure.error_type.endswith("NonDeterminismError")
    for word in [*words, "'one'", "changed after this instance had started"]:
        assert word in failure.message
    assert execution.take() == []
    if function is raises:
        assert failure.cause is not None and failure.cause.message == "the true cause"


async def test_code_cannot_catch_it() -> None:
    async def stubborn(context: OrchestrationContext) -> str:
        while True:
            with contextlib.suppress(Exception):
                await context.call_activity("other")

    failure = failure_of(replay(stubborn, history_of(original, 1)))
    assert failure.error_type.endswith("NonDeterminismError")


async def test_a_changed_input_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def changed(context: OrchestrationContext) -> Any:
        await context.call_activity("PAY", 2)
        await asyncio.sleep(7)
        return await context.call_activity("ship", None)

    execution = replay(changed, history_of(original, 3))
    assert result_of(execution) is None
    assert len(caplog.records) == 2
    assert "another input" in caplog.text


async def test_something_new_between_what_the_history_has() -> None:
    async def first(context: OrchestrationContext) -> None:
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        await context.call_activity("x")

    async def second(context: OrchestrationContext) -> None:
        context.call_activity("new")
        await context.call_activity("x")

    history = history_of(first, 0)
    assert [event.task_id for event in history] == [0, 2]
    assert "which its history does not have" in failure_of(replay(second, history)).message


async def test_answers_that_come_too_late_are_no_difference() -> None:
    async def flow(context: OrchestrationContext) -> Any:
        slow = context.call_activity("slow")
        await context.wait_for_external_event("stop")
        slow.cancel()
        return await context.call_activity("next")

    slow = TaskScheduled(START_MS, 1, "slow", [], None, "", None, 1)
    history = [started(), slow, raised("stop"), done(slow, "late"), done(slow, "later")]
    execution = replay(flow, history, played=2)
    (following,) = scheduled(execution)[-1:]
    execution.feed(done(following, "x"))
    assert result_of(execution) == "x"


async def test_a_rewound_instance_draws_the_same_numbers_and_is_another_execution() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        first = context.new_uuid()
        await context.call_activity("x")
        await context.call_sub_orchestrator("child")
        return [first, context.new_uuid()]

    execution = begin(flow)
    (call,) = scheduled(execution)
    execution.feed(failed(call, ValueError("no")))
    failure_of(execution)
    rewound = ExecutionRewound(START_MS + 9, 0, "try again", "fedcba9876543210")
    again = replay(flow, [started(), call, rewound], played=2)
    assert list(again.pending) == [1]
    again.feed(done(call, None))
    (child,) = scheduled(again)
    assert child.instance_id == "one:fedcba98:0002"
    again.feed(done(child))
    plain = Driver(flow)
    assert plain.run() == again.outcome


async def test_every_prefix_of_a_log_replays_to_a_prefix() -> None:
    async def flow(context: OrchestrationContext) -> str:
        async def one(n: int) -> None:
            try:
                async with asyncio.timeout(n % 3):
                    await context.call_activity(f"a{n}")
            except TimeoutError:
                context.signal_entity(EntityId("Log", "x"), "late", n)

        await asyncio.gather(*(one(n) for n in range(6)))
        async with context.lock_entities(EntityId("A", "b")):
            await context.call_entity(EntityId("A", "b"), "go")
        return "end"

    driver = Driver(flow, answer=lambda event: (1_500, TaskCompleted, (1,)) if event.task_id == 4 else None)
    assert driver.run() is not None
    history = driver.history
    wanted = [(name_of(event), event.task_id, fields_of(event)) for event in driver.wanted]
    for length in range(1, len(history) + 1):
        execution = replay(flow, history[:length])
        had = [event for event in history[:length] if (name_of(event), event.task_id, fields_of(event)) in wanted]
        new = [(name_of(event), event.task_id, fields_of(event)) for event in scheduled(execution)]
        assert new == wanted[len(had) : len(had) + len(new)]
        execution.close()
