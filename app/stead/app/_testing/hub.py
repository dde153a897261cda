"""`TestHub`: see `stead.app.testing`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from stead.app._hub.client import Client
from stead.orchestrations import Activity, OrchestrationStatus
from stead.transport import InvalidInput, see_through

from .driver import FOREVER_MS, Driver
from .explaining import note_histories
from .fakes import FakeActivity, ObservedCall

if TYPE_CHECKING:
    from stead.app._app import App

P = ParamSpec("P")
R = TypeVar("R")


class _TestClient(Client):
    """A client whose waiting makes time pass."""

    def __init__(self, driver: Driver) -> None:
        app = driver.app
        super().__init__(driver.hub_store, app.registry, driver.settings, app.orchestrations)
        self._driver = driver

    async def call_entity(self, subject: Any, key_or_name: str, /, *args: Any, **kwargs: Any) -> Any:
        self._check_open()
        call = super().call_entity(subject, key_or_name, *args, **kwargs)
        return await self._driver.drive(call, self._seconds, "calling an entity")

    @property
    def _seconds(self) -> float:
        return self._driver.settings.call_timeout_ms / 1000

    async def _pause(self, seconds: float, nth: int) -> None:
        """Whoever waits for changes lets the hub come to rest first: after that only time, or others, bring more."""
        self._check_open()
        if nth == 0:
            await self._driver.settle()
        else:
            await super()._pause(seconds, nth)

    async def ask(self, query: Any, instance_id: str, /, *args: Any, **kwargs: Any) -> Any:
        self._check_open()
        asked = super().ask(query, instance_id, *args, **kwargs)
        return await self._driver.drive(asked, self._seconds, "asking an instance")

    async def update(self, update: Any, instance_id: str, /, *args: Any, **kwargs: Any) -> Any:
        self._check_open()
        told = super().update(update, instance_id, *args, **kwargs)
        return await self._driver.drive(told, self._seconds, "telling an instance something")

    async def wait_for_completion(self, instance_id: str, timeout: float | None = 30.0) -> OrchestrationStatus[Any]:
        self._check_open()
        wait = super().wait_for_completion(instance_id, timeout=None)
        seconds = FOREVER_MS / 1000 if timeout is None else timeout
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

    What leaves the block as an error has the last events of the hub's instances as a note.

    All of these may go on at once, in `asyncio.gather` for example. They share the one time, each with its own end: the
    time never passes what is due, or what another of them waits for, before that has happened.
    """

    __test__ = False  # pytest is not to take it for a test

    def __init__(self, app: App, replay_every_turn: bool = False, *, kill_seed: int | None = None) -> None:
        self._driver = Driver(app, replay_every_turn, kill_seed)
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
            if client is not None and error is not None:
                await note_histories(client, error)
            if client is not None:
                await client.aclose()
        finally:
            await see_through(self._driver.close())

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
        nothing runs any more, before the time moves further for anybody else."""
        if delta < timedelta(0):
            raise InvalidInput(f"advance({delta})", "time only moves on")
        milliseconds = -(-delta // timedelta(milliseconds=1))  # rounded up: the clock has no parts of them
        await self._driver.advance_to(self._driver.clock.now_ms() + milliseconds)

    async def run_until_idle(self) -> None:
        """Let the hub run until all that is left to do waits for a time, an event or an answer. Time stands still, unless
        something else waits at once; what runs in threads, or really sleeps, is waited for. `TimeoutError` if that does
        not end for 20 real seconds.
        """
        await self._driver.settle()

    def fail_activity(self, activity: Activity[..., Any] | str, error: BaseException, times: int = 1) -> None:
        """Let an activity raise an error instead of running, the next `times` that it is to run. It then runs as ever."""
        self._driver.activities.fail(activity, error, times)

    @overload
    def fake_activity(self, activity: Activity[P, R]) -> FakeActivity[P, R]: ...

    @overload
    def fake_activity(self, activity: str) -> FakeActivity[..., Any]: ...

    def fake_activity(self, activity: Any) -> FakeActivity[..., Any]:
        """Have something else run in place of an activity, from its next run on:

            hub.fake_activity(charge).returns(3)
            hub.fake_activity(charge).calls(lambda amount: amount + 1)

        "call_http" stands for the requests of all orchestrations: what is called gets method, URL, headers, body and time-out in
        seconds, and gives an `HttpResponse`.

        Arguments and results are checked and stored as ever, so that a fake gives nothing that the activity could not. Raises
        `InvalidInput` for an activity that the hub's app does not have.
        """
        return self._driver.activities.fake(activity)

    def calls(self, activity: Activity[..., Any] | str) -> list[ObservedCall]:
        """The calls of an activity so far, in the order in which they began: with each attempt, and with those for which a fake
        or an error of `fail_activity` stood in. Raises `InvalidInput` for an activity that the hub's app does not have."""
        return self._driver.activities.calls(activity)

    async def restart_worker(self, app: App | None = None) -> None:
        """End the worker as a crash of its process would, in the middle of whatever it is doing, and start another.
        What it had in memory is lost; what was committed, and nothing else, is there for the next one. Whoever waits
        meanwhile goes on to wait.

        With an `app`, the next worker runs that one's code, as after a deployment. The client stays as it is.
        """
        await self._driver.replace(app)
