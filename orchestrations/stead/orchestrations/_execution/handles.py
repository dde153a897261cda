"""What the loop is given to run: callbacks of this turn, and those of durable timers."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any, Protocol, cast


class ReadyHandle(asyncio.Handle):
    """A callback that runs in this turn. asyncio's own constructor asks for the debug mode and the like each time."""

    __slots__ = ()

    _source_traceback = None  # what there is in the debug mode only
    _repr = None

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
    ) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._callback: Any = callback
        self._args: Any = args
        self._loop = loop
        self._cancelled = False


class DurableHandle(asyncio.TimerHandle):
    """A callback that runs when a durable timer fires."""

    __slots__ = ("event",)

    event: Any  # its `TimerCreated`; None for one that never fires

    def answer(self, event: Any) -> None:
        """The timer has fired. Called by the execution."""
        del event
        cast("Any", self)._loop.fire(self)

    def begin_attempts(self) -> None:
        """It is not tried again."""


class Host(Protocol):
    """What the loop needs of the execution that it belongs to."""

    dead: bool  # commands are refused: the execution is being dropped

    def set_timer(self, handle: DurableHandle, fire_at_ms: int) -> None: ...

    def cancel_timer(self, handle: DurableHandle) -> None: ...

    def report(self, context: dict[str, Any]) -> None: ...
