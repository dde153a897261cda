"""What `after` and `at` of a context give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from stead.entities._message.ids import EntityClass, EntityId

P = ParamSpec("P")
E = TypeVar("E", bound=EntityClass)

Send = Callable[[Any, Any, Sequence[Any], Mapping[str, Any], int | None, int | None], None]
"""Sends an operation, to a key or an ID, with arguments, at a due time or after a delay in milliseconds."""


class SignalsLater:
    """Sends signals at a time, or after a while. Made by `after` and `at` of a context."""

    __slots__ = ("_delay_ms", "_due_ms", "_send")

    def __init__(self, send: Send, due_ms: int | None, delay_ms: int | None) -> None:
        self._send = send
        self._due_ms = due_ms
        self._delay_ms = delay_ms

    @overload
    def signal_entity(
        self, operation: Callable[Concatenate[E, P], object], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...

    @overload
    def signal_entity(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> None: ...

    def signal_entity(self, operation: Any, key: Any, /, *args: Any, **kwargs: Any) -> None:
        """Send a signal then. It cannot be cancelled."""
        self._send(operation, key, args, kwargs, self._due_ms, self._delay_ms)
