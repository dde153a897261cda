"""What time it is for a hub: the server's time, or a time that a test moves by hand.

Everything above the transport that waits or looks at a clock does so through this protocol. So the same code runs on
real and on virtual time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """The hub's time."""

    def now_ms(self) -> int:
        """The server's time as far as it is known here, in milliseconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow, to measure durations with."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class ServerClock:
    """Real time, corrected by what the server said its time was."""

    def __init__(self) -> None:
        self._offset_ms = 0.0

    def now_ms(self) -> int:
        return int(time.time() * 1000 + self._offset_ms)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def correct(self, server_ms: int) -> None:
        """Learn the server's time from an answer that has just come."""
        self._offset_ms = server_ms - time.time() * 1000


class ManualClock:
    """Virtual time: it stands still until `advance` moves it, and wakes sleepers in the order of their times."""

    def __init__(self, start_ms: int = 1_767_225_600_000) -> None:
        self._now_ms = float(start_ms)
        self._start_ms = float(start_ms)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now_ms(self) -> int:
        return int(self._now_ms)

    def monotonic(self) -> float:
        return (self._now_ms - self._start_ms) / 1000

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_ms + seconds * 1000, next(self._order), future))
        await future

    def next_wake_ms(self) -> float | None:
        """When the next sleeper wakes, or None if nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def advance_to(self, now_ms: float) -> None:
        """Move time forward and wake whoever is due. The woken run when the event loop gets its turn."""
        self._now_ms = max(self._now_ms, now_ms)
        while self._sleepers and self._sleepers[0][0] <= self._now_ms:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)
