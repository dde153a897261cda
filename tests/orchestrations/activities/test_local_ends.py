"""Local activities in the runner that do not begin at once after all, and those whose tenure or worker ends."""

from __future__ import annotations

import asyncio
import time

import pytest

from support.activity_bench import ActivityBench, outside, settle

pytestmark = [pytest.mark.anyio, pytest.mark.hazard(115)]

# -- what does not begin at once ---------------------------------------------------------------------------------------


async def test_without_room_it_begins_when_it_is_stored_and_there_is_some() -> None:
    go = asyncio.Event()

    async def wait(number: int) -> int:
        await go.wait()
        return number

    bench = ActivityBench(wait, activities_running_max=1)
    async with bench.running():
        await bench.stand_by()
        first, second = bench.task("wait", 1), bench.task("wait", 2)
        bench.grant(first)
        await settle()
        assert await outside(lambda: bench.begin(second)) == {}
        assert bench.runner.slots.running == 1
        bench.grant(second)
        go.set()
        await bench.idle()
    assert bench.answers == {1: 1, 2: 2}


async def test_without_a_task_that_stands_by_it_begins_when_it_is_stored() -> None:
    async def echo(number: int) -> int:
        return number

    bench = ActivityBench(echo)
    async with bench.running():
        task = bench.task("echo", 1)
        assert await outside(lambda: bench.begin(task)) == {}
        bench.grant(task)
        await bench.idle()
        assert bench.answers == {1: 1}
        assert await outside(lambda: bench.begin(bench.task("echo", 2))) == {2: 2}


async def test_a_plain_one_begins_when_it_is_stored() -> None:
    def plain(number: int) -> int:
        return number

    bench = ActivityBench(plain)
    async with bench.running():
        await bench.stand_by()
        task = bench.task("plain", 1)
        assert await outside(lambda: bench.begin(task)) == {}
        bench.grant(task)
        await bench.idle()
    assert bench.answers == {1: 1}


# -- ends --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [False, True])
async def test_no_result_of_what_may_not_be_stored_leaves_the_tenure(waits: bool) -> None:
    """Whoever goes on may have taken another way, in which the same number is another activity's."""
    go = asyncio.Event()
    if not waits:
        go.set()

    async def work(number: int) -> int:
        await go.wait()
        return number

    bench = ActivityBench(work)
    async with bench.running():
        await bench.stand_by()
        task = bench.task("work", 1)
        await outside(lambda: bench.begin(task))
        await bench.give_back()
        go.set()
        await bench.idle()
        assert not bench.results
        assert not [asked for asked in bench.store.asked if asked[0] == "share" and asked[1]]
        bench.grant(task)
        await bench.idle()
    assert not bench.results and not bench.answers


async def test_what_is_stored_by_then_goes_on_for_the_next_owner() -> None:
    go = asyncio.Event()

    async def work(number: int) -> int:
        await go.wait()
        return number

    bench = ActivityBench(work)
    async with bench.running():
        await bench.stand_by()
        task = bench.task("work", 1)
        await outside(lambda: bench.begin(task))
        bench.grant(task)
        await bench.give_back()
        go.set()
        await bench.idle()
    assert bench.results == {1: 1}


async def test_a_tenure_that_ends_takes_what_runs_with_it() -> None:
    async def wait(number: int) -> None:
        await asyncio.Event().wait()

    bench = ActivityBench(wait)
    async with bench.running():
        await bench.stand_by()
        await outside(lambda: bench.begin(bench.task("wait", 1)))
        bench.let_go()
        await bench.idle()
        assert bench.runner.slots.running == 0
    assert not bench.answers


async def test_what_ends_the_process_goes_through() -> None:
    async def interrupt(number: int) -> None:
        raise KeyboardInterrupt

    bench = ActivityBench(interrupt)
    async with bench.running():
        await bench.stand_by()
        with pytest.raises(RuntimeError, match="KeyboardInterrupt"):
            await outside(lambda: bench.begin(bench.task("interrupt", 1)))
        assert [type(error) for error in bench.board.failures] == [KeyboardInterrupt]


async def test_no_task_stands_by_after_the_end() -> None:
    async def echo(number: int) -> int:
        return number

    before = len(asyncio.all_tasks())
    bench = ActivityBench(echo)
    async with bench.running():
        await bench.stand_by()
        await outside(lambda: bench.begin(bench.task("echo", 1)))
    await settle()
    assert len(asyncio.all_tasks()) == before


async def test_who_cancels_whatever_tasks_there_are_leaves_some_for_the_next() -> None:
    async def echo(number: int) -> int:
        return number

    bench = ActivityBench(echo)
    async with bench.running():
        await bench.stand_by()
        for task in bench.runner.slots._carriers.standby._tasks:
            task.cancel()
        assert await outside(lambda: bench.begin(bench.task("echo", 1))) == {}
        await settle()
        assert await outside(lambda: bench.begin(bench.task("echo", 2))) == {2: 2}


async def test_one_that_holds_the_worker_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async def block(number: int) -> int:
        time.sleep(0.03)
        return number

    bench = ActivityBench(block, slow_operation_ms=10)
    async with bench.running():
        await bench.stand_by()
        assert await outside(lambda: bench.begin(bench.task("block", 1))) == {1: 1}
    assert any("activity block" in record.getMessage() for record in caplog.records)
