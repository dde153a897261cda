"""A read that waits for messages, and can be called off: the set of partitions to read has changed, and it begins anew."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from stead.transport import begin_task

T = TypeVar("T")


class Reading:
    """At most one read at a time."""

    def __init__(self) -> None:
        self._read: asyncio.Future[Any] | None = None
        self._interrupted = False

    def interrupt(self) -> None:
        """Call off the read that is under way, if one is."""
        if self._read is not None and not self._read.done():
            self._interrupted = True
            self._read.cancel()

    async def run(self, read: Coroutine[Any, Any, T]) -> T | None:
        """What a read gives; None if it was called off."""
        self._read = begin_task(read)
        try:
            answer: T = await self._read
            return answer
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            if self._interrupted and not task.cancelling():  # else the worker ends, perhaps at the same moment
                self._interrupted = False
                return None
            raise
        finally:
            self._read = None
