"""The event loop that runs one orchestrator: it never blocks, its time is the orchestration's, its timers are durable.

`asyncio` and `anyio` are used unchanged on it. Nothing here depends on where an object lies in memory, as it does where
asyncio and anyio go through sets (`ordering`).

The loop is never run by itself. `enter` makes it the running loop of its thread, `run` runs what is ready until nothing
is, `leave` brings the outer loop back. All that happens in between happens in one turn.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import math
import sys
from asyncio import events, tasks
from collections import deque
from collections.abc import Callable
from threading import get_ident
from types import AsyncGeneratorType
from typing import Any, TypeVarTuple

from .closing import ONE_TASK_A_THREAD, bring_back, exhaust, exhaust_generator, set_aside
from .handles import DurableHandle, Host, ReadyHandle
from .ordering import Home, NumberedFuture, NumberedTask, coroutines_to_complete, put_in_order
from .refused import Refusing
from .unsupported import Halted, StuckOrchestration, UnsupportedInOrchestrator

Ts = TypeVarTuple("Ts")

STEPS_MAX = 2_000_000
"""Steps in one turn after which the code counts as an endless loop: some seconds. Ten thousand tasks take a hundredth."""

STEPS_BETWEEN = 64
"""Steps after which it is asked whether all that is left to do is to cancel once more what was cancelled; each, once it was."""

NEVER_S = 100 * 366 * 86_400.0
"""A delay beyond it is taken as "never" (`math.inf` is a common one): nothing is set for it."""

GENERATORS_MIN = 64
"""Asynchronous generators that are kept before it is asked which of them have ended."""

REFUSALS_MAX = 1_000
"""How often commands of code that is dropped, and does not end, are refused."""


class DeterministicLoop(Home, Refusing):
    """See the module. `seed` spreads the numbers of different executions, and is the same in each replay of one."""

    def __init__(self, host: Host, seed: int) -> None:
        self._host = host
        self._ready: deque[asyncio.Handle] = deque()
        self.last_number = seed & 0x3FFF_FFFF_FF00_0000  # 38 bits of the execution, 24 of the object
        self._tasks: dict[int, asyncio.Task[Any]] = {}  # those that run: asyncio itself keeps no task alive
        self._generators: list[AsyncGeneratorType[Any, Any]] = []
        self._generators_max = GENERATORS_MIN
        self._early: dict[int, asyncio.Task[Any]] = {}  # made before they were asked for, by the ID of the coroutine
        self.woken: list[tuple[int, asyncio.Handle]] = []  # by cancellations of the callback that runs
        self._handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        self._closed = False
        self._refusals = 0  # of commands since it was dropped
        self._outer: tuple[Any, Any, Any] | None = None
        self.now_s = 0.0
        self.thread = 0  # the one that takes a turn with it: cheaper to ask for than the running loop
        self.stopping = False
        self._cancels_again = False  # anyio has a scope to cancel in which something has not ended
        self.never = 0  # waits that are meant to last for ever

    @property
    def at_work(self) -> tuple[str, bool]:
        """Whose code it runs, and whether that replays. For logs."""
        host = self._host
        return getattr(host, "instance_id", ""), getattr(host, "replaying", False) is True

    # -- turns, for the execution --------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Make this the running loop of the thread."""
        self.thread = get_ident()
        outer = events._get_running_loop()
        self._outer = (outer, sys.get_asyncgen_hooks(), set_aside(outer) if ONE_TASK_A_THREAD else None)
        events._set_running_loop(self)
        sys.set_asyncgen_hooks(self._adopt, None)  # type: ignore[arg-type]  # they are of this type

    def leave(self) -> None:
        """Make the loop that ran before the running one again."""
        assert self._outer is not None
        self.thread = 0
        outer, hooks, task = self._outer
        self._outer = None
        sys.set_asyncgen_hooks(*hooks)
        events._set_running_loop(outer)
        if task is not None:
            bring_back(outer, task)

    def run(self) -> None:
        """Run what is ready, until nothing is or `stopping` is set. Raises what ends a process (`SystemExit`, …)."""
        ready = self._ready
        self._cancels_again = self._cancels_again and any(map(_cancels_again, ready))
        stride = between = 1 if self._cancels_again else STEPS_BETWEEN
        steps = STEPS_MAX
        while ready and not self.stopping:
            handle: Any = ready.popleft()
            if handle._cancelled:
                continue
            try:
                handle._context.run(handle._callback, *handle._args)
            except (SystemExit, KeyboardInterrupt, Halted):
                raise
            except BaseException as error:  # noqa: BLE001 - as asyncio does
                self.call_exception_handler({"message": "a callback failed", "exception": error, "handle": handle})
            if self.woken:
                put_in_order(ready, self.woken)
                self.woken = []
            between -= 1
            if between:
                continue
            if ready and all(map(_cancels_again, ready)):
                self._cancels_again = True
                break  # until something else happens
            steps, between = steps - stride, stride
            if steps <= 0:
                raise StuckOrchestration(
                    f"the orchestrator took {STEPS_MAX:,} steps without waiting for anything durable: an endless loop; "
                    "wait for an event or a timer in it"
                )
        handle = None  # a traceback may keep this frame, and so the task that failed: on Python 3.12 a cycle

    def adopt_main(self, task: NumberedTask[Any]) -> None:
        """The task whose end is the end of all: nothing that becomes ready after it runs."""
        self._tasks[task.number] = task
        task.add_done_callback(self._main_ended)

    def _main_ended(self, task: Any) -> None:
        del self._tasks[task.number]
        self.stopping = True

    def _adopt(self, generator: AsyncGeneratorType[Any, Any]) -> None:
        """An asynchronous generator begins: it is closed with the execution, never by the garbage collector."""
        if len(self._generators) >= self._generators_max:
            self._generators = [each for each in self._generators if each.ag_frame is not None]
            self._generators_max = max(GENERATORS_MIN, 2 * len(self._generators))
        self._generators.append(generator)

    def number(self) -> int:
        """A number for an object that may be kept in a set."""
        self.last_number += 1
        return self.last_number

    def fire(self, handle: DurableHandle) -> None:
        """A durable timer has fired."""
        self.now_s = max(self.now_s, handle.when())
        self._ready.append(handle)

    def drop(self) -> None:
        """Close every coroutine, with all commands refused, so that nothing is left to the garbage collector.

        Called within `enter` and `leave`. Their `finally` blocks run; what they want to wait for never comes.
        """
        self._ready.clear()
        for task in reversed(self._tasks.values()):
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                self._close(task)
        generators, self._generators = self._generators, []
        for generator in reversed(generators):
            if generator.ag_frame is not None:
                exhaust_generator(generator)
        self._ready.clear()
        self._tasks.clear()
        self._closed = True

    def refuse(self) -> None:
        """A command of code that is being dropped. Raises `Halted`: but `while True: … except BaseException: pass` never
        ends by that, so after many of them commands do nothing instead, and the code comes to a wait."""
        self._refusals += 1
        if self._refusals <= REFUSALS_MAX:
            raise Halted

    def _close(self, task: asyncio.Task[Any]) -> None:
        tasks._enter_task(self, task)  # what is entered and left by a task (anyio's scopes) asks for it
        try:
            exhaust(task.get_coro())
        finally:
            tasks._leave_task(self, task)

    # -- what asyncio asks of a loop -----------------------------------------------------------------------------------

    def time(self) -> float:
        """The orchestration's time in seconds since the epoch."""
        return self.now_s

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = ReadyHandle(callback, args, self, context)
        if not self._host.dead:
            self._ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call at a time of the orchestration: a durable timer."""
        if math.isnan(when):
            raise ValueError("a time is a number, not NaN")
        handle = DurableHandle(when, callback, args, self, context)
        handle.event = None
        if when - self.now_s > NEVER_S:
            self.never += 1
        else:
            # To the microsecond, because a sum of seconds since the epoch is no more exact; then up, so that nothing
            # comes early.
            self._host.set_timer(handle, math.ceil(round(max(when, 0.0) * 1000, 3)))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        assert isinstance(handle, DurableHandle)
        if handle.event is None:
            self.never -= 1
        else:
            self._host.cancel_timer(handle)

    def create_future(self) -> asyncio.Future[Any]:
        return NumberedFuture(self.number(), self)

    def create_task(
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **others: Any,  # what later versions of Python add: `eager_start`
    ) -> asyncio.Task[Any]:
        if self._host.dead:
            coro.close()
            never: Any = self.create_future()
            never.cancel()
            return never  # type: ignore[no-any-return]
        if self._early:
            early = self._early.pop(id(coro), None)
            if early is not None:
                return early
        try:
            coroutines = coroutines_to_complete(inspect.currentframe())
        except UnsupportedInOrchestrator:
            coro.close()
            raise
        if coroutines is None:
            return self._new_task(coro, name, context, others)
        for coroutine in coroutines:
            if id(coroutine) not in self._early:
                self._early[id(coroutine)] = self._new_task(coroutine, None, None, others)
        return self._early.pop(id(coro))

    def _new_task(
        self, coro: Any, name: str | None, context: contextvars.Context | None, others: dict[str, Any]
    ) -> asyncio.Task[Any]:
        number = self.number()
        task: NumberedTask[Any] = NumberedTask(number, coro, self, name, context, others)
        self._tasks[number] = task
        task.add_done_callback(self._ended)
        return task

    def ready(self) -> deque[asyncio.Handle]:
        """What runs in this turn, for tasks that are cancelled."""
        return self._ready

    def _ended(self, task: Any) -> None:
        del self._tasks[task.number]

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        """Nothing: the debug mode's time measurements mean nothing here."""

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return self._closed

    def get_task_factory(self) -> None:
        return None

    def get_exception_handler(self) -> Any:
        return self._handler

    def set_exception_handler(self, handler: Any) -> None:
        self._handler = handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self._host.report(context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What went wrong where nobody waits for it goes to the log of the orchestration."""
        if self._handler is None or self._host.dead:
            self._host.report(context)
        else:
            self._handler(self, context)

    async def shutdown_asyncgens(self) -> None:
        """Nothing: the generators are closed with the execution."""


def _cancels_again(handle: Any) -> bool:
    """Whether it is what anyio does, again and again, as long as something in a cancelled scope has not ended."""
    return getattr(handle._callback, "__name__", None) == "_deliver_cancellation"


def new_loop(host: Host, seed: int) -> DeterministicLoop:
    """The loop of an execution."""
    form: Any = DeterministicLoop  # abstract to type checkers, which do not see the methods that are refused
    loop: DeterministicLoop = form(host, seed)
    return loop
