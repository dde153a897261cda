"""How deep values may be nested: what is packed, and what is read.

Whoever reads a value walks into it (msgpack, validators, JSON), one call of a function a level, and a process whose stack
is used up ends. So it is limited, at the sender, who can be told, and at the reader, who may be sent anything.

Most values cannot be too deep by their size or by their parts, which costs next to nothing to see: each level is at least
one byte that begins an array, a map or an extension. The others are looked at level by level.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel

from .rope import Leaf, Rope

DEPTH_MAX = 32
"""Levels of a value: a number has none, a list of numbers one."""

ENVELOPE_DEPTH = 8  # levels that stead itself puts around values

# What begins an array, a map or an extension; such bytes stand within numbers and text as well.
_HEADS = bytes([*range(0x80, 0xA0), *range(0xC7, 0xCA), *range(0xD4, 0xD9), *range(0xDC, 0xE0)])
_AT_ONCE = 65_536
PLAIN = frozenset({type(None), bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, UUID})
"""Types of values without levels."""

_SEQUENCES = (list, tuple, set, frozenset, deque)


def is_deep(data: bytes | Rope, value: object, most: int) -> bool:
    """Whether a value, of which these are the bytes, has more levels than that."""
    kind = type(value)
    if len(data) <= most or kind in PLAIN:
        return False
    if kind is dict and PLAIN.issuperset(map(type, cast("dict[object, object]", value).values())):
        return False
    return _has_heads(data, most) and is_deeper(value, most)


def _has_heads(data: bytes | Rope, most: int) -> bool:
    """Whether there are more bytes than that with which something may begin that has something in it."""
    if not isinstance(data, Rope) and len(data) <= _AT_ONCE:
        return len(data) - len(data.translate(None, _HEADS)) > most
    found = 0
    for view in _packed_in(data):  # what is large is not copied as a whole
        for first in range(0, len(view), _AT_ONCE):
            part = bytes(view[first : first + _AT_ONCE])
            found += len(part) - len(part.translate(None, _HEADS))
            if found > most:
                return True
    return False


def _packed_in(data: bytes | Rope) -> Iterable[memoryview]:
    """All of data but for texts and bytes that stand by themselves: nothing is in them."""
    if not isinstance(data, Rope):
        return (memoryview(data),)
    return (memoryview(part) for part in data.parts if not isinstance(part, Leaf))


def deep_one(data: bytes | Rope, values: Sequence[object], most: int) -> int | None:
    """Which of some values, all in this data, has more levels than that; None if none has. Quick where they are plain."""
    for place, value in enumerate(values):
        if type(value) not in PLAIN and is_deep(data, value, most):
            return place
    return None


def is_deeper(value: object, most: int) -> bool:
    """Whether a value has more levels than that. One that contains itself has."""
    level: list[object] = [] if type(value) in PLAIN else [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _inside(outer) if type(inner) not in PLAIN]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        parts = cast("dict[Any, object]", value)
        return (*parts, *parts.values())
    if isinstance(value, _SEQUENCES):
        return cast("Iterable[object]", value)
    if isinstance(value, BaseModel):
        return tuple(vars(value).values())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return tuple(getattr(value, field.name, None) for field in dataclasses.fields(value))
    return ()
