"""What has no order in Python's own loop, or another one each time, has one here: that of the first time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from typing import Any

import anyio
import pytest

from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._execution.unsupported import UnsupportedInOrchestrator
from stead.orchestrations._history.events import Event, TaskCompleted, TaskScheduled
from support.instance_driver import (
    Driver,
)


async def test_sets_of_tasks_have_the_same_order_in_a_replay() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        async def one(n: int) -> int:
            try:
                await asyncio.sleep(1000 + n)
            except asyncio.CancelledError:
                context.send_event("other", f"cancelled {n}")
                raise
            return n

        tasks = {asyncio.get_running_loop().create_task(one(n)) for n in range(50)}
        await context.call_activity("x")
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return [str(result) for result in results]

    driver = Driver(flow, replay_every_turn=True)
    first = driver.run()
    junk = [object() for _ in range(10_000)]
    second = Driver(flow)
    assert second.run() == first
    assert second.log == driver.log
    del junk


async def test_nested_scopes_of_anyio_are_cancelled_in_the_same_order() -> None:
    async def flow(context: OrchestrationContext) -> None:
        async def one(n: int) -> None:
            with anyio.move_on_after(10_000 + n):
                try:
                    await anyio.sleep(1000)
                finally:
                    context.send_event("other", f"cancelled {n}")

        async with anyio.create_task_group() as group:
            for n in range(50):
                group.start_soon(one, n)
            await context.call_activity("x")
            group.cancel_scope.cancel()

    logs: list[Any] = []
    junk: list[Any] = []
    for _ in range(3):
        driver = Driver(flow, replay_every_turn=True)
        assert driver.run() is not None
        logs.append(driver.log)
        junk.extend(object() for _ in range(777))
    assert logs[0] == logs[1] == logs[2]


async def test_a_group_of_anyio_gives_its_activities_up_in_their_order() -> None:
    async def flow(context: OrchestrationContext) -> None:
        async def one(n: int) -> None:
            await context.call_activity(f"a{n}")

        with anyio.move_on_after(1):
            async with anyio.create_task_group() as group:
                for n in range(50):
                    group.start_soon(one, n)

    def late(event: Event) -> Any:
        return (9_000, TaskCompleted, (None,)) if isinstance(event, TaskScheduled) else None

    driver = Driver(flow, answer=late)
    assert driver.run() is not None
    assert driver.cancelled == list(range(2, 52))


async def test_coroutines_given_to_as_completed_start_in_their_order() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        async def one(n: int) -> str:
            return str(await context.call_activity(f"a{n}"))

        return [await following for following in asyncio.as_completed([one(n) for n in range(40)])]

    driver = Driver(flow, replay_every_turn=True)
    assert driver.run().result == [f"a{n}" for n in range(40)]  # type: ignore[union-attr]


async def test_as_completed_may_be_an_asynchronous_iterator() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        async def one(n: int) -> str:
            return str(await context.call_activity(f"a{n}"))

        following = asyncio.as_completed([one(n) for n in range(40)])
        if sys.version_info >= (3, 13):
            return [await each async for each in following]
        return [await each for each in following]

    driver = Driver(flow, replay_every_turn=True)
    assert driver.run().result == [f"a{n}" for n in range(40)]  # type: ignore[union-attr]


async def test_what_as_completed_would_start_in_any_order_is_refused() -> None:
    class Later:
        def __init__(self, awaitable: Awaitable[Any]) -> None:
            self.awaitable = awaitable

        def __await__(self) -> Any:
            return self.awaitable.__await__()

    async def flow(context: OrchestrationContext) -> list[Any]:
        calls = [Later(context.call_activity(f"a{n}")) for n in range(3)]
        with pytest.raises(UnsupportedInOrchestrator, match=r"make tasks of them"):
            list(asyncio.as_completed(calls))
        return [await following for following in asyncio.as_completed(list(map(asyncio.ensure_future, calls)))]

    assert Driver(flow, replay_every_turn=True).run().result == ["a0", "a1", "a2"]  # type: ignore[union-attr]
