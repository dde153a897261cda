"""What time it is for a hub: the server's time, or a time that a test moves by hand.

Everything above the transport that waits or looks at a clock does so through this protocol. So the same code runs on
real and on virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

_ELAPSED: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # Linux has it


class Clock(Protocol):
    """The hub's time."""

    def now_ms(self) -> int:
        """The server's time as far as it is known here, in milliseconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow, to measure durations with."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    @property
    def goes_by_itself(self) -> bool:
        """Whether it is real time, which goes on whatever the event loop does: a thread may keep watch by it."""
        ...


@contextlib.asynccontextmanager
async def within(clock: Clock, seconds: float | None) -> AsyncGenerator[None]:
    """`asyncio.timeout` in the hub's time: what is in the block is cancelled, and raises `TimeoutError`, after so long
    (None: never)."""
    if seconds is None:
        yield
        return
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:

        def ring(alarm: asyncio.Future[None]) -> None:
            if not alarm.cancelled():
                limit.reschedule(loop.time())

        alarm = asyncio.ensure_future(clock.sleep(seconds))
        alarm.add_done_callback(ring)
        try:
            yield
        finally:
            alarm.remove_done_callback(ring)
            alarm.cancel()


def _elapsed() -> float:
    """Seconds that only ever grow, also while the machine sleeps where the system counts that: it may have slept for longer
    than the server remembers things."""
    return time.monotonic() if _ELAPSED is None else time.clock_gettime(_ELAPSED)


class ServerClock:
    """Real time as the server has it: what it said last, and what has passed since.

    The machine's own time is looked at once, for as long as no server has said anything. People and programs set it, by
    hours, and then what was reckoned with it before and what is reckoned with it later do not fit together.
    """

    def __init__(self, elapsed: Callable[[], float] = _elapsed) -> None:
        self._elapsed = elapsed
        self._origin_ms = time.time() * 1000 - elapsed() * 1000  # the time at which `elapsed` was 0

    def now_ms(self) -> int:
        return int(self._origin_ms + self._elapsed() * 1000)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @property
    def goes_by_itself(self) -> bool:
        return True

    def correct(self, server_ms: int) -> None:
        """Learn the server's time from an answer that has just come."""
        self._origin_ms = server_ms - self._elapsed() * 1000


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

    @property
    def goes_by_itself(self) -> bool:
        return False

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
