"""Which targets have most messages: counts that need little memory, however many targets there are (space-saving).

A target's count is never too low, and too high by `floor` at most: when there are too many of them, those with the lowest
counts are forgotten, and who comes anew gets the highest of what was forgotten to begin with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from heapq import nlargest
from itertools import islice
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
        self._recent: Counter[str] = Counter()  # what is not added to the counts yet
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

    def note_each(self, targets: Sequence[str]) -> None:
        """The same of many messages, each of one target."""
        recent = self._recent
        recent.update(targets)
        if len(recent) >= _RECENT_MAX:
            self._settle()

    def _settle(self) -> None:
        recent, self._recent = self._recent, Counter()
        counts, floor = self._counts, self.floor
        for target in counts.keys() & recent.keys():
            counts[target] += recent.pop(target)
        new = _foremost(recent)
        for target, messages in new:
            counts[target] = floor + messages
        if floor:
            self._over.update([(target, floor) for target, _ in new])
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


def _foremost(recent: Counter[str]) -> Sequence[tuple[str, int]]:
    """Those that come anew, without those that would be forgotten at once: one more than are kept, whose count says what was."""
    if len(recent) <= KEPT:
        return list(recent.items())
    ordered = sorted(recent.values(), reverse=True)
    least = ordered[KEPT]
    if ordered[0] == ordered[-1]:  # where there are very many, each has had one message
        return list(islice(recent.items(), KEPT + 1))
    room, foremost = KEPT + 1 - ordered.index(least), list[tuple[str, int]]()
    for item in recent.items():
        if item[1] > least:
            foremost.append(item)
        elif item[1] == least and room:
            room -= 1
            foremost.append(item)
    return foremost
