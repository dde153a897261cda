"""Open a task hub by its URL."""

from __future__ import annotations

import threading

from stead.transport._contract.layout import check_hub_name, check_layout
from stead.transport._contract.settings import Settings
from stead.transport._contract.store import Store
from stead.transport._memory.store import MemoryStore
from stead.transport._redis.store import connect
from stead.transport._urls import parse_url

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


def forget_memory_hubs() -> None:
    """Let whoever opens a hub in memory next begin with an empty one. Those that are open stay as they are."""
    with _memory_lock:
        _memory_hubs.clear()


def _memory_hub(hub: str, settings: Settings) -> MemoryStore:
    """The hub of that name in this process, which all who open it share: with the layout of who opened it first."""
    with _memory_lock:
        store = _memory_hubs.get(hub)
        if store is None:
            store = _memory_hubs[hub] = MemoryStore(hub, settings)
    check_layout(store.layout, settings)
    store.join(settings)
    return store
