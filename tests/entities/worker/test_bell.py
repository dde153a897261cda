"""Bells: what wakes the parts of a worker, and lets them be ended at any moment."""

from __future__ import annotations

import asyncio

import pytest

from stead.entities.extending import Bell
from stead.transport import ManualClock
from support.guards import HANGS_S


@pytest.mark.parametrize("passes", range(8))
@pytest.mark.parametrize("wake", ["bell", "clock", "nothing"])
async def test_a_cancellation_is_never_lost(passes: int, wake: str) -> None:
    bell, clock = Bell(), ManualClock()

    async def part() -> None:
        while True:
            await bell.wait_at_most(clock, 5)

    task = asyncio.create_task(part())
    for _ in range(4):
        await asyncio.sleep(0)
    if wake == "bell":
        bell.ring()
    elif wake == "clock":
        clock.advance_to(clock.now_ms() + 5_000)
    for _ in range(passes):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait((task,), timeout=HANGS_S)
    assert done
    assert task.cancelled()


async def test_a_bell_ends_the_wait_and_so_does_the_time() -> None:
    bell, clock = Bell(), ManualClock()
    for wake in (bell.ring, lambda: clock.advance_to(clock.now_ms() + 5_000)):
        task = asyncio.create_task(bell.wait_at_most(clock, 5))
        for _ in range(8):
            await asyncio.sleep(0)
        assert not task.done()
        wake()
        await asyncio.wait_for(task, HANGS_S)
