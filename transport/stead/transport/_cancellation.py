"""Ending tasks, and what has to be done to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


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
    task = asyncio.create_task(work, name="stead ending")
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
