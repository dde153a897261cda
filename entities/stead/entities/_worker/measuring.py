"""The part of a worker that tells what it does: with each heartbeat, how it is now, and what it has measured.

how it is now      in the heartbeat itself, so that it goes when the worker does; a few hundred bytes
what it measured   a block since it began and one of the minute, of bounded size. The first survives it: once a minute the
                   first of the living workers takes those of ended ones into one sum, so that a hub's counts never go back
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from stead.entities._measures.blocks import MeasuredBlock, bounded, joined, readable
from stead.entities._measures.window import MINUTE_MS, Window
from stead.transport import WorkerView, get_logger

from .board import Board

logger = get_logger("stead.worker")

KEEP_MS = 2 * 3_600_000
"""How long what was measured within a minute is kept: longer than the hour that is shown."""
_ENDED_AFTER = 6  # times `worker_keep_ms`: who has published nothing for so long has ended
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4_096


class Measuring:
    """Publishes what a worker measures."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._window: Window | None = None
        self._published: MeasuredBlock | None = None  # the sums that the store has
        self._generation = board.store.generation
        self._folded_minute = 0

    def now(self) -> dict[str, Any]:
        """How the worker is now."""
        board = self._board
        partitions = board.partitions.values()
        told: dict[str, Any] = {
            "clock_ms": int(time.time() * 1000),  # this machine's: by how much it is wrong shows
            "memory_bytes": memory_bytes(),
            "cpu_s": round(_cpu_s(), 3),
            "activations": sum(len(partition.activations) for partition in partitions),
            "waiting": sum(partition.runnable for partition in partitions),
            "loop_lag_s": round(board.lag_s, 4),
        }
        board.lag_s = 0.0
        if board.measures.recent.watched:
            told["recent"] = board.measures.recent.told(board.store.clock.now_ms(), board.elapsed())
        for ask in board.now:
            told.update(ask())
        return told

    async def publish(self, now_ms: int) -> None:
        """Publish what was measured until now. Raises what the store does."""
        board, window = self._board, self._window
        if window is None:
            window = self._window = Window(board.measures, now_ms)
        sums, part = window.sums(now_ms), window.within_minute(now_ms)
        # A server that failed over may not have what was published: said anew, it is as if it had.
        first = self._published is None or self._generation != board.store.generation
        self._generation = board.store.generation
        kept = await board.store.measure(board.name, sums.encode(), window.minute, part.encode(), KEEP_MS, first=first)
        if kept:
            self._published = sums
        elif self._published is not None:
            window.begin_anew(self._published)
            self._published = None
        window.turn_over(now_ms)

    async def fold(self, now_ms: int, workers: list[WorkerView]) -> None:
        """Once a minute, by one of the workers: take what ended ones have measured into the sum of those."""
        board, minute = self._board, now_ms // MINUTE_MS
        first = min((view.worker for view in workers), default="")
        if minute == self._folded_minute or first != board.name:
            return
        self._folded_minute = minute
        stored, _ = await board.store.measures([])
        before = stored.pop("", b"")
        living = {view.worker for view in workers}
        long_ago_ms = now_ms - _ENDED_AFTER * board.settings.worker_keep_ms
        blocks = readable({worker: data for worker, data in stored.items() if worker not in living})
        ended = {worker: block for worker, block in blocks.items() if block.until_ms < long_ago_ms}
        if ended:
            sums = list(readable({"": before}).values())
            if before and not sums:
                logger.warning("what ended workers have measured cannot be read by this version, and stays as it is")
                return
            after = bounded(joined([*sums, *ended.values()])).encode()
            await board.store.fold_measures({worker: stored[worker] for worker in ended}, before, after)


def memory_bytes() -> int:
    """What this process has in memory now."""
    try:
        with Path("/proc/self/statm").open("rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except OSError:  # not Linux: the most that it ever had
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
