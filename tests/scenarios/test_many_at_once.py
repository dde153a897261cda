"""What is done to many instances at once: those that match, with an account."""

from __future__ import annotations

from typing import Any

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import InvalidInput
from stead.orchestrations import Account, OrchestrationContext, RuntimeStatus

app = App("many")
broken = [True]


@app.activity
def work() -> str:
    if broken:
        raise ValueError("broken")
    return "done"


@app.orchestration
async def waits(context: OrchestrationContext) -> object:
    return await context.wait_for_external_event("go")


@app.orchestration
async def works(context: OrchestrationContext) -> str:
    return await context.call_activity(work)


async def counts(hub: TestHub) -> dict[RuntimeStatus, int]:
    await hub.run_until_idle()
    found: dict[RuntimeStatus, int] = {}
    for (_, status), count in (await hub.client.count_instances(prefix="w-")).items():
        found[status] = found.get(status, 0) + count
    return found


async def test_one_action_for_all_that_match() -> None:
    broken[:] = [True]
    async with TestHub(app) as hub:
        for number in range(250):
            await hub.client.start_new(waits, instance_id=f"w-{number:03}", tags={"half": str(number % 2)})
        for number in range(3):
            await hub.client.start_new(works, instance_id=f"w-fails-{number}")
        assert await counts(hub) == {RuntimeStatus.RUNNING: 250, RuntimeStatus.FAILED: 3}
        manage = hub.client.manage_instances
        told: list[int] = []

        dry = await manage("cancel", name=waits, dry_run=True, progress=told.append)
        assert (dry, told[-1]) == (Account(250, 250), 250)
        assert len(told) >= 3
        assert (await counts(hub))[RuntimeStatus.RUNNING] == 250

        assert await manage("suspend", prefix="w-", tags={"half": "1"}) == Account(125, 125)
        assert (await counts(hub))[RuntimeStatus.SUSPENDED] == 125
        assert await manage("suspend", prefix="w-", name="waits") == Account(250, 125, 125)
        assert (await counts(hub))[RuntimeStatus.SUSPENDED] == 250
        assert await manage("resume", prefix="w-") == Account(253, 250, 3)
        assert (await counts(hub))[RuntimeStatus.RUNNING] == 250
        assert await manage("cancel", tags={"half": "1"}, reason="enough") == Account(125, 125)
        assert (await counts(hub))[RuntimeStatus.CANCELED] == 125
        assert await manage("raise_event", prefix="w-00", event="go", data=7) == Account(10, 5, 5)
        await hub.run_until_idle()
        assert await manage("terminate", statuses=["Running"]) == Account(120, 120)
        await hub.run_until_idle()
        broken.clear()
        assert await manage("rewind", prefix="w-fails", reason="mended") == Account(3, 3)
        assert await counts(hub) == {
            RuntimeStatus.CANCELED: 125,
            RuntimeStatus.TERMINATED: 120,
            RuntimeStatus.COMPLETED: 8,
        }
        assert await manage("terminate", prefix="w-") == Account(253, 0, 253)


async def test_what_cannot_be_meant_is_refused() -> None:
    async with TestHub(app) as hub:
        wrong: Any = "explode"
        with pytest.raises(InvalidInput, match="explode"):
            await hub.client.manage_instances(wrong)
        with pytest.raises(InvalidInput, match="event"):
            await hub.client.manage_instances("raise_event")
        with pytest.raises(InvalidInput, match="status"):
            await hub.client.manage_instances("cancel", statuses=["Bogus"])
