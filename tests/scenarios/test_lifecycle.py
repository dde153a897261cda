"""Terminate, suspend, rewind, restart, purge; sub-orchestrations; custom status; timers over long times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.orchestrations import (
    InstanceRunning,
    OrchestrationContext,
    RetryPolicy,
    RuntimeStatus,
    SubOrchestrationFailed,
)

MakeHub = Callable[[App], TestHub]

app = App("lifecycle")

broken: set[str] = set()
"""What fails for now."""


@app.activity
async def check(name: str) -> str:
    if name in broken:
        raise RuntimeError(f"{name} is broken")
    return f"{name} is fine"


@app.orchestration
async def wait_for(context: OrchestrationContext, name: str = "go") -> object:
    return await context.wait_for_external_event(name)


@app.orchestration
async def checks(context: OrchestrationContext, names: list[str]) -> list[str]:
    return [await context.call_activity(check, name) for name in names]


@app.orchestration
async def parent_of(context: OrchestrationContext, names: list[str]) -> list[object]:
    calls = [
        context.call_sub_orchestrator(wait_for.with_options(instance_id=f"{context.instance_id}-{name}"), name)
        for name in names
    ]
    return list(await asyncio.gather(*calls))


@app.orchestration
async def grandparent(context: OrchestrationContext) -> object:
    return await context.call_sub_orchestrator(parent_of.with_options(instance_id="parent"), ["child"])


@app.orchestration
async def parent_of_checks(context: OrchestrationContext, names: list[str]) -> list[str]:
    return await context.call_sub_orchestrator(checks.with_options(instance_id="sub"), names)


@app.orchestration
async def handles(context: OrchestrationContext, names: list[str]) -> str:
    try:
        await context.call_sub_orchestrator(checks, names)
    except SubOrchestrationFailed as failure:
        return f"{failure.error_type} | {failure.message} | {failure.cause}"
    return "fine"


@app.orchestration
async def tries_again(context: OrchestrationContext, names: list[str]) -> list[str]:
    policy = RetryPolicy(max_attempts=3, first_interval=timedelta(minutes=1), backoff_coefficient=2.0)
    return await context.call_sub_orchestrator(checks.with_options(retry=policy), names)


@app.orchestration
async def tells(context: OrchestrationContext, values: list[object]) -> None:
    for value in values:
        context.set_custom_status(value)
        await context.wait_for_external_event("next")


@app.orchestration
async def begins_anew(context: OrchestrationContext, left: int) -> str:
    if left == 2:
        context.set_custom_status("set once")
    await context.create_timer(timedelta(seconds=1))
    if left:
        context.continue_as_new(left - 1)
    return "done"


@app.orchestration
async def waits_a_month(context: OrchestrationContext) -> float:
    began = context.now
    await context.create_timer(timedelta(days=30))
    return (context.now - began).total_seconds()


@app.orchestration
async def timers(context: OrchestrationContext) -> list[int]:
    """Timers fire in the order of their times; one in the past at once; a cancelled one not at all."""
    fired: list[int] = []

    async def one(seconds: int) -> None:
        await context.create_timer(timedelta(seconds=seconds))
        fired.append(seconds)

    cancelled = context.create_timer(timedelta(seconds=3))
    await asyncio.gather(one(5), one(1), one(-10), one(0), one(40))
    cancelled.cancel()
    return fired


@pytest.fixture(autouse=True)
def _repaired() -> Iterator[None]:
    """Nothing stays broken."""
    yield
    broken.clear()


async def status_of(hub: TestHub, instance_id: str) -> RuntimeStatus:
    status = await hub.client.get_status(instance_id)
    assert status is not None
    return status.runtime_status


# -- terminate ---------------------------------------------------------------------------------------------------------


async def test_a_suspended_instance_can_be_terminated(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(wait_for)
        await hub.client.suspend(instance_id, "for now")
        await hub.run_until_idle()
        assert await status_of(hub, instance_id) == RuntimeStatus.SUSPENDED
        await hub.client.terminate(instance_id, "for ever")
        status = await hub.client.wait_for_completion(instance_id)
        assert (status.runtime_status, status.output) == (RuntimeStatus.TERMINATED, "for ever")
        await hub.client.terminate(instance_id, "again")  # nothing happens
        assert (await hub.client.wait_for_completion(instance_id)).output == "for ever"


async def test_terminating_reaches_children_and_grandchildren(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(grandparent)
        await hub.run_until_idle()
        await hub.client.terminate(instance_id, "all of it")
        await hub.run_until_idle()
        for one in (instance_id, "parent", "parent-child"):
            assert await status_of(hub, one) == RuntimeStatus.TERMINATED


async def test_children_go_on_where_that_is_wanted(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(grandparent)
        await hub.run_until_idle()
        await hub.client.terminate(instance_id, "only this one", recursive=False)
        await hub.run_until_idle()
        assert await status_of(hub, instance_id) == RuntimeStatus.TERMINATED
        assert await status_of(hub, "parent-child") == RuntimeStatus.RUNNING
        await hub.client.raise_event("parent-child", "child", 0)
        assert (await hub.client.wait_for_completion("parent")).output == [0]


async def test_a_terminated_child_fails_its_parent_with_the_reason(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(parent_of, ["a", "b"], instance_id="p")
        await hub.run_until_idle()
        await hub.client.terminate("p-a", "not this one")
        status = await hub.client.wait_for_completion(instance_id)
        assert status.runtime_status == RuntimeStatus.FAILED
        assert status.failure is not None
        assert "not this one" in str(status.failure) + str(status.failure.cause)


# -- sub-orchestrations ------------------------------------------------------------------------------------------------


async def test_the_failure_of_a_child_keeps_its_cause(make_hub: MakeHub) -> None:
    broken.add("b")
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(handles, ["a", "b"])
        text = (await hub.client.wait_for_completion(instance_id)).output
        assert text is not None
        assert "b is broken" in text
        assert "RuntimeError" in text


async def test_a_child_is_tried_again(make_hub: MakeHub) -> None:
    broken.add("a")
    async with make_hub(app) as hub:
        began = hub.now
        instance_id = await hub.client.start_new(tries_again, ["a"])
        await hub.advance(timedelta(minutes=2))
        broken.clear()
        status = await hub.client.wait_for_completion(instance_id, timeout=600)
        assert status.output == ["a is fine"]
        assert status.last_updated_time - began == timedelta(minutes=3)


# -- rewind, restart ---------------------------------------------------------------------------------------------------


async def test_rewind_repeats_only_what_failed(make_hub: MakeHub) -> None:
    broken.add("b")
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(checks, ["a", "b", "c"])
        assert (await hub.client.wait_for_completion(instance_id)).runtime_status == RuntimeStatus.FAILED
        broken.clear()
        await hub.client.rewind(instance_id, "repaired")
        status = await hub.client.wait_for_completion(instance_id)
        assert status.output == ["a is fine", "b is fine", "c is fine"]
        full = await hub.client.get_status(instance_id, show_history=True)
        assert full is not None and full.history is not None
        names = [event.fields["args"] for event in full.history if event.event_type == "TaskScheduled"]
        assert [list(args) for args in names].count(["a"]) == 1


async def test_rewind_goes_down_into_children(make_hub: MakeHub) -> None:
    broken.add("b")
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(parent_of_checks, ["a", "b"])
        assert (await hub.client.wait_for_completion(instance_id)).runtime_status == RuntimeStatus.FAILED
        broken.clear()
        await hub.client.rewind(instance_id, "repaired")
        assert (await hub.client.wait_for_completion(instance_id)).output == ["a is fine", "b is fine"]
        assert await status_of(hub, "sub") == RuntimeStatus.COMPLETED


async def test_restart_begins_again_with_the_same_input(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(checks, ["a"])
        await hub.client.wait_for_completion(instance_id)
        other = await hub.client.restart(instance_id)
        assert other != instance_id
        assert (await hub.client.wait_for_completion(other)).output == ["a is fine"]
        same = await hub.client.restart(instance_id, new_instance_id=False)
        assert same == instance_id
        assert (await hub.client.wait_for_completion(same)).output == ["a is fine"]


# -- purge -------------------------------------------------------------------------------------------------------------


async def test_purge_leaves_nothing(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        running = await hub.client.start_new(wait_for)
        await hub.run_until_idle()
        with pytest.raises(InstanceRunning):
            await hub.client.purge(running)
        await hub.client.raise_event(running, "go", None)
        await hub.client.wait_for_completion(running)
        assert await hub.client.purge(running) is True
        assert await hub.client.purge(running) is False
        assert await hub.client.get_status(running) is None
        again = await hub.client.start_new(checks, ["a"], instance_id=running)
        assert (await hub.client.wait_for_completion(again)).output == ["a is fine"]


async def test_purge_by_status_and_time(make_hub: MakeHub) -> None:
    broken.add("b")
    async with make_hub(app) as hub:
        old = [await hub.client.start_new(checks, [name]) for name in "ab"]
        for one in old:
            await hub.client.wait_for_completion(one)
        await hub.advance(timedelta(days=10))
        noon = hub.now
        new = [await hub.client.start_new(checks, [name]) for name in "ab"]
        for one in new:
            await hub.client.wait_for_completion(one)
        running = await hub.client.start_new(wait_for)
        await hub.run_until_idle()
        assert await hub.client.purge_instances(statuses=["Failed"], created_to=noon - timedelta(days=1)) == 1
        assert {status.instance_id async for status in hub.client.list_instances()} == {old[0], *new, running}
        failed = [status.instance_id async for status in hub.client.list_instances(statuses=["Failed"])]
        assert failed == [new[1]]
        assert await hub.client.purge_instances(created_from=noon) == 2  # what runs stays
        assert {status.instance_id async for status in hub.client.list_instances()} == {old[0], running}


# -- custom status, timers ---------------------------------------------------------------------------------------------


async def test_a_custom_status_is_seen_at_once_and_can_be_taken_back(make_hub: MakeHub) -> None:
    values: list[object] = [{"step": 1}, 0, "", False, None]
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(tells, values)
        for value in values:
            await hub.run_until_idle()
            status = await hub.client.get_status(instance_id)
            assert status is not None
            assert status.custom_status == value
            assert type(status.custom_status) is type(value)
            await hub.client.raise_event(instance_id, "next", None)


async def test_a_custom_status_outlives_continue_as_new(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(begins_anew, 2, tags={"kind": "test"})
        status = await hub.client.wait_for_completion(instance_id)
        assert (status.output, status.custom_status, status.tags) == ("done", "set once", {"kind": "test"})


async def test_too_large_a_custom_status_fails_the_orchestration() -> None:
    async with TestHub(app) as hub:
        instance_id = await hub.client.start_new(tells, list[object](["x" * 20_000]))
        status = await hub.client.wait_for_completion(instance_id)
        assert status.runtime_status == RuntimeStatus.FAILED


async def test_a_timer_over_thirty_days(make_hub: MakeHub) -> None:
    # Durabletask #1006: more than seven days loop for ever.
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(waits_a_month)
        await hub.advance(timedelta(days=29, hours=23))
        assert await status_of(hub, instance_id) == RuntimeStatus.RUNNING
        await hub.advance(timedelta(hours=2))
        assert (await hub.client.wait_for_completion(instance_id)).output == 30 * 86_400


async def test_timers_fire_in_the_order_of_their_times(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(timers)
        status = await hub.client.wait_for_completion(instance_id, timeout=60)
        assert status.output is not None
        assert sorted(status.output[:2]) == [-10, 0]
        assert status.output[2:] == [1, 5, 40]
