"""Activities: results, retries, fan-outs, failures; what goes wrong is reported as what it is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.orchestrations import ActivityFailed, NonRetriable, OrchestrationContext, RetryPolicy, RuntimeStatus

MakeHub = Callable[[App], TestHub]

app = App("work")

tries: list[int] = []


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    tries.clear()


@app.activity
async def give(value: Any) -> Any:
    return value


@app.activity
def square(number: int) -> int:
    return number * number


@app.activity
def on_a_thread() -> bool:
    return threading.current_thread() is not threading.main_thread()


@app.activity
async def fail(text: str) -> None:
    try:
        raise KeyError("the root")
    except KeyError as error:
        raise ValueError(text) from error


@app.activity
async def fail_for_good() -> None:
    tries.append(1)
    raise NonRetriable("never again")


@app.activity
async def exits() -> None:
    raise SystemExit(3)


@app.orchestration
async def gives(context: OrchestrationContext, values: list[Any]) -> list[Any]:
    return [await context.call_activity(give, value) for value in values]


@app.orchestration
async def returns(context: OrchestrationContext, value: Any) -> Any:
    return value


@app.orchestration
async def squares(context: OrchestrationContext, count: int) -> int:
    return sum(await asyncio.gather(*(context.call_activity(square, number) for number in range(count))))


@app.orchestration
async def threads(context: OrchestrationContext) -> bool:
    return await context.call_activity(on_a_thread)


@app.orchestration
async def lets_it_fail(context: OrchestrationContext, text: str) -> None:
    await context.call_activity(fail, text)


@app.orchestration
async def one_of_many_fails(context: OrchestrationContext, count: int) -> list[int]:
    work = [context.call_activity(square, number) for number in range(count)]
    failing = context.call_activity(fail, "one of many")
    numbers, _ = await asyncio.gather(asyncio.gather(*work), failing)
    return numbers


@app.orchestration
async def not_for_good(context: OrchestrationContext) -> str:
    patient = fail_for_good.with_options(retry=RetryPolicy(max_attempts=5))
    try:
        await context.call_activity(patient)
    except ActivityFailed as failure:
        return failure.message
    return "?"


@app.orchestration
async def unknown(context: OrchestrationContext) -> None:
    await context.call_activity("nosuch", 1)


@app.orchestration
async def calls_exit(context: OrchestrationContext) -> None:
    await context.call_activity(exits)


@app.orchestration
async def backs_off(context: OrchestrationContext) -> str:
    policy = RetryPolicy(
        max_attempts=5,
        first_interval=timedelta(seconds=10),
        backoff_coefficient=3.0,
        max_interval=timedelta(seconds=60),
    )
    return await context.call_activity(give.with_options(retry=policy), "at last")


@app.orchestration
async def gives_up(context: OrchestrationContext) -> str:
    policy = RetryPolicy(max_attempts=100, first_interval=timedelta(seconds=10), retry_timeout=timedelta(seconds=35))
    return await context.call_activity(give.with_options(retry=policy), "never")


@app.orchestration
async def chooses(context: OrchestrationContext) -> str:
    policy = RetryPolicy(max_attempts=5, handle=lambda failure: failure.error_type == "ConnectionError")
    return await context.call_activity(give.with_options(retry=policy), "fine")


FALSY: list[Any] = [None, 0, 0.0, False, "", [], {}, b""]


async def test_falsy_results_are_results(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(gives, FALSY)
        output = (await hub.client.wait_for_completion(instance_id)).output
        assert output is not None
        assert output == FALSY
        assert [type(value) for value in output] == [type(value) for value in FALSY]
        for value in FALSY:
            one = await hub.client.start_new(returns, value)
            output = (await hub.client.wait_for_completion(one)).output
            assert (output, type(output)) == (value, type(value))


@pytest.mark.parametrize("count", [0, 1, 300])
async def test_a_fan_out(make_hub: MakeHub, count: int) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(squares, count)
        status = await hub.client.wait_for_completion(instance_id)
        assert status.output == sum(number * number for number in range(count))


@pytest.mark.slow
async def test_a_fan_out_larger_than_a_commit_may_be() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.client.start_new(squares, 10_000)
        await hub.run_until_idle()
        status = await hub.client.wait_for_completion(instance_id)
        assert status.output == sum(number * number for number in range(10_000))


async def test_plain_functions_run_in_threads() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.client.start_new(threads)
        assert (await hub.client.wait_for_completion(instance_id)).output is True


async def test_a_failure_says_what_it_was(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(lets_it_fail, "on purpose")
        status = await hub.client.wait_for_completion(instance_id)
        assert status.runtime_status == RuntimeStatus.FAILED
        failure = status.failure
        assert failure is not None
        assert "on purpose" in failure.message
        assert failure.is_caused_by(ValueError)
        assert failure.is_caused_by(KeyError)


async def test_one_failure_of_many_is_reported_as_that(make_hub: MakeHub) -> None:
    # Durable Functions #3049: a failing parallel activity was reported as nondeterminism.
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(one_of_many_fails, 50)
        status = await hub.client.wait_for_completion(instance_id)
        assert status.failure is not None
        assert "one of many" in str(status.failure)
        assert "determin" not in str(status.failure).lower()
        await hub.run_until_idle()


async def test_some_failures_are_not_tried_again() -> None:
    async with TestHub(app) as hub:
        began = hub.now
        instance_id = await hub.client.start_new(not_for_good)
        assert (await hub.client.wait_for_completion(instance_id)).output == "never again"
        assert (len(tries), hub.now) == (1, began)


async def test_an_unknown_activity_fails_at_once(make_hub: MakeHub) -> None:
    # Durable Functions #583: a missing function was reported as nondeterminism.
    async with make_hub(app) as hub:
        began = hub.now
        instance_id = await hub.client.start_new(unknown)
        status = await hub.client.wait_for_completion(instance_id)
        assert status.failure is not None
        assert "nosuch" in str(status.failure)
        assert "determin" not in str(status.failure).lower()
        assert hub.now == began


async def test_an_activity_that_exits_fails_and_harms_nobody(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(calls_exit)
        status = await hub.client.wait_for_completion(instance_id)
        assert status.failure is not None
        assert "SystemExit" in str(status.failure) + str(status.failure.cause)


@pytest.mark.parametrize("replay", [False, True])
async def test_waits_between_tries_grow_up_to_a_limit(replay: bool) -> None:
    async with TestHub(app, replay) as hub:
        hub.fail_activity(give, ConnectionError("not yet"), times=4)
        began = hub.now
        instance_id = await hub.client.start_new(backs_off)
        status = await hub.client.wait_for_completion(instance_id, timeout=1_000)
        assert status.output == "at last"
        assert status.last_updated_time - began == timedelta(seconds=10 + 30 + 60 + 60)


async def test_tries_end_with_the_time_for_them(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        hub.fail_activity(give, ConnectionError("no"), times=100)
        began = hub.now
        instance_id = await hub.client.start_new(gives_up)
        status = await hub.client.wait_for_completion(instance_id, timeout=1_000)
        assert status.runtime_status == RuntimeStatus.FAILED
        assert status.last_updated_time - began == timedelta(seconds=30)


@pytest.mark.parametrize(("error", "fine"), [(ConnectionError("no"), True), (ValueError("no"), False)])
async def test_a_policy_may_choose(make_hub: MakeHub, error: Exception, fine: bool) -> None:
    async with make_hub(app) as hub:
        hub.fail_activity(give, error, times=2)
        instance_id = await hub.client.start_new(chooses)
        status = await hub.client.wait_for_completion(instance_id)
        assert (status.runtime_status == RuntimeStatus.COMPLETED) is fine
