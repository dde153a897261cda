"""The event loop in which something lives: used from another one it would wait for ever, for what only its own can bring."""

from __future__ import annotations

import asyncio
import contextlib

from .errors import SteadError


class WrongEventLoop(SteadError, RuntimeError):
    """A client, producer, worker or test hub was used from another event loop than the one in which it was made."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.what} belongs to another event loop: open one in the loop (the `asyncio.run`, the thread) that uses it; "
            "app.connect_sync() gives a client for any thread"
        )


class HomeLoop:
    """Remembers the event loop that runs now, or else the first one that uses it."""

    __slots__ = ("_what", "loop")

    def __init__(self, what: str) -> None:
        self._what = what
        self.loop: asyncio.AbstractEventLoop | None = None
        with contextlib.suppress(RuntimeError):  # made before any loop runs
            self.loop = asyncio.get_running_loop()

    def check(self) -> None:
        """Raise `WrongEventLoop` in another loop."""
        running = asyncio.get_running_loop()
        if running is not self.loop:
            if self.loop is not None:
                raise WrongEventLoop(self._what)
            self.loop = running
