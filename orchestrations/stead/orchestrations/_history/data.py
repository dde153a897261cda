"""What people and the code of orchestrators give, as messages and histories have it: plain data, and external events."""

from __future__ import annotations

from typing import Any

from stead.entities.extending import ClientText
from stead.transport import InvalidInput, PayloadLimit, pack_exact, unpack

from .events import EntityOperationCalled, EntityOperationSignaled, EventRaised, TaskScheduled

_EVENT_NAME_LENGTH_MAX = 256
SCALARS = frozenset({type(None), bool, int, float, str, bytes})
"""Types of plain data that nobody can change."""


def plain_data(value: Any, limit: PayloadLimit | None = None, what: str = "data") -> Any:
    """A copy of a value as plain data, as it would come back from the store: what the code does with the value later changes
    nothing. Raises `InvalidInput` for what cannot be stored, and `PayloadTooLarge`.
    """
    packed = pack_exact(value)
    if limit is not None and len(packed) > limit.at:
        limit.check(what, packed)
    return value if type(value) in SCALARS else unpack(packed)


def check_event_name(name: str) -> str:
    """An event's name, if it can be one. Raises `InvalidInput` otherwise."""
    if not isinstance(name, str) or not 0 < len(name) <= _EVENT_NAME_LENGTH_MAX or not name.isprintable():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"event {str(name)[:40]!r}", "its name has 1 to 256 printable characters")
    return name


def event_fields(name: str, data: Any) -> tuple[Any, ...]:
    """An external event as messages and histories have it: name, data, and for a client's text whether all of it is encoded twice."""
    return (name, str(data), data.twice) if isinstance(data, ClientText) else (name, data)


def event_data(event: EventRaised) -> Any:
    """The data of an external event."""
    return event.input if event.encoded_twice is None else ClientText.of(event.input, twice=event.encoded_twice)


def has_flat_arguments(event: TaskScheduled | EntityOperationSignaled | EntityOperationCalled) -> bool:
    """Whether all that users gave for a call is scalars: nothing of it can be changed later, and it is not nested too deep."""
    return event.kwargs is None and SCALARS.issuperset(map(type, event.args))
