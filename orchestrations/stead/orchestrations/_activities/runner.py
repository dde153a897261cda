"""The activities of a worker: own ones as soon as their commit is in the store, shared ones from the hub's queues.

    commit applied ── granted ──▶ slots ── outcome ──▶ partition.deliver_local ──▶ a turn ──▶ commit ── unwanted
    a turn ── may_begin ──▶ first step ── outcome ──▶ partition.deliver_local ──▶ the next turn ──▶ (one commit)
    tenure begins ── held ──▶ its tasks in the store ──▶ (suspects) ──▶ slots
    queue ── taken ──▶ slots ── outcome ──▶ complete_task ──▶ inbox

An own task costs no command of the store: its turn's commit grants it, and the commit that records its result drops it.
Until then the result is kept here too, so that a partition that is given back meanwhile loses none. When a tenure ends
without that, its activities are cancelled and its results thrown away: the next owner runs the tasks again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from stead.entities.extending import Bell, Hooks, Message
from stead.orchestrations._history.messages import PROGRESS
from stead.transport import FACED, DeclaredLimit, ServerChanged, Settings, Task

from .job import Job, Outcome, Runnable, Stage
from .limits_here import LimitsHere
from .not_run import unknown
from .placing import Placing
from .routes import ActivityRoutes, Place, Serving
from .shared_queue import SharedQueues, as_taken, ending_s
from .slots import ActivitySlots
from .suspects import ActivitySuspects
from .tenure import Tenure, make_shared, wait_for
from .watches import recall

if TYPE_CHECKING:
    from stead.entities.extending import Board, Partition, Turns

_PAGE = 500
_SENDS = 100


class ActivityRunner(Hooks):
    """Runs the activities of one worker."""

    def __init__(
        self,
        here: Serving,
        find: Callable[[str], Runnable | None],
        settings: Settings,
        plain: bool,
        limits: Sequence[DeclaredLimit] = (),
    ) -> None:
        """`here`: what this worker serves. `find` gives the activity of a name as tasks have it. `plain`: whether some of
        them are plain (not `async`). `limits`: of those of the queues that it serves."""
        self.here = here
        self.slots = ActivitySlots(settings, self._ended)
        self._find = find
        self._settings = settings
        self._plain = plain
        self.limits = LimitsHere(limits, find)
        self._board_: Board | None = None
        self._prefix = ""
        self._turns: Turns | None = None
        self._tenures: defaultdict[Partition, Tenure] = defaultdict(Tenure)
        self._within: Partition | None = None  # whose turns are under way, and wait for local activities
        self._placing = Placing(here, find, self.slots)
        self._to_read: deque[tuple[Partition, Tenure]] = deque()
        self._read_bell = Bell()
        self._reading = False
        self._shared: SharedQueues | None = None
        self._suspects: ActivitySuspects | None = None
        self._until: float | None = None  # when what runs is cancelled, once it is known that the worker stops

    # -- for tests -----------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """No activity runs or waits here, and no result is on its way to the store. (One that was given to a partition may
        still have to take its turn; a plain one whose result nobody wants may still be in its thread.)"""
        assert self._shared is not None and self._suspects is not None, "its worker was started"
        reading = self._reading or bool(self._to_read)
        return self.slots.idle and self._shared.results.idle and self._suspects.idle and not reading

    # -- the worker's side ---------------------------------------------------------------------------------------------

    def attach(
        self, board: Board, turns: Turns, prefix: str = ""
    ) -> Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """Become part of a worker: listen to it; gives what has to run beside the worker's own parts. `prefix`: with which the
        IDs of the instances begin whose activities these are."""
        self._board_ = board
        self._prefix = prefix
        self._turns = turns
        self.slots.attach(board)
        self.slots.watches.attach(board.store.clock, self._said)
        self._shared = SharedQueues(
            board, self.slots, sorted(self.here.queues), self._find, self._current_routes, self._plain, self.limits
        )
        self._suspects = ActivitySuspects(board, self.slots, self._fail)
        board.listen(self, prefix)
        board.info["queues"] = sorted(self.here.queues)
        # They are ended in this order: nothing is taken any more, what runs may end, and its results are sent.
        first = [("activity-take", self._shared.take), ("activities", self.run)]
        return [*first, ("activity-suspects", self._suspects.run), *self._shared.parts()]

    @property
    def _board(self) -> Board:
        assert self._board_ is not None, "its worker was started"
        return self._board_

    async def run(self) -> None:
        """Read what tasks there are when tenures begin. When the worker stops, let what runs end first."""
        try:
            while True:
                await self._read_bell.wait()
                while self._to_read:
                    partition, tenure = self._to_read.popleft()
                    self._reading = True
                    try:
                        await self._read_tasks(partition, tenure)
                    except FACED as error:
                        self._board.face(error)
                    finally:
                        self._reading = False
        finally:
            await self._end()

    async def _end(self) -> None:
        assert self._shared is not None, "it was attached"
        if not self._board.stopping:
            self.slots.abort()
            return
        seconds = ending_s(self._settings)
        # What waits goes to others, and what runs may end; then what was cancelled goes, and what ended has its result sent.
        await asyncio.gather(self._shared.give_back_idle(), self.slots.finish(self._drain_s()))
        await asyncio.gather(self._shared.give_back_idle(), self._shared.results.flush(seconds))

    def _drain_s(self) -> float:
        """How long what runs may still go on. Its time began when the first partition was given back: a worker that takes
        it twice is killed by whoever stops it before it has given anything back."""
        now = asyncio.get_running_loop().time()
        if self._until is None:
            self._until = now + self._settings.drain_ms / 1000
        return max(self._until - now, 0.0)

    # -- where to ------------------------------------------------------------------------------------------------------

    def route(self, name: str, queue: str) -> Place:
        """Where an activity that is being scheduled goes: to this worker, to its queue, or (`"unknown"`) nowhere."""
        return self._placing.route(name, queue, self._board)

    def _current_routes(self) -> ActivityRoutes:
        return self._placing.routes(self._board)

    # -- the board's hooks ---------------------------------------------------------------------------------------------

    def granted(self, partition: Partition, tasks: Sequence[Task]) -> None:
        """A commit with own tasks is in the store: run them. (While a partition is given back: the next owner does.)"""
        tenure = self._tenures.get(partition)
        if tenure is not None and tenure.early:
            tenure.early.difference_update([task.task_id for task in tasks])
        if partition.draining or partition.gone:
            return
        tenure = self._tenures[partition]
        for task in tasks:
            job = tenure.accept_task(partition, task, self._find, self._fail)
            if job is None:
                continue
            activity = job.activity
            if activity is None:  # routed to here, so it was known
                self._fail(job, unknown(job.name))
                continue
            if activity.numbers is not None:  # its queue could not take it: it is to be shared before it runs
                del tenure.jobs[task.task_id]
                self._read(partition, tenure)
                continue
            self._placing.granted(activity.is_async)
            self.slots.add(job)

    def may_begin(self, partition: Partition, tasks: Sequence[Task]) -> None:
        """Local activities have been asked for: each takes its first step now. What ends with that is answered within the batch of
        turns in which it was asked for; what waits goes on as any other, and what there is no room for begins once it is stored."""
        tenure = self._tenures[partition]
        self._within = partition
        try:
            for task in tasks:
                job = tenure.accept_task(partition, task, self._find, self._fail)
                if job is None:
                    continue
                activity = job.activity
                if (
                    activity is not None
                    and activity.is_async
                    and activity.numbers is None
                    and self.slots.begin_now(job)
                ):
                    tenure.early.add(job.key)
                    self._placing.granted(True)
                else:
                    tenure.forget(job)
        finally:
            self._within = None

    def unwanted(self, partition: Partition, task_ids: Sequence[bytes]) -> None:
        """A commit that dropped tasks is in the store: their results are recorded, or not wanted any more."""
        tenure = self._tenures.get(partition)
        jobs = tenure.jobs if tenure is not None else {}
        if tenure is not None and tenure.early:
            tenure.early.difference_update(task_ids)
        if tenure is not None and tenure.left and self._turns is not None:
            tenure.left.done(partition, self._turns, task_ids)
        for key in task_ids:
            job = jobs.pop(key, None)
            if job is None:
                if tenure is not None and tenure.seen is not None:
                    tenure.seen.add(key)
                if self._shared is not None:
                    self._shared.unwanted(key)
                continue
            if job.settled is not None:
                job.settled.set()
            if job.stage in (Stage.WAITING, Stage.RUNNING):
                self.slots.drop(job)

    def ending(self, partition: Partition, task_ids: Sequence[bytes]) -> None:
        """A commit is in the store by which tasks are to end: those that run here, those that nobody has taken, and are this
        worker's to answer now, and those that others have, who hear of it. (While a partition is given back: the next owner.)"""
        tenure = self._tenures[partition]
        for key in task_ids if not (partition.draining or partition.gone) else ():
            job = tenure.jobs.get(key)
            if job is not None:
                self.slots.end(job)
            elif not (self._shared is not None and self._shared.end(key)) and (partition, tenure) not in self._to_read:
                self._read(partition, tenure)

    def held(self, partition: Partition) -> None:
        """A tenure has begun: the tasks that earlier owners left have to be run."""
        tenure = self._tenures[partition]
        tenure.suspicious, tenure.careful = partition.suspects.active, partition.suspects.careful
        self._read(partition, tenure)

    def _read(self, partition: Partition, tenure: Tenure) -> None:
        tenure.seen = set()
        self._to_read.append((partition, tenure))
        self._read_bell.ring()

    def let_go(self, partition: Partition) -> None:
        """A tenure has ended: its activities do not count any more (HAZARDS 9)."""
        tenure = self._tenures.pop(partition, None)
        if tenure is None:
            return
        for job in [*tenure.jobs.values()]:
            tenure.pop(job.key)
            if job.stage in (Stage.WAITING, Stage.RUNNING):
                self.slots.drop(job)
        self._placing.forget_promises()

    async def giving_back(self, partition: Partition) -> None:
        """A graceful release is under way. What waits is left to the next owner. What runs goes on here as a shared task;
        or may end within `drain_ms`, if the worker is about to stop. No result is lost. (That it stops is heard of here
        first: `run` is ended when all partitions are given back.)"""
        assert self._shared is not None, "it was attached"
        if self._board.stopping:
            self._drain_s()
            await self._shared.give_back_idle()
        tenure = self._tenures.get(partition)
        if tenure is None:
            return
        tenure.drop_early(self.slots.drop)
        for job in list(tenure.jobs.values()):
            if job.stage is Stage.WAITING:
                self.slots.drop(job)
        running = [job for job in tenure.jobs.values() if job.stage is Stage.RUNNING]
        try:
            if running and self._board.stopping:
                await wait_for(running, self._drain_s())
            elif running:
                await self._share(partition, tenure, running)
            await self._send([job for job in tenure.jobs.values() if job.stage is Stage.ENDED])
        except ServerChanged:
            self._board.check_generation()

    # -- own tasks -----------------------------------------------------------------------------------------------------

    async def _read_tasks(self, partition: Partition, tenure: Tenure) -> None:
        board = self._board
        assert self._suspects is not None, "it was attached"
        after = b""
        try:
            while True:
                page, after = await board.insist(
                    lambda: board.store.tasks(partition.number, after, _PAGE),  # noqa: B023 - called at once
                    "reading the tasks of a partition",
                )
                if partition.gone or partition.draining:
                    return
                misplaced: list[Job] = []
                for key, payload in page:
                    ours = board.is_of(self._prefix, key)
                    job = tenure.accept(partition, key, payload, self._find, self._fail) if ours else None
                    if job is None:
                        continue
                    instance = job.context.instance_id
                    if partition.leaves_alone(instance):  # a task of it is for whoever goes on with it
                        del tenure.jobs[key]
                        continue
                    job.suspicious = tenure.suspicious
                    if job.heartbeat_ms is not None:
                        await board.insist(partial(recall, board.store, partition.number, job), "reading a heartbeat")
                    if instance in partition.deaths:
                        tenure.left.add(instance, key)
                    if not self._placing.is_for_here(job, board):
                        misplaced.append(job)
                    elif tenure.suspicious:
                        self._suspects.add(job, tenure.careful, partition.deaths.was_last(instance))
                    else:
                        self.slots.add(job)
                if misplaced:
                    await self._send_away(partition, tenure, misplaced)
                if not after:
                    break
        finally:
            tenure.seen = None
        assert self._turns is not None, "it was attached"
        tenure.left.all_read(partition, self._turns, lambda target: board.is_of(self._prefix, target.encode()))

    async def _send_away(self, partition: Partition, tenure: Tenure, jobs: Sequence[Job]) -> None:
        """Own tasks of an earlier owner that this worker may not run, or that have a limit now: they go to their queues."""
        routes = self._current_routes()
        for job in jobs:
            if not routes.known(job.name.lower()):
                self._fail(job, unknown(job.name))
        behind = self.limits.behind(jobs, self._fail)
        others = [job for job in jobs if job.stage is Stage.WAITING]
        entries = await make_shared(self._board, partition, others)
        if entries is None:
            return
        for job in others:
            tenure.pop(job.key)
        assert self._shared is not None, "it was attached"
        shared = zip(others, entries, strict=True)
        await self._shared.give_back([as_taken(job, entry, partition) for job, entry in shared if entry], behind)

    async def _share(self, partition: Partition, tenure: Tenure, jobs: Sequence[Job]) -> None:
        """Let own tasks that run go on here as shared ones. Those that end meanwhile are completed as such too."""
        assert self._shared is not None, "it was attached"
        entries = await make_shared(self._board, partition, jobs)
        if entries is None:
            return
        for job, entry in zip(jobs, entries, strict=True):
            if job.stage is Stage.DROPPED:
                continue
            tenure.pop(job.key)
            if entry:
                self._shared.adopt(job, as_taken(job, entry, partition))
            elif job.stage is Stage.RUNNING:
                self.slots.drop(job)

    async def _send(self, jobs: Sequence[Job]) -> None:
        """Put results into the inbox whose messages may not take their turns here any more. Those that did are known to
        the next owner by then, and passed over."""
        assert self._shared is not None, "it was attached"
        for first in range(0, len(jobs), _SENDS):
            await asyncio.gather(*map(self._shared.results.send, jobs[first : first + _SENDS]))

    # -- results -------------------------------------------------------------------------------------------------------

    def _fail(self, job: Job, outcome: Outcome) -> None:
        job.fail(outcome)
        self._ended(job)

    def _ended(self, job: Job) -> None:
        if job.partition is None:
            assert self._shared is not None, "it was attached"
            self._shared.results.add(job)
        else:
            self._deliver("task", job, *job.answer[2:])

    def _said(self, job: Job, details: Any) -> None:
        if job.partition is not None:
            self._deliver(PROGRESS, job, details)
        elif self._shared is not None:
            self._shared.say(job)

    def _deliver(self, operation: str, job: Job, *more: object) -> None:
        """Give the instance of an own task a message, unless its partition is given back: then `giving_back` sends the result."""
        partition, instance = job.partition, job.context.instance_id
        if partition is not None and not (partition.draining or partition.gone):
            args = [job.context.execution_id, job.context.task_id, *more]
            message = Message(instance, operation, args, b"", None, None, None, None, None)
            if partition is self._within:  # whose turns go on with it
                partition.deliver_local(instance, message)
                return
            assert self._turns is not None, "it was attached"
            self._turns.deliver_local(partition, instance, message, job.suspicious)
