"""The tasks of the event loop that carry asynchronous activities: one for all that never wait, one for each that does.

A task costs more than most activities that never wait. So a carrier runs one activity after the other, each in a context of
its own, until one waits: from its first wait on, that one has the carrier for itself, and another one goes on with the rest.
An activity sees one and the same task from its first line to its last, as `asyncio.timeout` and the like need it.

Nor does it see what another one has left at its task: a name, a cancellation, a callback, a watchdog that would cancel it later.
Where one may have left anything, the next one begins in another task.

An activity that waited when it was run last has a carrier of its own from the beginning: else those that all wait would begin
one after the other, each an iteration of the loop later than the one before.

A local activity takes its first step at once, in a task that stands by for it (`standby`).
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from sys import getrefcount
from types import CoroutineType
from typing import Any
from weakref import getweakrefcount

from stead.entities.extending import held_reports
from stead.transport import Settings, begin_task

from .job import Interceptor, Job, Outcome, Stage, call_function, failed_in_stead, outcome_of, outcome_of_error
from .standby import Standby

_BLOCKING = "make it a plain `def`, which runs in a thread, or await what it waits for"


class Carriers:
    """See the module."""

    def __init__(self, settings: Settings, leave: Callable[[Job, Outcome | None], None]) -> None:
        """`leave` is told of each job when it runs no more; without an outcome if it was dropped before it began."""
        self.intercept: Interceptor | None = None
        self.interrupted: Callable[[BaseException], None] = lambda error: None  # what ends the process was raised
        self._settings = settings
        self._leave = leave
        # Each activity begins with a copy of what is set where the worker was made, not of what another activity has set.
        self._context = contextvars.copy_context()
        self._next: deque[Job] = deque()  # for the carrier that begins next
        self._beginning: asyncio.Task[None] | None = None
        self.standby = Standby[_Rest](lambda stands_by: self._task(stands_by, "activities"), self._carry_rest)
        self._waited: set[str] = set()  # activities that waited when they were run last, by their canonical names

    def begin(self, job: Job) -> None:
        """Let an activity begin with the next iteration of the event loop."""
        assert job.activity is not None, "only what this worker knows is run here"
        if job.activity.canonical in self._waited:
            job.task = self._task(self._carry_one(job), job.name)
            job.task.add_done_callback(lambda task: self._fail_unbegun([job] if job.task is task else ()))
            return
        self._next.append(job)
        if self._beginning is None:
            self._begin_next()

    def begin_now(self, job: Job) -> bool:
        """Let an activity take its first step here and now, where no task runs; false if no task stands by for it, and nothing
        of it was run."""
        seat = self.standby.take()
        if seat is None:
            return False
        loop, task = asyncio.get_running_loop(), seat.task
        task.set_name(job.name)
        untouched = _traces(task)
        rest: _Rest | None = None
        kept = False
        asyncio.tasks._enter_task(loop, task)
        try:
            rest = self._first_step(job, task)
            kept = rest is None
        finally:
            asyncio.tasks._leave_task(loop, task)
            if kept and not seat.called.done() and _traces(task) == untouched:
                self.standby.give_back(seat)
            else:
                self.standby.call(seat, rest)
        return True

    def _begin_next(self) -> None:
        self._beginning = self._task(self._carry(), "activities")
        self._beginning.add_done_callback(self._carried)

    def _carried(self, task: asyncio.Task[None]) -> None:
        if task is not self._beginning:
            return
        self._beginning = None
        jobs, self._next = self._next, deque()
        self._fail_unbegun(jobs)

    def _fail_unbegun(self, jobs: Iterable[Job]) -> None:
        """Somebody's code has cancelled their task before its first step, so that nothing of it has run: they have failed, as
        those that are cancelled later do."""
        for job in jobs:
            self._left(job, outcome_of_error(job, asyncio.CancelledError(), self._settings))

    @property
    def beginning(self) -> asyncio.Task[None] | None:
        """What carries those that have not begun yet, and that no job knows."""
        return self._beginning

    def _task(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return begin_task(coroutine, name=name, context=self._context.copy())

    async def _carry(self) -> None:
        """Run what there is, until one waits. (What is added meanwhile is for the next iteration of the loop.)"""
        task = _current()
        self._beginning = None
        jobs = self._next
        rest: _Rest | None = None
        untouched = _traces(task)
        try:
            for _ in range(len(jobs)):
                job = jobs.popleft()
                task.set_name(job.name)
                rest = self._first_step(job, task)
                if rest is not None or _traces(task) != untouched:
                    break
        finally:
            if jobs and self._beginning is None:
                self._begin_next()
        if rest is not None:
            await self._carry_rest(rest, task)

    async def _carry_one(self, job: Job) -> None:
        task = _current()
        rest = self._first_step(job, task)
        if rest is not None:
            await self._carry_rest(rest, task)

    def _first_step(self, job: Job, task: asyncio.Task[None]) -> _Rest | None:
        """Run an activity until it ends or waits; what is left of it, if it waits."""
        outcome: Outcome | None = None
        try:
            if job.stage is Stage.RUNNING:  # else dropped before its first step
                job.begun = True
                job.task = task
                context = self._context.copy()
                came: Any = context.run(_begin, job, context, self.intercept, self._settings)
                if type(came) is _Rest:
                    self._waited.add(_name(job))
                    return came
                outcome = came
                self._waited.discard(_name(job))
        except KeyboardInterrupt as interrupt:
            self._interrupt(interrupt, task)
            self._left(job, outcome)
            raise
        except BaseException as error:  # noqa: BLE001 - what was forgotten here would be waited for in vain
            outcome = failed_in_stead(job, error)
        self._left(job, outcome)
        return None

    async def _carry_rest(self, rest: _Rest, task: asyncio.Task[None]) -> None:
        job, run = rest.job, rest.context.run
        outcome: Outcome | None = None
        try:
            try:
                value = await rest
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is the activity's failure
                outcome = run(outcome_of_error, job, error, self._settings)
            else:
                outcome = run(outcome_of, job, value, self._settings)
        except KeyboardInterrupt as interrupt:
            self._interrupt(interrupt, task)
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            outcome = failed_in_stead(job, error)
        finally:
            self._left(job, outcome)

    def _left(self, job: Job, outcome: Outcome | None) -> None:
        job.task = None  # which may carry another one now
        self._leave(job, outcome)

    def _interrupt(self, interrupt: KeyboardInterrupt, task: asyncio.Task[None]) -> None:
        self.interrupted(interrupt)
        task.add_done_callback(_seen)


class _Rest:
    """What is left of an activity that waits: to be awaited for its result."""

    __slots__ = ("_coroutine", "_slow_s", "_waits_for", "context", "job")

    def __init__(
        self,
        job: Job,
        context: contextvars.Context,
        coroutine: Coroutine[Any, Any, object],
        waits_for: object,
        slow_s: float,
    ) -> None:
        self.job = job
        self.context = context
        self._coroutine = coroutine
        self._waits_for = waits_for
        self._slow_s = slow_s

    def __await__(self) -> Generator[Any, Any, object]:
        run, coroutine, waits_for = self.context.run, self._coroutine, self._waits_for
        while True:
            error: BaseException | None = None
            value: Any = None
            try:
                value = yield waits_for
            except GeneratorExit:
                run(coroutine.close)
                raise
            except BaseException as thrown:  # noqa: BLE001 - a cancellation, above all: it is the coroutine's
                error = thrown
            began = time.perf_counter()
            try:
                waits_for = run(coroutine.send, value) if error is None else run(coroutine.throw, error)
            except StopIteration as stop:
                return stop.value
            finally:
                _look(self.job, began, self._slow_s)


def _begin(
    job: Job,
    context: contextvars.Context,
    intercept: Interceptor | None,
    settings: Settings,
) -> Outcome | _Rest:
    """The first step of an activity, within its context."""
    slow_s = settings.slow_operation_ms / 1000
    try:
        made: Any = call_function(job, intercept)
        coroutine: Any = made
        if type(made) is not CoroutineType:
            coroutine = _awaiting(made)
        began = time.perf_counter()
        try:
            waits_for = coroutine.send(None)
        except StopIteration as stop:
            value = stop.value
        else:
            return _Rest(job, context, coroutine, waits_for, slow_s)
        finally:
            _look(job, began, slow_s)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is the activity's failure
        return outcome_of_error(job, error, settings)
    return outcome_of(job, value, settings)


async def _awaiting(awaitable: Awaitable[object]) -> object:
    return await awaitable


def _look(job: Job, began: float, slow_s: float) -> None:
    """Say it if a step has held the worker."""
    ended = time.perf_counter()
    if ended - began > slow_s:
        what = f"activity {job.name}, which is `async def`,"
        held_reports.report(job.context.instance_id, what, ended, ended - began, _BLOCKING)


def _name(job: Job) -> str:
    assert job.activity is not None, "it runs"
    return job.activity.canonical


def _current() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None, "it runs in one"
    return task


def _traces(task: asyncio.Task[None]) -> tuple[int, int, bool, int]:
    """What changes if somebody keeps a task, be it to cancel it later or as a key, cancels it, or wants to be told of its end."""
    inner: Any = task  # asyncio offers no way to ask for the last two, and both its implementations have them
    return getrefcount(task), getweakrefcount(task), inner._must_cancel, len(inner._callbacks or ())


def _seen(task: asyncio.Task[None]) -> None:
    """The event loop raises it as well: there is nothing to say about it once more."""
    if not task.cancelled():
        task.exception()
