"""Which activities run now: asynchronous ones as tasks of the event loop, plain ones in threads, the rest in order.

A slot is given to whichever activity came first among those that may begin: a plain one that waits for a thread does not
hold up asynchronous ones. At most one asyncio task an activity, and nothing else: no lock, no future, no timer.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections import deque
from collections.abc import Callable
from heapq import nsmallest
from typing import TYPE_CHECKING

from stead.entities.extending import Measures
from stead.transport import Settings, get_logger

from .carriers import Carriers
from .job import Interceptor, Job, Outcome, Stage, failed_in_stead, perform_plain, unseen
from .threads import Threads
from .watches import Watches, with_details

if TYPE_CHECKING:
    from stead.entities.extending import Board

logger = get_logger("stead.activities")

LATE_S = 5.0
"""How long an activity that was cancelled may go on without being named."""
_TOLD_MAX = 5  # activities that others are told of
_TOLD_LENGTH = 200
_PATIENCE_S = 1.0  # for activities that were cancelled, at the end


class ActivitySlots:
    """Runs jobs as far as there is room for them."""

    def __init__(self, settings: Settings, ended: Callable[[Job], None]) -> None:
        """`ended` is told of each job that ran, once; not of those that were dropped."""
        self._settings = settings
        self._ended = ended
        self.measures = Measures()  # those of the worker, once it has them
        self._running_max = settings.activities_running_max
        self._threads_max = settings.activity_threads_max
        self._live: set[Job] = set()
        self._threads = 0
        self._queue: deque[Job] = deque()  # asynchronous; those dropped meanwhile are still in it
        self._plain: deque[Job] = deque()
        self._waiting = {True: 0, False: 0}  # by `is_async`
        self._order = 0
        self._pool = Threads(settings.activity_threads_max)
        self._context = contextvars.copy_context()  # of which each activity has a copy
        self._carriers = Carriers(settings, self._leave)
        self.freed: Callable[[], None] = lambda: None  # a slot is free, and nothing here waits for it
        self.watches = Watches(settings, self._live, self.expire)
        self._given_up: set[Job] = set()  # in threads that do not count any more
        self._unsaid: dict[Job, float] = {}  # when those that run were dropped, until it is said that they go on

    @property
    def intercept(self) -> Interceptor | None:
        """Sees each call of an activity before it is made, and may have another made in its place. For tests."""
        return self._carriers.intercept

    @intercept.setter
    def intercept(self, intercept: Interceptor | None) -> None:
        self._carriers.intercept = intercept

    @property
    def interrupted(self) -> Callable[[BaseException], None]:
        """What is told when an activity raises what ends the process."""
        return self._carriers.interrupted

    @interrupted.setter
    def interrupted(self, interrupted: Callable[[BaseException], None]) -> None:
        self._carriers.interrupted = interrupted

    # -- how much there is ---------------------------------------------------------------------------------------------

    @property
    def running(self) -> int:
        """Jobs that run, dropped ones included."""
        return len(self._live)

    @property
    def waiting(self) -> int:
        return self._waiting[True] + self._waiting[False]

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing waits. What was dropped and goes on in a thread does not count."""
        return not self.waiting and all(job.stage is not Stage.RUNNING for job in self._live)

    def attach(self, board: Board) -> None:
        """Become part of a worker: what it is told of, and what tells of it."""
        self.interrupted = board.fail
        self.measures = board.measures
        board.now.append(self.told)

    def told(self) -> dict[str, object]:
        """What runs now, the longest first."""
        now = asyncio.get_running_loop().time()
        longest = nsmallest(_TOLD_MAX, self._live, key=lambda job: job.since)
        return {
            "activities": len(self._live),
            "activities_waiting": self.waiting,
            "longest_activities": [
                [job.name[:_TOLD_LENGTH], job.context.instance_id[:_TOLD_LENGTH], round(now - job.since, 3)]
                for job in longest
            ],
        }

    def crowded(self, is_async: bool, promised: int) -> bool:
        """Whether another job of that sort would have to wait for long, with so many on their way here already."""
        if is_async:
            return len(self._live) + self._waiting[True] + promised >= 2 * self._running_max
        return self._threads + self._waiting[False] + promised >= 2 * self._threads_max

    def room(self, plain: bool) -> int:
        """How many jobs could begin now; with `plain` they may be plain ones."""
        if self.waiting:
            return 0
        free = self._running_max - len(self._live)
        return min(free, max(self._threads_max - self._threads, 1)) if plain else free

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def add(self, job: Job) -> None:
        """Run a job of a known activity, at once or when there is room."""
        activity = job.activity
        assert activity is not None, "only what this worker knows is run here"
        is_async = activity.is_async
        if self._unsaid:
            self._tell_of_dropped()
        if not self._waiting[is_async] and self._fits(is_async):
            self._start(job, is_async)
            return
        self._order += 1
        job.order = self._order
        self._waiting[is_async] += 1
        (self._queue if is_async else self._plain).append(job)

    def begin_now(self, job: Job) -> bool:
        """Run an asynchronous job as far as its first wait, here and now; false if there is no room for it, and nothing of it was
        run. It goes on as any other that runs."""
        if self._waiting[True] or not self._fits(True):
            return False
        job.stage = Stage.RUNNING
        job.since = asyncio.get_running_loop().time()
        self._live.add(job)
        self.watches.begin(job)
        if self._carriers.begin_now(job):
            return True
        job.stage = Stage.WAITING
        self._live.discard(job)
        self.watches.end(job)
        return False

    def stand_by(self) -> None:
        """Some jobs are to begin at once: have what carries them."""
        self._carriers.standby.prepare()

    def drop(self, job: Job) -> None:
        """Nobody wants its result: it does not begin, or is cancelled; or its thread is given up."""
        self.watches.end(job)
        if job.stage is Stage.RUNNING and job in self._live:
            self._unsaid[job] = asyncio.get_running_loop().time()
            job.drop()
            if job.in_thread:
                self._give_up(job)
            return
        if job.stage is Stage.WAITING and job.order:
            assert job.activity is not None, "it waits here"
            self._waiting[job.activity.is_async] -= 1
            if not self.waiting:
                self.freed()
        job.drop()

    def end(self, job: Job) -> None:
        """It is to end, and somebody waits for that: it does not begin, or is cancelled, once, and its outcome counts."""
        if job.stage is Stage.RUNNING and job in self._live and (job.begun or job.in_thread):
            if not job.context.cancelled:
                job.context.cancel()
                if job.task is not None:
                    job.task.cancel()
        elif job.stage in (Stage.WAITING, Stage.RUNNING):
            self.drop(job)
            self._unsaid.pop(job, None)
            job.fail(unseen())
            self._ended(job)

    def expire(self, job: Job, outcome: Outcome) -> None:
        """A job that runs has taken too long: it fails now, and is ended as one whose result nobody wants."""
        if job.stage is Stage.RUNNING and job in self._live:
            self.drop(job)
            job.stage = Stage.ENDED
            job.outcome = with_details(job, outcome)
            self._ended(job)

    def _give_up(self, job: Job) -> None:
        """A thread cannot be ended from outside: another one takes its place. So many times, since threads need memory."""
        if len(self._given_up) >= self._threads_max:
            return
        self._given_up.add(job)
        self._live.discard(job)
        self._threads -= 1
        self._pool.give_up()
        if self.waiting:
            self._fill()
        else:
            self.freed()

    def _tell_of_dropped(self) -> None:
        """Say which of those that nobody wants any more do not end: they take room from others."""
        before = asyncio.get_running_loop().time() - LATE_S
        for job, dropped_at in list(self._unsaid.items()):
            if dropped_at <= before:
                del self._unsaid[job]
                logger.warning(
                    "activity %s of %s still runs %s, though nobody wants its result any more: let it look at "
                    "activity_context().cancelled, and give what it waits for a time-out (%d such threads are replaced, "
                    "more than that count against STEAD_ACTIVITY_THREADS_MAX)",
                    job.name,
                    job.context.instance_id,
                    "in its thread" if job.in_thread else "and takes no cancellation",
                    self._threads_max,
                )

    def _fits(self, is_async: bool) -> bool:
        return len(self._live) < self._running_max and (is_async or self._threads < self._threads_max)

    def _start(self, job: Job, is_async: bool) -> None:
        job.stage = Stage.RUNNING
        job.since = asyncio.get_running_loop().time()
        self._live.add(job)
        self.watches.begin(job)
        if is_async:
            self._carriers.begin(job)
            return
        self._threads += 1
        loop, context = asyncio.get_running_loop(), self._context.copy()
        self._pool.submit(lambda: context.run(self._run_in_thread, job, loop))

    def _fill(self) -> None:
        """Give free slots to those that wait."""
        while (job := self._next()) is not None:
            assert job.activity is not None, "it waits here"
            self._waiting[job.activity.is_async] -= 1
            self._start(job, job.activity.is_async)

    def _next(self) -> Job | None:
        candidates = [queue for queue in (self._queue, self._plain) if self._head(queue) is not None]
        candidates = [queue for queue in candidates if self._fits(queue is self._queue)]
        return min(candidates, key=lambda queue: queue[0].order).popleft() if candidates else None

    def _head(self, queue: deque[Job]) -> Job | None:
        while queue and queue[0].stage is not Stage.WAITING:
            queue.popleft()
        return queue[0] if queue else None

    # -- running -------------------------------------------------------------------------------------------------------

    def _run_in_thread(self, job: Job, loop: asyncio.AbstractEventLoop) -> None:
        outcome: Outcome | None = None
        try:
            if job.stage is Stage.RUNNING and not job.context.cancelled:
                outcome = perform_plain(job, self.intercept, self._settings)
        except KeyboardInterrupt as interrupt:
            interrupted = interrupt

            def interrupt_loop() -> None:
                self.interrupted(interrupted)
                raise interrupted

            _tell(loop, interrupt_loop)
        except BaseException as error:  # noqa: BLE001 - what was forgotten here would be waited for in vain
            outcome = failed_in_stead(job, error)
        finally:
            _tell(loop, lambda: self._left_thread(job, outcome))

    def _left_thread(self, job: Job, outcome: Outcome | None) -> None:
        self._unsaid.pop(job, None)
        if job in self._given_up:
            job.end_span()
            self._given_up.discard(job)
            self._pool.came_back()
            if job.finished is not None:
                job.finished.set()
            return
        self._threads -= 1
        self._pool.done()
        self._leave(job, outcome)

    def _leave(self, job: Job, outcome: Outcome | None) -> None:
        self._live.discard(job)
        self._unsaid.pop(job, None)
        self.watches.end(job)
        if job.finished is not None:
            job.finished.set()
        if job.stage is Stage.RUNNING and (outcome is not None or job.context.cancelled):
            if outcome is None:  # it was told to end before it began
                job.fail(unseen())
            else:
                job.stage = Stage.ENDED
                job.outcome = outcome if job.context.said is None else with_details(job, outcome)
                meter = self.measures.meter("activity", job.name)
                meter.add(asyncio.get_running_loop().time() - job.since)
                meter.failed += not (outcome.ok or job.context.cancelled)
            self._ended(job)
        if job.span is not None:
            job.end_span()
        if self.waiting:
            self._fill()
        else:
            self.freed()

    # -- the end -------------------------------------------------------------------------------------------------------

    async def finish(self, seconds: float) -> None:
        """Let what runs end, for at most so long; then cancel it. Nothing may be added any more."""
        for job in [*self._queue, *self._plain]:
            if job.stage is Stage.WAITING:
                self.drop(job)
        await self._wait(seconds)
        for job in list(self._live):
            job.drop()
        carriers = {job.task or self._carriers.beginning for job in self._live}
        tasks = [task for task in carriers if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE_S)
        self.abort()

    def abort(self) -> None:
        """End everything at once, as if the process had died."""
        for job in [*self._queue, *self._plain]:
            if job.stage is Stage.WAITING:
                self.drop(job)
        for job in self._live:
            self.watches.end(job)
            job.drop()
        self._carriers.standby.close()
        self._pool.close()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for job in list(self._live):
                    if job.stage is Stage.RUNNING:
                        await ended(job)


async def ended(job: Job) -> None:
    """Until a job that runs does not run any more."""
    if job.finished is None:
        job.finished = asyncio.Event()
    await job.finished.wait()


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there any more to be told
        loop.call_soon_threadsafe(what)
