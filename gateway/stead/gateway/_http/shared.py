"""One answer for all who ask at about the same time: what is dear to find out is found out once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

REST = 20
"""What takes long to find out can be found out less often: its answer is good for so many times as long as it took, at least. So it
costs one part in so many of a server's time, however many ask."""


class SharedAnswer(Generic[T]):
    """The last answer to a question that many ask, and how old it is. It is found out by one of those who ask, while the others
    wait for it; who goes away before it is there leaves the finding to the next."""

    def __init__(self, find: Callable[[], Awaitable[T]]) -> None:
        self._find = find
        self._finding = asyncio.Lock()
        self._found: list[T] = []  # the last answer
        self._found_at = 0.0
        self._took_s = 0.0
        self._failure: Exception | None = None
        self._failed_at = 0.0

    async def get(self, age_s: float, rest: int = 0) -> T:
        """The answer, found less than so many seconds ago, or than `rest` times as long as it took to find. Raises what finding it does; all who waited for it meanwhile are told
        the same, since to ask a store in turn that does not answer would take each of them longer."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        async with self._finding:
            if self._found and loop.time() - self._found_at < max(age_s, rest * self._took_s):
                return self._found[0]
            if self._failure is not None and self._failed_at > asked_at:
                raise self._failure.with_traceback(None)
            began_at = loop.time()
            try:
                self._found = [await self._find()]
            except Exception as error:
                self._failure, self._failed_at = error, loop.time()
                raise
            self._found_at = loop.time()
            self._took_s = self._found_at - began_at
            self._failure = None
            return self._found[0]
