"""Slots of which only so many may be taken at once. Taking one that is free is a plain call: every call takes one."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """Whoever finds none free stands in a line, and a slot given back goes to the first in it.

    Invariant: none is free while somebody waits.
    """

    __slots__ = ("_free", "_line")

    def __init__(self, count: int) -> None:
        self._free = count
        self._line: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take one that is free; False if there is none."""
        if self._free == 0:
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Stand in the line until one is this caller's."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given at the same moment, and nobody will take it
                self.give_back()
            raise

    def give_back(self) -> None:
        """One is no longer needed."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():  # else it was cancelled
                turn.set_result(None)
                return
        self._free += 1
