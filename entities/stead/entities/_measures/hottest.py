"""Which targets have most messages: counts that need little memory, however many targets there are (space-saving).

A target's count is never too low, and too high by `floor` at most: when there are too many of them, those with the lowest
counts are forgotten, and who comes anew gets the highest of what was forgotten to begin with.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest
from typing import NamedTuple

KEPT = 512
_RECENT_MAX = 8 * KEPT


class Hot(NamedTuple):
    """A target with its messages: so many at most, and too many by `over` at most."""

    target: str
    messages: int
    over: int


class Hottest:
    """See the module."""

    __slots__ = ("_counts", "_over", "_recent", "floor")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._over: dict[str, int] = {}  # by how much a count may be too high, where that is not zero
        self._recent: dict[str, int] = {}  # what is not added to the counts yet
        self.floor = 0

    def note(self, target: str, messages: int) -> None:
        """So many messages of a target have been dealt with."""
        recent = self._recent
        recent[target] = recent.get(target, 0) + messages
        if len(recent) >= _RECENT_MAX:
            self._settle()

    def note_all(self, targets: Sequence[str], messages: Sequence[int]) -> None:
        """The same of many targets, each with its number."""
        recent = self._recent
        for target, count in zip(targets, messages, strict=True):
            recent[target] = recent.get(target, 0) + count
        if len(recent) >= _RECENT_MAX:
            self._settle()

    def _settle(self) -> None:
        recent, self._recent = self._recent, {}
        counts, floor = self._counts, self.floor
        for target, messages in recent.items():
            before = counts.get(target)
            if before is not None:
                counts[target] = before + messages
            else:
                counts[target] = floor + messages
                if floor:
                    self._over[target] = floor
        self._forget()

    def _add(self, hottest: Sequence[Hot]) -> None:
        counts, floor = self._counts, self.floor
        for target, messages, over in hottest:
            before = counts.get(target)
            counts[target] = messages + (floor if before is None else before)
            if over or (before is None and floor):
                self._over[target] = over + (floor if before is None else self._over.get(target, 0))
        self._forget()

    def _forget(self) -> None:
        counts = self._counts
        if len(counts) <= KEPT:
            return
        self.floor = floor = sorted(counts.values(), reverse=True)[KEPT]
        kept = {target: count for target, count in counts.items() if count > floor}
        for target, count in counts.items() if len(kept) < KEPT else ():
            if count == floor:
                kept[target] = count
                if len(kept) == KEPT:
                    break
        self._counts = kept
        self._over = {target: over for target, over in self._over.items() if target in kept}

    def top(self, length: int) -> list[Hot]:
        """The hottest ones, the first first."""
        self._settle()
        first = nlargest(length, self._counts.items(), key=lambda each: each[1])
        return [Hot(target, messages, self._over.get(target, 0)) for target, messages in first]

    def merge(self, hottest: Sequence[Hot], missed: int) -> None:
        """Take others into this: those named, of which any that is not has `missed` messages at most."""
        self._settle()
        others = {hot.target for hot in hottest}
        for target in self._counts if missed else ():
            if target not in others:
                self._counts[target] += missed
                self._over[target] = self._over.get(target, 0) + missed
        self._add(hottest)
        self.floor += missed
