"""A task hub on the embedded server: a `RedisStore` that holds this process's attachment."""

from __future__ import annotations

import asyncio
from pathlib import Path

from stead.transport._contract.settings import Settings
from stead.transport._redis.store import RedisStore, connect
from stead.transport._urls import StoreUrl

from .server import EmbeddedServer


class EmbeddedStore(RedisStore):
    """The `Store` on the embedded server. The server stops a little after the last store on it is closed."""

    attachment: EmbeddedServer | None = None

    async def close(self) -> None:
        """Drop every connection and let go of the server."""
        try:
            await super().close()
        finally:
            if self.attachment is not None:
                self.attachment.close()


async def open_embedded(folder: Path, hub: str, settings: Settings) -> EmbeddedStore:
    """Attach to the server in a folder, start it if there is none, and join a hub on it."""
    attachment = await _attach(folder, settings)
    try:
        where = StoreUrl("server", attachment.url, None, f"embedded://{attachment.folder}")
        store = await connect(where, hub, settings, EmbeddedStore)
        assert isinstance(store, EmbeddedStore)
        store.attachment = attachment
    except BaseException:
        attachment.close()
        raise
    return store


async def _attach(folder: Path, settings: Settings) -> EmbeddedServer:
    """Attach in a thread. If this is cancelled, whatever the thread still attaches to is let go."""
    loop = asyncio.get_running_loop()
    attaching = loop.run_in_executor(None, EmbeddedServer.attach, folder, settings.embedded_fsync)
    try:
        return await asyncio.shield(attaching)
    except asyncio.CancelledError:
        attaching.add_done_callback(_let_go)
        raise


def _let_go(attaching: asyncio.Future[EmbeddedServer]) -> None:
    if not attaching.cancelled() and attaching.exception() is None:
        attaching.result().close()
