"""Whether a value is what would be read back of it: asked of values at run time, where a type alone cannot say it."""

from __future__ import annotations

import dataclasses
from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from stead.transport.describing import repr_of

_SHOWN_LENGTH_MAX = 80

# Values of exactly these types are stored as they are, and read back as they were.
_ATOMS = frozenset({type(None), bool, int, float, str, bytes, date, timedelta, Decimal, UUID})
_HOLDERS = frozenset({list, tuple, set, frozenset})
_PLAIN = _ATOMS | _HOLDERS | {dict}


class Difference(NamedTuple):
    """A place in a value, what is there, and what would be read back."""

    where: str
    value: object
    becomes: object

    def __str__(self) -> str:
        return (
            f"{self.where + ': ' if self.where else ''}{shown(self.value)} would be read back as {shown(self.becomes)}"
        )


def shown(value: object) -> str:
    """A value in a message: short, whatever it is."""
    text = repr_of(value, _SHOWN_LENGTH_MAX)
    return f"{text} without a limit" if type(value) is deque and cast("Any", value).maxlen is None else text


def zone_is_kept(zone: tzinfo | None) -> bool:
    """Whether a time's zone is stored with it, and not only its offset."""
    if zone is None:
        return True
    if type(zone) is timezone:
        return zone.tzname(None) == timezone(zone.utcoffset(None)).tzname(None)  # it has no name of its own
    return type(zone) is ZoneInfo and bool(zone.key)  # one that was read from a file has none


def datetime_is_kept(value: object) -> bool:
    """Whether it is a time that is stored as it is."""
    return type(value) is datetime and zone_is_kept(value.tzinfo)


def time_is_kept(value: object) -> bool:
    """Whether it is a time of day that is stored as it is."""
    return type(value) is time and not value.fold and (value.tzinfo is None or type(value.tzinfo) is timezone)


def not_plain_data(given: object) -> Difference | None:
    """What in a value would come back as something else if nothing but the value itself said what it is."""
    kind, value = type(given), cast("Any", given)
    if kind in _ATOMS:
        return None
    if kind is dict:
        return _first(not_plain_data(part) for item in value.items() for part in item)
    if kind in _HOLDERS:
        return _first(map(not_plain_data, value))
    if datetime_is_kept(value) or time_is_kept(value):
        return None
    return Difference("", value, None)


def _first(found: Iterable[Difference | None]) -> Difference | None:
    return next((difference for difference in found if difference is not None), None)


def difference(
    left: Any, right: Any, where: str = "", *, conversions: bool = False, exact: bool = False, but_plain: bool = False
) -> Difference | None:
    """Where a value and what was read back of it differ so that somebody could notice; None if they do not.

    Equal values of related types (a `defaultdict` and a dict, 1 and 1.0) do not differ, unless it is to be `exact`. With
    `conversions`, what validators do is allowed: only what is lost counts. `but_plain`: what arrives as plain data does not differ
    (a model in an `Any`, a member of an enum where its value is allowed as well).
    """
    how = _How(conversions, exact, but_plain)
    return how.difference(left, right, where)


class _How(NamedTuple):
    """How to compare: see `difference`."""

    conversions: bool
    exact: bool
    but_plain: bool

    def difference(self, left: Any, right: Any, where: str) -> Difference | None:
        """Where they differ."""
        if left is right or (self.but_plain and type(right) in _PLAIN and type(left) not in _PLAIN):
            return None
        if self.exact and type(left) is not type(right) and not _is_declared(left, right):
            return Difference(where, left, right)
        if _is_record(left):
            if type(left) is not type(right):
                return Difference(where, left, right)
            return self._in_maps(_data_of(left), _data_of(right), where)
        if isinstance(left, dict) and isinstance(right, dict):
            if self.exact and _factory_of(cast("Any", left)) is not _factory_of(cast("Any", right)):
                return Difference(where, left, right)
            return self._in_maps(cast("Any", left), cast("Any", right), where)
        for kind in (list, tuple, deque):
            if isinstance(left, kind) and isinstance(right, kind):
                return self._in_sequences(cast("Any", left), cast("Any", right), where)
        if self.exact and isinstance(left, (set, frozenset)) and isinstance(right, (set, frozenset)):
            return self._in_sets(cast("Any", left), cast("Any", right), where)
        return None if self.conversions or _equal(left, right) else Difference(where, left, right)

    def _in_maps(self, left: dict[Any, Any], right: dict[Any, Any], where: str) -> Difference | None:
        if self.conversions:
            return self._lost_in_maps(left, right, where)
        if len(left) != len(right):
            return Difference(where, left, right)
        for (left_key, left_value), (right_key, right_value) in zip(left.items(), right.items(), strict=True):
            if self.difference(left_key, right_key, "") is not None:
                return Difference(where, left, right)
            found = self.difference(left_value, right_value, _within(where, left_key))
            if found is not None:
                return found
        return None

    def _lost_in_maps(self, left: dict[Any, Any], right: dict[Any, Any], where: str) -> Difference | None:
        for key, value in left.items():
            if key in right:
                found = self.difference(value, right[key], _within(where, key))
                if found is not None:
                    return found
            elif isinstance(key, str):  # another kind of key may have been converted
                return Difference(_within(where, key), value, None)
        return None

    def _in_sets(self, left: Any, right: Any, where: str) -> Difference | None:
        """What is equal to something in the other set may still be of another type: a member of an enum, and its value."""
        if not _equal(left, right):
            return Difference(where, left, right)
        others = {item: item for item in right}
        for item in left:
            found = self.difference(item, others.get(item, item), where)
            if found is not None:
                return found
        return None

    def _in_sequences(self, left: Any, right: Any, where: str) -> Difference | None:
        if getattr(left, "maxlen", None) != getattr(right, "maxlen", None):
            return Difference(where, left, right)
        if len(left) != len(right):
            return None if self.conversions else Difference(where, left, right)
        for index, (left_item, right_item) in enumerate(zip(left, right, strict=True)):
            found = self.difference(left_item, right_item, _within(where, index))
            if found is not None:
                return found
        return None


def _is_declared(left: object, right: object) -> bool:
    """Whether a type is the one that validators make of the other wherever they meet it."""
    return (type(left) is int and type(right) is float) or (isinstance(left, datetime) and type(right) is datetime)


def _factory_of(value: object) -> object:
    """What makes the values of missing keys."""
    return cast("Any", value).default_factory if isinstance(value, defaultdict) else None


def _is_record(value: object) -> bool:
    return isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def _data_of(record: Any) -> dict[Any, Any]:
    if isinstance(record, BaseModel):
        names = type(record).model_fields
        data = {name: value for name, value in record.__dict__.items() if name in names}
        return {**data, **(record.__pydantic_extra__ or {})}
    return {field.name: getattr(record, field.name, None) for field in dataclasses.fields(record)}


def _within(where: str, key: object) -> str:
    return f"{where}.{key}" if where else f"{key}"


def _equal(left: Any, right: Any) -> bool:
    """Whether values are equal if what is not a number equals itself."""
    try:
        if left == right:
            return True
        if left != left and right != right:
            return True
    except Exception:  # noqa: BLE001 - the user's `__eq__`
        return False
    if type(left) is not type(right):
        return False
    if isinstance(left, (set, frozenset)):
        return len(cast("Any", left)) == len(right) and {*map(_key, cast("Any", left))} == {*map(_key, right)}
    return hasattr(left, "__dict__") and difference(vars(left), vars(right)) is None


def _key(value: Any) -> object:
    return "nan" if value != value else value
