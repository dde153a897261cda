"""When a worker fires timers: not before they are due, however little is missing, and then at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from stead.entities._measures.measures import Measures
from stead.entities._worker.timers import TimerRunner
from stead.transport import ManualClock, Settings
from support.guards import HANGS_S


@dataclass
class FakePartition:
    next_due_ms: int | None
    number: int = 0
    token: bytes = b"token"
    draining: bool = False

    def fire_begins(self) -> None:
        self.next_due_ms = None

    def fired(self, next_due_ms: int | None) -> None:
        self.next_due_ms = next_due_ms


@dataclass
class FakeBoard:
    """A worker's board whose waits end when the test says so."""

    partitions: dict[int, FakePartition]
    settings: Settings = field(default_factory=lambda: Settings(heartbeat_ms=1_000))
    fires: list[int] = field(default_factory=list[int])  # the times at which was fired
    waits: list[float] = field(default_factory=list[float])  # for how many seconds was waited

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.woken = asyncio.Event()
        self.waiting = asyncio.Event()
        self.store = SimpleNamespace(clock=self.clock, fire_timers=self._fire_timers)
        self.measures = Measures()
        self.timing = SimpleNamespace(wait=self._wait, wait_at_most=self._wait_at_most)

    async def _wait(self, seconds: float = 0.0) -> None:
        self.waits.append(seconds)
        self.waiting.set()
        await self.woken.wait()
        self.woken.clear()

    async def _wait_at_most(self, clock: ManualClock, seconds: float) -> None:
        await self._wait(seconds)

    async def _fire_timers(self, partition: int, token: bytes, limit: int) -> tuple[int, int | None]:
        self.fires.append(self.clock.now_ms())
        return 1, None

    async def insist(self, step: Any, what: str) -> Any:
        return await step()

    async def wake(self) -> None:
        """Let the wait end, until there is the next one."""
        self.waiting.clear()
        self.woken.set()
        await self.waiting.wait()


async def test_a_timer_that_is_due_in_20_ms_is_not_fired_now() -> None:
    board = FakeBoard({0: FakePartition(None)})
    due_ms = board.clock.now_ms() + 20
    board.partitions[0].next_due_ms = due_ms
    runner = asyncio.ensure_future(TimerRunner(board).run())  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(HANGS_S):
            await board.waiting.wait()
            assert (board.fires, board.waits) == ([], [0.02])
            board.clock.advance_to(due_ms - 1)
            await board.wake()
            assert (board.fires, board.waits) == ([], [0.02, 0.001])
            board.clock.advance_to(due_ms)
            await board.wake()
    finally:
        runner.cancel()
    assert board.fires == [due_ms]


async def test_timers_of_a_partition_that_drains_are_left_to_the_next_owner() -> None:
    board = FakeBoard({0: FakePartition(1, draining=True)})
    runner = asyncio.ensure_future(TimerRunner(board).run())  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(HANGS_S):
            await board.waiting.wait()
            await board.wake()
    finally:
        runner.cancel()
    assert board.fires == []
