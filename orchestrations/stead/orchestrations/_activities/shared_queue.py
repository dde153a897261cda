"""Shared activities: taken from the hub's queues, kept alive while they run, completed by a message to their instance.

A worker takes only what it can begin now. Every `activity_heartbeat_ms` it says what it still runs, and takes over what
dead workers have left. A task that workers died of too often fails instead of being run once more. A worker that ends
gracefully leaves nothing to be found in that way: what it has not finished goes back into its queue, uncounted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from stead.entities.extending import Bell
from stead.orchestrations._history.failures import ENDED_UNSEEN, FailureDetails
from stead.transport import (
    BORNE,
    InvalidInput,
    KeyDamaged,
    PayloadLocked,
    ServerChanged,
    Settings,
    Taken,
    TaskLimit,
    get_logger,
)

from .job import Job, Outcome, Runnable, Stage
from .limits_here import LimitsHere
from .not_run import poisoned, unknown
from .results import SharedResults, progress_of
from .slots import ActivitySlots
from .watches import recall

if TYPE_CHECKING:
    from stead.entities.extending import Board, Partition

    from .routes import ActivityRoutes

logger = get_logger("stead.activities")

_PAUSE_S = 0.1
_ENDING_S_MIN = 5.0
_DAMAGED_S = 1.0  # until a damaged queue is tried again
_AGAIN_S = 1.0  # until it is looked again for tasks of dead workers, if there were some
_GIVEN_MAX = 100  # that go back in one step, which copies their payloads


class SharedQueues:
    """The shared tasks that this worker has taken."""

    def __init__(
        self,
        board: Board,
        slots: ActivitySlots,
        queues: Sequence[str],
        find: Callable[[str], Runnable | None],
        routes: Callable[[], ActivityRoutes],
        plain: bool,
        limits: LimitsHere,
    ) -> None:
        """`queues`: those to take from. `plain`: what comes from them may be plain activities."""
        self._board = board
        self._slots = slots
        self._queues = list(queues)
        self._find = find
        self._routes = routes
        self._plain = plain
        self._jobs: dict[bytes, Job] = {}  # until their results are in the store
        self.results = SharedResults(board, self._jobs)
        self._room = Bell()
        self._opened: set[str] = set()
        self._limits = limits
        self._unlimited: list[Job] = []  # taken without the limit that this code knows
        self._before: list[Job] = []  # taken, and ran before in another worker
        self._said: dict[bytes, Job] = {}  # whose heartbeats have said something that is not told yet
        self._avoided: dict[str, float] = {}  # queue -> until when its tasks are left to those who know them
        slots.freed = self._room.ring

    def parts(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """What runs beside the worker's own parts, besides `take`."""
        return [("activity-keep", self.keep), ("activity-results", self.results.run)]

    # -- taking --------------------------------------------------------------------------------------------------------

    async def take(self) -> None:
        """Take tasks as long as there is room for them."""
        board = self._board
        patience = board.patience("taking activities")
        while True:
            try:
                count = 0 if board.stopping else self._slots.room(self._plain)
                queues = self._wanted()
                if board.drained:  # it may be told to go on
                    await self.give_back_idle()
                    await board.store.clock.sleep(board.settings.heartbeat_ms / 1000)
                elif count <= 0:
                    await self._room.wait()
                elif not queues:
                    await board.store.clock.sleep(board.settings.activity_keep_ms / 1000)
                else:
                    await self._open(queues)
                    block_ms = board.settings.read_block_ms
                    self._receive(await board.store.take_tasks(queues, board.name, count, block_ms))
                    await self._settle_received()
                    patience.rest()
                    if board.stopping:
                        await self.give_back_idle()
            except KeyDamaged as error:
                self._avoid_damaged(error)
                await board.store.clock.sleep(_PAUSE_S)
            except BORNE as error:
                await patience.bear(error)
            except ServerChanged:
                self._opened.clear()
                board.check_generation()

    async def _open(self, queues: Sequence[str]) -> None:
        unopened = [queue for queue in queues if queue not in self._opened]
        if unopened:
            await self._board.store.open_queues(unopened, *self._limits.said_to(unopened))
            self._limits.heard(unopened)
            self._opened.update(unopened)

    def _avoid_damaged(self, error: KeyDamaged) -> None:
        """A queue whose key holds something else is left alone for a while; the others go on."""
        board = self._board
        for queue in self._queues:
            if board.store.is_key_of_queue(queue, error.key):
                if queue not in self._avoided:
                    logger.critical("queue %r is damaged, nothing is taken from it: %s", queue, error)
                self._opened.discard(queue)
                self._avoided[queue] = board.store.clock.monotonic() + _DAMAGED_S
                return
        board.face(error)

    def _wanted(self) -> list[str]:
        """The queues to take from now."""
        if self._avoided:
            now = self._board.store.clock.monotonic()
            self._avoided = {queue: until for queue, until in self._avoided.items() if until > now}
        return [queue for queue in self._queues if queue not in self._avoided]

    def _receive(self, tasks: Sequence[Taken]) -> None:
        for taken in tasks:
            before = self._jobs.get(taken.task_id)
            if before is not None:  # taken over from this very worker, which was away for too long
                before.taken = taken
                continue
            if not taken.payload:  # it was to end
                self._receive_unreadable(taken, ENDED_UNSEEN)
                continue
            try:
                job = Job(taken.task_id, taken.payload)
            except InvalidInput as error:
                if taken.deliveries > self._board.settings.activity_tries_max:  # nobody is able to read it
                    self._receive_unreadable(taken, FailureDetails("TaskUnreadable", str(error), non_retriable=True))
                else:  # a later version of stead may be
                    logger.error("task %r of queue %r is left to others: %s", taken.task_id, taken.queue, error)
                continue
            except PayloadLocked as error:
                self._leave_to_others(str(error.target), taken.queue, str(error))
                continue
            job.taken = taken
            if self._board.stopping or self._board.drained:  # asked for before
                self._jobs[job.key] = job
            else:
                self._begin(job, taken)

    def _receive_unreadable(self, taken: Taken, why: FailureDetails) -> None:
        """It cannot be run; it fails, so that nobody waits for ever."""
        job = Job.unreadable(taken.task_id)
        if job is None:
            logger.error("task %r of queue %r names nobody who waits for it: %s", taken.task_id, taken.queue, why)
            return
        job.taken = taken
        self._fail(job, Outcome(False, why.as_map()))

    def _begin(self, job: Job, taken: Taken) -> None:
        settings = self._board.settings
        job.activity = self._find(job.name)
        if job.activity is None:
            if self._routes().known(job.name.lower()):
                self._leave_to_others(job.name, job.queue, "it is not known to this worker, but to another one")
                return
            self._fail(job, unknown(job.name))
        elif taken.deliveries > settings.activity_tries_max:
            logger.error("%s of %s ended %d workers", job.name, job.context.instance_id, taken.deliveries - 1)
            self._fail(job, poisoned(job.name, taken.deliveries - 1))
        elif job.activity.numbers is not None and not taken.limit:
            self._unlimited.append(job)
        else:
            self._jobs[job.key] = job
            if taken.deliveries > 1 and job.heartbeat_ms is not None:
                self._before.append(job)
            else:
                self._slots.add(job)

    async def _settle_received(self) -> None:
        """What ran before hears what it has said then. Of what has limits of which whoever scheduled it did not know: it goes back,
        to wait behind these."""
        board = self._board
        while self._before:
            job = self._before.pop()
            assert job.taken is not None, "it was taken"
            await board.insist_on_any(partial(recall, board.store, job.taken.partition, job), "reading a heartbeat")
            if job.stage is Stage.WAITING and not job.order:
                self._slots.add(job)
        if self._unlimited:
            jobs, self._unlimited = self._unlimited, []
            behind = self._limits.behind(jobs, self._fail)
            await self.give_back([job.taken for job in jobs if job.taken and job.key in behind], behind)

    def _leave_to_others(self, name: str, queue: str, why: str) -> None:
        """Not kept alive, it is taken over by another worker in time; this one must not be the one again."""
        seconds = 3 * self._board.settings.activity_keep_ms / 1000
        self._avoided[queue] = self._board.store.clock.monotonic() + seconds
        logger.warning(
            "activity %r of queue %r is left to other workers, and so is the queue, for %d s: %s",
            name,
            queue,
            seconds,
            why,
        )

    def _fail(self, job: Job, outcome: Outcome) -> None:
        job.fail(outcome)
        self._jobs[job.key] = job
        self.results.add(job)

    # -- while they run ------------------------------------------------------------------------------------------------

    def adopt(self, job: Job, taken: Taken) -> None:
        """An own task that runs, or ran, has become a shared one."""
        job.partition = None
        job.taken = taken
        self._jobs[job.key] = job
        if job.stage is Stage.ENDED:
            self.results.add(job)

    def end(self, key: bytes) -> bool:
        """One is to end; whether it is here."""
        job = self._jobs.get(key)
        if job is not None:
            self._slots.end(job)
        return job is not None

    def unwanted(self, key: bytes) -> None:
        """Nobody wants the result of this task any more, if it is here at all."""
        job = self._jobs.pop(key, None)
        if job is not None and job.stage in (Stage.WAITING, Stage.RUNNING):
            self._slots.drop(job)

    def say(self, job: Job) -> None:
        """The heartbeat of one that runs has said something: its instance is told when this worker says that it runs."""
        self._said[job.key] = job

    async def keep(self) -> None:
        """Say what still runs here; take over what nobody says that of."""
        board = self._board
        settings = board.settings
        seconds = min(settings.activity_heartbeat_ms, settings.activity_keep_ms) / 1000
        patience = board.patience("a heartbeat of activities")
        while True:
            try:
                found = await self._keep_once()
                patience.rest()
                if found:  # there may be more of them, for which their rate was not there yet
                    await board.store.clock.sleep(min(seconds, _AGAIN_S))
                    continue
            except KeyDamaged as error:
                self._avoid_damaged(error)
            except BORNE as error:
                await patience.bear(error)  # not as long as between two heartbeats: others may take over meanwhile
                continue
            except ServerChanged:
                self._opened.clear()
                board.check_generation()
            await board.store.clock.sleep(seconds)

    async def _keep_once(self) -> bool:
        """Whether something was taken over."""
        board = self._board
        taken = [job.taken for job in self._jobs.values() if job.taken is not None]
        if taken:
            await self._say_alive(taken)
        queues = self._wanted()
        count = 0 if board.stopping or board.drained else self._slots.room(self._plain)
        if count > 0 and queues:
            await self._open(queues)
            idle_ms = board.settings.activity_keep_ms
            retaken = await board.store.retake_tasks(queues, board.name, idle_ms, count)
            self._receive(retaken)
            await self._settle_received()
            return bool(retaken)
        return False

    async def _say_alive(self, taken: Sequence[Taken]) -> None:
        store, name = self._board.store, self._board.name
        try:
            said = {task.task_id: self._said.pop(task.task_id) for task in taken if task.task_id in self._said}
            kept = await store.keep_tasks(
                name, taken, {key: progress_of(job, self._board) for key, job in said.items()}
            )
            for key in kept.lost:
                self.unwanted(key)
            for key in kept.ending:
                self.end(key)
        except KeyDamaged:
            if len(taken) == 1:
                return  # it is taken over, should its key stay so
            for one in taken:
                await self._say_alive([one])

    # -- what does not end here ----------------------------------------------------------------------------------------

    async def give_back_idle(self) -> None:
        """The worker ends: let others have what waits here and what was cancelled, at once. What does not get through in time
        (`ending_s`) is left to be taken over, if this is not called again."""
        jobs = [job for job in self._jobs.values() if job.stage in (Stage.WAITING, Stage.DROPPED)]
        for job in jobs:
            del self._jobs[job.key]
            if job.stage is Stage.WAITING:
                self._slots.drop(job)
        given = False
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ending_s(self._board.settings)):
                    await self.give_back([job.taken for job in jobs if job.taken is not None])
                    given = True
        finally:
            if not given:
                self._jobs.update((job.key, job) for job in jobs)

    async def give_back(self, tasks: Sequence[Taken], behind: Mapping[bytes, TaskLimit] | None = None) -> None:
        """Put tasks that were taken back into their queues, however long the store is away. `behind`: which limits."""
        board = self._board
        for first in range(0, len(tasks), _GIVEN_MAX):
            some = tasks[first : first + _GIVEN_MAX]
            logger.info("%d activities go back into their queues", len(some))
            try:
                await board.insist_on_any(
                    lambda: board.store.give_back_tasks(board.name, some, behind),  # noqa: B023 - called at once
                    "giving back activities",
                )
            except KeyDamaged as error:
                logger.error("activities could not be given back, others take them over in time: %s", error)


def ending_s(settings: Settings) -> float:
    """How long a worker that ends waits for the store to take what it has to say: `drain_ms`, but however little time it has
    for what runs, a store that is there has enough."""
    return max(settings.drain_ms / 1000, _ENDING_S_MIN)


def as_taken(job: Job, entry: bytes, partition: Partition) -> Taken:
    """An own task that became a shared one."""
    return Taken(job.queue, entry, partition.number, job.key, job.payload, 1)
