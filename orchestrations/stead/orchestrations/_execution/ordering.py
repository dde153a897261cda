"""The same order in every run, where asyncio and anyio go through sets, whose order is that of addresses in memory.

1. Tasks and futures are hashed by number. A set of them then has the same order in a replay.
2. anyio cancels the scopes in a scope in the order of such a set. Whatever order a callback cancels tasks in, they wake in
   that of their numbers.
3. `asyncio.as_completed` makes a set of what it is given. Of coroutines, tasks are made in the order of the list.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from asyncio import tasks
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from types import CodeType, FrameType, MappingProxyType
from typing import Any, TypeVar, cast

from .unsupported import IN_AN_ACTIVITY, UnsupportedInOrchestrator

T = TypeVar("T")

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_DEPTH = 6  # frames between `as_completed` and `create_task`, over all versions of Python


class Home(asyncio.AbstractEventLoop):
    """What a task needs of the loop that it lives in."""

    woken: list[tuple[int, asyncio.Handle]]
    """What became ready by cancellations of the callback that runs, with the tasks' numbers."""

    def ready(self) -> deque[asyncio.Handle]:
        """What runs in this turn."""
        raise NotImplementedError


class NumberedTask(asyncio.Task[T]):
    """A task that is hashed by number."""

    __slots__ = ("_home", "number")

    def __init__(
        self,
        number: int,
        coro: Coroutine[Any, Any, T],
        loop: Home,
        name: str | None,
        context: contextvars.Context | None,
        others: Mapping[str, Any] = _NOTHING,
    ) -> None:
        self.number = number  # before the rest: asyncio enters the task into a set
        self._home = loop
        name = name or f"task-{number & 0xFFFFFF}"
        if others:
            super().__init__(coro, loop=loop, name=name, context=context, **others)
        else:
            super().__init__(coro, loop=loop, name=name, context=context)

    def __hash__(self) -> int:
        return self.number

    def cancel(self, msg: Any | None = None) -> bool:
        ready = self._home.ready()
        before = len(ready)
        cancelled = super().cancel(msg)
        for at in range(before, len(ready)):
            self._home.woken.append((self.number, ready[at]))
        return cancelled

    def add_done_callback(self, fn: Callable[..., object], /, *, context: contextvars.Context | None = None) -> None:
        thread = getattr(fn, "__self__", None)
        if isinstance(thread, threading.Thread):  # anyio's, which waits for the function that it is to run
            fn(None)  # ends it
            raise UnsupportedInOrchestrator("a thread (anyio.to_thread)", IN_AN_ACTIVITY)
        super().add_done_callback(fn, context=context)


class NumberedFuture(asyncio.Future[T]):
    """A future that is hashed by number."""

    __slots__ = ("number",)

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self.number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number


def put_in_order(ready: deque[asyncio.Handle], woken: list[tuple[int, asyncio.Handle]]) -> None:
    """Put the handles of cancelled tasks, which lie somewhere in a queue, in the order of the tasks' numbers."""
    if len(woken) < 2:
        return
    numbers: dict[int, tuple[int, asyncio.Handle]] = {}
    for number, handle in woken:
        # (A task that waits for another one that is cancelled names it too.)
        numbers.setdefault(id(handle), (number, handle))
    ordered = iter(sorted(numbers.values(), key=lambda entry: entry[0]))
    for at, handle in enumerate(ready):
        if id(handle) in numbers:
            ready[at] = next(ordered)[1]


def _code_of_as_completed() -> CodeType:
    form: Any = asyncio.as_completed
    if inspect.isclass(form):
        form = form.__init__
    return form.__code__  # type: ignore[no-any-return]


def _code_of_ensure_future() -> frozenset[CodeType]:
    functions = (tasks.ensure_future, getattr(tasks, "_ensure_future", tasks.ensure_future))
    return frozenset(function.__code__ for function in functions)


_AS_COMPLETED = _code_of_as_completed()
_ENSURE_FUTURE = _code_of_ensure_future()


def coroutines_to_complete(here: FrameType | None) -> list[Any] | None:
    """The coroutines that were given to `asyncio.as_completed`, if it is the one that wants a task; else None. `here` is
    the frame of `create_task`.

    Raises `UnsupportedInOrchestrator` if their order cannot be known any more.
    """
    frame = None if here is None else here.f_back
    if frame is None or frame.f_code not in _ENSURE_FUTURE:
        return None
    for _ in range(_DEPTH):
        if frame is None or frame.f_code is _AS_COMPLETED:
            break
        frame = frame.f_back
    if frame is None or frame.f_code is not _AS_COMPLETED:
        return None
    given = frame.f_locals.get("fs", frame.f_locals.get("aws"))
    if not isinstance(given, (list, tuple)):
        raise UnsupportedInOrchestrator(
            "asyncio.as_completed over coroutines that are not in a list", "their order would be lost; make it a list"
        )
    coroutines = [each for each in cast("list[Any]", given) if not asyncio.isfuture(each)]
    if not all(map(asyncio.iscoroutine, coroutines)):
        raise UnsupportedInOrchestrator(
            "asyncio.as_completed over other awaitables than coroutines and tasks",
            "their order would be lost; make tasks of them (asyncio.ensure_future)",
        )
    return coroutines
