"""A task hub in Redis or Valkey: every atomic step is one script.

The parts by question: `_link` how to connect, `_keys` what is called what, `_scripts` and `lua/` the steps,
`_redis_server` whether a server will do, `_redis_clients`, `_redis_workers`, `_redis_tasks` and `_redis_people` the
methods of the `Store` protocol for each of those.
"""

from __future__ import annotations

from stead.transport._contract.settings import Settings

from .activities import TaskSide
from .clients import ClientSide
from .inspection import PeopleSide
from .link import Link, Server
from .server import check_server, join_hub, read_facts, tell_durability
from .workers import WorkerSide


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
