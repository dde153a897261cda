"""Open a task hub by its URL."""

from __future__ import annotations

import asyncio
import re
import threading

from stead.transport._contract.careful_logger import get_logger
from stead.transport._contract.errors import ConnectionLost, InvalidInput, StoreUnavailable
from stead.transport._contract.layout import check_layout
from stead.transport._contract.settings import Settings
from stead.transport._contract.store import Store
from stead.transport._memory.store import MemoryStore
from stead.transport._redis.store import RedisStore
from stead.transport._retry import retry_delay
from stead.transport._urls import StoreUrl, parse_url

_log = get_logger("stead.transport")

_HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{2,44}")

_memory_hubs: dict[str, MemoryStore] = {}
_memory_lock = threading.Lock()


async def open_store(url: str | None, hub: str, settings: Settings) -> Store:
    """Join a task hub, and make it if it is new. Without a URL `$STEAD_URL`, else `embedded://./.stead`.

    A server that cannot be reached is tried for `settings.store_tries_ms`, then this raises `StoreUnavailable`. Raises
    `InvalidInput` for a URL or a name that is not allowed, `ServerUnsuitable` for a server that will not do, and
    `HubMismatch` for a hub that this program cannot work with.
    """
    check_hub_name(hub)
    where = parse_url(url)
    if where.kind == "memory":
        return _memory_hub(hub, settings)
    if where.folder is not None:
        from stead.transport._embedded.store import (
            open_embedded,  # not on every system: it needs file locks and a server program
        )

        return await open_embedded(where.folder, hub, settings)
    return await connect(where, hub, settings)


def check_hub_name(hub: str) -> None:
    """Raise `InvalidInput` unless it may be a task hub's name."""
    if not isinstance(hub, str) or not _HUB_NAME.fullmatch(hub):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(
            f"task hub name {hub!r}", 'it is a letter, then letters, digits and "-"; 3 to 45 characters in all'
        )


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


def _memory_hub(hub: str, settings: Settings) -> MemoryStore:
    """The hub of that name in this process, which all who open it share: with the layout of who opened it first."""
    with _memory_lock:
        store = _memory_hubs.get(hub)
        if store is None:
            store = _memory_hubs[hub] = MemoryStore(hub, settings)
    check_layout(store.layout, settings)
    return store
