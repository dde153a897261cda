"""Keeps a worker's leases alive from a thread of its own, but only while the event loop is alive (HAZARDS 18).

A synchronous operation that takes long must not cost its worker every partition, so renewals do not come from the event
loop. An operation that never ends must not hold the partitions for ever, so renewals stop, and the process ends, once
the loop has not ticked for `turn_stuck_ms`; the message that ran is marked, so that it cannot kill one worker after
another (HAZARDS 20).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

from stead.entities._partition.partition import Partition
from stead.transport import Patience, Running, Settings, Store, StreamId, begin_task, get_logger

from .hooks import Hooks
from .parts import ended_early

logger = get_logger("stead.worker")

T = TypeVar("T")

_TICK_S = 0.2  # a loop that is held for longer than this is sure to be seen late
AGAIN_S = 0.2  # at most between two tries of a renewal
STUCK_EXIT_STATUS = 70  # EX_SOFTWARE: the process ended itself because an operation held it


class Turning(NamedTuple):
    """The turn that the event loop is in: which message, under which lease."""

    partition: int
    token: bytes
    target: str
    stream_id: StreamId
    tries: int


class LeaseKeeper(Protocol):
    """Prolongs whatever is in its table of leases until it is stopped."""

    def hold(self, partition: int, token: bytes) -> None: ...

    def let_go(self, partition: int, token: bytes) -> None: ...

    def start(self) -> None: ...

    def halt(self) -> None: ...

    async def stop(self) -> None: ...


class Renewals(Hooks):
    """Has a keeper renew the leases of a worker's tenures, each for as long as it lasts."""

    def __init__(self, keeper: LeaseKeeper) -> None:
        self._keeper = keeper

    def held(self, partition: Partition) -> None:
        self._keeper.hold(partition.number, partition.token)

    def let_go(self, partition: Partition) -> None:
        self._keeper.let_go(partition.number, partition.token)


class ThreadKeeper:
    """The keeper for real time: a daemon thread with a connection of its own."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        lost: Callable[[set[int]], None],
        turning: Callable[[], Turning | None],
        end_process: Callable[[int], object] = os._exit,
        failed: Callable[[BaseException], None] = lambda error: None,
        lagged: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """`lost` and `failed` are called from the event loop: leases are another's, and renewing them will not do; and
        `lagged`: it came so many seconds later than it should have."""
        self._settings = settings
        self._clock = store.clock
        self._renewer = store.renewer()
        self._lost = lost
        self._turning = turning
        self._end_process = end_process
        self._failed = failed
        self._lagged = lagged
        self._leases: dict[int, bytes] = {}
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._ticked = time.monotonic()
        self._ticker: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="stead-leases", daemon=True)

    def hold(self, partition: int, token: bytes) -> None:
        with self._guard:
            self._leases[partition] = token

    def let_go(self, partition: int, token: bytes) -> None:
        with self._guard:
            if self._leases.get(partition) == token:
                del self._leases[partition]

    def start(self) -> None:
        self._ticker = begin_task(self._tick(), name="stead-lease-ticker")
        self._ticker.add_done_callback(self._ticker_ended)
        self._thread.start()

    def _ticker_ended(self, ticker: asyncio.Task[None]) -> None:
        if not self._stop.is_set():  # else a worker that is well would be taken for one that is stuck
            self._failed(ended_early(ticker))

    def halt(self) -> None:
        """Renew nothing from now on."""
        self._stop.set()
        if self._ticker is not None:
            self._ticker.cancel()

    async def stop(self) -> None:
        self.halt()
        await asyncio.to_thread(self._thread.join)

    async def _tick(self) -> None:
        pause = min(_TICK_S, self._settings.turn_stuck_ms / 5000)
        while True:
            self._ticked = time.monotonic()
            await asyncio.sleep(pause)
            self._lagged(max(0.0, time.monotonic() - self._ticked - pause))

    def _run(self) -> None:
        try:
            self._keep()
        except BaseException as error:  # noqa: BLE001 - a thread's last word: leases that nobody renews are not held
            self._tell(self._failed, error)

    def _keep(self) -> None:
        """Renew, and watch the event loop, until told to stop: whatever goes wrong, this thread does not end by itself."""
        pause = usual = self._settings.lease_ms / 3000
        patience = Patience(self._clock, self._settings, "renewing leases", min(AGAIN_S, usual))
        while not self._stop.wait(pause):
            still = time.monotonic() - self._ticked
            if still * 1000 > self._settings.turn_stuck_ms:
                self._give_up(still)
                return
            try:
                self._renew()
                patience.rest()
                pause = usual
            except Exception as error:  # noqa: BLE001 - a thread's last word, and the worker's
                try:
                    pause = patience.bear_for(error)
                except Exception as failure:  # noqa: BLE001 - the same
                    pause = usual
                    self._tell(self._failed, failure)
        self._renewer.close()

    def _tell(self, whom: Callable[[T], object], what: T) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody is there any more to be told
            self._loop.call_soon_threadsafe(whom, what)

    def _renew(self) -> None:
        with self._guard:
            leases = dict(self._leases)
        if not leases:
            return
        lost = self._renewer.renew(leases, self._settings.lease_ms)
        with self._guard:  # a partition that was let go meanwhile is not news
            lost = {number for number in lost if self._leases.get(number) == leases[number]}
            for number in lost:
                del self._leases[number]
        if lost:
            self._tell(self._lost, lost)

    def _give_up(self, still: float) -> None:
        try:
            self._mark(still)
        except Exception as error:  # noqa: BLE001 - nothing may keep the process from its end
            logger.critical("the message could not be marked: %s", error)
        finally:
            self._end_process(STUCK_EXIT_STATUS)

    def _mark(self, still: float) -> None:
        """Say, and write down, what the event loop is in."""
        turning = self._turning()
        logger.critical(
            "the worker has been stuck for %.0f s%s: its leases are no longer renewed and the process ends",
            still,
            f" in {turning.target} (message {turning.stream_id.decode()})" if turning else "",
        )
        if turning is not None:
            running = Running(turning.target, turning.stream_id, turning.tries)
            self._renewer.mark_running(turning.partition, turning.token, running)


class TaskKeeper:
    """The keeper for virtual time: a task on the hub's clock."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        lost: Callable[[set[int]], None],
        failed: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        self._failed = failed
        self._clock = store.clock
        self._renewer = store.renewer()
        self._settings = settings
        self._lost = lost
        self._leases: dict[int, bytes] = {}
        self._task: asyncio.Task[None] | None = None
        self._halted = False

    def hold(self, partition: int, token: bytes) -> None:
        self._leases[partition] = token

    def let_go(self, partition: int, token: bytes) -> None:
        if self._leases.get(partition) == token:
            del self._leases[partition]

    def start(self) -> None:
        self._task = begin_task(self._run(), name="stead-lease-keeper")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not self._halted:
            self._failed(ended_early(task))

    def halt(self) -> None:
        """Renew nothing from now on."""
        self._halted = True
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        self.halt()

    async def _run(self) -> None:
        pause = usual = self._settings.lease_ms / 3000
        patience = Patience(self._clock, self._settings, "renewing leases", min(AGAIN_S, usual))
        while True:
            await self._clock.sleep(pause)
            pause = usual
            try:
                lost = self._renewer.renew(dict(self._leases), self._settings.lease_ms)
                patience.rest()
            except Exception as error:  # noqa: BLE001 - a task's last word, and the worker's
                try:
                    pause = patience.bear_for(error)
                except Exception as failure:  # noqa: BLE001 - the same
                    self._failed(failure)
                continue
            for number in lost:
                del self._leases[number]
            if lost:
                self._lost(lost)
