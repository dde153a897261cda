"""Whether two values are the same once they are stored: decided by their bytes, never by what a user's `__eq__` says."""

from __future__ import annotations

from typing import Any, cast

from stead.transport import pack_exact


def same_stored(one: object, other: object) -> bool:
    """Whether two values of plain data have the same stored form. The order of a dictionary's keys does not count.

    By type as well: 1, 1.0 and True are three values, and NaN is one.
    """
    return stored_form(one) == stored_form(other)


def stored_form(value: object) -> bytes:
    """What values of plain data are compared by."""
    return pack_exact(_in_order(value))


def _in_order(value: object) -> object:
    """The value with its dictionaries as sorted pairs. (Sets are sorted by the codec, and hold no dictionaries.)"""
    kind = type(value)
    if kind is dict:
        items = cast("dict[object, Any]", value).items()
        return "dict", tuple(sorted((pack_exact(key), stored_form(item)) for key, item in items))
    if kind is list:
        return [_in_order(item) for item in cast("list[object]", value)]
    if kind is tuple:
        return tuple(_in_order(item) for item in cast("tuple[object, ...]", value))
    return value
