"""The asynchronous client of an app, and the way to open one."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any

from stead.orchestrations import OrchestrationClient
from stead.transport import Store, open_store, parse_url

from .definitions import Definitions
from .info import gather_info


class Client(OrchestrationClient):
    """Talks to the entities and orchestrations of a task hub. Made by `app.connect()`, for one event loop."""

    url = ""
    """Where the store is, without a password."""

    @property
    def store(self) -> Store:
        """The hub's store, for tools that show what is in it."""
        return self._store

    async def info(self) -> dict[str, Any]:
        """The hub at this moment: its server, workers, names and partitions, as `stead info --json` shows them."""
        self._check_open()
        return (await gather_info(self._store, self.url)).as_data()

    async def _close(self) -> None:
        try:
            await super()._close()
        finally:
            await self._store.close()


class Connecting:
    """A client about to be opened.

    `async with app.connect() as client:` closes it at the end of the block. `client = await app.connect()` leaves that
    to you (`await client.aclose()`), for frameworks with a start-up and a shutdown hook.
    """

    def __init__(self, definitions: Definitions, url: str | None) -> None:
        self._definitions = definitions
        self._url = url
        self._client: Client | None = None

    async def _open(self) -> Client:
        of = self._definitions
        store = await open_store(self._url, of.name, of.settings)
        client = Client(store, of.registry, of.settings, of.orchestrations)
        client.url = parse_url(self._url).public
        return client

    def __await__(self) -> Generator[Any, None, Client]:
        return self._open().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self._open()
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
