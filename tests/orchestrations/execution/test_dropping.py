"""An execution that is dropped, or has ended: nothing of it goes on, and nothing of it is sent."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stead.entities import ContextEnded
from stead.orchestrations._execution.context import OrchestrationContext
from support.instance_driver import (
    Driver,
    begin,
    failure_of,
    raised,
    result_of,
    scheduled,
)


class Traces:
    """What runs of the code left behind, besides commands."""

    def __init__(self) -> None:
        self.seen: list[str] = []


async def numbers(context: OrchestrationContext, traces: Traces) -> AsyncIterator[int]:
    try:
        while True:
            yield 1
            await context.call_activity("in a generator")
    finally:
        traces.seen.append("generator")
        context.send_event("x", "generator")


async def deaf(context: OrchestrationContext, traces: Traces) -> None:
    while True:
        try:
            await context.wait_for_external_event("never")
        except BaseException:  # noqa: BLE001
            traces.seen.append("deaf")
            if traces.seen.count("deaf") > 5:
                return


@pytest.mark.hazard(13)
async def test_dropping_the_code_sends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    traces = Traces()
    gc.collect()
    caplog.clear()

    async def child(context: OrchestrationContext, n: int) -> None:
        try:
            await context.call_activity(f"child {n}")
        except BaseException:
            traces.seen.append(f"child {n}")
            context.send_event("x", "child")
            raise

    async def unstarted() -> None:
        traces.seen.append("unstarted ran")

    async def flow(context: OrchestrationContext) -> None:
        background = [asyncio.get_running_loop().create_task(deaf(context, traces))]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child(context, 1))
                group.create_task(child(context, 2))
                async for _ in numbers(context, traces):
                    pass
        finally:
            traces.seen.append("finally")
            try:
                await asyncio.gather(unstarted(), unstarted())
            finally:
                context.continue_as_new()
                del background

    execution = begin(flow)
    assert len(scheduled(execution)) == 3
    execution.close()
    execution.close()
    assert execution.take() == []
    assert {"generator", "child 1", "child 2", "finally", "deaf"} <= set(traces.seen)
    assert "unstarted ran" not in traces.seen
    seen = len(traces.seen)
    del execution
    gc.collect()
    assert len(traces.seen) == seen
    assert not caplog.records


@pytest.mark.hazard(13)
async def test_generators_that_were_left_are_closed_with_the_code() -> None:
    traces = Traces()

    async def flow(context: OrchestrationContext) -> None:
        for _ in range(200):
            async for _ in numbers(context, traces):
                break
        traces.seen.append("end")

    execution = begin(flow)
    assert result_of(execution) is None
    assert traces.seen == ["end", *["generator"] * 200]
    assert execution.take() == []


async def test_an_end_in_the_background_is_the_end_of_all() -> None:
    async def flow(context: OrchestrationContext) -> None:
        async def leaves() -> None:
            raise SystemExit(1)

        task = asyncio.get_running_loop().create_task(leaves())
        await context.call_activity("x")
        del task

    assert failure_of(begin(flow)).error_type == "SystemExit"


async def test_endless_recursion_is_a_failure() -> None:
    async def deeper(n: int) -> int:
        return await deeper(n + 1)

    async def flow(context: OrchestrationContext) -> int:
        return await deeper(0)

    assert failure_of(begin(flow)).error_type == "RecursionError"


async def test_the_end_closes_what_runs_in_the_background() -> None:
    traces = Traces()

    async def flow(context: OrchestrationContext) -> str:
        async def background() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                traces.seen.append("closed")
                context.send_event("other", "too late")

        task = asyncio.get_running_loop().create_task(background())
        await asyncio.sleep(0)
        return str(task.done())

    execution = begin(flow)
    assert result_of(execution) == "False"
    assert traces.seen == ["closed"]
    assert execution.take() == []


async def test_a_context_is_of_no_use_elsewhere() -> None:
    kept: list[Any] = []

    async def flow(context: OrchestrationContext) -> None:
        kept.append(context)
        kept.append(context.wait_for_external_event("go"))
        await kept[1]

    execution = begin(flow)
    context, task = kept
    for _ in range(2):
        with pytest.raises(ContextEnded):
            context.call_activity("x")
        with pytest.raises(ContextEnded):
            context.set_custom_status(1)
        with pytest.raises(ContextEnded):
            await task
        with pytest.raises(ContextEnded):
            task.cancel()
        execution.close()


async def test_a_task_of_another_instance_is_refused() -> None:
    kept: list[Any] = []

    async def gives(context: OrchestrationContext) -> None:
        kept.append(context.wait_for_external_event("go"))
        await kept[0]

    async def takes(context: OrchestrationContext) -> None:
        await kept[0]

    giver = begin(gives)
    assert "outside the orchestration" in failure_of(begin(takes)).message
    giver.feed(raised("go", 1))
    assert result_of(giver) is None


async def test_feeding_never_depends_on_batches() -> None:
    async def flow(context: OrchestrationContext) -> list[Any]:
        seen: list[Any] = []

        async def one(n: int) -> None:
            try:
                async with asyncio.timeout(0.002 * n):
                    seen.append(await context.call_activity(f"a{n}"))
            except TimeoutError:
                seen.append(f"late {n}")
                await context.call_activity(f"b{n}")

        await asyncio.gather(*(one(n) for n in range(8)), context.wait_for_external_event("go"))
        return seen

    outcomes: list[Any] = []
    for batch in (1, 2, 5, 100):
        driver = Driver(flow, batch=batch, answer=lambda event: None)
        driver.raise_event("go", after_ms=3)
        outcomes.append(driver.run())
    assert all(outcome == outcomes[0] for outcome in outcomes)
