"""Reads what the workers of a hub have measured: since the hub began, and minute by minute."""

from __future__ import annotations

from dataclasses import dataclass, field

from stead.entities._measures.blocks import MeasuredBlock, joined, readable
from stead.entities._measures.window import MINUTE_MS
from stead.transport import KeyDamaged, Store

_SETTLED = 2  # minutes after which nobody adds to one any more: heartbeats are seconds apart


@dataclass(frozen=True, slots=True)
class HubMeasures:
    """What was measured, at one moment."""

    now_ms: int
    total: MeasuredBlock  # since the hub began
    # When each begins, and what was measured within it; ascending.
    minutes: list[tuple[int, MeasuredBlock]] = field(default_factory=list[tuple[int, MeasuredBlock]])
    left_out: int = 0  # blocks that this version of stead cannot read

    @property
    def recent(self) -> MeasuredBlock:
        """All the minutes together."""
        return joined(block for _, block in self.minutes)


class MeasuresReader:
    """Reads measures again and again: minutes that are over are read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._settled: dict[int, MeasuredBlock] = {}

    async def read(self, minutes: int = 0) -> HubMeasures:
        """What was measured until now, with so many of the last minutes, the one that has begun included. What this version
        cannot read is left out, and counted. Raises what the store does; a key that holds something else is as if empty."""
        store = self._store
        now_ms = store.clock.now_ms()
        last = now_ms // MINUTE_MS
        wanted = list(range(last - minutes + 1, last + 1))
        missing = [minute for minute in wanted if minute not in self._settled]
        try:
            stored, parts = await store.measures(missing)
        except KeyDamaged as error:
            store.left_out.note("measures", "(all)", error)
            return HubMeasures(now_ms, MeasuredBlock(0, 0), [], 1)
        store.left_out.readable("measures", "(all)")
        sums = readable(stored)
        left_out = len(stored) - len(sums)
        fresh: dict[int, MeasuredBlock] = {}
        for minute, part in zip(missing, parts, strict=True):
            blocks = readable(part)
            left_out += len(part) - len(blocks)
            fresh[minute] = joined(blocks.values())
        self._settled = {minute: block for minute, block in self._settled.items() if minute > last - max(minutes, 60)}
        found = [(minute * MINUTE_MS, self._settled.get(minute) or fresh[minute]) for minute in wanted]
        self._settled.update({minute: block for minute, block in fresh.items() if minute < last - _SETTLED})
        return HubMeasures(now_ms, joined(sums.values()), found, left_out)
