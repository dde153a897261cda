"""Signals that are carried out later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from stead.entities._definition.entity import Entity
from stead.entities._message.ids import EntityId

E = TypeVar("E", bound=Entity)
P = ParamSpec("P")


class ScheduledSignals:
    """Sends signals that are carried out later: what `client.after` and `client.at` give.

    Signals that are due at the same time are carried out in no particular order, and they cannot be cancelled.
    """

    def __init__(
        self, send: Callable[..., Awaitable[None]], *, delay_ms: int | None = None, due_ms: int | None = None
    ) -> None:
        self._send = send
        self._delay_ms = delay_ms
        self._due_ms = due_ms

    @overload
    async def signal_entity(
        self, operation: Callable[Concatenate[E, P], object], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...

    @overload
    async def signal_entity(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> None: ...

    async def signal_entity(self, subject: Any, key_or_name: str, /, *args: Any, **kwargs: Any) -> None:
        """Schedule a signal. Durable when it returns; raises what `EntityClient.signal_entity` raises."""
        await self._send(subject, key_or_name, args, kwargs, self._delay_ms, self._due_ms)
