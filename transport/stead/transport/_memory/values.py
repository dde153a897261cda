"""Everything that a hub in memory holds, to find something in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from .state import HubState

_OF_TEXT = (str, int, float, bool, type(None))


def values_of(state: HubState) -> Iterator[bytes]:
    """All bytes that are in it. It is one step: nothing moves meanwhile."""
    waiting: list[Any] = [state]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop()
        if isinstance(found, bytes):
            yield found
        elif isinstance(found, _OF_TEXT) or id(found) in seen:
            continue
        else:
            seen.add(id(found))
            waiting += _parts_of(found)


def _parts_of(found: Any) -> list[Any]:
    if isinstance(found, dict):
        parts: Any = cast("Any", found)
        return [*parts, *parts.values()]
    if isinstance(found, (list, tuple, set, frozenset)):
        return list(found)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - whatever is in it
    names = [name for cls in type(found).__mro__ for name in getattr(cls, "__slots__", ())]
    return [getattr(found, name) for name in (*names, *getattr(found, "__dict__", ())) if hasattr(found, name)]
