"""Beginning tasks, ending them, and what has to be done to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


def begin_task(
    work: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
) -> asyncio.Task[T]:
    """A task for what stead does itself: its first step comes with the next iteration of the event loop.

    Not by the loop's factory, which is the application's. An eager one (`asyncio.eager_task_factory`) runs the first step at once,
    in the middle of what whoever begins the task is about.
    """
    return asyncio.Task(work, loop=asyncio.get_running_loop(), name=name, context=context)


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended, however it ends.

    Awaiting the task itself, with its `CancelledError` suppressed, would also swallow a cancellation of whoever waits.
    """
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()  # looked at, so that nothing warns of it


async def see_through(work: Coroutine[Any, Any, T]) -> T:
    """Do something to its end, even if whoever waits for it is cancelled; that is raised afterwards.

    For what lets go of something at the end of a block: half done, it would leave behind what nobody can reach any more.
    anyio cancels again and again, at every wait, where asyncio cancels once.
    """
    task = begin_task(work, name="stead ending")
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # looked at
        raise cancelled
    return task.result()
