"""The asynchronous operations that a worker runs, and since when: what others are told of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import nsmallest

from stead.entities._partition.partition import Partition, Started
from stead.entities._turns.held import held_reports

TASK_NAME = "stead-operation "
_TOLD_MAX = 5  # operations
_LENGTH_MAX = 200  # characters of a name
_BLOCKING = "await what it waits for, with an asynchronous library or `asyncio.to_thread`"


class RunningOperations:
    """Those of one worker."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._since: dict[int, tuple[Started, float]] = {}

    def began(self, start: Started) -> None:
        """It runs from now on."""
        self._since[id(start)] = start, self._elapsed()

    def ended(self, start: Started) -> None:
        """It does not any more."""
        del self._since[id(start)]

    def of(self, target: str) -> str | None:
        """The operation of a target that runs."""
        return next(
            (_operation_of(start) for start, _ in self._since.values() if start.activation.target == target), None
        )

    def told(self) -> dict[str, object]:
        """How many run, and which for longest: target, operation, seconds."""
        now = self._elapsed()
        longest = nsmallest(_TOLD_MAX, self._since.values(), key=lambda each: each[1])
        return {
            "operations": len(self._since),
            "longest": [
                [start.activation.target[:_LENGTH_MAX], _operation_of(start), round(now - since, 3)]
                for start, since in longest
            ],
        }


def at_work(turning: Partition | None, running: RunningOperations) -> tuple[str, str] | None:
    """Whose turn the code is in that asks, on the event loop, and which operation it is."""
    if turning is not None:
        pending = turning.slice.running
        return None if pending is None else (pending.message.target, pending.message.operation)
    try:
        task = asyncio.current_task()
    except RuntimeError:  # a thread without an event loop
        return None
    target = task.get_name().removeprefix(TASK_NAME) if task is not None else ""
    operation = running.of(target) if target else None
    return None if operation is None else (target, operation)


def _operation_of(start: Started) -> str:
    current = start.activation.current
    return "" if current is None else current.message.operation[:_LENGTH_MAX]


def report_held(start: Started, at_s: float, seconds: float) -> None:
    """An asynchronous operation has kept the worker from everything else."""
    target = start.activation.target
    what = f"operation {_operation_of(start)} of {target[1:].partition('@')[0]}, which is `async def`,"
    held_reports.report(target, what, at_s, seconds, _BLOCKING)
