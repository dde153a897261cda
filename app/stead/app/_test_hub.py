"""`TestHub`: see `stead.app.testing`."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from stead.entities import CallTimeout, Worker
from stead.orchestrations import Activity, Orchestrations, OrchestrationStatus
from stead.transport import InvalidInput, ManualClock, MemoryStore, Settings

from ._client import Client

if TYPE_CHECKING:
    from ._app import App

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

_FOREVER_MS = 3_650 * 86_400_000
_LEASE_MS = 3_600_000


def _virtual(settings: Settings, replay_every_turn: bool) -> Settings:
    """Settings for virtual time, where hours pass at once: nothing is forgotten and nobody has to say that he lives."""
    return settings.model_copy(
        update={
            "partitions": 4,
            "slot_groups": 1,
            "lease_ms": _LEASE_MS,
            "heartbeat_ms": _FOREVER_MS,
            "worker_keep_ms": _FOREVER_MS,
            "read_block_ms": _FOREVER_MS,
            "session_keep_ms": _FOREVER_MS,
            "names_keep_ms": _FOREVER_MS,
            "reply_keep_ms": _FOREVER_MS,
            "activity_heartbeat_ms": _FOREVER_MS,
            "replay_every_turn": settings.replay_every_turn or replay_every_turn,
        }
    )


class _CountingStore(MemoryStore):
    """A hub in memory that counts its steps, so that it can be seen whether something still happens."""

    steps = 0

    async def _call(self, method: str, step: Callable[[], T]) -> T:
        self.steps += 1
        return await super()._call(method, step)

    async def _pipeline(self, method: str, parts: Sequence[Callable[[], T]], generation: int | None = None) -> list[T]:
        self.steps += 1
        return await super()._pipeline(method, parts, generation)


class _Driver:
    """Lets a hub run, moves its time, and ends and replaces its worker."""

    def __init__(self, app: App, replay_every_turn: bool, kill_seed: int | None) -> None:
        self.app = app
        self._replay_every_turn = replay_every_turn
        self.clock = ManualClock()
        self.store = _CountingStore(app.name, self.settings, self.clock)
        self.faults: dict[str, deque[BaseException]] = {}  # by canonical name: what the next runs are to raise
        self._worker: Worker | None = None
        self._orchestrations: Orchestrations | None = None
        self._chance = random.Random(kill_seed) if kill_seed is not None else None
        self.kills = 0

    @property
    def settings(self) -> Settings:
        """The app's, for virtual time."""
        return _virtual(self.app.settings, self._replay_every_turn)

    # -- the worker ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start a worker; when this returns it holds all partitions."""
        app, settings = self.app, self.settings
        self._orchestrations = Orchestrations(app.orchestrations, settings, entities=app.registry)
        self._orchestrations.activities.interceptor = self._fault
        self._worker = worker = Worker(self.store, app.registry, settings, "test", [self._orchestrations])
        await worker.start()

    def _fault(self, activity: str) -> BaseException | None:
        faults = self.faults.get(activity)
        return faults.popleft() if faults else None

    @property
    def _busy(self) -> bool:
        """Whether activities or asynchronous operations are running."""
        worker, orchestrations = self._worker, self._orchestrations
        return worker is not None and (
            worker.busy or (orchestrations is not None and not orchestrations.activities.idle)
        )

    async def stop(self) -> None:
        """End the worker gracefully."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()

    async def abandon(self) -> None:
        """End the worker as if its process had died."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.abandon()

    async def replace(self, app: App | None = None) -> None:
        """End the worker as if its process had died, and start another one, perhaps of another app."""
        await self.abandon()
        self.app = self.app if app is None else app
        await self.start()

    # -- time ----------------------------------------------------------------------------------------------------------

    async def settle(self, done: Callable[[], bool] = lambda: False) -> None:
        """Let everything run until nothing moves (or `done`). Time stands still."""
        quiet = working = 0
        steps = self.store.steps
        began = time.monotonic()
        while quiet < _QUIET_PASSES and not done():
            # When nothing else has happened for a while, what runs waits for a thread or for real time.
            await asyncio.sleep(0.001 if working > _QUIET_PASSES else 0)
            await self._perhaps_kill()
            if self._worker is not None and self._worker.failure is not None:
                raise self._worker.failure
            moved = self.store.steps != steps
            steps = self.store.steps
            busy = self._busy
            working = working + 1 if busy and not moved else 0
            quiet = 0 if busy or moved else quiet + 1
            if time.monotonic() - began > _PATIENCE_S:
                raise TimeoutError(
                    f"the hub is still busy after {_PATIENCE_S:g} s of real time: an activity or an operation does not "
                    "end, or an orchestration goes round in circles without any time passing"
                )

    async def advance_to(self, target_ms: float) -> None:
        """Move the time on; what is due on the way happens at its time, and what follows from it before the next."""
        await self.settle()
        while (due_ms := self.store.next_due_ms()) is not None and due_ms <= target_ms:
            if due_ms <= self.clock.now_ms():
                break  # it should have fired by now: nobody here can
            self.clock.advance_to(due_ms)
            await self.settle()
        self.clock.advance_to(target_ms)
        await self.settle()

    async def drive(self, coroutine: Coroutine[Any, Any, R], seconds: float, what: str) -> R:
        """Await something that may need time to pass: when the hub is idle, time moves on to whatever is due next, but
        no further than `seconds`; then `CallTimeout`."""
        deadline_ms = self.clock.now_ms() + seconds * 1000
        task = asyncio.ensure_future(coroutine)
        try:
            while True:
                await self.settle(task.done)
                if task.done():
                    return task.result()
                now_ms = self.clock.now_ms()
                due_ms = self.store.next_due_ms()
                if now_ms >= deadline_ms or (due_ms is not None and due_ms <= now_ms):
                    raise CallTimeout(what, seconds)
                self.clock.advance_to(min(deadline_ms, due_ms if due_ms is not None else deadline_ms))
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))

    async def _perhaps_kill(self) -> None:
        if self._chance is None or self.kills >= _KILLS_MAX or self._worker is None:
            return
        if self._chance.randrange(_KILL_EVERY) == 0:
            self.kills += 1
            await self.replace()


class _TestClient(Client):
    """A client whose waiting makes time pass."""

    def __init__(self, driver: _Driver) -> None:
        app = driver.app
        super().__init__(driver.store, app.registry, driver.settings, app.orchestrations)
        self._driver = driver

    async def call_entity(self, subject: Any, key_or_name: str, /, *args: Any, **kwargs: Any) -> Any:
        seconds = self._driver.settings.call_timeout_ms / 1000
        call = super().call_entity(subject, key_or_name, *args, **kwargs)
        return await self._driver.drive(call, seconds, "calling an entity")

    async def wait_for_completion(self, instance_id: str, timeout: float | None = 30.0) -> OrchestrationStatus[Any]:
        wait = super().wait_for_completion(instance_id, timeout=None)
        seconds = _FOREVER_MS / 1000 if timeout is None else timeout
        return await self._driver.drive(wait, seconds, f"waiting for instance {instance_id}")


class TestHub:
    """A hub for one test: `async with TestHub(app) as hub:`. Every one begins empty.

    `app` is what the program defines; its activities, orchestrations and entities run for real. `replay_every_turn`
    makes every orchestration begin anew, from its history, at every turn: that finds code that does not replay.
    `kill_seed` ends the worker again and again, at moments drawn from the seed, and starts another one: the results
    must be the same with every seed (activities may run more than once then, as they may in real life).

    Time is virtual. It begins at 2026-01-01 and stands still until `advance` moves it. Only waiting for something
    moves it too: when the hub is idle, `client.wait_for_completion` and `client.call_entity` go on to whatever is due
    next, but no further than their time-out; then they raise `CallTimeout`, without having taken real time.
    """

    __test__ = False  # pytest is not to take it for a test

    def __init__(self, app: App, replay_every_turn: bool = False, *, kill_seed: int | None = None) -> None:
        self._driver = _Driver(app, replay_every_turn, kill_seed)
        self._client: _TestClient | None = None

    async def __aenter__(self) -> Self:
        await self._driver.start()
        self._client = _TestClient(self._driver)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        try:
            if client is not None:
                await client.aclose()
        finally:
            await self._driver.stop()

    @property
    def client(self) -> Client:
        """A client of the hub, as `app.connect()` gives it."""
        if self._client is None:
            raise RuntimeError("a TestHub is used with `async with TestHub(app) as hub:`")
        return self._client

    @property
    def now(self) -> datetime:
        """The hub's time, in UTC."""
        return datetime.fromtimestamp(self._driver.clock.now_ms() / 1000, UTC)

    async def advance(self, delta: timedelta) -> None:
        """Move the time on. Whatever becomes due on the way happens at its own time and in its order, and the hub runs
        until it is idle before the time moves further: an hourly look over three days is 72 looks. Returns when
        nothing runs any more."""
        if delta < timedelta(0):
            raise InvalidInput(f"advance({delta})", "time only moves on")
        await self._driver.advance_to(self._driver.clock.now_ms() + delta.total_seconds() * 1000)

    async def run_until_idle(self) -> None:
        """Let the hub run until all that is left to do waits for a time, an event or an answer. Time stands still;
        what runs in threads, or really sleeps, is waited for. `TimeoutError` if that does not end for 20 real seconds.
        """
        await self._driver.settle()

    def fail_activity(self, activity: Activity[..., Any] | str, error: BaseException, times: int = 1) -> None:
        """Let an activity raise an error instead of running, the next `times` that it is to run. It then runs as ever."""
        name = activity if isinstance(activity, str) else activity.name
        self._driver.faults.setdefault(name.lower(), deque()).extend([error] * times)

    async def restart_worker(self, app: App | None = None) -> None:
        """End the worker as a crash of its process would, in the middle of whatever it is doing, and start another.
        What it had in memory is lost; what was committed, and nothing else, is there for the next one.

        With an `app`, the next worker runs that one's code, as after a deployment. The client stays as it is.
        """
        await self._driver.replace(app)
