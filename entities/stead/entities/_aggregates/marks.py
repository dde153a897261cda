# pyright: reportPrivateUsage=false
# What only the marks of a state do to aggregates is nothing for their users.
"""Which aggregates a state has, and how they were when it was last kept."""

from __future__ import annotations

from typing import Any, cast

from stead.transport import unpack

from .base import Aggregate, read_aggregate, serials


def twin_of(value: Any) -> Any:
    """A copy of an aggregate in a state, for the same state."""
    return cast("Aggregate", value)._twin()


class Marks:
    """The aggregates of one state: which there are, which have changed, and how it all was when it was last kept."""

    __slots__ = ("_copying", "_found", "_kept", "_owner", "_table", "_taken", "strangers")

    def __init__(self) -> None:
        self._owner = next(serials)
        self._found: dict[int, Aggregate] = {}  # by identity: what was in the state that was packed last
        self._kept: dict[int, Aggregate] = {}
        self._table: dict[bytes, Aggregate] | None = None
        self._taken: set[bytes] = set()
        self._copying = False
        self.strangers = False  # among those found: one of another state, or new, or twice in this one

    def look(self) -> None:
        """A state is about to be packed."""
        self._found = {}
        self._table = None
        self.strangers = False

    def give(self, value: Any) -> bytes:
        """The token of one that is in it."""
        one = cast("Aggregate", value)
        if one._owner != self._owner or id(one) in self._found:
            self.strangers = True
        self._found[id(one)] = one
        return one._seen()

    def read(self, *, copying: bool = False) -> None:
        """What was packed last is about to be read. `copying`: none of what comes of it is the same as before."""
        self._table = {one._seen(): one for one in self._found.values()}
        self._taken = set()
        self._copying = copying

    def read_kept(self, *, copying: bool = False) -> None:
        """The state that was kept last is about to be read; what has changed since is undone."""
        for one in self._kept.values():
            if one._before is not None:
                one._undo()
        self._found = self._kept
        self.read(copying=copying)

    def take(self, token: bytes) -> Aggregate:
        """The one that was given a token: a copy, if it is not this state's, or is twice in it."""
        if token[:1] == b"\0":
            made = read_aggregate(unpack(token[1:]))
        else:
            assert self._table is not None, "what is read was packed before"
            one = self._table[token]
            if self._copying:
                return one._twin()
            if one._owner == self._owner and token not in self._taken:
                self._taken.add(token)
                return one
            made = one._copied()
        made._owner = self._owner
        return made

    def own(self) -> None:
        """All that was found is this state's: it was made for it alone."""
        for one in self._found.values():
            one._owner = self._owner
        self.strangers = False

    def adopt(self) -> None:
        """The first state: all that was found is its own."""
        self.own()
        self.keep()

    def keep(self) -> None:
        """What was packed last is how it stays."""
        self._kept = self._found
        for one in self._kept.values():
            if one._before is not None:
                one._keep()
