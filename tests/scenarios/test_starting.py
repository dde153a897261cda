"""Starts: of taken IDs, at a time, from entities and orchestrations, and terminated before they begin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Literal

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity
from stead.orchestrations import (
    InstanceExists,
    OrchestrationContext,
    RuntimeStatus,
    UnknownInstance,
    UnknownOrchestration,
)

MakeHub = Callable[[App], TestHub]

app = App("starting")


@app.orchestration
async def echo(context: OrchestrationContext, text: str = "") -> str:
    return text


@app.orchestration
async def patient(context: OrchestrationContext, name: str = "go") -> object:
    return await context.wait_for_external_event(name)


@app.orchestration(version="2.1")
async def versioned(context: OrchestrationContext) -> str | None:
    return context.version


@app.orchestration
async def starter(context: OrchestrationContext, count: int) -> list[str]:
    return [context.start_new(echo, str(number)) for number in range(count)]


@app.entity
class Launcher(Entity):
    started: list[str] = []

    def launch(self, fail: bool = False) -> str:
        self.started.append(self.context.start_new(versioned))
        if fail:
            raise ValueError("no launch")
        return self.started[-1]

    def launch_later(self) -> str:
        return self.context.start_new(echo, "late", instance_id="later", at=self.context.now + timedelta(hours=2))


async def status_of(hub: TestHub, instance_id: str) -> RuntimeStatus:
    status = await hub.client.get_status(instance_id)
    assert status is not None
    return status.runtime_status


@pytest.mark.hazard(14)
async def test_start_and_terminate_of_a_reused_id_in_one_batch(make_hub: MakeHub) -> None:
    # Durable Functions #1380: while the old execution is finished, both are thrown away.
    async with make_hub(app) as hub:
        await hub.client.start_new(echo, "old", instance_id="one")
        assert (await hub.client.wait_for_completion("one")).output == "old"
        await hub._driver.stop()  # so that the worker reads both at once
        await hub.client.start_new(patient, instance_id="one")
        await hub.client.terminate("one", "no longer wanted")
        await hub._driver.start()
        status = await hub.client.wait_for_completion("one")
        assert (status.runtime_status, status.output) == (RuntimeStatus.TERMINATED, "no longer wanted")
        assert status.name == "patient"


async def test_start_and_event_of_a_reused_id_in_one_batch(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await hub.client.start_new(echo, "old", instance_id="one")
        await hub.client.wait_for_completion("one")
        await hub._driver.stop()
        await hub.client.start_new(patient, instance_id="one")
        await hub.client.raise_event("one", "go", [1])
        await hub._driver.start()
        assert (await hub.client.wait_for_completion("one")).output == [1]


async def test_of_twenty_starts_at_once_one_wins(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        for round_ in range(3):
            starts = [hub.client.start_new(echo, str(number), instance_id="same") for number in range(20)]
            results = await asyncio.gather(*starts, return_exceptions=True)
            won = [result for result in results if result == "same"]
            if round_ == 0:
                assert len(won) >= 1
            assert len(won) + sum(isinstance(result, InstanceExists) for result in results) == 20
            await hub.client.wait_for_completion("same")


async def test_of_twenty_starts_of_one_that_lasts_one_wins(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        starts = [hub.client.start_new(patient, instance_id="same") for _ in range(20)]
        results = await asyncio.gather(*starts, return_exceptions=True)
        assert sum(isinstance(result, InstanceExists) for result in results) == 19
        await hub.client.raise_event("same", "go", 0)
        assert (await hub.client.wait_for_completion("same")).output == 0


@pytest.mark.parametrize("reuse", ["finished", "never", "always"])
async def test_reuse_of_a_finished_id(make_hub: MakeHub, reuse: Literal["finished", "never", "always"]) -> None:
    async with make_hub(app) as hub:
        await hub.client.start_new(echo, "old", instance_id="one")
        await hub.client.wait_for_completion("one")
        if reuse == "never":
            with pytest.raises(InstanceExists):
                await hub.client.start_new(echo, "new", instance_id="one", reuse=reuse)
        else:
            await hub.client.start_new(echo, "new", instance_id="one", reuse=reuse)
        status = await hub.client.wait_for_completion("one")
        assert status.output == ("old" if reuse == "never" else "new")


async def test_always_replaces_what_runs(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await hub.client.start_new(patient, instance_id="one")
        await hub.run_until_idle()
        with pytest.raises(InstanceExists):
            await hub.client.start_new(echo, "new", instance_id="one")
        await hub.client.start_new(echo, "new", instance_id="one", reuse="always")
        status = await hub.client.wait_for_completion("one")
        assert (status.name, status.output) == ("echo", "new")


async def test_a_scheduled_start_is_pending_until_its_time(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        at = hub.now + timedelta(hours=5)
        await hub.client.start_new(echo, "later", instance_id="one", at=at)
        await hub.advance(timedelta(hours=4, minutes=59))
        assert await status_of(hub, "one") == RuntimeStatus.PENDING
        with pytest.raises(InstanceExists):
            await hub.client.start_new(echo, instance_id="one")
        await hub.advance(timedelta(minutes=1))
        status = await hub.client.wait_for_completion("one")
        assert status.output == "later"
        assert status.last_updated_time == at


async def test_what_is_pending_can_be_terminated(make_hub: MakeHub) -> None:
    # Durable Functions #2381
    async with make_hub(app) as hub:
        await hub.client.start_new(echo, "x", instance_id="one", at=hub.now + timedelta(hours=5))
        await hub.run_until_idle()
        await hub.client.terminate("one", "not needed")
        status = await hub.client.wait_for_completion("one")
        assert (status.runtime_status, status.output) == (RuntimeStatus.TERMINATED, "not needed")
        await hub.advance(timedelta(hours=6))
        assert await status_of(hub, "one") == RuntimeStatus.TERMINATED


async def test_what_no_worker_has_read_can_be_seen_and_terminated() -> None:
    async with TestHub(app) as hub:
        await hub._driver.stop()
        await hub.client.start_new(patient, instance_id="one")
        assert await status_of(hub, "one") == RuntimeStatus.PENDING
        await hub.client.terminate("one", "not needed")
        await hub._driver.start()
        assert (await hub.client.wait_for_completion("one")).runtime_status == RuntimeStatus.TERMINATED


async def test_an_event_for_a_scheduled_start_waits_for_it(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await hub.client.start_new(patient, instance_id="one", at=hub.now + timedelta(hours=5))
        await hub.client.raise_event("one", "go", "early")
        await hub.advance(timedelta(hours=1))
        assert await status_of(hub, "one") == RuntimeStatus.PENDING
        await hub.advance(timedelta(hours=5))
        assert (await hub.client.wait_for_completion("one")).output == "early"


async def test_a_start_from_an_entity_has_the_definitions_version(make_hub: MakeHub) -> None:
    # Durable Functions #3237
    async with make_hub(app) as hub:
        instance_id = await hub.client.call_entity(Launcher.launch, "pad")
        assert (await hub.client.wait_for_completion(instance_id)).output == "2.1"


async def test_a_failing_operation_starts_nothing(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        await hub.client.signal_entity(Launcher.launch, "pad", True)
        await hub.run_until_idle()
        assert [status async for status in hub.client.list_instances()] == []


async def test_an_entity_starts_at_a_time(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        began = hub.now
        assert await hub.client.call_entity(Launcher.launch_later, "pad") == "later"
        await hub.advance(timedelta(hours=3))
        status = await hub.client.wait_for_completion("later")
        assert status.output == "late"
        assert status.last_updated_time == began + timedelta(hours=2)


async def test_what_nobody_waits_for_outlives_its_starter(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(starter, 30)
        ids = (await hub.client.wait_for_completion(instance_id)).output
        assert ids is not None
        assert [(await hub.client.wait_for_completion(one)).output for one in ids] == [str(n) for n in range(30)]


async def test_unknown_names_and_instances_are_errors_at_the_caller() -> None:
    async with TestHub(app) as hub:
        with pytest.raises(UnknownOrchestration):
            await hub.client.start_new("nosuch")
        for step in (
            hub.client.raise_event("nosuch", "go", 1),
            hub.client.terminate("nosuch", ""),
            hub.client.suspend("nosuch", ""),
            hub.client.resume("nosuch", ""),
            hub.client.rewind("nosuch", ""),
            hub.client.restart("nosuch"),
        ):
            with pytest.raises(UnknownInstance):
                await step
        assert await hub.client.get_status("nosuch") is None
