"""A wait for an external event, and when its event is processed: as soon as the code could have known of it.

The code knows of the event if it was given it (`await`, `result()`, `exception()`), was told that it is there (`done()`,
a callback of its own, `cancel()` that says that it came too late), or got it from asyncio, which asks in the same way. What
asyncio asks for its own book-keeping tells the code nothing: `asyncio.gather` hears of each of its futures, and says nothing
of them before it has all. What the code could not know of is there again for the next execution.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Callable, Generator, Mapping
from types import BuiltinFunctionType, FrameType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from stead.entities.extending import ClientText, Value, reader_of_text, value_of
from stead.orchestrations._definition.signature import decoded

from .durable_task import DurableTask

if TYPE_CHECKING:
    from .commands import Commands

_TELLS = "_wait"  # what is at work in `asyncio.wait`, which tells its caller which futures are done


class EventWait(DurableTask[Any]):
    """See the module."""

    __slots__ = ("_unknown", "core", "decode", "name", "order")

    def __init__(self, core: Commands, name: str, decode: Callable[[Any], Any] | None) -> None:
        super().__init__(core.loop)
        self.core = core
        self.name = name
        self.decode = decode
        self.order = 0  # of the event that it got
        self._unknown = False  # it has one, and the code does not know

    def deliver(self, order: int, data: Any) -> None:
        """The event has come."""
        self.order = order
        self._unknown = True
        decode = self.decode
        if type(data) is ClientText:
            decode = reader_of_text(decode)
        if decode is not None:
            try:
                data = decode(data)
            except Exception as error:  # noqa: BLE001 - validators may raise anything
                self.set_exception(error)
                return
        self.set_result(data)

    def learn(self) -> None:
        """The code knows of the event."""
        if self._unknown:
            self._unknown = False
            self.core.mailbox.seen(self.order)

    def result(self) -> Any:
        self.learn()
        return super().result()

    def exception(self) -> BaseException | None:
        error = super().exception()
        # asyncio raises an error that it finds, and only looks for one otherwise.
        if self._unknown and (error is not None or not _asyncio_asks(inspect.currentframe())):
            self.learn()
        return error

    def done(self) -> bool:
        if self._unknown and not _asyncio_asks(inspect.currentframe(), _TELLS):
            self.learn()
        return super().done()

    def cancel(self, msg: Any | None = None) -> bool:
        if self._unknown and not _asyncio_asks(inspect.currentframe()):
            self.learn()  # by the answer: it was done already
        return super().cancel(msg)

    def __await__(self) -> Generator[Any, None, Any]:
        self.learn()  # if it has come; else whatever waits calls `result`
        return super().__await__()

    def add_done_callback(self, fn: Callable[..., object], /, *, context: contextvars.Context | None = None) -> None:
        super().add_done_callback(fn if _is_of_asyncio(fn) else _Told(self, fn), context=context)

    def _given_up(self) -> None:
        self.core.mailbox.give_up(self)


class _Told:
    """A callback of the code's own. It equals what it calls, so that it can be removed again."""

    __slots__ = ("_call", "_wait")

    def __init__(self, wait: EventWait, call: Callable[..., object]) -> None:
        self._wait = wait
        self._call = call

    def __call__(self, future: Any) -> None:
        self._wait.learn()
        self._call(future)

    def __eq__(self, other: object) -> bool:
        return bool(self._call == other)

    __hash__ = None  # type: ignore[assignment]


def _asyncio_asks(here: FrameType | None, but_for: str = "") -> bool:
    """Whether it is asyncio that calls the function of this frame, for its own book-keeping."""
    caller = None if here is None else here.f_back
    return caller is not None and caller.f_code.co_name != but_for and _keeps_books(caller.f_globals)


def _keeps_books(variables: Mapping[str, object]) -> bool:
    """Whether these are the variables of a part of asyncio that handles other people's futures. Its other parts call what the
    code tells them to: `Condition.wait_for(event.done)`."""
    return variables.get("__name__") in ("asyncio.tasks", "asyncio.futures")


def _is_of_asyncio(callback: object) -> bool:
    """Whether a callback is asyncio's: what wakes a task that awaits, or part of `gather`, `wait` and the like. Those are
    private; a function that asyncio offers was given by the code, to be told by it: `queue.put_nowait`."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    if isinstance(callback, BuiltinFunctionType):
        return isinstance(callback.__self__, asyncio.Task)
    function = callback.__func__ if isinstance(callback, MethodType) else callback
    return isinstance(function, FunctionType) and function.__name__[0] == "_" and _keeps_books(function.__globals__)


def wait_for_event(core: Commands, name: str, decode: Callable[[Any], Any] | None) -> EventWait:
    """Wait for an external event. `decode` reads its data."""
    core.check()
    wait = EventWait(core, name, decode)
    core.mailbox.wait(wait)
    return wait


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


@functools.lru_cache(maxsize=1024)
def _value(form: Any) -> Value:
    return value_of(form, f"an event of type {form!r}")
