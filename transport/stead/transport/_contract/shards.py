"""In how many shards the entities of a kind are kept: numbers in the hub's record, which grow and never shrink (HAZARDS 111).

A number is raised before anybody uses it. Readers, and whoever deletes, go by the larger one at once; those who send go on with the
one before for a while, in which everyone has learned of the larger one. So nobody misses what is in a shard that is new to him.
"""

from __future__ import annotations

from typing import NamedTuple

from .errors import KeyDamaged

SHARDS_MAX = 1_024
SHARDS_SETTLE_MS = 30_000
"""How long after a number was raised those who send begin to use it: three times as long as anyone believes what he has read."""


class ShardCount(NamedTuple):
    """The shards of one kind's entities."""

    total: int  # what is read, and deleted
    before: int  # what is sent to until …
    from_ms: int  # … this time
    first: int  # that of the beginning. Sources stay with it: their numbers are known by partition (HAZARDS 111)

    def sending(self, now_ms: int) -> int:
        """How many are sent to."""
        return self.total if now_ms >= self.from_ms else self.before

    def encode(self) -> str:
        """As it is stored."""
        return " ".join(map(str, self))


def decode_shards(text: str) -> ShardCount:
    """What was stored. Raises `KeyDamaged` for what is no number of shards."""
    try:
        found = ShardCount(*map(int, text.split(" ")))
    except (TypeError, ValueError):
        found = ShardCount(0, 0, 0, 0)
    if not (1 <= found.first <= found.before <= found.total <= SHARDS_MAX):
        raise KeyDamaged(f"{text[:40]!r} is no number of shards")
    return found


def raised(found: ShardCount | None, wanted: int, now_ms: int, *, known: bool) -> ShardCount:
    """The numbers once a kind is to have `wanted` shards. `known`: it has been there, without any, if none are noted."""
    if found is None:
        return ShardCount(wanted, 1, now_ms + SHARDS_SETTLE_MS, 1) if known else ShardCount(wanted, wanted, 0, wanted)
    if wanted <= found.total:
        return found
    return ShardCount(wanted, found.sending(now_ms), now_ms + SHARDS_SETTLE_MS, found.first)
