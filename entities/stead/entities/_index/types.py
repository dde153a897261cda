"""Which values can be indexed, and where each one stands in its index.

1. Numbers, truth values and times are *scores*: doubles, in the order of their size. So an int lies within ±2^53, and of a time the
   millisecond counts. `-0.0` is `0.0`.
2. Text and UUIDs are *bytes*: the UTF-8 form, of which the first 512 bytes count, in the order of code points.
3. None stands apart, after all values in both directions: infinity is a float.

A place is computed from a field's *stored* form, so that any worker can do it, whatever its app's class knows.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast, get_args, get_origin
from uuid import UUID

import typing_extensions

Place: TypeAlias = float | bytes | None
"""Where a value stands in its index: a score, bytes, or None for None."""

INTEGER_MAX = 2**53
TEXT_BYTES_MAX = 512  # of which the order depends

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_CODES: dict[type, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    datetime: "datetime",
    date: "date",
    str: "str",
    UUID: "UUID",
}
_TEXTS = frozenset({"str", "UUID"})
ALLOWED = "int, float, bool, str, datetime, date, UUID, Literals and Enums of one of these, and `| None`"


class Unplaced(ValueError):
    """A value has no place in an index of its type."""


class IndexType(NamedTuple):
    """The type of an indexed field: `code` names the values that are stored, and `optional` says whether None is one."""

    code: str
    optional: bool

    def __str__(self) -> str:
        return f"{self.code} | None" if self.optional else self.code


def is_text(code: str) -> bool:
    """Whether values of a type stand in the order of their bytes, and not of scores."""
    return code in _TEXTS


def index_type(annotation: Any) -> IndexType | None:
    """The type of what stands in the brackets of an `Indexed`; None if such values cannot be indexed."""
    found = set(_codes_in(annotation))
    codes = found - {"none"}
    if len(codes) != 1 or None in codes:
        return None
    return IndexType(cast("str", codes.pop()), "none" in found)


def _codes_in(annotation: Any) -> list[str | None]:
    """The codes of all that an annotation allows; None among them for what has none."""
    origin = get_origin(annotation)
    if annotation is None or annotation is types.NoneType:
        return ["none"]
    if origin is typing.Annotated:
        return _codes_in(get_args(annotation)[0])
    if isinstance(annotation, typing_extensions.TypeAliasType):
        return _codes_in(annotation.__value__)
    if isinstance(annotation, typing.NewType):
        return _codes_in(annotation.__supertype__)
    if isinstance(annotation, TypeVar):
        return [None]
    if origin is typing.Literal:
        return [_code_of_value(value) for value in get_args(annotation)]
    if origin in (typing.Union, types.UnionType):
        return [code for choice in get_args(annotation) for code in _codes_in(choice)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [_code_of_value(member) for member in annotation]
    return [_CODES.get(cast("type", annotation))]


def _code_of_value(value: object) -> str | None:
    stored = stored_form(value)
    return "none" if stored is None else _CODES.get(type(stored))


def stored_form(value: object) -> object:
    """What is stored of a value of such a type: of a member of an enum its value."""
    while isinstance(value, Enum):
        value = value.value
    return value


def place_of(code: str, value: object) -> Place:
    """Where a stored value stands in an index of a type. Raises `Unplaced`, which says why it does not."""
    if value is None:
        return None
    place: float | bytes | None = _PLACES[code](value)
    if place is None:
        raise Unplaced(f"it is of type {type(value).__name__}, and not {code}")
    return place


def _integer(value: Any) -> float | None:
    if type(value) is not int:
        return None
    if not -INTEGER_MAX <= value <= INTEGER_MAX:
        raise Unplaced("an indexed int lies within ±2**53: numbers are compared as doubles")
    return float(value)


def _float(value: Any) -> float | None:
    if type(value) is int:
        return _integer(value)
    if type(value) is not float:
        return None
    if math.isnan(value):
        raise Unplaced("NaN is neither less nor greater than anything, so it cannot be indexed")
    return value + 0.0  # -0.0 becomes 0.0


def _datetime(value: Any) -> float | None:
    if not isinstance(value, datetime):
        return None
    if value.utcoffset() is None:
        raise Unplaced("a time without a zone is no instant, so it cannot be indexed: use an aware one")
    return float((value - _EPOCH) // _MILLISECOND)


def _date(value: Any) -> float | None:
    return float(value.toordinal()) if type(value) is date else None


def _text(value: Any) -> bytes | None:
    if type(value) is not str:
        return None
    try:
        return value.encode()[:TEXT_BYTES_MAX]
    except UnicodeEncodeError:
        raise Unplaced("it has halves of surrogate pairs, which are no text") from None


def _bool(value: Any) -> float | None:
    return float(value) if type(value) is bool else None


def _uuid(value: Any) -> bytes | None:
    return value.bytes if isinstance(value, UUID) else None


_PLACES: dict[str, Callable[[Any], float | bytes | None]] = {
    "bool": _bool,
    "int": _integer,
    "float": _float,
    "datetime": _datetime,
    "date": _date,
    "str": _text,
    "UUID": _uuid,
}


def is_whole(code: str, value: object) -> bool:
    """Whether values with this one's place are this one: not so where a place says less than a value does."""
    if code == "str":
        return len(cast("str", value).encode()) < TEXT_BYTES_MAX
    return code != "datetime"
