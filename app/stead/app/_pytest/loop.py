"""The event loop of one test: its asynchronous fixtures, the test itself, and what they leave behind."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any


class LoopOfTest:
    """Runs one coroutine after the other in one task, as if they were one function: a time-out or a task group that a fixture
    has open belongs to the task that opened it."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._next: asyncio.Queue[tuple[Coroutine[Any, Any, Any], asyncio.Future[Any]]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What the coroutine gives."""
        if self._task is None or self._task.done():  # a test may cancel its own task
            self._task = self._loop.create_task(self._serve(), name="stead test")
        done = self._loop.create_future()
        self._next.put_nowait((coroutine, done))
        return self._loop.run_until_complete(done)

    async def _serve(self) -> None:
        while True:
            coroutine, done = await self._next.get()
            try:
                value = await coroutine
            except BaseException as error:  # noqa: BLE001 - pytest's own ends of a test are none of `Exception`
                done.set_exception(error)
            else:
                done.set_result(value)
            del coroutine, done

    def begin(self, function: Callable[..., Any], arguments: dict[str, Any], finish: Callable[[Any], None]) -> Any:
        """The value of an asynchronous fixture. `finish` is told what is to be called when the test is over, if anything."""
        made = function(**arguments)
        if not inspect.isasyncgenfunction(function):
            return self.run(made)
        generator: AsyncGenerator[Any] = made
        value = self.run(_first(generator))
        finish(lambda: self.run(_last(generator)))
        return value

    def close(self) -> None:
        """Cancel what is left, and end."""
        self._runner.close()


async def _first(generator: AsyncGenerator[Any]) -> Any:
    return await anext(generator)


async def _last(generator: AsyncGenerator[Any]) -> None:
    async for _ in generator:
        await generator.aclose()
        raise RuntimeError("an asynchronous fixture yields once")
