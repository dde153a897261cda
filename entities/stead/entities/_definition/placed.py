"""Values of indexed fields that no index has a place for: NaN, an int out of range, a time without a zone (HAZARDS 89)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from stead.entities._index.types import Unplaced, place_of, stored_form
from stead.entities._message.errors import InvalidState
from stead.transport import pack_exact

from .indexed import indexed_types
from .sameness import shown

_NOT_ALL = frozenset({"int", "float", "datetime"})  # of the other types every value has a place


def guarded_fields(cls: type[BaseModel]) -> list[tuple[str, str]]:
    """The fields of a class that are to be looked at, with the codes of their types."""
    return [(name, kind.code) for name, kind in indexed_types(cls).items() if kind.code in _NOT_ALL]


def refuse_unplaced(
    guarded: Sequence[tuple[str, str]], data: Mapping[str, Any], before: Callable[[], Mapping[str, Any]]
) -> None:
    """Refuse a state that an operation left. What was there `before` may stay: the index is younger than it.

    Raises `InvalidState`.
    """
    for name, code in guarded:
        value = stored_form(data[name])
        try:
            place_of(code, value)
        except Unplaced as error:
            if pack_exact(stored_form(before().get(name))) != pack_exact(value):
                raise InvalidState(f"the operation left field {name!r} at {shown(value)}: {error}") from None
