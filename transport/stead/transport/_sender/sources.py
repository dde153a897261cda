"""How a sender becomes the producer of a source, partition by partition: where the source stands is learnt there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stead.transport._cancellation import begin_task
from stead.transport._contract.errors import StoreUnavailable
from stead.transport._contract.settings import Settings
from stead.transport._contract.store import Store
from stead.transport._retry import Tries, until_answered

# Partitions of a source that are opened at the same time.
OPENINGS_MAX = 8


class Openings:
    """The openings of one source that are under way."""

    def __init__(
        self, store: Store, settings: Settings, source: str, incarnation: int, opened: Callable[[int, int], None]
    ) -> None:
        """`opened` is told a partition and the last number that the source has there."""
        self._store = store
        self._settings = settings
        self._source = source
        self._incarnation = incarnation
        self._opened = opened
        self._slots = asyncio.Semaphore(OPENINGS_MAX)
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def tasks(self) -> list[asyncio.Task[None]]:
        """What is to be cancelled when the sender ends."""
        return list(self._tasks.values())

    async def open(self, partition: int) -> None:
        """Open the source in a partition, once for all who ask. Raises `SourceSuperseded`, `StoreUnavailable`."""
        task = self._tasks.get(partition)
        if task is None:
            task = begin_task(self._open(partition))
            self._tasks[partition] = task
            task.add_done_callback(lambda done: self._ended(partition, done))
        await asyncio.wait((task,))  # not the task itself: a cancellation of whoever waits is not the task's
        if task.cancelled():
            reason = (
                f"opening the source {self._source!r} was cancelled: it was closed, or by other code of this process"
            )
            raise StoreUnavailable(reason, "unknown")
        task.result()

    def _ended(self, partition: int, task: asyncio.Task[None]) -> None:
        self._tasks.pop(partition, None)
        if not task.cancelled():
            task.exception()  # seen, should nobody wait any more

    async def _open(self, partition: int) -> None:
        keep_ms = self._settings.source_keep_ms
        async with self._slots:
            tries = Tries(self._store.clock, self._settings, writes=True)
            record = await until_answered(
                lambda: self._store.open_source(partition, self._source, self._incarnation, keep_ms), tries
            )
        self._opened(partition, record)
