"""Raising the numbers of shards in a hub's record, which takes a look at what is there already."""

from __future__ import annotations

from collections.abc import Mapping

from stead.transport._contract.shards import ShardCount
from stead.transport._contract.store import Store


async def raise_shards(store: Store, wanted: Mapping[str, int]) -> Mapping[str, ShardCount]:
    """Have the hub's record say that kinds have so many shards. A kind that was there before without any is sent to as before for
    a while: those who read it need to learn of them first."""
    counts = await store.shards()
    missing = wanted.keys() - counts.keys()
    if missing:
        published = await store.published()
        known = {kind for kind in missing if kind in published or await _has_any(store, kind)}
    else:
        known = set[str]()
    if all(kind in counts and counts[kind].total >= count for kind, count in wanted.items()):
        return counts
    return await store.raise_shards(wanted, known)


async def _has_any(store: Store, kind: str) -> bool:
    async for page in store.list_targets(f"@{kind}@", 1):
        return bool(page)
    return False
