"""The part of a worker that fires timers: due scheduled signals move from the timers into the inbox, by the server's time."""

from __future__ import annotations

import asyncio

from stead.entities._partition.partition import Partition
from stead.transport import FACED, get_logger

from .board import Board

logger = get_logger("stead.worker")

_EARLY_S = 0.01  # the server's clock says that it is not time yet, and ours that it is


class TimerRunner:
    """Sleeps until the earliest timer of the worker's partitions is due, and fires it."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def run(self) -> None:
        while True:
            due = [p for p in self._board.partitions.values() if self._is_due(p)]
            if due:  # all at once: they go to the server together, and none waits for the answers of the others
                await asyncio.gather(*map(self._fire_one, due))
            else:
                await self._wait()

    async def _fire_one(self, partition: Partition) -> None:
        try:
            await self._fire(partition)
        except FACED as error:
            self._board.face(error)

    def _is_due(self, partition: Partition) -> bool:
        due_ms = partition.next_due_ms
        return due_ms is not None and due_ms <= self._board.store.clock.now_ms() and not partition.draining

    async def _wait(self) -> None:
        """Until something may be due, or the timers have changed."""
        board = self._board
        due_ms = min(
            (p.next_due_ms for p in board.partitions.values() if p.next_due_ms is not None and not p.draining),
            default=None,
        )
        if due_ms is None:
            await board.timing.wait()
            return
        # The clock is corrected with every heartbeat, to what the server says, and may have been wrong by hours: no wait that
        # was reckoned with it may be longer than until it is looked at again.
        left_ms = min(due_ms - board.store.clock.now_ms(), board.settings.heartbeat_ms)
        seconds = max(0.001, left_ms / 1000)
        await board.timing.wait_at_most(board.store.clock, seconds)

    async def _fire(self, partition: Partition) -> None:
        board = self._board
        limit, due_ms = board.settings.timers_fire_max, partition.next_due_ms
        partition.fire_begins()
        fired = await board.insist(
            lambda: board.store.fire_timers(partition.number, partition.token, limit), "firing timers"
        )
        if fired is None:
            board.drop(partition, "its lease is no longer this worker's")
        else:
            if fired[0] and due_ms is not None:
                late_ms = max(0, board.store.clock.now_ms() - due_ms)
                board.measures.meter("timer_lateness").add_run(fired[0], fired[0] * late_ms / 1000)
            partition.fired(fired[1])
            if not fired[0] and self._is_due(partition):
                await board.store.clock.sleep(_EARLY_S)
