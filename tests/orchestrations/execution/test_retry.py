"""When what failed is tried again: times are the orchestration's, attempts are in the log."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from orchestrations.execution.test_context import CHILD, DOUBLE
from stead.orchestrations._definition.retry import RetryPolicy
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.errors import ActivityFailed, NonRetriable, SubOrchestrationFailed
from stead.orchestrations._history.event_table import fields_of
from stead.orchestrations._history.events import TaskCompleted, TaskFailed, TaskScheduled
from stead.orchestrations._history.failures import FailureDetails
from stead.transport import InvalidInput
from support.instance_driver import (
    START_MS,
    Driver,
    begin,
    done,
    failed,
    failure_of,
    make_types,
    only,
    raised,
    result_of,
    scheduled,
)

FAILURE = FailureDetails("ValueError", "no")
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (RetryPolicy(1), []),
        (RetryPolicy(3), [1_000, 1_000]),
        (RetryPolicy(4, timedelta(milliseconds=1), 10), [1, 10, 100]),
        (RetryPolicy(4, SECOND, 3, max_interval=4 * SECOND), [1_000, 3_000, 4_000]),
        (RetryPolicy(3, SECOND, 0.5), [1_000, 500]),
        (RetryPolicy(3, timedelta(0)), [0, 0]),
        (RetryPolicy(9, SECOND, 2, retry_timeout=7 * SECOND), [1_000, 2_000, 4_000]),
        (RetryPolicy(9, handle=lambda failure: failure.error_type != "ValueError"), []),
    ],
)
def test_the_delays_of_policies(policy: RetryPolicy, delays: list[int]) -> None:
    now_ms = 0
    seen: list[int] = []
    for attempt in range(1, 20):
        delay_ms = policy.next_delay_ms(attempt, 0, now_ms, FAILURE)
        if delay_ms is None:
            break
        seen.append(delay_ms)
        now_ms += delay_ms
    assert seen == delays


def test_very_many_attempts_wait_for_the_longest_interval() -> None:
    policy = RetryPolicy(10**9, SECOND, 2, max_interval=timedelta(hours=1))
    assert policy.next_delay_ms(10**6, 0, 0, FAILURE) == 3_600_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"max_attempts": True},
        {"max_attempts": 2, "first_interval": timedelta(-1)},
        {"max_attempts": 2, "first_interval": 5},
        {"max_attempts": 2, "max_interval": timedelta(-1)},
        {"max_attempts": 2, "retry_timeout": timedelta(days=10**6)},
        {"max_attempts": 2, "backoff_coefficient": 0},
        {"max_attempts": 2, "backoff_coefficient": float("nan")},
    ],
)
def test_policies_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        RetryPolicy(**wrong)


async def test_attempts_and_waits_are_in_the_log() -> None:
    async def flow(context: OrchestrationContext) -> Any:
        return await context.call_activity(DOUBLE.with_options(retry=RetryPolicy(3)), 2)

    execution = begin(flow)
    at_ms = START_MS
    for attempt in (1, 2):
        (call,) = scheduled(execution)
        assert fields_of(call) == ("double", [2], None, "", None, attempt)
        execution.feed(failed(call, ValueError("no")))
        (timer,) = scheduled(execution)
        at_ms += 1 + 1_000
        assert fields_of(timer) == (at_ms, "retry of double")
        assert not execution.accepts(done(call))
        execution.feed(done(timer))
    execution.feed(done(only(execution), 4))
    assert result_of(execution) == 4


async def test_it_gives_up_with_the_last_error() -> None:
    async def flow(context: OrchestrationContext) -> Any:
        return await context.call_activity(DOUBLE.with_options(retry=RetryPolicy(2)), 2)

    execution = begin(flow)
    execution.feed(failed(only(execution), ValueError("first")))
    execution.feed(done(only(execution)))
    execution.feed(failed(only(execution), KeyError("second")))
    failure = failure_of(execution)
    assert failure.error_type.endswith("ActivityFailed")
    assert "KeyError" in failure.message


async def test_what_is_not_retriable_is_not_tried_again() -> None:
    async def flow(context: OrchestrationContext) -> str:
        with pytest.raises(ActivityFailed, match="stolen"):
            await context.call_activity(DOUBLE.with_options(retry=RetryPolicy(9)), 2)
        return "given up"

    execution = begin(flow)
    execution.feed(failed(only(execution), NonRetriable("the card is stolen")))
    assert result_of(execution) == "given up"


async def test_an_error_of_the_handler_is_the_call_s() -> None:
    def handle(failure: FailureDetails) -> bool:
        raise LookupError(failure.error_type)

    async def flow(context: OrchestrationContext) -> None:
        await context.call_activity(DOUBLE.with_options(retry=RetryPolicy(9, handle=handle)), 2)

    execution = begin(flow)
    execution.feed(failed(only(execution), ValueError("no")))
    assert failure_of(execution).error_type == "LookupError"


async def test_cancelling_ends_the_wait_or_the_attempt() -> None:
    async def flow(context: OrchestrationContext) -> str:
        call = context.call_activity(DOUBLE.with_options(retry=RetryPolicy(9)), 2)
        await context.wait_for_external_event("stop")
        call.cancel()
        await asyncio.sleep(1)
        return "stopped"

    waiting = begin(flow)
    waiting.feed(failed(only(waiting), ValueError("no")))
    (timer,) = scheduled(waiting)
    waiting.feed(raised("stop"))
    assert waiting.called_off == [timer.task_id]
    waiting.close()


async def test_sub_orchestrations_are_tried_again_as_other_instances() -> None:
    async def flow(context: OrchestrationContext) -> list[str]:
        seen = [await context.call_sub_orchestrator(CHILD.with_options(retry=RetryPolicy(2)), "a")]
        try:
            await context.call_sub_orchestrator(CHILD.with_options(instance_id="fixed", retry=RetryPolicy(2)), "b")
        except SubOrchestrationFailed as error:
            seen.append(f"{error.instance_id} {error.message}")
        return seen

    execution = begin(flow, types=make_types())
    (first,) = scheduled(execution)
    execution.feed(failed(first, ValueError("no")))
    execution.feed(done(only(execution)))
    (second,) = scheduled(execution)
    assert (first.instance_id, second.instance_id) == ("one:01234567:0001", "one:01234567:0003")
    execution.feed(done(second, "out"))
    for message in ("no", "never"):
        (call,) = scheduled(execution)
        assert call.instance_id == "fixed"
        execution.feed(failed(call, ValueError(message)))
        for timer in scheduled(execution):
            execution.feed(done(timer))
    assert result_of(execution) == ["out", "fixed never"]


async def test_retries_replay() -> None:
    async def flow(context: OrchestrationContext) -> Any:
        return await context.call_activity(DOUBLE.with_options(retry=RetryPolicy(5, backoff_coefficient=2)), 2)

    def answer(event: Any) -> Any:
        if isinstance(event, TaskScheduled) and event.attempt < 4:
            return 1, TaskFailed, (FAILURE.as_map(),)
        return (1, TaskCompleted, (4,)) if isinstance(event, TaskScheduled) else None

    plain, replayed = Driver(flow, answer=answer), Driver(flow, answer=answer, replay_every_turn=True)
    assert plain.run() == replayed.run() is not None
    assert plain.log == replayed.log
