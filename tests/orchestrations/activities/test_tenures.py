"""Activities whose partition moves, or whose worker ends: what runs is shared, and no result counts twice."""

from __future__ import annotations

import asyncio

import pytest

from orchestrations.activities.test_running import double
from stead.transport import Taken
from support.activity_bench import ActivityBench, settle

pytestmark = pytest.mark.anyio


async def test_when_the_tenure_ends_nothing_of_it_counts() -> None:
    cancelled = asyncio.Event()

    async def sleep() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            cancelled.set()

    bench = ActivityBench(sleep, activities_running_max=1)
    async with bench.running():
        bench.grant(bench.task("sleep"), bench.task("sleep"))
        await settle()
        bench.let_go()
        await bench.idle()
        assert cancelled.is_set()
    assert (bench.answers, bench.results) == ({}, {})


async def test_giving_back_shares_what_runs_and_leaves_what_waits() -> None:
    go = asyncio.Event()

    async def wait() -> str:
        await go.wait()
        return "done"

    bench = ActivityBench(wait, activities_running_max=1)
    running, waiting = bench.task("wait"), bench.task("wait")
    async with bench.running():
        bench.grant(running, waiting)
        await settle()
        await bench.give_back()
        bench.let_go()
        assert ("share", [(running.task_id, "")]) in bench.store.asked
        await settle()
        bench.store.clock.advance_to(bench.store.clock.now_ms() + bench.settings.activity_heartbeat_ms)
        await settle()
        assert ("keep", [running.task_id]) in bench.store.asked
        go.set()
        await bench.idle()
    assert bench.results == {1: "done"}
    assert bench.store.results[running.task_id] == [0, "i", "x", 1, True, "done", True]
    assert bench.answers == {}


async def test_giving_back_loses_no_result_that_was_not_recorded() -> None:
    bench = ActivityBench(double)
    async with bench.running():
        bench.grant(bench.task("double", 1))
        await bench.idle()
        assert bench.answers == {1: 2}  # but its turn never came
        await bench.give_back()
    assert bench.results == {1: 2}


async def test_a_worker_that_stops_lets_activities_end() -> None:
    async def work() -> str:
        await asyncio.sleep(0.01)
        return "done"

    bench = ActivityBench(work)
    async with bench.running():
        bench.grant(bench.task("work"))
        await settle()
        bench.board.stopping = True
        await bench.give_back()
    assert bench.results == {1: "done"}
    assert not any(what == "share" for what, _ in bench.store.asked)


async def test_but_not_for_ever() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            cancelled.set()

    bench = ActivityBench(work, drain_ms=10)
    async with bench.running():
        bench.grant(bench.task("work"))
        await settle()
        bench.board.stopping = True
        await bench.give_back()
        bench.let_go()
    assert cancelled.is_set()
    assert bench.results == {}


async def test_a_tenure_begins_with_the_tasks_that_are_there_each_once() -> None:
    runs: list[int] = []

    async def work(number: int) -> int:
        runs.append(number)
        return number

    bench = ActivityBench(work)
    left = [bench.task("work", number) for number in range(5)]
    new = bench.task("work", 5)
    async with bench.running():
        bench.hold(*left, new)
        bench.grant(new)
        bench.unwanted(left[4])  # while they are read
        await bench.idle()
    assert sorted(runs) == [0, 1, 2, 3, 5]


@pytest.mark.parametrize("stopping", [False, True])
async def test_a_result_that_comes_while_a_partition_drains_is_in_the_inbox_exactly_once(stopping: bool) -> None:
    go = asyncio.Event()
    sent: list[bytes] = []

    async def wait() -> str:
        await go.wait()
        return "done"

    bench = ActivityBench(wait)
    bench.board.stopping = stopping
    complete = bench.store.complete_task

    async def complete_task(partition: int, task_id: bytes, payload: bytes, taken: Taken | None) -> bool:
        sent.append(task_id)
        return await complete(partition, task_id, payload, taken)

    bench.store.complete_task = complete_task  # type: ignore[method-assign]
    early, late = bench.task("wait"), bench.task("wait")
    async with bench.running():
        bench.grant(early)
        await settle()
        bench.partition.draining = True
        go.set()
        await bench.idle()
        assert (bench.answers, sent) == ({}, [])  # no turn would take it
        bench.partition.draining = False
        go.clear()
        bench.grant(late)
        await settle()
        giving_back = asyncio.ensure_future(bench.give_back())
        await settle()
        go.set()
        await giving_back
        await bench.idle()
    assert (bench.answers, sorted(sent)) == ({}, sorted([early.task_id, late.task_id]))
