"""Who held the worker is named, asynchronous code too, and each not too often."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import copy_context
from typing import Any

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity
from stead.entities._partition.activation import Activation
from stead.entities._partition.underway import Underway, WithVariables
from stead.entities._turns.held import EVERY_S, HeldReports, Stepped, Watched, watched
from stead.orchestrations import OrchestrationContext


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "held the worker" in record.getMessage()]


def test_the_same_operation_is_named_once_in_a_while_and_then_with_how_often(caplog: pytest.LogCaptureFixture) -> None:
    reports = HeldReports()
    for number in range(50):
        reports.report(f"@station@{number}", "operation record of Station", 100.0 + number, 0.06, "help")
    reports.report("@station@x", "operation mean of Station", 149.0, 0.07, "help")
    nothing = "nothing else of this worker ran meanwhile; help"
    assert lines(caplog) == [
        f"@station@0: operation record of Station held the worker for 60 ms: {nothing}",
        f"@station@x: operation mean of Station held the worker for 70 ms: {nothing}",
    ]
    caplog.clear()
    reports.report("@station@y", "operation record of Station", 100.0 + EVERY_S, 0.051, "help")
    (line,) = lines(caplog)
    assert line.startswith("@station@y: operation record of Station held the worker for 51 ms (49 times more since")
    assert "up to 60 ms" in line


def test_names_are_not_remembered_without_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "stead.worker")
    reports = HeldReports()
    for number in range(5_000):
        reports.report("@f@k", f"operation o{number} of f", 1.0, 0.06, "help")
    assert len(reports._said) <= 1_000


async def test_each_step_of_a_coroutine_is_measured_and_its_result_and_errors_are_its_own() -> None:
    clock = Clock()
    held: list[float] = []
    reached = asyncio.Event()

    async def code(step: Callable[[], None]) -> str:
        step()
        await asyncio.sleep(0)
        try:
            reached.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            clock.now_s += 0.2
        return "done"

    def block() -> None:
        clock.now_s += 0.1

    task = asyncio.ensure_future(
        _awaited(Watched(code(block), clock, 0.05, lambda at_s, seconds: held.append(round(seconds, 3))))
    )
    await reached.wait()
    clock.now_s += 10.0  # waiting holds nobody
    task.cancel()
    assert await task == "done"
    assert held == [0.1, 0.2]


async def _awaited(watched: Watched) -> object:
    return await watched


async def test_errors_come_out_of_it() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await _awaited(Watched(fails(), Clock(), 0.05, lambda at_s, seconds: None))


def underway(awaitable: Awaitable[object]) -> Underway[str]:
    return Underway[str].of("partition", Activation("@f@k"), awaitable)


class Request(Coroutine[Any, Any, None]):
    """As libraries have them: it stands for a coroutine."""

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine

    def send(self, value: Any, /) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._coroutine.__await__()


Code = Coroutine[Any, Any, None]


def itself(coroutine: Code) -> Awaitable[object]:
    return coroutine


def stepped(coroutine: Code) -> Awaitable[object]:
    return Stepped(coroutine, Clock(), lambda at_s, seconds: None)


def with_variables(coroutine: Code) -> Awaitable[object]:
    return WithVariables(stepped(coroutine), copy_context())


@pytest.mark.parametrize("stands_for", [itself, stepped, with_variables, Request])
def test_a_coroutine_that_will_not_be_run_is_closed(stands_for: Callable[[Code], Awaitable[object]]) -> None:
    async def code() -> None: ...

    coroutine = code()
    underway(stands_for(coroutine)).close()
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED


async def test_what_is_no_coroutine_is_left_alone_when_nobody_will_await_it() -> None:
    future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    underway(future).close()
    assert not future.done()
    future.cancel()


async def test_what_is_no_coroutine_is_given_back() -> None:
    future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    assert watched(future, Clock(), 0.05, lambda at_s, seconds: None) is future
    future.cancel()


async def test_an_async_operation_and_an_async_activity_that_block_are_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)
    app = App("blocking")

    @app.entity
    class Slow(Entity):
        count: int = 0

        async def block_now(self) -> int:
            await asyncio.sleep(0)
            clock.now_s += 0.3
            self.count += 1
            return self.count

    @app.activity
    async def block_too(number: int) -> int:
        clock.now_s += 0.4
        return number

    @app.orchestration
    async def calls(context: OrchestrationContext) -> int:
        for number in range(3):
            await context.call_activity(block_too, number)
        return await context.call_activity(block_too, 5)

    async with TestHub(app) as hub:
        assert await hub.client.call_entity(Slow.block_now, "k") == 1
        assert await hub.client.call_entity(Slow.block_now, "j") == 1
        instance = await hub.client.start_new(calls)
        await hub.run_until_idle()
        assert (await hub.client.wait_for_completion(instance)).output == 5
    operation, activity = lines(caplog)
    assert operation.startswith(
        "@slow@k: operation block_now of slow, which is `async def`, held the worker for 300 ms"
    )
    assert activity.startswith(f"{instance}: activity block_too, which is `async def`, held the worker for 400 ms")
    assert "plain `def`, which runs in a thread" in activity
