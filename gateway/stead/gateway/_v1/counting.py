"""How many entities of a name there are, told by the sets of all targets: none of them is read."""

from __future__ import annotations

from collections.abc import Sequence

from stead.gateway._http.hub import Hub
from stead.transport import LISTING, CountRange


async def counts_of(hub: Hub, names: Sequence[str]) -> dict[str, int]:
    """How many there are of each, by their canonical names: those that are gone but locked, or have reminders, included; each shard of one."""
    places = range(hub.store.layout.partitions)
    found: dict[str, int] = {}
    for name in names:
        least, most = f"@{name}@".encode(), f"@{name}A".encode()  # "A" comes after "@"
        looks = [CountRange(place, LISTING, least, most, open_most=True, by_member=True) for place in places]
        _, counts = await hub.store.look(looks)
        found[name] = sum(counts)
    return found
