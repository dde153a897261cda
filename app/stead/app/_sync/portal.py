"""A client on an event loop in a thread of its own, for callers that have no event loop.

1. It is opened at first use, and opened and closed by one task in its thread.
2. A forked child (of a pre-forking web server) has the objects but not the thread. It sets them aside, untouched: the
   descriptors behind them are the parent's as well. Then it opens its own at its first use.
3. The thread is a daemon, so that a forgotten `close` does not keep the process alive; what is still open is closed
   when the interpreter ends.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from stead.app._hub.client import Client, Connecting
from stead.app._hub.definitions import Definitions
from stead.entities import CallTimeout
from stead.transport import SteadError

T = TypeVar("T")

_log = logging.getLogger("stead.app")

NOT_DONE = (
    "the server has not said that it is done, so it may be done or not; look before you repeat it, and see whether the "
    "server can be reached (`stead info`)"
)


class ClientClosed(SteadError):
    """The client has been closed; `app.connect_sync()` gives another one."""

    def __str__(self) -> str:
        return "this client has been closed; open another one with app.connect_sync()"


class _LastLoop(asyncio.SelectorEventLoop):
    """A loop that may end when the interpreter does: nobody can start a thread then, which is how asyncio would wait for
    those that look names up. `close` lets go of them."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Nothing: see the class."""


class LoopThread:
    """One client and the thread in which it lives."""

    def __init__(self, definitions: Definitions, url: str | None) -> None:
        self._definitions = definitions
        self._url = url
        self._ready: Future[tuple[asyncio.AbstractEventLoop, Client]] = Future()
        self._stop: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="stead client", daemon=True)
        self._thread.start()
        self.loop, self.client = self._ready.result()

    def close(self) -> None:
        """Close the client and end the thread; raises what went wrong with it."""
        assert self._stop is not None, "it is set before the thread is ready"
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_LastLoop) as runner:
                runner.run(self._live())
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits for this one
            if self._ready.done():
                self._failure = error
            else:
                self._ready.set_exception(error)

    async def _live(self) -> None:
        self._stop = asyncio.Event()
        async with Connecting(self._definitions, self._url) as client:
            self._ready.set_result((asyncio.get_running_loop(), client))
            await self._stop.wait()


class Asked(NamedTuple):
    """What a request is called when nobody answers in time, and which target was to answer; "": the server itself."""

    what: str
    target: str = ""


SERVER = Asked("the request")


class Portal:
    """Carries work to a client's thread, for any number of other threads."""

    def __init__(self, definitions: Definitions, url: str | None) -> None:
        self._definitions = definitions
        self._url = url
        self._lock = threading.Lock()
        self._thread: LoopThread | None = None
        self._closed = False
        _portals.add(self)

    def open(self) -> LoopThread:
        """The client's thread, started if need be."""
        thread = self._thread
        if thread is not None:
            return thread
        with self._lock:
            if self._closed:
                raise ClientClosed
            if self._thread is None:
                self._thread = LoopThread(self._definitions, self._url)
            return self._thread

    def run(self, work: Callable[[Client], Awaitable[T]], seconds: float | None = None, of: Asked = SERVER) -> T:
        """Carry out `work` in the thread and wait for it; `CallTimeout` after `seconds`. `of`: who is to answer."""
        thread = self.open()
        future = asyncio.run_coroutine_threadsafe(_kept(_limited(work, thread.client, seconds, of)), thread.loop)
        try:
            return future.result()
        except _Leaves as leaves:
            raise leaves.error from None
        except BaseException:
            future.cancel()  # the caller was interrupted (ctrl-c): do not go on for nobody
            raise

    def start(self, work: Callable[[Client], Coroutine[Any, Any, None]]) -> Future[None]:
        """Begin `work` in the thread and do not wait for it."""
        thread = self.open()
        return asyncio.run_coroutine_threadsafe(work(thread.client), thread.loop)

    def close(self) -> None:
        """Close the client and end the thread. Closing twice is closing once."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.close()

    def forget(self) -> None:
        """In a forked child: the thread is the parent's."""
        self._lock = threading.Lock()
        if self._thread is not None:
            _set_aside.append(self._thread)
            self._thread = None


class _Leaves(Exception):
    """What was raised is to end the caller's thread, or its process, and not the client's thread."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


async def _kept(work: Awaitable[T]) -> T:
    try:
        return await work
    except (KeyboardInterrupt, SystemExit) as error:
        # Of a validator, say: it would end the event loop, for all callers.
        raise _Leaves(error) from None


async def _limited(work: Callable[[Client], Awaitable[T]], client: Client, seconds: float | None, of: Asked) -> T:
    if seconds is None:
        return await work(client)
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            return await work(client)
    except TimeoutError:
        if not scope.expired():
            raise
    if not of.target:
        raise CallTimeout(of.what, seconds, NOT_DONE)
    raise await client.unanswered(of.what, of.target, seconds)


_portals: weakref.WeakSet[Portal] = weakref.WeakSet()
_set_aside: list[LoopThread] = []  # of the parent's threads, in a forked child: collecting them would touch its sockets


def _forget_all() -> None:
    for portal in list(_portals):
        portal.forget()


@atexit.register
def _close_all() -> None:
    for portal in list(_portals):
        try:
            portal.close()
        except Exception as error:  # noqa: BLE001 - nobody is left to whom it could be raised
            _log.warning("closing a client at the end of the process: %s: %s", type(error).__name__, error)


os.register_at_fork(after_in_child=_forget_all)
