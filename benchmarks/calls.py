"""Calls in a loop, and how long they took: the same code drives the raw side and stead's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .parts import Gate

WARM_UP_CALLS = 200


@dataclass(frozen=True, slots=True)
class Calls:
    """What a series of calls took."""

    seconds: float
    latencies_s: tuple[float, ...]
    """Of each call, ascending."""
    warm_up: int
    """Calls made before."""

    @property
    def count(self) -> int:
        """How many were measured."""
        return len(self.latencies_s)

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.count / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """The latency that `percent` of the calls did not exceed."""
        return self.latencies_s[min(len(self.latencies_s) - 1, int(len(self.latencies_s) * percent / 100))] * 1_000


async def repeat_calls(
    gate: Gate, add: Callable[[int], Awaitable[object]], count: int, callers: int, keys: int
) -> Calls:
    """Call `add(key)` `count` times from `callers` tasks."""
    latencies: list[float] = []
    left = iter(range(count))

    async def repeat() -> None:
        for number in left:
            began = time.perf_counter()
            await add(number * 7_919 % keys)  # a prime, so that neighbours in time are not neighbours in key
            latencies.append(time.perf_counter() - began)

    for number in range(WARM_UP_CALLS):
        await add(number % keys)
    gate.ready()
    began = time.perf_counter()
    await asyncio.gather(*(repeat() for _ in range(callers)))
    seconds = time.perf_counter() - began
    gate.done()
    return Calls(seconds, tuple(sorted(latencies)), WARM_UP_CALLS)
