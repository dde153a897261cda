"""A hub's store, as an app's settings say that it is used."""

from __future__ import annotations

from stead.orchestrations.payloads import with_payloads
from stead.transport import Settings, Store, open_store
from stead.transport import codec_of as find_codec


async def open_hub(url: str | None, hub: str, settings: Settings) -> Store:
    """Join a hub. Raises what `open_store` does, and `InvalidInput` if there is no such codec of payloads as the settings say: before
    the hub is told that there is one."""
    find_codec(settings)
    return with_payloads(await open_store(url, hub, settings), settings)
