"""What carries asynchronous activities: no task for each that never waits, and nobody notices that it is not its own."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

from support.activity_bench import ActivityBench

pytestmark = pytest.mark.anyio


async def own_task(number: int) -> int:
    return id(asyncio.current_task())


async def test_activities_that_never_wait_share_a_task() -> None:
    bench = ActivityBench(own_task)
    async with bench.running():
        bench.grant(*(bench.task("own_task", number) for number in range(50)))
        await bench.idle()
    assert len(bench.answers) == 50
    assert len(set(bench.answers.values())) == 1


async def test_one_that_waits_has_its_task_from_its_first_line_to_its_last_and_nobody_else_has() -> None:
    seen: dict[int, list[asyncio.Task[Any] | None]] = {}
    go = asyncio.Event()

    async def look(number: int) -> None:
        seen[number] = [asyncio.current_task()]
        if number % 2:
            await go.wait()
            seen[number].append(asyncio.current_task())
            await asyncio.sleep(0)
            seen[number].append(asyncio.current_task())

    bench = ActivityBench(look)
    async with bench.running():
        bench.grant(*(bench.task("look", number) for number in range(8)))
        while len(seen) < 8:
            await asyncio.sleep(0)
        go.set()
        await bench.idle()
    waited = [tasks for number, tasks in seen.items() if number % 2]
    assert all(len(set(tasks)) == 1 for tasks in waited)
    assert len({tasks[0] for tasks in waited}) == 4


async def test_a_time_out_after_others_ran_in_the_task_is_its_own() -> None:
    async def late(number: int) -> str:
        try:
            async with asyncio.timeout(0 if number == 2 else None):
                if number == 2:
                    await asyncio.Event().wait()
        except TimeoutError:
            return "late"
        return "in time"

    bench = ActivityBench(late)
    async with bench.running():
        bench.grant(*(bench.task("late", number) for number in (1, 2, 3)))
        await bench.idle()
    assert bench.answers == {1: "in time", 2: "late", 3: "in time"}


async def test_a_cancellation_that_one_leaves_unheard_does_not_reach_the_next() -> None:
    async def call_off(number: int) -> int:
        task = asyncio.current_task()
        assert task is not None
        if number == 1:
            task.cancel()
            return number
        await asyncio.sleep(0)
        return task.cancelling() + number

    bench = ActivityBench(call_off)
    async with bench.running():
        bench.grant(*(bench.task("call_off", number) for number in (1, 2, 3)))
        await bench.idle()
    assert bench.answers == {1: 1, 2: 2, 3: 3}


async def test_what_is_set_in_one_is_there_until_its_end_and_nowhere_else() -> None:
    variable = contextvars.ContextVar[int]("variable", default=0)

    async def keep(number: int) -> list[int]:
        before = variable.get()
        variable.set(number)
        if number % 2:
            await asyncio.sleep(0)
        inner = await asyncio.create_task(read())
        return [before, variable.get(), inner]

    async def read() -> int:
        return variable.get()

    bench = ActivityBench(keep)
    async with bench.running():
        bench.grant(*(bench.task("keep", number) for number in (1, 2, 3, 4)))
        await bench.idle()
    assert bench.answers == {number: [0, number, number] for number in (1, 2, 3, 4)}
    assert variable.get() == 0


async def test_those_that_wait_begin_together_once_it_is_known_of_them() -> None:
    began: list[int] = []
    go = asyncio.Event()

    async def wait(number: int) -> None:
        began.append(number)
        await go.wait()

    bench = ActivityBench(wait)
    async with bench.running():
        first = bench.task("wait", 0)
        bench.grant(first)
        await asyncio.sleep(0)
        bench.grant(*(bench.task("wait", number) for number in range(1, 50)))
        await asyncio.sleep(0)
        assert began == list(range(50))
        go.set()
        await bench.idle()


async def test_the_event_loop_goes_on_while_many_take_their_turns() -> None:
    passes = 0

    async def count_passes() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    bench = ActivityBench(own_task, activities_running_max=10)
    async with bench.running():
        counting = asyncio.create_task(count_passes())
        bench.grant(*(bench.task("own_task", number) for number in range(1_000)))
        await bench.idle()
        counting.cancel()
    assert len(bench.answers) == 1_000
    assert passes >= 90  # so many at a time as may run


async def test_an_awaitable_that_is_no_coroutine_is_awaited_too() -> None:
    class Later:
        def __init__(self, waits: bool) -> None:
            self.waits = waits

        def __await__(self) -> Any:
            if self.waits:
                yield from asyncio.sleep(0).__await__()
            return "came"

    def later(waits: bool) -> Later:
        return Later(waits)

    bench = ActivityBench(later)
    bench.activities["later"].is_async = True
    async with bench.running():
        bench.grant(bench.task("later", False), bench.task("later", True))
        await bench.idle()
    assert bench.answers == {1: "came", 2: "came"}


async def test_results_that_go_to_the_store_as_they_are_have_its_limit_too() -> None:
    limit = 2_000

    async def text(length: int) -> str:
        return "x" * length

    bench = ActivityBench(text, payload_bytes_max=limit)
    async with bench.running():
        bench.grant(bench.task("text", limit - 5), bench.task("text", limit), bench.task("text", limit + 1))
        await bench.idle()
    assert bench.answers[1] == "x" * (limit - 5)
    assert all(bench.answers[number].endswith("PayloadTooLarge") for number in (2, 3))
