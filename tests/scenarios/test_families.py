"""Parents and children: taken IDs, many generations, purged and restarted families, and history that stays within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from stead.app import App, Settings
from stead.app.testing import TestHub
from stead.orchestrations import OrchestrationContext, RuntimeStatus, SubOrchestrationFailed

MakeHub = Callable[[App], TestHub]

app = App("families", settings=Settings(history_length_max=300))


@app.orchestration
async def leaf(context: OrchestrationContext, text: str = "") -> str:
    if text == "wait":
        return await context.wait_for_external_event("go", str)
    return f"{text} of {context.parent_instance_id}"


@app.orchestration
async def chosen(context: OrchestrationContext, instance_id: str) -> str:
    """Calls a child under an ID that may be taken."""
    try:
        return await context.call_sub_orchestrator(leaf.with_options(instance_id=instance_id), "child")
    except SubOrchestrationFailed as failure:
        return f"{failure.error_type}: {failure.message}"


@app.orchestration
async def tree(context: OrchestrationContext, depth: int) -> int:
    """A tree of instances; gives how many there are."""
    if depth == 0:
        return 1
    return 1 + sum(await asyncio.gather(*(context.call_sub_orchestrator(tree, depth - 1) for _ in range(2))))


@app.orchestration
async def endless(context: OrchestrationContext) -> None:
    while True:
        await context.create_timer(timedelta(seconds=1))


@app.orchestration
async def gives_up_children(context: OrchestrationContext) -> str:
    """A child whose result comes too late is not waited for."""
    try:
        async with asyncio.timeout(60):
            return await context.call_sub_orchestrator(leaf.with_options(instance_id="slow"), "wait")
    except TimeoutError:
        await context.create_timer(timedelta(minutes=5))
        return "gave up"


async def test_a_child_whose_id_is_taken_fails_its_parent_alone(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await hub.client.start_new(leaf, "wait", instance_id="taken")
        await hub.run_until_idle()
        parent = await hub.client.start_new(chosen, "taken")
        text = (await hub.client.wait_for_completion(parent)).output
        assert text is not None
        assert "InstanceExists" in text
        await hub.client.raise_event("taken", "go", "undisturbed")
        assert (await hub.client.wait_for_completion("taken")).output == "undisturbed"


async def test_the_id_of_a_finished_instance_is_used_again(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await hub.client.start_new(leaf, "first", instance_id="used")
        await hub.client.wait_for_completion("used")
        parent = await hub.client.start_new(chosen, "used", instance_id="p")
        assert (await hub.client.wait_for_completion(parent)).output == "child of p"


async def test_many_generations(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(tree, 5)
        assert (await hub.client.wait_for_completion(instance_id)).output == 63
        assert len([status async for status in hub.client.list_instances()]) == 63
        assert await hub.client.purge(instance_id, recursive=True)
        await hub.run_until_idle()
        assert [status.instance_id async for status in hub.client.list_instances()] == []


async def test_a_family_is_restarted_under_the_same_id(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(tree, 3, instance_id="root")
        for _ in range(3):
            assert (await hub.client.wait_for_completion(instance_id)).output == 15
            await hub.client.restart(instance_id, new_instance_id=False)
        assert (await hub.client.wait_for_completion(instance_id)).output == 15


@pytest.mark.hazard(15)
async def test_a_late_result_of_a_child_is_dropped(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(gives_up_children)
        await hub.advance(timedelta(minutes=2))
        await hub.client.raise_event("slow", "go", "late")
        await hub.advance(timedelta(minutes=10))
        assert (await hub.client.wait_for_completion(instance_id)).output == "gave up"
        assert (await hub.client.wait_for_completion("slow")).output == "late"


async def test_a_history_that_grows_for_ever_fails_its_instance(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(endless)
        await hub.advance(timedelta(hours=1))
        status = await hub.client.wait_for_completion(instance_id)
        assert status.runtime_status == RuntimeStatus.FAILED
        assert "continue_as_new" in str(status.failure)


async def test_finished_instances_go_by_themselves() -> None:
    kept = App("kept", settings=Settings(instances_keep_ms=3_600_000))
    kept.orchestrations.add_orchestration(leaf)
    async with TestHub(kept) as hub:
        first = await hub.client.start_new(leaf, "x")
        await hub.advance(timedelta(minutes=30))
        second = await hub.client.start_new(leaf, "x")
        await hub.client.wait_for_completion(second)
        waiting = await hub.client.start_new(leaf, "wait")
        await hub.advance(timedelta(minutes=31))
        assert {status.instance_id async for status in hub.client.list_instances()} == {second, waiting}
        assert await hub.client.get_status(first) is None
        await hub.advance(timedelta(hours=2))
        assert {status.instance_id async for status in hub.client.list_instances()} == {waiting}
