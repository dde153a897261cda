"""What the code of an orchestrator gives and gets, as plain data and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from stead.entities.extending import Value, value_of
from stead.orchestrations._definition.signature import decoded
from stead.transport import InvalidInput, PayloadTooLarge, pack_exact, unpack

_EVENT_NAME_LENGTH_MAX = 256
_IMMUTABLE = frozenset({type(None), bool, int, float, str, bytes})


def plain(value: Any, bytes_max: float = math.inf, what: str = "data") -> Any:
    """A copy of a value as plain data, as it would come back from the store: what the code does with the value later changes
    nothing. Raises `InvalidInput` for what cannot be stored, and `PayloadTooLarge`.
    """
    packed = pack_exact(value)
    if len(packed) > bytes_max:
        raise PayloadTooLarge(what, len(packed), int(bytes_max))
    return value if type(value) in _IMMUTABLE else unpack(packed)


def check_event_name(name: str) -> str:
    """An event's name, if it can be one. Raises `InvalidInput` otherwise."""
    if not isinstance(name, str) or not 0 < len(name) <= _EVENT_NAME_LENGTH_MAX or not name.isprintable():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"event name {cast('object', name)!r}", "a name has 1 to 256 printable characters")
    return name


def event_reader(name: str, form: Any) -> Callable[[Any], Any]:
    """What validates an event's data as a type, as an input of that type would be. It raises `InvalidInput`.

    Raises `InvalidDefinition` for a type whose values cannot be sent.
    """
    what = f"event {name!r}"
    try:
        how = _value(form)
    except TypeError:  # a form that cannot be hashed
        how = value_of(form, what)
    return lambda value: decoded(value, how, what)


@lru_cache(maxsize=1024)
def _value(form: Any) -> Value:
    return value_of(form, f"an event of type {form!r}")
