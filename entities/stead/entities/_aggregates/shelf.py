# pyright: reportPrivateUsage=false
# As in `marks`: what only a state does to its aggregates is nothing for their users.
"""A list or a dict of aggregates in a state, as it was when that was last kept.

Each of them says so before its first change. So an operation costs what it changes of them, and a glance at which ones there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import Any, Self

from .base import Aggregate, Parent

_KEYS = frozenset({int, bool, str, bytes, type(None)})


class Shelf(Parent):
    """Aggregates in a list, or in a dict by single values."""

    __slots__ = ("_container", "_keys", "_moved", "_values")

    def __init__(self, container: Any, keys: Sequence[Any] | None, values: Sequence[Aggregate]) -> None:
        self._container = container
        self._keys = keys  # None: it is a list
        self._values = values
        self._moved: dict[int, Aggregate] = {}  # by identity: those that have changed, unless that was undone
        for one in values:
            one._parent = self

    @classmethod
    def of(cls, container: Any) -> Self | None:
        """Of a container in a state that has just been kept; None if there is something else in it."""
        keys: tuple[Any, ...] | None = None
        values: tuple[Any, ...] = ()
        held: Any = container
        if type(container) is dict:
            names: tuple[Any, ...] = (*held,)
            if not _KEYS.issuperset(map(type, names)):
                return None
            keys, values = names, (*held.values(),)
        elif type(container) is list:
            values = (*held,)
        else:
            return None
        return cls(container, keys, values) if all(isinstance(value, Aggregate) for value in values) else None

    def child_changes(self, child: Any) -> bool:
        self._moved[id(child)] = child
        return True

    def may_go_back(self) -> bool:
        return True

    def is_same(self, container: Any) -> bool:
        """Whether it is that container still, with those in it that were there."""
        held = self._container
        if container is not held or len(held) != len(self._values):
            return False
        if self._keys is None:
            return all(map(is_, held, self._values))
        return all(map(is_, held, self._keys)) and all(map(is_, held.values(), self._values))

    def moved(self) -> list[Aggregate]:
        """Those that have changed since they were kept."""
        return [one for one in self._moved.values() if one._token is None] if self._moved else []

    def kept(self) -> None:
        """It stays as it is now."""
        self._moved.clear()

    def undone(self) -> Any:
        """A container as it was kept. What has changed since is undone."""
        for one in self._moved.values():
            if one._before is not None:
                one._undo()
        return self.contents()

    def contents(self) -> Any:
        """The same, with its aggregates as they are."""
        return [*self._values] if self._keys is None else dict(zip(self._keys, self._values, strict=True))


def leave_shelf(one: Aggregate) -> None:
    """An aggregate is a field of its own."""
    if type(one._parent) is Shelf:
        one._parent = None
