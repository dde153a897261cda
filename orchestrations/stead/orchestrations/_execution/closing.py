"""How what runs on the loop is left: coroutines and generators are made to end, and the outer loop's task is kept meanwhile."""

from __future__ import annotations

import asyncio
import ctypes
import sys
from asyncio import tasks
from types import AsyncGeneratorType
from typing import Any, cast

from .unsupported import Halted

CLOSINGS_MAX = 1_000
"""How often a coroutine that does not end is told to."""

ONE_TASK_A_THREAD = sys.version_info >= (3, 14)  # current at a time; before, one for each loop


def set_aside(loop: asyncio.AbstractEventLoop | None) -> Any:
    """The current task of the outer loop, which is none until `bring_back`: no other could run."""
    return None if loop is None else cast("Any", tasks)._swap_current_task(loop, None)


def bring_back(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    cast("Any", tasks)._swap_current_task(loop, task)


def exhaust(coroutine: Any) -> None:
    """Make a coroutine end, however often it waits on its way out. (Not `close`, which gives up at the first wait and
    leaves what the coroutine itself awaits suspended.)
    """
    for _ in range(CLOSINGS_MAX):
        try:
            waits_for = coroutine.throw(Halted())
            if asyncio.isfuture(waits_for):  # as a task does: else it could not be awaited again, but raise at once
                waits_for._asyncio_future_blocking = False
        except BaseException:  # noqa: BLE001 - whatever its clean-up raises, it is over
            return
    # Kept for ever, because the garbage collector would run its code again, and so would the end of the process: hence a
    # reference that nothing gives back.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))


def exhaust_generator(generator: AsyncGeneratorType[Any, Any]) -> None:
    closing: Any = generator.aclose()
    try:
        closing.send(None)
    except BaseException:  # noqa: BLE001 - as above
        return
    exhaust(closing)
