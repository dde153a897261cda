"""What the parts of a worker share: the partitions it holds, and the bells by which the parts wake each other.

    membership ──acquire/release──▶ board ◀── reads, turns, commits, timers, parks: one part, one file, one task each

The parts that others need are handed to them when they are made (`turns`); whoever wants to hear when a tenure begins or
ends listens (`hooks`). The board knows none of them.

A part that finds the lease gone calls `drop`; one that finds another server calls `reset`. Both throw partitions away
as objects, so that nothing of an earlier tenure can reach a later one.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from stead.transport import (
    BORNE,
    Clock,
    KeyDamaged,
    Patience,
    ServerChanged,
    ServerUnsuitable,
    Settings,
    Store,
    TornCommit,
    WorkerView,
    get_logger,
)

from .hooks import Hooks, Listeners
from .parts import ended_early
from .quarantine import Quarantine
from .reading import Reading

if TYPE_CHECKING:
    from stead.entities._partition.partition import Environment, Partition

logger = get_logger("stead.worker")

T = TypeVar("T")

# A part tries again after so long at most: leases run while it waits.
PART_PAUSE_S_MAX = 0.2
_BREAKS_MAX = 3


class Bell:
    """Wakes one waiting task. Ringing twice before it wakes is ringing once."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event.clear()

    async def wait_at_most(self, clock: Clock, seconds: float) -> None:
        """Until it rings, or so many seconds of the hub's time have passed."""
        bell = asyncio.ensure_future(self.wait())
        alarm = asyncio.ensure_future(clock.sleep(seconds))
        try:
            await asyncio.wait({bell, alarm}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            bell.cancel()
            alarm.cancel()
            await asyncio.wait((bell, alarm))  # not each: a cancellation that comes just now is this task's own


def _raise(error: BaseException) -> None:
    """Where there is no worker that could end."""
    raise error


class Board:
    """The state that a worker's parts share. Touched from the event loop only."""

    def __init__(
        self,
        name: str,
        store: Store,
        settings: Settings,
        environment: Environment,
        fail: Callable[[BaseException], None] = _raise,
        prefixes: Sequence[str] = ("",),
    ) -> None:
        """`fail`: a part cannot go on, so that the worker has to end and to let go of all. `prefixes`: with which the targets of
        the extensions' kinds begin, the longest first."""
        self.name = name
        self.store = store
        self.settings = settings
        self.environment = environment
        self.generation = store.generation
        self.partitions: dict[int, Partition] = {}
        self.elapsed = environment.elapsed
        self.draw = os.urandom
        self.membership = Bell()  # leases should be looked at now
        self.reading = Bell()  # the set of partitions to read, or the room for messages, has changed
        self.committing = Bell()  # rung by `commit`
        self.overtaking = Bell()  # the same, while a batch of commits is under way that is worth overtaking
        self.batch_flies = False  # there is one
        self.to_commit: dict[Partition, None] = {}
        self.timing = Bell()
        self.parking = Bell()
        self.building = Bell()  # an index is to be built, or a step of that has been committed
        self.ending = Bell()  # who has been told that it is due may be done, or something is due sooner
        self.inbox_read = Reading()
        self.fail = fail
        self.hooks = Listeners(fail, prefixes)
        self.settled: dict[Partition, Bell] = {}  # rung when something of a draining partition has ended
        self.marked: dict[Partition, Bell] = {}  # the same for one that goes carefully, and has a marked turn
        self.quarantine = Quarantine()
        self.workers: list[WorkerView] = []  # those alive, as of the last heartbeat
        # Tokens that may be in the store although nothing is held by them: to be released.
        self.unsure: dict[int, bytes] = {}
        self.info: dict[str, Any] = {}  # what this worker's heartbeats say besides
        self.measures = environment.measures
        self.now: list[Callable[[], Mapping[str, Any]]] = []  # who is asked what it does now, for each heartbeat
        self.lag_s = 0.0  # the longest that the event loop was late since the last heartbeat
        self._breaks: dict[int, int] = {}  # by partition: how often it was given up for no known reason
        self.stopping = False  # the worker gives everything back, gracefully, and ends
        self.drained = False  # somebody wants it to give everything back, and to take nothing until it is told to

    def listen(self, hooks: Hooks, prefix: str | None = None) -> None:
        """Tell it from now on of what happens to the partitions. For who is made with the worker, before it holds any.
        `prefix`: it is told of the tasks of targets that begin so; without it, of all."""
        self.hooks.add(hooks, prefix)

    def lagged(self, seconds: float) -> None:
        """The event loop came so much later than it should have."""
        self.measures.meter("loop_lag").add(seconds)
        self.lag_s = max(self.lag_s, seconds)

    def is_of(self, prefix: str, task_id: bytes) -> bool:
        """Whether a task is of the targets of the kind with that prefix."""
        return self.hooks.is_of(prefix, task_id)

    def interrupt_read(self) -> None:
        """The set of partitions to read has changed: the read begins anew."""
        self.inbox_read.interrupt()

    # -- tenures -------------------------------------------------------------------------------------------------------

    def add(self, partition: Partition) -> None:
        """A tenure has begun."""
        self.partitions[partition.number] = partition
        self.interrupt_read()
        self.reading.ring()
        self.timing.ring()
        self.parking.ring()
        self.building.ring()
        self.ending.ring()
        self.hooks.held(partition)

    def drop(self, partition: Partition, reason: str) -> None:
        """A tenure has ended, for whatever reason: throw away everything that it has not committed."""
        if partition.gone:
            return
        linked = [self.partitions[number] for number in partition.linked]
        level = logging.DEBUG if partition.draining else logging.INFO  # given back as planned, or lost
        logger.log(level, "partition %d is let go: %s", partition.number, reason)
        partition.end()
        if self.partitions.get(partition.number) is partition:
            del self.partitions[partition.number]
        self.hooks.let_go(partition)
        self.notify(partition)
        self.membership.ring()
        self.building.ring()
        self.ending.ring()
        self.reading.ring()  # its messages may have been those that left no room for more
        for other in linked:
            self.restart(other, "what it shares with another partition is not written")

    def restart(self, partition: Partition, reason: str) -> None:
        """Let a tenure begin anew whose lease is this worker's. That is released first, so that it counts as no death."""
        if not partition.gone:
            self.unsure[partition.number] = partition.token
            self.drop(partition, reason)

    def broke(self, partition: Partition, error: BaseException) -> None:
        """Something failed in stead itself while it was about a partition. That is thrown away, and read anew; if nothing is
        known that could be left out then, and it happens again and again, the worker ends."""
        logger.critical(
            "partition %d: a turn or a commit failed in stead itself, which is a bug of stead (please report it). "
            "The partition is read anew",
            partition.number,
            exc_info=error,
        )
        self.drop(partition, "something failed in stead itself")
        if not partition.blamed:
            count = self._breaks[partition.number] = self._breaks.get(partition.number, 0) + 1
            if count >= _BREAKS_MAX:
                self.fail(error)

    def lost(self, numbers: set[int]) -> None:
        """The keeper could not renew these leases: they are no longer this worker's."""
        for number in numbers:
            partition = self.partitions.get(number)
            if partition is not None:
                self.drop(partition, "its lease is no longer this worker's")

    def reset(self) -> None:
        """The server is another one (a restart, a fail-over): nothing that is in memory can be trusted (HAZARDS 2)."""
        self.generation = self.store.generation
        if self.partitions:
            logger.warning("the server restarted or failed over: everything is acquired and read anew")
        for partition in list(self.partitions.values()):
            self.drop(partition, "the server is another one")
        self.interrupt_read()
        self.membership.ring()

    def check_generation(self) -> None:
        """Notice a change of server that another part's reconnection has found."""
        if self.store.generation != self.generation:
            self.reset()

    def face(self, error: ServerChanged | KeyDamaged | TornCommit) -> None:
        """What a part does about an answer after which it cannot go on as it was, before it goes on with the rest."""
        if isinstance(error, ServerChanged):
            self.check_generation()
            return
        number = self.quarantine.note(error, self.store.clock.monotonic())
        partition = None if number is None else self.partitions.get(number)
        if partition is not None:
            self.drop(partition, "it is quarantined")
            self.unsure[number or 0] = partition.token

    def notify(self, partition: Partition) -> None:
        """Something of the partition has ended: whoever drains it, or waits for a marked turn, looks again."""
        for bells in (self.settled, self.marked):
            bell = bells.get(partition)
            if bell is not None:
                bell.ring()

    def commit(self, partition: Partition) -> None:
        """The partition has something to commit. (To look at all of them each time would cost more than most commits.)"""
        self.to_commit[partition] = None
        self.committing.ring()
        if self.batch_flies:
            self.overtaking.ring()

    def watch(self, task: asyncio.Task[Any], partition: Partition) -> None:
        """Let the worker end if a task of a partition fails, or is cancelled by others while the partition goes on:
        whoever waits for what it was to do would wait for ever."""
        task.add_done_callback(partial(self._ended, partition))

    def _ended(self, partition: Partition, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            if not (partition.gone or partition.draining):
                self.fail(ended_early(task))
        elif task.exception() is not None:
            self.fail(ended_early(task))

    # -- the store -----------------------------------------------------------------------------------------------------

    def patience(self, what: str) -> Patience:
        """That of a part which carries out `what`."""
        return Patience(self.store.clock, self.settings, what, PART_PAUSE_S_MAX)

    async def insist_on_any(self, step: Callable[[], Awaitable[T]], what: str) -> T:
        """`insist`, whatever server comes back: whether the step was done before is for the new one to say."""
        while True:
            try:
                return await self.insist(step, what)
            except ServerChanged:
                self.check_generation()

    async def insist(self, step: Callable[[], Awaitable[T]], what: str) -> T:
        """Carry out a step that can be repeated, however long the store is away. Raises `ServerChanged`, and what the
        server refuses for too long."""
        patience: Patience | None = None
        while True:
            generation = self.generation
            try:
                answer = await step()
            except KeyDamaged:  # trying again does not help: the partition is let go of
                raise
            except BORNE as error:
                if patience is None:
                    patience = Patience(self.store.clock, self.settings, what)
                try:
                    await patience.bear(error)
                except ServerUnsuitable as refusal:  # whoever asked may have taken out of memory what it asked for
                    self.fail(refusal)
                    raise
                continue
            if self.store.generation != generation:  # though another part may have seen it already
                self.check_generation()
                raise ServerChanged(what)
            return answer
