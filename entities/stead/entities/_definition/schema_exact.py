"""What can be said of a plain class's values by their schema, compiled once: whether one is exactly what would be read back
of it, whether it has changed since it was copied, and what in it can change.

A validator allows more than what is read back: a `defaultdict` where a dict is stored, an `IntEnum` for an int, 1 for 1.0.
Only such schemas get here as `schema` can copy: scalars, and containers of them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel

from stead.entities._aggregates.base import aggregate_of

from .sameness import datetime_is_kept, time_is_kept

Exact = Callable[[Any], bool]
Same = Callable[[Any, Any], bool]
Holders = Callable[[Any, list[Any]], None]

_EXACT_TYPES: dict[str, type] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "bytes": bytes,
    "none": type(None),
    "date": date,
    "timedelta": timedelta,
    "decimal": Decimal,
    "uuid": UUID,
}
_CONTAINERS: dict[str, type] = {"list": list, "set": set, "frozenset": frozenset, "tuple": tuple, "dict": dict}
_TOLD_APART = frozenset({"str", "bytes", "uuid", "enum", "date", "timedelta"})  # what is equal is stored alike
_EQUAL_IS_SAME = frozenset(
    {
        *("model", "model-fields", "model-field", "default", "definitions", "definition-ref"),
        *("nullable", "list", "set", "frozenset", "tuple", "dict"),
        *("int", "float", "bool", "str", "bytes", "none", "date", "timedelta", "uuid", "enum"),
    }
)
_NATIVE = frozenset({"int", "float", "bool", "str", "none", "nullable", "union", "literal", "list", "dict"})


def _parts(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The schemas of what is in a value."""
    found: list[Any] = []
    for name in ("schema", "items_schema", "keys_schema", "values_schema", "choices"):
        part: Any = schema.get(name, [])
        found.extend(cast("Any", part) if isinstance(part, list) else [part])
    return [cast("Any", part[0] if isinstance(part, tuple) else part) for part in found]


def is_native(schema: Mapping[str, Any]) -> bool:
    """Whether msgpack has types for all that the schema allows, and tells them apart (it takes a bytearray for bytes)."""
    if schema["type"] == "literal":
        return not any(isinstance(value, (bytes, Enum)) for value in schema["expected"])
    return schema["type"] in _NATIVE and all(map(is_native, _parts(schema)))


def told_by_equality(schema: Any) -> bool:
    """Whether of two values that a schema allows, of which one was read back of the other, equality says whether it is the same:
    of models by pydantic's own rules, which compare classes as well, and of what has no more to it than its value."""
    if isinstance(schema, dict):
        found: Any = cast("Any", schema)
        kind = found.get("type")
        if isinstance(kind, str) and kind not in _EQUAL_IS_SAME:
            return False
        if kind == "model" and found["cls"].__eq__ is not cast("Any", BaseModel).__eq__:
            return False
        return all(map(told_by_equality, found.values()))
    return not isinstance(schema, (list, tuple)) or all(map(told_by_equality, cast("Any", schema)))


def levels(schema: Mapping[str, Any]) -> int:
    """How deep what a schema allows can be nested."""
    inside = max(map(levels, _parts(schema)), default=0)
    return inside + (schema["type"] in _CONTAINERS)


def can_convert(schema: Mapping[str, Any]) -> bool:
    """Whether what its strict validator makes of a value may be stored in another way: 1 becomes 1.0."""
    return schema["type"] in ("float", "literal") or any(map(can_convert, _parts(schema)))


def has_enums(schema: Mapping[str, Any], *, strict: bool = False) -> bool:
    """Whether it allows members of an enum: what is stored of one is its value. `strict`: and nothing but members."""
    if schema["type"] == "enum":
        return not strict or bool(schema.get("strict"))
    return any(has_enums(part, strict=strict) for part in _parts(schema))


def has_times(schema: Mapping[str, Any]) -> bool:
    """Whether it allows times, which validators pass on as they are, whatever their zone."""
    return schema["type"] in ("datetime", "time", "decimal", "timedelta", "date", "uuid") or any(
        map(has_times, _parts(schema))
    )


def exactness(schema: Mapping[str, Any]) -> Exact:
    """What tells of an allowed value whether it is what would be read back."""
    kind = schema["type"]
    found = aggregate_of(schema) or _EXACT_TYPES.get(kind)
    if found is not None:
        return lambda value: type(value) is found
    if kind == "nullable":
        inner = exactness(schema["schema"])
        return lambda value: value is None or inner(value)
    if kind in ("union", "tuple"):
        choices = [exactness(part) for part in _parts(schema)]
        if kind == "union":
            return lambda value: any(choice(value) for choice in choices)
        return lambda value: (
            type(value) is tuple and all(any(choice(item) for choice in choices) for item in cast("Any", value))
        )
    if kind == "literal":
        kinds: set[tuple[type, Any]] = {(type(value), value) for value in schema["expected"]}
        return lambda value: (type(value), value) in kinds
    if kind == "enum":
        return lambda value: type(value) is schema["cls"]
    if kind == "datetime":
        return datetime_is_kept
    if kind == "time":
        return time_is_kept
    return _exact_container(schema)


def _exact_container(schema: Mapping[str, Any]) -> Exact:
    kind = _CONTAINERS[schema["type"]]
    items = [_exact_items(part) for part in _parts(schema)]
    if kind is dict:
        keys, values = items
        return lambda value: type(value) is dict and keys(cast("Any", value)) and values(cast("Any", value).values())
    (inner,) = items
    return lambda value: type(value) is kind and inner(value)


def _exact_items(schema: Mapping[str, Any]) -> Exact:
    found = _EXACT_TYPES.get(schema["type"])
    if found is not None:
        allowed = {found}
        return lambda values: allowed.issuperset(map(type, values))
    inner = exactness(schema)
    return lambda values: all(map(inner, values))


def _is_immutable(schema: Mapping[str, Any]) -> bool:
    if schema["type"] in ("list", "set", "dict"):
        return False
    return all(map(_is_immutable, _parts(schema)))


def can_nest(schema: Mapping[str, Any]) -> bool:
    """Whether in what can change there is more that can."""
    inside = [part for part in _parts(schema) if not _is_immutable(part)]
    return any(map(can_nest, inside)) if schema["type"] == "nullable" else bool(inside)


def sameness(schema: Mapping[str, Any]) -> Same | None:
    """What tells of a value that equals an earlier copy of it whether it has not changed since: whether it would be stored
    just as the copy. None: what is equal is.

    Equality is quick, but 1.50 equals 1.5 and True equals 1: where such values can be, they have to be the same objects.
    """
    kind = schema["type"]
    if _is_immutable(schema):
        return None if kind in _TOLD_APART else operator.is_
    if kind == "nullable":
        return sameness(schema["schema"])
    part = _parts(schema)[-1]
    inner = sameness(part)
    if kind == "set":
        return None if inner is None else lambda value, old: {*map(id, value)} == {*map(id, old)}
    items = inner if _is_immutable(part) else _sameness_of_type(inner)
    if kind == "dict":
        return lambda value, old: (
            all(map(operator.is_, value, old))  # in the same order
            and (items is None or all(map(items, value.values(), old.values())))
        )
    return None if items is None else lambda value, old: all(map(items, value, old))


def _sameness_of_type(inner: Same | None) -> Same:
    """The same of what can change within a value: what equals it may be of another type."""
    return lambda value, old: (
        value is old or (type(value) is type(old) and (inner is None or old is None or inner(value, old)))
    )


def holding(schema: Mapping[str, Any]) -> Holders:
    """What adds to a list all that can change in a value: if something is twice in it, it would be two when read back."""
    kind = schema["type"]
    if kind == "nullable":
        inner = holding(schema["schema"])
        return lambda value, found: None if value is None else inner(value, found)
    if aggregate_of(schema) is not None:  # whether it is twice in a state is seen by its marks
        return lambda value, found: None
    items = _parts(schema)[-1]
    if kind == "set" or _is_immutable(items):
        return lambda value, found: found.append(value)
    if items["type"] in ("list", "set", "dict") and all(map(_is_immutable, _parts(items))):
        if kind == "dict":
            return lambda value, found: found.extend([value, *value.values()])
        return lambda value, found: found.extend([value, *value])
    inner = holding(items)
    values: Callable[[Any], Any] = operator.methodcaller("values") if kind == "dict" else iter

    def hold(value: Any, found: list[Any]) -> None:
        found.append(value)
        for item in values(value):
            inner(item, found)

    return hold
