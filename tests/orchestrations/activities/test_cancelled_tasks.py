"""Code of the process that cancels tasks which are not its own: an activity has failed by it, and its slot is free."""

from __future__ import annotations

import asyncio

import pytest

from support.activity_bench import ActivityBench, settle

pytestmark = pytest.mark.anyio


async def double(number: int) -> int:
    return number * 2


@pytest.mark.parametrize("passes", range(3))
async def test_an_activity_whose_task_other_code_cancels_has_failed_and_its_slot_is_free(passes: int) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    bench = ActivityBench(hang, double, activities_running_max=1)
    async with bench.running():
        before = asyncio.all_tasks()
        bench.grant(bench.task("hang"), bench.task("double", 2))
        for _ in range(passes):  # a task that is cancelled before its first step runs nothing of it
            await asyncio.sleep(0)
        (running,) = asyncio.all_tasks() - before
        running.cancel()
        await bench.idle()
    assert bench.answers == {1: "asyncio.exceptions.CancelledError", 2: 4}


async def test_activities_that_other_code_cancels_before_they_begin_leave_their_slots() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    bench = ActivityBench(hang, double, activities_running_max=2)
    async with bench.running():
        for waited in (False, True):  # one that has waited has a task of its own
            before = asyncio.all_tasks()
            hanging = [bench.task("hang"), bench.task("hang")]
            bench.grant(*hanging)
            bench.unwanted(hanging[1])  # dropped before its first step
            for task in asyncio.all_tasks() - before:
                task.cancel()
            await bench.idle()
            assert bench.runner.slots.running == 0, f"the slots are free (waited before: {waited})"
            bench.grant(hung := bench.task("hang"))
            await settle()
            bench.unwanted(hung)
            await bench.idle()
        bench.grant(bench.task("double", 2))
        await bench.idle()
    assert bench.answers == {1: "asyncio.exceptions.CancelledError", 4: "asyncio.exceptions.CancelledError", 7: 4}
