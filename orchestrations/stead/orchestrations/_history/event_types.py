"""Of which types the fields of stored events may be: an event that another program has written over, or that was damaged, is none.

Whose fields are of which types is found once for each combination that comes; most of a history has a few of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from stead.transport import InvalidInput

from .event_table import FORM_OF, HEAD
from .events import Event

_SOUND_MAX = 4_096

SOUND: set[tuple[type, ...]] = set()
"""Combinations that were found to be well: an event's class, and the types of its time, its number and its fields."""


def check_types(event: Event, values: Sequence[object]) -> None:
    """Raise `InvalidInput` if an event's time, number and fields are not of the types that they have to be of."""
    form = FORM_OF[type(event)]
    names = (*HEAD[1:], *form.names)
    for name, allowed, value in zip(names, _allowed(type(event)), values, strict=False):
        if allowed is not None and type(value) not in allowed:
            raise InvalidInput(
                "history", f"an entry of it, {form.cls.__name__}, has {type(value).__name__} in `{name}`: it is damaged"
            )
    if len(SOUND) < _SOUND_MAX:
        SOUND.add((type(event), *map(type, values)))


def _allowed(cls: type[Event]) -> list[frozenset[type] | None]:
    """For each field the types of which its stored value may be, None for any."""
    hints = get_type_hints(cls)
    return [_types_of(hints[field.name]) for field in dataclasses.fields(cls)]


def _types_of(hint: Any) -> frozenset[type] | None:
    if hint is Any:
        return None
    if get_origin(hint) in (Union, UnionType):
        each = [_types_of(one) for one in get_args(hint)]
        return None if None in each else frozenset[type]().union(*(types for types in each if types is not None))
    if hint is None or hint is NoneType:
        return frozenset({NoneType})
    origin: Any = get_origin(hint) or hint
    return frozenset({dict if origin is Mapping else origin})
