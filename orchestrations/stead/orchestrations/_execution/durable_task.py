"""`DurableTask`: what a command of an orchestrator gives. An `asyncio.Future` whose result comes from the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from threading import get_ident
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from stead.entities import ContextEnded

if TYPE_CHECKING:
    from .loop import DeterministicLoop

R_co = TypeVar("R_co", covariant=True)


class DurableTask(asyncio.Future[R_co]):  # type: ignore[type-var]  # covariant: nobody but the execution sets a result
    """The result to come of an activity, a sub-orchestration, an entity's operation, a timer or an external event.

    It was scheduled when it was made. Await it, `cancel()` it, or give it to `asyncio.gather`, `wait`, `wait_for`,
    `as_completed`. It belongs to the orchestration that made it: nobody else may await it, and nobody may once that
    orchestration has ended.
    """

    __slots__ = ("_home", "_number", "_was_awaited")

    def __init__(self, loop: DeterministicLoop) -> None:
        loop.last_number = self._number = loop.last_number + 1  # hashed by it: sets have the same order in a replay
        self._home = loop
        self._was_awaited = False
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number

    def __await__(self) -> Generator[Any, None, R_co]:
        if self._home.thread != get_ident():
            raise _elsewhere("awaited")
        return super().__await__()

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for it, or has waited, by a callback as every future has them. (Asked once, at the end: most
        of those that are awaited need not note it.)"""
        return self._was_awaited or bool(cast("Any", self)._callbacks)

    @property
    def instance_id(self) -> str | None:
        """The ID of the sub-orchestration that it waits for; of one that is tried again, that of the last attempt. None if it
        waits for anything else."""
        return None

    def remove_done_callback(self, fn: Callable[[Self], object], /) -> int:
        """As of every future: somebody has waited for it, and does so no more."""
        self._was_awaited = True
        return super().remove_done_callback(fn)

    def cancel(self, msg: Any | None = None) -> bool:
        """Give it up: whoever awaits it gets `CancelledError`. A timer is unset, an activity that runs is told to end,
        an answer that comes all the same is dropped. False if it was done already.
        """
        if not super().done():
            self.check_home()
        if not super().cancel(msg):
            return False
        self._given_up()
        return True

    def check_home(self) -> None:
        """Raise `ContextEnded` where it may not be cancelled."""
        if self._home.thread != get_ident():
            raise _elsewhere("cancelled")

    def _given_up(self) -> None:
        """It was cancelled."""


def _elsewhere(what: str) -> ContextEnded:
    return ContextEnded(
        f"a DurableTask was {what} outside the orchestration that made it, or after its end: "
        "pass results between orchestrations by events (context.send_event) or as a sub-orchestration's output"
    )
