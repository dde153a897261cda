"""Which lines of a log come from a replay: they were written before, when the code ran for the first time."""

from __future__ import annotations

import asyncio
import logging

from .loop import DeterministicLoop


def instance_at_work() -> tuple[str, bool] | None:
    """The instance whose code it is that asks, and whether it replays; None for any other code."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return loop.at_work if isinstance(loop, DeterministicLoop) else None


class ReplayFilter(logging.Filter):
    """Lets through what is not written by a replay: `handler.addFilter(ReplayFilter())`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written for the first time."""
        at_work = instance_at_work()
        return at_work is None or not at_work[1]
