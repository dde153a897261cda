"""What moves a `TestHub`: its worker, which can be ended and replaced, and its time.

All who wait share one task, the pilot. It lets the hub run until nothing moves, then moves the time on to the next thing
that is due or to the next deadline of those who wait, whichever comes first. It ends when nobody waits any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import secrets
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

from stead.entities import CallTimeout, Worker
from stead.orchestrations import Orchestrations
from stead.orchestrations.extending import with_payloads
from stead.transport import HomeLoop, ManualClock, MemoryStore, Settings, begin_task, see_through

from .fakes import Activities

if TYPE_CHECKING:
    from stead.app._app import App

R = TypeVar("R")
T = TypeVar("T")

_QUIET_PASSES = 40
"""Rounds of the event loop in which nothing happens, until the hub counts as idle. Whatever one part of a worker leads
another one to do begins within a few."""

_PATIENCE_S = 20.0
"""Real seconds after which something that still runs is reported: a test that hangs says nothing."""

_KILL_EVERY = 60
"""With `kill_seed`: a worker lives that many rounds of the event loop on average."""

_KILLS_MAX = 200

FOREVER_MS = 3_650 * 86_400_000
_LONGEST_MS = 100 * FOREVER_MS
_LEASE_MS = 3_600_000


def _virtual(settings: Settings, replay_every_turn: bool) -> Settings:
    """Settings for virtual time, where hours pass at once: nothing is forgotten and nobody has to say that he lives."""
    return settings.model_copy(
        update={
            "partitions": 4,
            "slot_groups": 1,
            "lease_ms": _LEASE_MS,
            "heartbeat_ms": FOREVER_MS,
            "worker_keep_ms": FOREVER_MS,
            "read_block_ms": FOREVER_MS,
            "session_keep_ms": FOREVER_MS,
            "names_keep_ms": FOREVER_MS,
            "reply_keep_ms": FOREVER_MS,
            "activity_heartbeat_ms": FOREVER_MS,
            "replay_every_turn": settings.replay_every_turn or replay_every_turn,
            "check_queries": True,
        }
    )


def _payloads_in_memory(settings: Settings) -> Settings:
    """Large payloads are kept in memory: a place of each hub's own."""
    if settings.large_payloads is None:
        return settings
    return settings.model_copy(update={"large_payloads": f"memory://{secrets.token_hex(8)}"})


class _Reached(Exception):
    """The hub's time has come to where somebody wanted it, and nothing moves any more."""


class _Goal:
    """Somebody who waits, at most until the hub is idle at `deadline_ms`. `limit` is around what he awaits."""

    __slots__ = ("deadline_ms", "error", "limit", "since")

    def __init__(self, deadline_ms: float, limit: asyncio.Timeout) -> None:
        self.deadline_ms = deadline_ms
        self.limit = limit
        self.since = time.monotonic()
        self.error: BaseException = _Reached()

    def end(self, error: BaseException | None = None) -> None:
        """It waits no longer, and raises that."""
        self.error = self.error if error is None else error
        self.limit.reschedule(0.0)


class Driver:
    """Lets a hub run, moves its time, and ends and replaces its worker."""

    def __init__(self, app: App, replay_every_turn: bool, kill_seed: int | None) -> None:
        self.app = app
        self._replay_every_turn = replay_every_turn
        self.clock = ManualClock()
        self.store = MemoryStore(app.name, self.settings, self.clock)
        self.hub_store = with_payloads(self.store, _payloads_in_memory(self.settings))
        """What a worker and clients use."""
        self.activities = Activities(lambda: self.app.orchestrations)
        self._worker: Worker | None = None
        self._orchestrations: Orchestrations | None = None
        self._chance = random.Random(kill_seed) if kill_seed is not None else None
        self.kills = 0
        self._changing = asyncio.Lock()  # of the worker: there is never more than one
        self._goals: dict[_Goal, None] = {}
        self._changes = 0  # of the goals: whoever comes or goes may have more to do before time moves on
        self._pilot: asyncio.Task[None] | None = None
        self._closed = False
        self.home = HomeLoop("this TestHub")

    @property
    def settings(self) -> Settings:
        """The app's, for virtual time."""
        return _virtual(self.app.settings, self._replay_every_turn)

    # -- the worker ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start a worker; when this returns it holds all partitions."""
        self.home.check()
        async with self._changing:
            self._closed = False
            await self._start()

    async def _start(self) -> None:
        app, settings = self.app, self.settings
        orchestrations = Orchestrations(app.orchestrations, settings, entities=app.registry)
        orchestrations.activities.slots.intercept = self.activities.intercept
        worker = Worker(self.hub_store, app.registry, settings, "test", [orchestrations])
        await worker.start()
        self._worker, self._orchestrations = worker, orchestrations

    @property
    def _busy(self) -> bool:
        """Whether activities, asynchronous operations or turns are running, or the worker is being replaced."""
        worker, orchestrations = self._worker, self._orchestrations
        return self._changing.locked() or (
            worker is not None
            and (worker.busy or worker.goes_on or (orchestrations is not None and not orchestrations.activities.idle))
        )

    async def stop(self) -> None:
        """End the worker gracefully."""
        async with self._changing:
            worker, self._worker = self._worker, None
            if worker is not None:
                await worker.stop()

    async def abandon(self) -> None:
        """End the worker as if its process had died."""
        async with self._changing:
            await self._abandon()

    async def _abandon(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.abandon()

    async def replace(self, app: App | None = None) -> None:
        """End the worker as if its process had died, and start another one, perhaps of another app.

        Done to its end even if this is cancelled: a hub without a worker would stand still.
        """
        self.home.check()
        await see_through(self._replace(app))

    async def _replace(self, app: App | None) -> None:
        async with self._changing:
            if self._closed:
                raise RuntimeError("the block of this TestHub has ended: it has no worker any more")
            await self._abandon()
            self.app = self.app if app is None else app
            await self._start()

    async def _perhaps_kill(self) -> None:
        if self._chance is None or self.kills >= _KILLS_MAX or self._worker is None:
            return
        if self._chance.randrange(_KILL_EVERY) == 0:
            self.kills += 1
            await self._replace(None)

    async def close(self) -> None:
        """End the worker, and whatever still waits."""
        self.home.check()
        self._closed = True
        self._end_goals(RuntimeError("the block of this TestHub has ended, and something still waited for the hub"))
        if self._pilot is not None:
            await asyncio.wait((self._pilot,))
        await self.stop()

    # -- those who wait ------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Let everything run until nothing moves. Time stands still, unless others who wait let it pass."""
        await self.advance_to(self.clock.now_ms())

    async def advance_to(self, target_ms: int) -> None:
        """Move the time on; what is due on the way happens at its time, and what follows from it before the next."""
        self.home.check()
        with contextlib.suppress(_Reached):
            await self._until(target_ms, asyncio.get_running_loop().create_future())

    async def drive(self, awaitable: Awaitable[R], seconds: float, what: str) -> R:
        """Await something that may need time to pass: when the hub is idle, time moves on to whatever is due next, but
        no further than `seconds`; then `CallTimeout`."""
        # The clock has whole milliseconds, and no time for ever.
        deadline_ms = self.clock.now_ms() + math.ceil(round(min(seconds * 1000, _LONGEST_MS), 3))
        try:
            return await self._until(deadline_ms, awaitable)
        except _Reached:
            raise CallTimeout(what, seconds) from None

    async def _until(self, deadline_ms: int, awaitable: Awaitable[R]) -> R:
        """Await something in this very task, as if within `asyncio.timeout` of the hub's time: then `_Reached`."""
        limit = asyncio.timeout(None)
        goal = _Goal(deadline_ms, limit)
        try:
            async with limit:
                self._add(goal)
                return await awaitable
        except TimeoutError:
            if not limit.expired():
                raise
            raise goal.error from None
        finally:
            self._remove(goal)

    def _add(self, goal: _Goal) -> None:
        self._goals[goal] = None
        self._changes += 1
        if self._pilot is None:
            self._pilot = begin_task(self._fly(), name="stead test pilot")
            self._pilot.add_done_callback(self._landed)

    def _remove(self, goal: _Goal) -> None:
        self._goals.pop(goal, None)
        self._changes += 1

    def _end_goals(self, error: BaseException) -> None:
        goals, self._goals = self._goals, {}
        for goal in goals:
            goal.end(error)

    # -- time ----------------------------------------------------------------------------------------------------------

    async def _fly(self) -> None:
        """Be the pilot: the only one who moves the time, for as long as somebody waits."""
        try:
            while self._goals:
                await self._run_until_idle()
                self._move_on()
        except asyncio.CancelledError:
            raise  # `_landed` says so
        except BaseException as error:
            self._end_goals(error)  # it is theirs to know
            if not isinstance(error, Exception):
                raise
        finally:
            self._pilot = None

    def _landed(self, pilot: asyncio.Task[None]) -> None:
        """Nobody may wait for a pilot that somebody's code has cancelled, perhaps before its first step."""
        if pilot is self._pilot:
            self._pilot = None
        if pilot.cancelled():
            self._end_goals(
                RuntimeError("what moves this TestHub's time was cancelled by other code of this process (all_tasks?)")
            )

    async def _run_until_idle(self) -> None:
        """Let everything run until nothing moves, or nobody waits any more. Time stands still."""
        quiet = working = 0
        seen = self._moves
        began = time.monotonic()
        while quiet < _QUIET_PASSES:
            # When nothing else has happened for a while, what runs waits for a thread or for real time.
            await asyncio.sleep(0.001 if working > _QUIET_PASSES else 0)
            if not self._goals:
                return
            await self._perhaps_kill()
            if self._worker is not None and self._worker.failure is not None:
                raise self._worker.failure
            moved = self._moves != seen
            seen = self._moves
            busy = self._busy
            working = working + 1 if busy and not moved else 0
            quiet = 0 if busy or moved else quiet + 1
            self._check_patience(began)

    @property
    def _moves(self) -> int:
        """Grows with everything that happens."""
        return self.store.requests + self._changes

    def _check_patience(self, began: float) -> None:
        """Let those fail who have waited for too long, in real time, since the hub began to run at `began`."""
        limit = time.monotonic() - _PATIENCE_S
        if began > limit:
            return
        for goal in [goal for goal in self._goals if goal.since <= limit]:
            self._remove(goal)
            goal.end(
                TimeoutError(
                    f"the hub is still busy after {_PATIENCE_S:g} s of real time: an activity or an operation does not "
                    "end, or an orchestration goes round in circles without any time passing"
                )
            )

    def _move_on(self) -> None:
        """The hub is idle. Those whose time has come wait no longer; once they have nothing more to do now either, the
        time moves on to whatever comes next for anybody."""
        now_ms = self.clock.now_ms()
        reached = [goal for goal in self._goals if goal.deadline_ms <= now_ms]
        for goal in reached:
            self._remove(goal)
            goal.end()
        if reached or not self._goals:
            return
        next_ms = min(goal.deadline_ms for goal in self._goals)
        due_ms = self.store.next_due_ms()
        if due_ms is not None and due_ms > now_ms:  # what is due by now and has not happened has nobody to do it
            next_ms = min(next_ms, due_ms)
        self.clock.advance_to(next_ms)
