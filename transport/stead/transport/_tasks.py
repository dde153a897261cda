"""Ending tasks."""

from __future__ import annotations

import asyncio
from typing import Any


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended, however it ends.

    Awaiting the task itself, with its `CancelledError` suppressed, would also swallow a cancellation of whoever waits.
    """
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()  # looked at, so that nothing warns of it
