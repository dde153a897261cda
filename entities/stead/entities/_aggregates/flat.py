# pyright: reportPrivateUsage=false
# As in `marks`: what only a state does to its aggregates is nothing for their users.
"""A state of aggregates, lists and dicts of them, and single values only, as it was when it was last kept.

Most states with aggregates are like that. Of such a one it is seen without packing it what an operation has changed, and
whether that is allowed; wherever that is not plain to see, whoever asks is told to look closely.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

from .base import KEPT, Aggregate, new_token
from .shelf import Shelf, leave_shelf

_SINGLE = frozenset({int, float, bool, str, bytes, type(None)})
_MISSING = object()
_BY_VALUE = frozenset({int, bool})


class FlatState:
    """The fields of a state as they were kept last."""

    __slots__ = ("_aggregates", "_fields", "_shelves", "_singles")

    def __init__(
        self,
        fields: dict[str, Any],
        aggregates: list[tuple[str, Aggregate]],
        shelves: list[tuple[str, Shelf]],
        singles: list[tuple[str, type | None]],
    ) -> None:
        self._fields = fields
        self._aggregates = aggregates
        self._shelves = shelves
        self._singles = singles

    @classmethod
    def of(cls, data: Mapping[str, Any], kinds: Sequence[tuple[str, type | None]]) -> Self | None:
        """Of a state that has just been kept; None if there is more in it. `kinds`: its fields, and which type alone needs no check."""
        aggregates: list[tuple[str, Aggregate]] = []
        shelves: list[tuple[str, Shelf]] = []
        singles: list[tuple[str, type | None]] = []
        for name, kind in kinds:
            value = data[name]
            if isinstance(value, Aggregate):
                leave_shelf(value)
                aggregates.append((name, value))
            elif type(value) in _SINGLE:
                singles.append((name, kind))
            elif (shelf := Shelf.of(value)) is not None:
                shelves.append((name, shelf))
            else:
                return None
        return cls({**data}, aggregates, shelves, singles)

    def keep(self, data: Mapping[str, Any]) -> bool | None:
        """Keep what an operation has left: whether that is something else than before. None: nothing is kept, and whether it is
        allowed, and what it is, has to be looked at closely."""
        fields = self._fields
        if len(data) != len(fields):
            return None
        moved = self._moved(data)
        if moved is None or any(one._is_empty() for one in moved):  # that may be as before, or get other parameters now
            return None
        changed: dict[str, Any] | None = None
        for name, kind in self._singles:
            value, old = data.get(name, _MISSING), fields[name]
            if value is old:
                continue
            if type(value) is not kind or not _is_plain(value):
                return None
            if value != old:
                changed = changed or {}
                changed[name] = value
        if changed is not None:
            fields.update(changed)
        elif not moved:
            return False
        for one in moved:
            before, one._before = one._before, None
            if before is not None:
                one._kept(before)
            one._token = KEPT
        for _, shelf in self._shelves:
            shelf.kept()
        return True

    def _moved(self, data: Mapping[str, Any]) -> list[Aggregate] | None:
        """Which aggregates have changed; None if others are there."""
        moved: list[Aggregate] = []
        for name, one in self._aggregates:
            if data.get(name) is not one:
                return None
            if one._token is None:
                moved.append(one)
        for name, shelf in self._shelves:
            if not shelf.is_same(data.get(name)):
                return None
            moved += shelf.moved()
        return moved

    def is_kept(self, data: Mapping[str, Any]) -> bool:
        """Whether this is what was kept, for sure."""
        fields = self._fields
        if len(data) != len(fields) or any(data.get(name, _MISSING) is not value for name, value in fields.items()):
            return False
        if any(one._token is None for _, one in self._aggregates):
            return False
        return all(shelf.is_same(data[name]) and not shelf.moved() for name, shelf in self._shelves)

    @property
    def fields(self) -> Mapping[str, Any]:
        """What was kept, with its aggregates as they are."""
        return {**self._fields, **{name: shelf.contents() for name, shelf in self._shelves}}

    def undone(self) -> Mapping[str, Any]:
        """What was kept; what has changed since is undone."""
        for _, one in self._aggregates:
            if one._before is not None:
                one._undo()
        return {**self._fields, **{name: shelf.undone() for name, shelf in self._shelves}}


def kept_token(value: Any) -> bytes:
    """The token that an aggregate had when it was kept last, however much has changed since."""
    one = cast("Aggregate", value)
    if one._before is None:
        return one._seen()
    if one._token_before is KEPT:
        one._token_before = new_token()
    return cast("bytes", one._token_before)


def _is_plain(value: object) -> bool:
    """Whether it is stored as it is, and stored alike only if it is equal."""
    if type(value) is float:
        return value != 0.0 and value == value  # 0.0 and -0.0 are equal, and NaN is not
    return type(value) in _BY_VALUE
