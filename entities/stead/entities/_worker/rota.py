"""Whose turn it is: a pure decision, in which nobody waits for more than a slice of each of the others.

Who wakes comes before those that had a slice and were not done with it: most of the time that is a single message, and
whoever sent it waits. Of the others one is served in every round, so that nothing that wakes again and again keeps them
from going on.

After a slice that ended in the middle of a turn, the event loop goes round a few times before the next such slice: to
read, to load, to commit and to answer takes that many rounds, and it would take a slice each otherwise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

RESTS = 4
"""Rounds of the event loop between two slices of work that needs no message."""


class Rota(Generic[T]):
    """See the module. A round is one callback of the event loop, and asks for as many turns as it has time for."""

    __slots__ = ("_cut", "_owed", "_rests", "_woken")

    def __init__(self) -> None:
        self._woken: dict[T, None] = {}
        self._cut: dict[T, None] = {}
        self._rests = 0
        self._owed = False  # in the last round those who woke left no time for those who were cut off

    def __bool__(self) -> bool:
        return bool(self._woken or self._cut)

    def wake(self, one: T) -> None:
        """It may have something to do. Who was cut off keeps its place."""
        if one not in self._cut:
            self._woken[one] = None

    def goes_on(self, one: T, *, rest: bool) -> None:
        """It was not done with its slice: the others come first, and the event loop too if it is to `rest`."""
        self._woken.pop(one, None)
        self._cut[one] = None
        if rest:
            self._rests = RESTS

    def drop(self, one: T) -> None:
        """It has nothing to do any more."""
        self._woken.pop(one, None)
        self._cut.pop(one, None)

    def round(self) -> Iterator[T]:
        """Those who may take turns in this round, in this order; who is not asked for keeps its place."""
        cut: deque[T] = deque()
        if self._rests:
            self._rests -= 1
        else:
            cut.extend(self._cut)
        owed, self._owed = self._owed and bool(cut), False
        if owed:
            yield self._taken(cut.popleft())
        else:
            self._owed = bool(cut)
        for one in list(self._woken):
            yield self._taken(one)
        if cut:
            self._owed = False
        for one in cut:
            yield self._taken(one)

    def _taken(self, one: T) -> T:
        self.drop(one)
        return one
