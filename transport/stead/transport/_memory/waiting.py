"""Waiting in a `MemoryStore`: for a message or an answer, on any event loop, no longer than the hub's clock allows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from stead.transport._contract.clock import Clock

Topic = int | tuple[int, str] | str  # a partition's inbox, a client's replies (slot group, client), or a queue


async def pause(clock: Clock, seconds: float) -> None:
    """Let others run, as every request over a network does, or wait by the hub's clock."""
    if seconds > 0:
        await clock.sleep(seconds)
    else:
        await asyncio.sleep(0)


class Waiter:
    """Someone who waits for any of some topics."""

    def __init__(self, waiters: Waiters, topics: Sequence[Topic]) -> None:
        self._waiters = waiters
        self._topics = topics
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] = self._loop.create_future()

    async def wait(self, seconds: float) -> None:
        """Return when woken or when the time is over. Raises what the waiters were failed with."""
        clock = self._waiters.clock
        try:
            if clock.goes_by_itself:
                await asyncio.wait((self._woken,), timeout=seconds)
            else:
                sleeper = asyncio.ensure_future(clock.sleep(seconds))
                try:
                    await asyncio.wait((self._woken, sleeper), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    sleeper.cancel()
            if self._woken.done():
                self._woken.result()
        finally:
            self._waiters.leave(self, self._topics)
            if not self._woken.cancel() and not self._woken.cancelled():
                self._woken.exception()  # seen, should it have come with a cancellation

    def settle(self, error: Exception | None) -> None:
        """Wake whoever waits, from any thread."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            self._settle(error)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._settle, error)

    def _settle(self, error: Exception | None) -> None:
        if self._woken.done():
            return
        if error is not None:
            self._woken.set_exception(error)
        else:
            self._woken.set_result(None)


class Waiters:
    """Everyone who waits for a message or an answer. `lock` is the store's: held by whoever enters, wakes or fails."""

    def __init__(self, clock: Clock, lock: threading.RLock) -> None:
        self.clock = clock
        self._lock = lock
        self._by_topic: dict[Topic, dict[Waiter, None]] = {}

    def enter(self, topics: Sequence[Topic]) -> Waiter:
        """Begin to wait: what comes from now on wakes the waiter."""
        waiter = Waiter(self, topics)
        for topic in topics:
            self._by_topic.setdefault(topic, {})[waiter] = None
        return waiter

    def leave(self, waiter: Waiter, topics: Sequence[Topic]) -> None:
        """Wait no more."""
        with self._lock:
            for topic in topics:
                waiting = self._by_topic[topic]
                del waiting[waiter]
                if not waiting:
                    del self._by_topic[topic]

    def wake(self, topic: Topic) -> None:
        """Something has come."""
        for waiter in list(self._by_topic.get(topic, ())):
            waiter.settle(None)

    def fail(self, error: Exception) -> None:
        """The connection of everyone who waits is lost."""
        for waiter in {waiter: None for waiting in self._by_topic.values() for waiter in waiting}:
            waiter.settle(error)
