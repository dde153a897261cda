"""Errors and values of orchestrators and activities may be anything: who waits hears of it, and the worker goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, PlainSerializer

from stead.app import App
from stead.app.testing import TestHub
from stead.orchestrations import ActivityFailed, FailureDetails, OrchestrationContext, RetryPolicy, RuntimeStatus
from stead.orchestrations._execution.loop import DeterministicLoop
from stead.transport import Settings
from support.hostile import ERRORS, Loose

pytestmark = pytest.mark.anyio

SOME = ("a wrapper of an answer", "str raises", "__class__ raises", "exit", "cancelled", "generator exit", "a base error",
        "a wide group", "stop")  # fmt: skip

app = App("hostile", settings=Settings(payload_bytes_max=100_000, determinism="off"))

make: Callable[[], BaseException] = ValueError  # what is raised
runs: list[str] = []


def _raise(value: Any) -> Any:
    raise make()


def _raise_inside(value: Any) -> Any:
    """Raises where an orchestrator runs, and not where it is started."""
    if isinstance(asyncio.get_running_loop(), DeterministicLoop):
        raise make()
    return value


Odd = Annotated[int, AfterValidator(_raise)]
OddInside = Annotated[int, AfterValidator(_raise_inside)]
OddOut = Annotated[int, PlainSerializer(_raise)]


@app.activity
async def fail() -> None:
    raise make()


@app.activity
def fail_in_a_thread() -> None:
    raise make()


@app.activity
async def give_loose() -> Any:
    runs.append("loose")
    return Loose()


@app.activity
def give_large() -> str:
    runs.append("large")
    return "x" * 200_000


@app.activity
async def give_odd() -> OddOut:
    runs.append("odd")
    return 1


@app.activity
async def give() -> int:
    return 1


@app.activity
async def take(value: Odd) -> int:
    return value


@app.orchestration
async def raises(context: OrchestrationContext) -> None:
    raise make()


@app.orchestration
async def raises_later(context: OrchestrationContext) -> None:
    await context.create_timer(timedelta(seconds=1))
    raise make()


@app.orchestration
async def raises_in_a_task(context: OrchestrationContext) -> None:
    async def inner() -> None:
        await context.create_timer(timedelta(seconds=1))
        raise make()

    async with asyncio.TaskGroup() as group:
        group.create_task(inner())
        group.create_task(inner())


@app.orchestration
async def raises_in_a_callback(context: OrchestrationContext) -> str:
    asyncio.get_running_loop().call_soon(_raise, 0)
    await context.create_timer(timedelta(seconds=1))
    return "on"


@app.orchestration
async def raises_when_canceled(context: OrchestrationContext) -> None:
    try:
        await context.wait_for_external_event("never", int)
    finally:
        raise make()


@app.orchestration
async def raises_as_it_is_dropped(context: OrchestrationContext) -> None:
    try:
        await context.wait_for_external_event("never")
    finally:
        raise make()


@app.orchestration
async def returns_loose(context: OrchestrationContext) -> Any:
    runs.append("returns_loose")
    return Loose()


@app.orchestration
async def returns_odd(context: OrchestrationContext) -> OddOut:
    runs.append("returns_odd")
    return 1


@app.orchestration
async def calls(context: OrchestrationContext, name: str) -> str:
    try:
        await context.call_activity(name)
    except ActivityFailed as failed:
        return failed.error_type
    return "nothing was raised"


@app.orchestration
async def retries(context: OrchestrationContext, name: str) -> None:
    activity = {"give_loose": give_loose, "give_large": give_large, "give_odd": give_odd}[name]
    await context.call_activity(activity.with_options(retry=RetryPolicy(4, timedelta(seconds=1))))


@app.orchestration
async def retries_a_child(context: OrchestrationContext, name: str) -> None:
    child = {"returns_loose": returns_loose, "returns_odd": returns_odd}[name]
    await context.call_sub_orchestrator(child.with_options(retry=RetryPolicy(4, timedelta(seconds=1))))


@app.orchestration
async def asks_a_handler(context: OrchestrationContext) -> None:
    def handle(failure: FailureDetails) -> bool:
        raise make()

    await context.call_activity(fail.with_options(retry=RetryPolicy(4, timedelta(seconds=1), handle=handle)))


@app.orchestration
async def waits_for_odd(context: OrchestrationContext) -> None:
    await context.wait_for_external_event("odd", Odd)


@app.orchestration
async def takes_odd(context: OrchestrationContext, value: OddInside) -> None:
    pass


@app.orchestration
async def well(context: OrchestrationContext) -> int:
    return await context.call_activity(give)


@pytest.fixture(autouse=True)
def forgotten() -> None:
    runs.clear()


async def goes_on(hub: TestHub) -> None:
    client = hub.client
    instance = await client.start_new(well)
    status = await client.wait_for_completion(instance)
    assert status.output == 1


async def failure_of(hub: TestHub, name: str, value: Any = None) -> FailureDetails:
    client = hub.client
    instance = await client.start_new(name, value)
    status = await client.wait_for_completion(instance)
    assert status.runtime_status is RuntimeStatus.FAILED
    assert status.failure is not None
    return status.failure


@pytest.mark.parametrize("name", ERRORS)
async def test_whatever_an_orchestrator_raises_is_its_own_failure(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    async with TestHub(app) as hub:
        for orchestration in ("raises", "raises_later"):
            assert (await failure_of(hub, orchestration)).error_type
        instance = await hub.client.start_new(raises_in_a_task)
        status = await hub.client.wait_for_completion(instance)
        assert status.failure is not None or name == "cancelled"  # which a task group takes for granted
        await goes_on(hub)


@pytest.mark.parametrize("name", ERRORS)
async def test_whatever_an_activity_raises_is_its_own_failure(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    async with TestHub(app) as hub:
        for activity in ("fail", "fail_in_a_thread"):
            instance = await hub.client.start_new(calls, activity)
            status = await hub.client.wait_for_completion(instance)
            assert status.runtime_status is RuntimeStatus.COMPLETED
            assert status.output
            assert status.output != "nothing was raised"
        await goes_on(hub)


@pytest.mark.parametrize("orchestration", ["returns_loose", "returns_odd", "asks_a_handler", "takes_odd"])
@pytest.mark.parametrize("name", SOME)
async def test_what_runs_while_stead_looks_may_raise_anything(
    name: str, orchestration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    async with TestHub(app) as hub:
        assert (await failure_of(hub, orchestration, 1 if orchestration == "takes_odd" else None)).error_type
        await goes_on(hub)


@pytest.mark.parametrize("name", SOME)
async def test_an_event_that_cannot_be_read_fails_who_waits_for_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    async with TestHub(app) as hub:
        instance = await hub.client.start_new(waits_for_odd)
        await hub.client.raise_event(instance, "odd", 1)
        status = await hub.client.wait_for_completion(instance)
        assert status.runtime_status is RuntimeStatus.FAILED
        await goes_on(hub)


@pytest.mark.parametrize("name", SOME)
async def test_code_that_raises_on_its_way_out_is_dropped_all_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    async with TestHub(app) as hub:
        instance = await hub.client.start_new(raises_as_it_is_dropped)
        other = await hub.client.start_new(raises_as_it_is_dropped)
        await hub.run_until_idle()
        await hub.client.terminate(instance)
        status = await hub.client.wait_for_completion(instance)
        assert status.runtime_status is RuntimeStatus.TERMINATED, status.failure
        assert other
        await goes_on(hub)


@pytest.mark.parametrize("name", [*SOME, "one without attributes", "a class that lies"])
async def test_whatever_a_canceled_instance_raises_is_its_own_failure(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    async with TestHub(app) as hub:
        instance = await hub.client.start_new(raises_when_canceled)
        await hub.run_until_idle()
        await hub.client.cancel(instance, "enough")
        status = await hub.client.wait_for_completion(instance)
        canceled = status.runtime_status is RuntimeStatus.CANCELED
        assert canceled if name == "cancelled" else status.failure is not None
        assert "in stead itself" not in caplog.text
        await goes_on(hub)


@pytest.mark.parametrize("name", [*SOME, "one without attributes"])
async def test_a_callback_that_raises_is_reported_and_no_more(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.make", ERRORS[name])
    async with TestHub(app) as hub:
        instance = await hub.client.start_new(raises_in_a_callback)
        status = await hub.client.wait_for_completion(instance)
        assert status.output == "on" or status.failure is not None
        await goes_on(hub)


@pytest.mark.parametrize(
    ("activity", "word"), [("give_loose", "stored"), ("give_large", "200,0"), ("give_odd", "ValueE")]
)
async def test_a_result_that_cannot_be_stored_is_not_made_once_more(activity: str, word: str) -> None:
    async with TestHub(app) as hub:
        failure = await failure_of(hub, "retries", activity)
        assert word in str(failure) + str(failure.cause)
    assert len(runs) == 1, "trying again would not help, and the work would be done again"


@pytest.mark.parametrize("child", ["returns_loose", "returns_odd"])
async def test_nor_is_that_of_a_child(child: str) -> None:
    async with TestHub(app) as hub:
        await failure_of(hub, "retries_a_child", child)
    assert runs == [child]
