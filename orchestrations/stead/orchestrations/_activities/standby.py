"""Tasks that stand by: each is there, and waits, before the activity that it may carry begins.

A local activity takes its first step within a batch of turns, from a callback of the event loop, where no task runs. Its code has
to see one and the same task from its first line to its last (`carriers`), and to cancel it, be it from its first step on, has to
cancel the activity: so a task that has not begun would not do. One that waits for a future of its own does: it is made the current
one for that step, by the functions that asyncio has for it, and wakes if the activity waits, to carry the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

_MOST = 64
_FIRST = 4

T = TypeVar("T")


class Seat(Generic[T]):
    """A task that stands by."""

    __slots__ = ("called", "rest", "task")

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task
        self.called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.rest: T | None = None  # what it is to carry; nothing if it is to end

    def call(self, rest: T | None) -> None:
        """It wakes in the next iteration of the event loop, if nothing has woken it yet."""
        self.rest = rest
        if not self.called.done():
            self.called.set_result(None)


class Standby(Generic[T]):
    """Those of one worker."""

    def __init__(
        self,
        begin: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        carry: Callable[[T, asyncio.Task[None]], Coroutine[Any, Any, None]],
    ) -> None:
        """`begin` begins a task, and `carry` carries to its end what was left after a first step."""
        self._begin = begin
        self._carry = carry
        self._ready: deque[Seat[T]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()  # those that stand by, or are about to
        self._wanted = 0

    def prepare(self) -> None:
        """Have some ready, more than before: they are in the next iteration of the event loop."""
        self._wanted = min(_MOST, max(_FIRST, 2 * self._wanted))
        self._fill()

    def take(self) -> Seat[T] | None:
        """One that is ready; None if there is none now."""
        while self._ready:
            seat = self._ready.pop()
            if not seat.called.done():  # else somebody has cancelled it who cancels whatever tasks there are
                return seat
        self.prepare()
        return None

    def give_back(self, seat: Seat[T]) -> None:
        """The activity has ended in its first step, and has left nothing at the task."""
        self._ready.append(seat)

    def call(self, seat: Seat[T], rest: T | None) -> None:
        """It carries this from now on; or it ends, and another one takes its place."""
        self._tasks.discard(seat.task)
        seat.call(rest)
        self._fill()

    def close(self) -> None:
        """None is wanted any more."""
        self._wanted = 0
        self._ready.clear()
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def _fill(self) -> None:
        self._tasks = {task for task in self._tasks if not task.done()}
        while len(self._tasks) < self._wanted:
            self._tasks.add(self._begin(self._stand_by()))

    async def _stand_by(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "it runs in one"
        seat = Seat[T](task)
        self._ready.append(seat)
        try:
            await seat.called
        except asyncio.CancelledError as cancelled:
            if seat.rest is None:
                raise
            # It was to be cancelled where the activity waits, which it does from now on: asked again, and not counted again.
            task.cancel(*cancelled.args[:1])
            task.uncancel()
        if seat.rest is not None:
            await self._carry(seat.rest, task)
