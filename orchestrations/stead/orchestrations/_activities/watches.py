"""How long activities may run: those that say so are watched, each by a task of its own while it runs; others cost nothing.

An attempt that takes too long, or says nothing for too long, fails at once with a `TimeoutError`. An asynchronous one is cancelled,
a plain one given up in its thread, as those are that nobody wants any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from stead.orchestrations._history.failures import shown_ms
from stead.orchestrations._history.record import decode_instance_record
from stead.transport import (
    Clock,
    InvalidInput,
    PayloadLimit,
    ServerClock,
    Settings,
    Store,
    begin_task,
    get_logger,
    pack_exact,
    unpack,
)

from .context import ActivityContext
from .job import Job, Outcome, Stage, failed

logger = get_logger("stead.activities")


class Watches:
    """See the module. It also carries what heartbeats say."""

    def __init__(self, settings: Settings, live: Collection[Job], expire: Callable[[Job, Outcome], None]) -> None:
        """`live`: the jobs that run. `expire` is told of each that has taken too long."""
        self.clock: Clock = ServerClock()
        self.report: Callable[[Job, Any], None] = lambda job, details: None  # is told what the heartbeat of a job says
        self._settings = settings
        self._live = live
        self._expire = expire
        self._tasks: dict[Job, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, job: Job) -> None:
        """A job begins."""
        context = job.context
        context.watches = self
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        if job.timeout_ms is None and job.heartbeat_ms is None:
            return
        context.beat_s = self.clock.monotonic()
        self._tasks[job] = begin_task(self._watch(job))

    def end(self, job: Job) -> None:
        """A job runs no more, or nobody wants its result any more."""
        task = self._tasks.pop(job, None) if self._tasks else None
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def heard(self, context: ActivityContext, details: Any) -> None:
        """An activity says that it goes on; in its thread, if it is a plain one. Raises `InvalidInput`."""
        now_s = self.clock.monotonic()
        context.beat_s = now_s
        if details is None:
            return
        context.said = _plain(details, self._settings)
        if now_s >= context.shown_s:
            context.shown_s = now_s + self._settings.activity_heartbeat_ms / 1000
            loop = self._loop
            if loop is not None:
                loop.call_soon_threadsafe(self._show, context)

    def attach(self, clock: Clock, report: Callable[[Job, Any], None]) -> None:
        """Become part of a worker."""
        self.clock, self.report = clock, report

    def _show(self, context: ActivityContext) -> None:
        job = next((job for job in self._live if job.context is context), None)
        if job is not None and job.stage is Stage.RUNNING:
            self.report(job, context.said)

    async def _watch(self, job: Job) -> None:
        clock, context = self.clock, job.context
        began = context.beat_s
        ends = None if job.timeout_ms is None else began + job.timeout_ms / 1000
        while True:
            now = clock.monotonic()
            silent = None if job.heartbeat_ms is None else context.beat_s + job.heartbeat_ms / 1000
            if ends is not None and now >= ends:
                self._late(job, f"an attempt may take {shown_ms(job.timeout_ms)}")
                return
            if silent is not None and now >= silent:
                self._late(job, f"it has sent no heartbeat for {shown_ms(job.heartbeat_ms)}")
                return
            await clock.sleep(min(limit for limit in (ends, silent) if limit is not None) - now)

    def _late(self, job: Job, why: str) -> None:
        context = job.context
        if job.stage is not Stage.RUNNING:
            return
        logger.warning(
            "activity %s of %s, attempt %d, took too long: %s; it is %s",
            job.name,
            context.instance_id,
            context.attempt,
            why,
            "given up in its thread" if job.in_thread else "cancelled",
        )
        self._expire(job, failed("TimeoutError", f"activity {job.name!r}: {why}", non_retriable=False))


def with_details(job: Job, outcome: Outcome) -> Outcome:
    """The outcome of an attempt; one that failed says what its last heartbeat said, for the attempt after it."""
    failure: Any = outcome.value
    if outcome.ok or job.context.said is None:
        return outcome
    return Outcome(False, {**failure, "details": job.context.said})


async def recall(store: Store, partition: int, job: Job) -> None:
    """A job whose worker has died is run again: what its last heartbeat said is in the record of its instance."""
    context = job.context
    view = await store.read_instance(partition, context.instance_id, 0)
    record = None if view.record is None else decode_instance_record(view.record)
    if record is not None and record.execution_id == context.execution_id:
        said = {each[0]: each[1] for each in record.progress or ()}
        context.heartbeat_details = said.get(context.task_id, context.heartbeat_details)


def _plain(details: Any, settings: Settings) -> Any:
    packed, bytes_max = pack_exact(details), settings.payload_bytes_max
    length = PayloadLimit.of(settings).stored_length(packed)
    if length > bytes_max:
        raise InvalidInput("heartbeat", f"its details have {length:,} bytes, and {bytes_max:,} may be")
    return unpack(packed)
