"""Local activities in the runner: their first step is taken within the turns that asked for it, and nobody can tell from inside."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from stead.orchestrations import activity_context
from support.activity_bench import ActivityBench, outside, settle

pytestmark = pytest.mark.anyio

Function = Callable[[int], Coroutine[Any, Any, Any]]


def task_now() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def test_one_that_does_not_wait_has_answered_when_the_turns_go_on() -> None:
    async def double(number: int) -> int:
        assert activity_context().instance_id == "i"
        return 2 * number

    bench = ActivityBench(double)
    async with bench.running():
        await bench.stand_by()
        tasks = [bench.task("double", number) for number in (1, 2, 3)]
        assert await outside(lambda: bench.begin(*tasks)) == {1: 2, 2: 4, 3: 6}
        assert bench.runner.idle
        assert not bench.board.delivered
        bench.unwanted(*tasks)
        bench.grant(bench.task("double", 5))
        await bench.idle()
    assert bench.answers == {4: 10}


async def test_one_that_fails_has_failed_when_the_turns_go_on() -> None:
    async def fail(number: int) -> None:
        raise ValueError(number)

    bench = ActivityBench(fail)
    async with bench.running():
        await bench.stand_by()
        assert await outside(lambda: bench.begin(bench.task("fail", 1))) == {1: "ValueError"}


async def test_those_that_end_at_once_share_a_task() -> None:
    async def which(number: int) -> int:
        return id(task_now())

    bench = ActivityBench(which)
    async with bench.running():
        await bench.stand_by()
        said = await outside(lambda: bench.begin(*(bench.task("which", number) for number in range(50))))
    assert len(said) == 50 and len({*said.values()}) == 1


async def test_one_that_waits_goes_on_in_its_task_and_does_not_begin_again() -> None:
    began: list[int] = []
    go = asyncio.Event()

    async def wait(number: int) -> bool:
        began.append(number)
        task = task_now()
        await go.wait()
        await asyncio.sleep(0)
        return task is task_now()

    bench = ActivityBench(wait)
    async with bench.running():
        await bench.stand_by()
        tasks = [bench.task("wait", number) for number in (1, 2)]
        assert await outside(lambda: bench.begin(*tasks)) == {}
        await settle()
        bench.grant(*tasks)
        await settle()
        go.set()
        await bench.idle()
        assert bench.answers == {1: True, 2: True}
        assert began == [1, 2]


@pytest.mark.parametrize("when", ["before it is stored", "after"])
async def test_one_that_waits_is_cancelled_when_nobody_wants_it(when: str) -> None:
    ended: list[str] = []

    async def wait(number: int) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    bench = ActivityBench(wait)
    async with bench.running():
        await bench.stand_by()
        task = bench.task("wait", 1)
        await outside(lambda: bench.begin(task))
        if when == "after":
            bench.grant(task)
        bench.unwanted(task)
        await bench.idle()
        assert ended == ["cancelled"]
        assert not bench.answers


async def times_out(number: int) -> str:
    try:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    except TimeoutError:
        await asyncio.sleep(0)
        return f"late {task_now().cancelling()}"
    return "in time"


async def times_out_in_a_scope(number: int) -> str:
    with anyio.move_on_after(0) as scope:
        await anyio.sleep_forever()
    await anyio.sleep(0)
    return f"late {task_now().cancelling()}" if scope.cancelled_caught else "in time"


async def fails_in_a_group(number: int) -> str:
    async def fail() -> None:
        raise LookupError

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.Event().wait()
    except* LookupError:
        pass
    return f"late {task_now().cancelling()}"


async def cancels_itself_and_waits(number: int) -> str:
    inner = asyncio.ensure_future(asyncio.Event().wait())
    task_now().cancel("why")
    try:
        await inner
    except asyncio.CancelledError as cancelled:
        return f"{cancelled.args[0]} {task_now().cancelling()} {inner.cancelled()}"
    return "went on"


async def cancels_itself_and_sleeps(number: int) -> str:
    task_now().cancel()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return f"cancelled {task_now().cancelling()}"
    return "went on"


async def takes_its_cancellation_back(number: int) -> str:
    task_now().cancel()
    task_now().uncancel()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return f"cancelled {task_now().cancelling()}"
    return f"went on {task_now().cancelling()}"  # from Python 3.13 on


@pytest.mark.parametrize(
    "function",
    [
        times_out,
        times_out_in_a_scope,
        fails_in_a_group,
        cancels_itself_and_waits,
        cancels_itself_and_sleeps,
        takes_its_cancellation_back,
    ],
)
async def test_what_asks_for_its_task_in_the_first_step_is_as_in_a_task_of_its_own(function: Function) -> None:
    expected = await asyncio.create_task(function(1))
    bench = ActivityBench(function)
    async with bench.running():
        await bench.stand_by()
        assert await outside(lambda: bench.begin(bench.task(function.__name__, 1))) == {}
        await bench.idle()
    assert bench.answers == {1: expected}


async def test_a_cancellation_that_one_leaves_unheard_does_not_reach_the_next() -> None:
    async def call_off(number: int) -> int:
        if number == 1:
            task_now().cancel()
            return number
        before = task_now().cancelling()
        await asyncio.sleep(0)
        return before + number

    bench = ActivityBench(call_off)
    async with bench.running():
        await bench.stand_by()
        said = await outside(lambda: bench.begin(*(bench.task("call_off", number) for number in (1, 2, 3))))
        await bench.idle()
    assert {**said, **bench.answers} == {1: 1, 2: 2, 3: 3}


async def test_who_keeps_its_task_to_cancel_it_later_cancels_nobody_else() -> None:
    kept: list[asyncio.Task[Any]] = []

    async def keep(number: int) -> int:
        if number == 1:
            kept.append(task_now())
            return number
        await asyncio.sleep(0.01)
        return number

    bench = ActivityBench(keep)
    async with bench.running():
        await bench.stand_by()
        await outside(lambda: bench.begin(*(bench.task("keep", number) for number in (1, 2))))
        kept[0].cancel()
        await bench.idle()
    assert bench.answers == {2: 2}


async def test_what_is_set_in_one_is_there_until_its_end_and_nowhere_else() -> None:
    variable = contextvars.ContextVar[int]("variable", default=0)

    async def keep(number: int) -> list[int]:
        before = variable.get()
        variable.set(number)
        if number % 2:
            await asyncio.sleep(0)
        return [before, variable.get()]

    bench = ActivityBench(keep)
    async with bench.running():
        await bench.stand_by()
        said = await outside(lambda: bench.begin(*(bench.task("keep", number) for number in (1, 2, 3, 4))))
        await bench.idle()
    assert {**said, **bench.answers} == {number: [0, number] for number in (1, 2, 3, 4)}
    assert variable.get() == 0


async def test_an_attempts_time_out_is_kept() -> None:
    async def wait(number: int) -> None:
        await asyncio.Event().wait()

    bench = ActivityBench(wait)
    async with bench.running():
        await bench.stand_by()
        task = bench.task("wait", 1, timeout_ms=500)
        await outside(lambda: bench.begin(task))
        bench.grant(task)
        await settle()
        bench.store.clock.advance_to(bench.store.clock.now_ms() + 501)
        await bench.idle()
    assert bench.answers == {1: "TimeoutError"}
