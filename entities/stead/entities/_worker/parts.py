"""What it means that a task of the worker's own has ended, though it is there for as long as the worker is.

Nobody but the worker has a reason to cancel it. Code that does so all the same (`for task in asyncio.all_tasks(): task.cancel()`,
a framework that shuts down) must not leave a worker behind that holds leases and does nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any


def ended_early(task: asyncio.Task[Any]) -> BaseException:
    """Why a task that was to go on does not."""
    name = task.get_name()
    if task.cancelled():
        return RuntimeError(
            f"the task {name!r} was cancelled, and not by the worker: some code of this process cancels tasks that are not "
            "its own; stop the worker instead"
        )
    return task.exception() or RuntimeError(f"the task {name!r} ended by itself")
