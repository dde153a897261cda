"""A task hub in Redis or Valkey: every atomic step is one script. The methods of the `Store` protocol come from its sides:
those of clients, of workers, of activities, and of whoever looks at a hub.
"""

from __future__ import annotations

import asyncio

from stead.transport._contract.careful_logger import get_logger
from stead.transport._contract.errors import ConnectionLost, StoreUnavailable
from stead.transport._contract.settings import Settings
from stead.transport._retry import retry_delay
from stead.transport._urls import StoreUrl

from .activities import TaskSide
from .clients import ClientSide
from .inspection import PeopleSide
from .link import Link, Server
from .server import check_server, join_hub, read_facts, tell_durability
from .workers import WorkerSide

_log = get_logger("stead.transport")


class RedisStore(ClientSide, WorkerSide, TaskSide, PeopleSide):
    """The `Store` on a server. Open it with `open`."""

    @classmethod
    async def open(cls, url: str, hub: str, settings: Settings) -> RedisStore:
        """Join a hub on the server behind a `redis://`, `rediss://` or `unix://` URL, and make it if it is new.

        Raises `ConnectionLost` if the server cannot be reached, `ServerUnsuitable` if it will not do, and `HubMismatch`
        if the hub has another layout or format than this program can work with.
        """
        server = Server(url, settings)
        link = Link(server)
        try:
            facts = await read_facts(link)
            await check_server(link, facts, hub)
            layout = await join_hub(link, hub, settings)
        finally:
            link.close()
        tell_durability(facts)
        return cls(server, settings, layout, facts)


async def connect(where: StoreUrl, hub: str, settings: Settings, kind: type[RedisStore] = RedisStore) -> RedisStore:
    """Join a hub on a server, which may need a moment to come up."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + settings.store_tries_ms / 1000
    tries = 0
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                return await kind.open(where.url, hub, settings)
        except (ConnectionLost, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            delay = retry_delay(tries)
            if clock.time() + delay >= deadline:
                raise StoreUnavailable(f"{where}: {reason}", "refused") from None
            if tries == 0:
                seconds = deadline - clock.time()
                _log.warning("%s: %s; trying for %.0f s (STEAD_STORE_TRIES_MS)", where, reason, seconds)
            tries += 1
            await asyncio.sleep(delay)
