"""What an activity leaves at its task (a name, a cancellation, a watchdog, a callback, itself) is nothing to the next one."""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from support.activity_bench import ActivityBench

pytestmark = pytest.mark.anyio


def this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def outcomes(activity: Callable[[int], Awaitable[object]], count: int) -> list[object]:
    """Of an activity that is granted so many times at once, with the numbers from 0 on."""
    bench = ActivityBench(activity)
    async with bench.running():
        bench.grant(*(bench.task("activity", number) for number in range(count)))
        await bench.idle()
    return [bench.answers[place] for place in sorted(bench.answers)]


kept: list[Any] = []
by_task = weakref.WeakKeyDictionary[Any, str]()


async def cancel_and_take_back() -> None:
    this_task().cancel()
    this_task().uncancel()


async def forget_watchdog() -> None:
    asyncio.get_running_loop().call_later(0.01, this_task().cancel)


async def forget_time_out() -> None:
    kept.append(asyncio.timeout(0.01))
    await kept[-1].__aenter__()


async def forget_scope() -> None:
    kept.append(anyio.move_on_after(0.01))
    kept[-1].__enter__()


LEFT = (cancel_and_take_back, forget_watchdog, forget_time_out, forget_scope)


@pytest.mark.invariant(12)
@pytest.mark.parametrize("leave", LEFT, ids=lambda leave: leave.__name__)
async def test_what_would_cancel_one_that_has_ended_does_not_reach_the_next(
    leave: Callable[[], Awaitable[None]],
) -> None:
    async def activity(number: int) -> str:
        if number == 0:
            await leave()  # which never waits
            return "at once"
        await asyncio.sleep(0.05)  # until it would have come
        return "waited"

    assert await outcomes(activity, 3) == ["at once", "waited", "waited"]


async def test_one_that_is_cancelled_by_its_task_after_its_end_is_not_another() -> None:
    tasks: dict[int, asyncio.Task[Any]] = {}

    async def activity(number: int) -> str:
        tasks[number] = this_task()
        if number == 1:
            tasks[0].cancel()
        if number == 2:
            await asyncio.wait([tasks[0]])
        return "came"

    assert await outcomes(activity, 3) == ["came"] * 3
    assert len(set(tasks.values())) == 3


async def test_a_task_s_own_values_are_not_there_for_the_next() -> None:
    async def activity(number: int) -> str | None:
        return by_task.setdefault(this_task(), f"of {number}")

    assert await outcomes(activity, 3) == ["of 0", "of 1", "of 2"]


async def test_who_wants_to_be_told_of_the_end_does_not_wait_for_the_end_of_another() -> None:
    told = asyncio.Event()

    async def activity(number: int) -> str:
        if number == 0:
            this_task().add_done_callback(lambda task: told.set())
        else:
            await told.wait()
        return "came"

    assert await outcomes(activity, 2) == ["came"] * 2


@pytest.mark.parametrize("waits", [False, True])
async def test_a_task_has_the_activity_s_name_and_then_the_one_it_was_given(waits: bool) -> None:
    async def activity(number: int) -> list[str]:
        names = [this_task().get_name()]
        this_task().set_name(f"number {number}")
        if waits:
            await asyncio.sleep(0)
        return [*names, this_task().get_name()]

    assert await outcomes(activity, 3) == [["activity", f"number {number}"] for number in range(3)]


FACTORIES: list[Any] = [None]
if sys.version_info >= (3, 12):
    FACTORIES.append(asyncio.eager_task_factory)


@pytest.mark.parametrize("factory", FACTORIES)
async def test_a_loop_that_begins_its_tasks_at_once_runs_them_all(factory: Any) -> None:
    asyncio.get_running_loop().set_task_factory(factory)

    async def activity(number: int) -> int:
        if number % 2:
            await asyncio.sleep(0)
        return number

    assert await outcomes(activity, 9) == list(range(9))
