"""When an entity that expires was used last, as far as anybody has to know it."""

from __future__ import annotations

from collections.abc import Sequence

from stead.entities._index.expiries import KindExpiry


class Uses:
    """When an activation was used last, as far as its partition's sets know, or will once what is on its way is written."""

    __slots__ = ("due_ms", "exists", "kinds", "renew_ms")

    def __init__(self, kinds: Sequence[KindExpiry], *, exists: bool) -> None:
        self.kinds = kinds
        self.due_ms = [0] * len(kinds)  # of each; 0: at least what the set says
        self.renew_ms = 0  # a use after this is to be written
        self.exists = exists  # it may be in the sets

    def use(self, now_ms: int) -> None:
        """It is used: it is due no sooner than so long from now."""
        for place, kind in enumerate(self.kinds):
            if self.due_ms[place] - now_ms < kind.expires_ms:
                self.due_ms[place] = now_ms + kind.later_ms
        self._reckon()

    def put_off(self, of_set: str, due_ms: int) -> None:
        """It is due at that time, or later."""
        for place, kind in enumerate(self.kinds):
            if kind.name == of_set:
                self.due_ms[place] = max(self.due_ms[place], due_ms)
        self._reckon()

    def end(self) -> None:
        """It does not exist any more, or does not yet."""
        self.exists = False
        self.due_ms = [0] * len(self.kinds)
        self.renew_ms = 0

    def _reckon(self) -> None:
        self.renew_ms = min(due_ms - kind.expires_ms for due_ms, kind in zip(self.due_ms, self.kinds, strict=True))

    def last_of(self, of_set: str) -> int:
        """When it is due by a set, as far as that is known."""
        return next((due_ms for due_ms, kind in zip(self.due_ms, self.kinds, strict=True) if kind.name == of_set), 0)
