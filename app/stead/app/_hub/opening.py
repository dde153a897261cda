"""A hub's store, as an app's settings say that it is used."""

from __future__ import annotations

from stead.orchestrations.extending import with_payloads
from stead.transport import Blobs, InvalidInput, SealedStore, Settings, Store, blobs_of, open_store
from stead.transport import codec_of as find_codec


async def open_hub(url: str | None, hub: str, settings: Settings) -> Store:
    """Join a hub. Raises what `open_store` does, and `InvalidInput` if there is no such codec of payloads as the settings say: before
    the hub is told that there is one."""
    find_codec(settings)
    blobs_of(settings)
    return with_payloads(await open_store(url, hub, settings), settings)


def payloads_place(store: Store) -> Blobs:
    """Where a hub's large payloads are kept. Raises `InvalidInput` if the settings do not say so."""
    blobs = store.blobs if isinstance(store, SealedStore) else None
    if blobs is None:
        raise InvalidInput("large_payloads", "the settings name no place for them: set STEAD_LARGE_PAYLOADS")
    return blobs
