"""Instances that are asked to end, over crashes and replays: what was done is undone, once, and they are Canceled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, EntityId
from stead.orchestrations import (
    InstanceFinished,
    OrchestrationContext,
    OrchestrationFailed,
    RuntimeStatus,
    SubOrchestrationFailed,
    UnknownInstance,
)

MakeHub = Callable[[App], TestHub]

app = App("canceling")


@app.entity
class Seats(Entity):
    """What is booked."""

    taken: int = 0

    def take(self) -> None:
        self.taken += 1

    def free(self) -> None:
        self.taken -= 1


@app.activity
async def slow(seconds: float) -> None:
    await asyncio.sleep(seconds)


@app.activity
def note(text: str) -> str:
    return text


@app.orchestration
async def trip(context: OrchestrationContext, hotel: str = "h") -> str:
    await context.call_entity(Seats.take, "s")
    try:
        async with asyncio.timeout(3600):
            await context.wait_for_external_event("paid")
        return "booked"
    except asyncio.CancelledError:
        async with context.lock_entities(EntityId(Seats, "s")):
            await context.call_entity(Seats.free, "s")
        await context.call_activity(note, "freed")
        raise


@app.orchestration
async def several(context: OrchestrationContext) -> list[str]:
    async with asyncio.TaskGroup() as group:

        async def one() -> str:
            return await context.call_sub_orchestrator(trip.with_options(parent_close="cancel"))

        tasks = [group.create_task(one()) for _ in range(3)]
    return [task.result() for task in tasks]


@app.orchestration
async def outer(context: OrchestrationContext) -> str:
    try:
        return await context.call_sub_orchestrator(trip.with_options(instance_id="inner"))
    except SubOrchestrationFailed as failure:
        return f"{failure.error_type}: {failure.message}"


async def seats(hub: TestHub) -> int:
    found = await hub.client.read_entity(Seats, "s")
    return 0 if found is None else found.taken


async def test_what_was_done_is_undone(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(trip)
        await hub.run_until_idle()
        assert await seats(hub) == 1
        await hub.client.cancel(instance_id, "no money")
        status = await hub.client.wait_for_completion(instance_id)
        assert (status.runtime_status, status.output) == (RuntimeStatus.CANCELED, "no money")
        assert status.is_finished and status.failure is None
        assert await seats(hub) == 0
        with pytest.raises(OrchestrationFailed, match=r"stead\.orchestrations\.Canceled: no money"):
            status.result()
        await hub.client.cancel(instance_id, "again")
        await hub.client.terminate(instance_id)
        with pytest.raises(InstanceFinished):
            await hub.client.rewind(instance_id)
        with pytest.raises(UnknownInstance):
            await hub.client.cancel("nobody")
        assert (await hub.client.wait_for_completion(instance_id)).output == "no money"


async def test_its_children_first(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(several)
        await hub.run_until_idle()
        assert await seats(hub) == 3
        await hub.client.cancel(instance_id, "no money")
        assert (await hub.client.wait_for_completion(instance_id)).runtime_status is RuntimeStatus.CANCELED
        await hub.advance(timedelta(seconds=1))
        assert await seats(hub) == 0
        statuses = [status.runtime_status async for status in hub.client.list_instances(name=trip)]
        assert statuses == [RuntimeStatus.CANCELED] * 3


async def test_a_parent_hears_that_its_child_was_canceled(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(outer)
        await hub.run_until_idle()
        await hub.client.cancel("inner", "no money")
        status = await hub.client.wait_for_completion(instance_id)
        assert status.result() == "stead.orchestrations.Canceled: no money"


async def test_in_time_or_too_late(make_hub: MakeHub) -> None:
    """Whichever is accepted first counts, and nothing comes after the end."""
    async with make_hub(app) as hub:
        for late in (False, True):
            instance_id = await hub.client.start_new(trip)
            await hub.run_until_idle()
            acts = [hub.client.raise_event(instance_id, "paid"), hub.client.cancel(instance_id, "no money")]
            for act in acts if late else reversed(acts):
                await act
            status = await hub.client.wait_for_completion(instance_id)
            assert status.runtime_status is (RuntimeStatus.COMPLETED if late else RuntimeStatus.CANCELED)
            assert status.output == ("booked" if late else "no money")
