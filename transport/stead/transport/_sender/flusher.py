"""The task that sends: everything gathered goes in one request of one batch a partition; what comes meanwhile, in the next.

It starts at once when something is there, so a single message waits for nobody, and goes on until it is told to stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from stead.transport._cancellation import begin_task, end_task
from stead.transport._contract.careful_logger import get_logger
from stead.transport._contract.errors import HubMismatch, StoreClosed, StoreUnavailable
from stead.transport._contract.records import Batch, Verdict
from stead.transport._contract.store import Store
from stead.transport._retry import UNANSWERED, reason_of

from .identity import Identity
from .lane import Lane
from .losses import ask_the_quiet
from .outcomes import Outcomes
from .room import Room

_log = get_logger(__name__)

# A patient sender waits for so many messages as long as more keep coming.
LINGER_LENGTH = 2_000


class Flusher:
    """Sends what the busy lanes have, for as long as there is any, and sleeps else."""

    def __init__(
        self, store: Store, lanes: Sequence[Lane], identity: Identity, room: Room, outcomes: Outcomes, *, patient: bool
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._identity = identity
        self._room = room
        self._outcomes = outcomes
        self._patient = patient
        self._task: asyncio.Task[None] | None = None
        self._bell: asyncio.Future[None] | None = None
        self._stopped = False

    def wake(self) -> None:
        """A lane has something to send of which this did not know yet."""
        if self._task is None:
            self._task = begin_task(self._send_for_ever(), name="stead sender")
            self._task.add_done_callback(self._ended)
        else:
            self._ring()

    def _ring(self) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    async def stop(self) -> None:
        """Send no more, as soon as there is an answer to what is under way."""
        self._stopped = True
        self._ring()
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def aclose(self) -> None:
        """End here and now."""
        task, self._task = self._task, None
        if task is not None:
            await end_task(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """By a bug, here or in the store, or cancelled by others: nobody may wait for ever for a task that is gone."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("the sender ended", exc_info=error)
        if task is self._task and (error is not None or task.cancelled()):  # not closed, and not stopped
            reason = "its task was cancelled by other code of this process" if error is None else reason_of(error)
            told = StoreUnavailable(f"the sender ended: {reason}", "unknown")
            if error is not None or self._stopped:
                self._outcomes.end(told)
            else:
                self._task = None  # the next message makes another one
                self._outcomes.interrupted(told)

    async def _send_for_ever(self) -> None:
        clock, outcomes = self._store.clock, self._outcomes
        while not self._stopped:
            if not outcomes.busy:
                await self._pause(None)
                continue
            if self._patient:
                await self._linger()
            lanes, batches, held_until = self._gather()
            if not batches:
                await self._pause(max(0.001, held_until - clock.monotonic()))
                continue
            await self._send(lanes, batches)

    async def _send(self, lanes: Sequence[Lane], batches: Sequence[Batch]) -> None:
        outcomes = self._outcomes
        try:
            results = await self._store.enqueue(batches)
        except StoreClosed as error:
            outcomes.give_up(lanes, error)
        except UNANSWERED as error:
            await self._store.clock.sleep(outcomes.unanswered(error))
        except Exception as error:  # noqa: BLE001 - a server that is no longer suitable
            if not isinstance(error, HubMismatch):  # it is told to whoever waits, each time
                _log.warning("the store refuses requests: %s", error)
            outcomes.give_up(lanes, error)
        else:
            if any(result.verdict is Verdict.GAP for result in results):
                outcomes.losses.add(await ask_the_quiet(self._store, self._lanes))
            outcomes.judged(lanes, results)

    async def _linger(self) -> None:
        """Let a producer that is in full flow add to the next batches: large ones cost the server far less a message.

        Counted in turns of the event loop, not in time: as soon as a turn adds nothing, nobody is kept waiting.
        """
        length, room = 0, self._room
        while length < room.length < LINGER_LENGTH:
            length = room.length
            await asyncio.sleep(0)

    def _gather(self) -> tuple[list[Lane], list[Batch], float]:
        """What to send now, and when the next held lane may try again."""
        outcomes = self._outcomes
        now, now_ms = self._store.clock.monotonic(), self._store.clock.now_ms()
        lanes: list[Lane] = []
        batches: list[Batch] = []
        held_until = float("inf")
        for lane in list(outcomes.busy.values()):
            if lane.held_until > now:
                held_until = min(held_until, lane.held_until)
                continue
            chain = lane.chain
            if chain is None:
                chain = lane.chain = self._identity.chain(lane.partition)
            if lane.flying is not None and lane.flying.doubtful and chain.is_too_old(now_ms):
                outcomes.refuse(lane, StoreUnavailable("this process was suspended before an answer came", "unknown"))
                if outcomes.broken is not None:
                    return [], [], now
                outcomes.settle(lane)
            batch = lane.next_batch(chain, now_ms)
            if batch is not None:
                lanes.append(lane)
                batches.append(batch)
        return lanes, batches, held_until

    async def _pause(self, seconds: float | None) -> None:
        """Sleep until a lane gets its first message, or for so many seconds."""
        self._bell = asyncio.get_running_loop().create_future()
        try:
            if seconds is None:
                await self._bell
                return
            sleeper = asyncio.ensure_future(self._store.clock.sleep(seconds))
            try:
                await asyncio.wait((sleeper, self._bell), return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleeper.cancel()
        finally:
            self._bell = None
