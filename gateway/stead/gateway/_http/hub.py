"""What the routes need: a hub's client, its keys and limits, and room for requests that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from starlette.requests import Request

from stead.entities import DeadLetters
from stead.entities.extending import MeasuresReader
from stead.orchestrations import OrchestrationClient
from stead.transport import HubMismatch, SteadError, Store

from .access import EVERYTHING, Grant, Keys
from .errors import too_many
from .settings import HttpSettings
from .shared import REST, SharedAnswer

T = TypeVar("T")
_SHARED_MAX = 100  # answers that are kept: one may be asked for by any words of a user


class Traffic:
    """How many requests are carried out, and how many wait for something to happen; more than may be are refused."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self.running = 0
        self.waiting = 0
        self.ingesting = 0  # of those that run: bulk requests
        self.asking = 0  # of those that wait: queries of SQL
        self.stopping = asyncio.Event()
        """Set when the server stops: whoever waits answers with what there is, and streams end."""
        self.failure: SteadError | None = None
        """The hub is no longer on the server, or nothing serves any more: no request can be carried out."""
        self.failed = asyncio.Event()

    def note(self, error: Exception) -> None:
        """What a request ended with."""
        if isinstance(error, HubMismatch):
            self.fail(error)

    def fail(self, error: SteadError) -> None:
        """There will be no requests any more: whoever serves is to end."""
        self.failure = error
        self.failed.set()

    @contextmanager
    def request(self) -> Generator[None]:
        """Around each request."""
        if self.running >= self._settings.requests_running_max:
            raise too_many("too many requests are being carried out")
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    def refuse_if_full(self) -> None:
        """Raise `HttpError` (429) if nobody else may wait: for what begins to wait only after its status has been sent."""
        if self.waiting >= self._settings.streams_max:
            raise too_many("too many requests are waiting", 5)

    @contextmanager
    def wait(self) -> Generator[None]:
        """Around what waits within a request (a long poll, a stream of events), which then counts as waiting only."""
        self.refuse_if_full()
        self.waiting += 1
        self.running -= 1
        try:
            yield
        finally:
            self.running += 1
            self.waiting -= 1


class Hub:
    """One hub, opened, for the routes."""

    def __init__(
        self,
        client: OrchestrationClient,
        hub_name: str,
        store: Store,
        keys: Keys | None = None,
        settings: HttpSettings | None = None,
        gather_info: Callable[[], Awaitable[dict[str, Any]]] | None = None,
        app_reference: str = "APP",
        sql: Callable[[str, str, int], Coroutine[Any, Any, bytes]] | None = None,
        *,
        has_sql: bool = False,
    ) -> None:
        self.client = client
        self.hub_name = hub_name
        self.store = store
        self.keys = (Keys() if keys is None else keys).for_hub(hub_name)
        self.settings = HttpSettings() if settings is None else settings
        self.traffic = Traffic(self.settings)
        self.letters = DeadLetters(store)
        self.measures = MeasuresReader(store)
        self.gather_info = gather_info
        self.app_reference = app_reference
        """What commands call the app, for advice."""
        self.sql = sql
        """Answers a query of SQL, in a form, with so many rows at most."""
        self.has_sql = has_sql
        """Whether what that needs is installed."""
        self._recent = SharedAnswer(self.info)
        self._shared: dict[str, SharedAnswer[Any]] = {}

    async def info(self) -> dict[str, Any]:
        """What `stead info --json` shows."""
        if self.gather_info is None:
            return {"hub": {"name": self.hub_name}}
        return await self.gather_info()

    async def recent_info(self, age_s: float) -> dict[str, Any]:
        """The same, read less than so long ago: whoever asks again and again shares it with the others who do."""
        return await self._recent.get(age_s / 2)

    async def shared(self, what: str, age_s: float, find: Callable[[], Awaitable[T]]) -> T:
        """What is dear to find out, found less than so long ago, or than `REST` times as long as it took. `what`: its name; `find` is the
        same for all who ask for it. Of what nobody has asked for lately the answer is forgotten."""
        found: SharedAnswer[T] = self._shared.pop(what) if what in self._shared else SharedAnswer(find)
        self._shared[what] = found
        if len(self._shared) > _SHARED_MAX:
            del self._shared[next(iter(self._shared))]
        return await found.get(age_s, REST)

    def base_url(self, request: Request) -> str:
        """Where this gateway is for its clients, without a slash at the end: `http://127.0.0.1:7071`."""
        if self.settings.public_url is not None:
            return self.settings.public_url.rstrip("/")
        return str(request.base_url).rstrip("/")

    def token(self, request: Request, instance_id: str) -> str | None:
        """A key for one instance on behalf of a request, for `code=` in URIs; None if no keys are needed here."""
        return self.keys.token(grant_of(request), instance_id)


def grant_of(request: Request) -> Grant:
    """What the request that is being carried out may do."""
    return cast("Grant", request.scope.get("stead.grant", EVERYTHING))
