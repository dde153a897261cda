"""A task hub in Redis or Valkey: every atomic step is one script. The methods of the `Store` protocol come from its sides:
those of clients, of workers, of activities, of indexes, of groups of readers, and of whoever looks at a hub.
"""

from __future__ import annotations

from stead.transport._contract.careful_logger import get_logger
from stead.transport._contract.clock import ServerClock, within
from stead.transport._contract.errors import ConnectionLost
from stead.transport._contract.settings import Settings
from stead.transport._retry import Tries, reason_of
from stead.transport._urls import StoreUrl

from .activities import TaskSide
from .clients import ClientSide
from .groups import GroupSide
from .indexes import IndexSide
from .inspection import PeopleSide
from .link import Link, Server
from .server import check_server, join_hub, read_facts, tell_durability
from .values import ValuesSide
from .workers import WorkerSide

_log = get_logger("stead.transport")


class RedisStore(ClientSide, WorkerSide, TaskSide, PeopleSide, IndexSide, GroupSide, ValuesSide):
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
    clock = ServerClock()  # no server has said yet what time it is
    tries = Tries(clock, settings, about=f"{where}: ")
    tries.begin()
    while True:
        try:
            async with within(clock, tries.left_s):
                return await kind.open(where.url, hub, settings)
        except (ConnectionLost, TimeoutError) as error:
            if not tries.count and tries.left_s:
                reason = reason_of(error)
                _log.warning("%s: %s; trying for %.0f s (STEAD_STORE_TRIES_MS)", where, reason, tries.left_s)
            await tries.failed(error)
