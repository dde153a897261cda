"""The worker: carries messages from the store into partitions and their commits back. It only puts its parts together.

board ◀── turn_runner ◀── inbox, commits, parks, membership, and the parts of extensions
  ▲────── timers            each is handed what it needs when it is made; nothing is written into another later
  ▲────── renewals of the lease keeper, which hears when a tenure begins and ends, as the turns do
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from stead.entities._definition.registry import Registry
from stead.entities._measures.measures import Measured, Measures
from stead.entities._measures.meter import Meter
from stead.entities._message.errors import InvalidDefinition
from stead.entities._partition.activation import Blocked, Kind
from stead.entities._partition.hops import Hops
from stead.entities._partition.partition import Environment
from stead.entities._turns.entity_kind import EntityKind
from stead.transport import (
    ConnectionLost,
    HomeLoop,
    HubMismatch,
    PayloadLimit,
    ServerChanged,
    ServerUnsuitable,
    Settings,
    Store,
    WorkerView,
    begin_task,
    check_worker,
    end_task,
    get_logger,
    see_through,
)
from stead.transport.describing import is_a, text_of, text_of_error

from .board import Board
from .commits import Committer
from .ends import EndKeeper
from .extension import Extension
from .inbox import InboxReader
from .indexes import IndexKeeper, indexes_of
from .lease_keeper import LeaseKeeper, Renewals, TaskKeeper, ThreadKeeper, Turning
from .loop_errors import mind_errors
from .membership import Membership
from .parks import Parker
from .parts import ended_early
from .program import program
from .running import at_work
from .sharding import ShardKeeper
from .timers import TimerRunner
from .turn_runner import TurnRunner

logger = get_logger("stead.worker")


class Worker:
    """Runs the operations of a hub's entities, together with all other workers of the hub.

    `registry` has the entities that this worker can run, `name` identifies it to people (a random part is added), and
    `extensions` add kinds of other packages, such as orchestrations; each serves one worker. Use it as an asynchronous
    context manager, or `await worker.run()`. It guarantees what the invariants in the documentation
    say: above all that each message takes effect once, one at a time per entity, whatever crashes.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        settings: Settings,
        name: str | None = None,
        extensions: Sequence[Extension] = (),
    ) -> None:
        self.name = f"{name or socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"
        self._store = store
        self._registry = registry
        self._settings = settings
        self._extensions = extensions
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._home = HomeLoop("this worker")
        self._failure: BaseException | None = None
        self._ended = False
        self._giving_up: asyncio.Task[None] | None = None
        self._board: Board | None = None
        self._membership: Membership | None = None
        self._turns: TurnRunner | None = None
        self._reader: InboxReader | None = None
        self._keeper: LeaseKeeper | None = None
        self._thread = 0  # the event loop's

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions that this worker holds now."""
        return frozenset(self._board.partitions) if self._board is not None else frozenset()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if error is None and self._failure is not None:
            raise self._failure

    async def run(self) -> None:
        """Work until `stop` is called. Raises `HubMismatch` if the hub is no longer on the server (see `failure`)."""
        await self.start()
        try:
            await self._stopping.wait()
        finally:
            await self.stop()
        if self._failure is not None:
            raise self._failure

    def request_stop(self) -> None:
        """Let `run` end gracefully; for signal handlers."""
        self._stopping.set()

    async def start(self) -> None:
        """Join the hub and begin to work. Returns once the first look at the leases has been taken."""
        self._home.check()
        assert self._board is None, "a worker is started once"
        mind_errors(asyncio.get_running_loop())
        self._thread = threading.get_ident()
        store, settings = self._store, self._settings
        check_worker(store.layout, settings)
        others: list[tuple[str, Kind]] = []  # made below: they need the environment
        measures = Measures()
        elapsed = time.perf_counter  # a loop's own time may stand still within a callback
        kind = EntityKind(self._registry, store.clock.now_ms, PayloadLimit.of(settings), measures, elapsed)
        environment = Environment(
            settings=settings,
            partitions=store.layout.partitions,
            find_kind=partial(_find_kind, kind, others),
            now_ms=store.clock.now_ms,
            elapsed=elapsed,
            draw=os.urandom,
            pack_each_turn=kind.eager.add,
            program=program(),
            hops=Hops(settings) if settings.local_hops and store.facts.reads_at_one_moment else None,
            measures=measures,
        )
        others.extend(_kinds_of(self._extensions, environment))
        self._board = board = Board(
            self.name, store, settings, environment, self._end_by_itself, [prefix for prefix, _ in others]
        )
        self._turns = turns = TurnRunner(board)
        self._keeper = keeper = self._make_keeper(board)
        board.listen(Renewals(keeper))
        names: dict[str, Mapping[str, Any]] = {t.canonical: t.describe() for t in self._registry.types()}
        for extension in self._extensions:
            names.update(extension.names())
        parts = [part for extension in self._extensions for part in extension.parts(board, turns)]
        board.now.append(turns.running.told)
        indexes = IndexKeeper(board, indexes_of(self._registry.types(), settings.indexes_max))
        shards = ShardKeeper(board, self._registry.types())
        self._membership = Membership(board, turns, names, indexes, shards)
        ends = EndKeeper(board, turns, [each.expiry for each in self._registry.types() if each.expiry is not None])
        self._reader, parker, committer = InboxReader(board, turns), Parker(board, turns), Committer(board, turns)
        keeper.start()
        try:
            with contextlib.suppress(ConnectionLost, ServerChanged):  # its own loop tries again
                await self._membership.round()
        except BaseException:  # cancelled, perhaps: what it has taken must not be kept for it
            await self.stop()
            raise
        self._spawn("membership", self._membership.run)
        self._spawn("inbox", self._reader.run)
        self._spawn("commits", committer.run)
        self._spawn("light commits", committer.run_light)
        self._spawn("timers", TimerRunner(board).run)
        self._spawn("parks", parker.run)
        self._spawn("age", parker.watch_age)
        self._spawn("indexes", indexes.run)
        self._spawn("changes", indexes.keep_trimmed)
        self._spawn("ends", ends.run)
        for name, part in parts:
            self._spawn(name, part)

    async def stop(self) -> None:
        """Give back all partitions, gracefully: what runs may finish within `drain_ms`; then leave the hub.

        Done to its end even if this is cancelled: leases that were still renewed for nobody would stop the hub.
        """
        self._home.check()
        self._stopping.set()
        board = self._board
        if board is None or self._ended:
            return
        self._ended = True
        await see_through(self._stop(board))

    async def _stop(self, board: Board) -> None:
        assert self._membership is not None and self._keeper is not None, "a started worker has all its parts"
        board.stopping = True
        membership, *others = self._tasks or (None,)
        try:
            if membership is not None:
                await end_task(membership)
            await self._membership.release_all()
            for task in others:
                await end_task(task)
            if self._giving_up is not None:
                await asyncio.wait((self._giving_up,))
        finally:  # at once, if the event loop itself ends
            self._let_go("the worker ends")
        await self._keeper.stop()

    def _let_go(self, reason: str) -> None:
        """End every part and hold nothing any more, here and now. What the store has of it stays as it is."""
        board = self._board
        assert board is not None and self._keeper is not None, "a started worker has all its parts"
        for task in self._tasks:
            task.cancel()
        self._keeper.halt()
        for partition in list(board.partitions.values()):
            board.drop(partition, reason)

    async def abandon(self) -> None:
        """End as if the process had died: nothing is finished, committed or handed over, what is in memory is lost.

        For tests, with one exception to being dead: the partitions are free afterwards, so that nobody has to wait.
        """
        self._home.check()
        self._stopping.set()
        board, keeper = self._board, self._keeper
        if board is None or keeper is None or self._ended:
            return
        self._ended = True
        for task in self._tasks:
            await end_task(task)
        await keeper.stop()
        held = list(board.partitions.values())
        for partition in held:
            board.drop(partition, "the worker is abandoned")
        with contextlib.suppress(ConnectionLost, ServerChanged):
            for partition in held:
                await self._store.release(partition.number, partition.token)
            await self._store.leave(self.name)

    @property
    def failure(self) -> BaseException | None:
        """What made the worker end by itself, with everything it held let go: `HubMismatch` if the hub is no longer on the
        server, `ServerUnsuitable` if the server has refused what a worker needs for too long; else a bug of stead."""
        return self._failure

    @property
    def busy(self) -> bool:
        """Whether asynchronous operations are running."""
        return self._turns is not None and self._turns.busy

    @property
    def goes_on(self) -> bool:
        """Whether something is done in the next pass of the event loop of which the store hears nothing, perhaps for long: turns are
        taken slice by slice, and what is large is loaded step by step."""
        turns, reader = self._turns, self._reader
        return (turns is not None and turns.scheduled) or (reader is not None and bool(reader.openings))

    @property
    def view(self) -> WorkerView | None:
        """What it said with its last heartbeat that was answered; None before the first."""
        last = self._membership.last if self._membership is not None else None
        return None if last is None else last[1]

    def at_work(self) -> tuple[str, str] | None:
        """Whose turn the code is in that asks, and which operation it is; None outside of one. For logs."""
        turns = self._turns
        if turns is None or threading.get_ident() != self._thread:
            return None
        return at_work(turns.turning, turns.running)

    @property
    def meters(self) -> Mapping[Measured, Meter]:
        """What it has measured since it began. Who asks from another thread may not see what has run since the last heartbeat."""
        if self._board is None:
            return {}
        measures = self._board.measures
        return measures.meters if threading.get_ident() == self._thread else measures.summed_up

    @property
    def not_ready(self) -> str | None:
        """Why it cannot do its work now; None if it can."""
        if self._failure is not None:
            return text_of(self._failure)
        last = self._membership.last if self._membership is not None else None
        if last is None:
            return "it has not joined its hub yet"
        if self._stopping.is_set():
            return "it stops"
        silent_s = self._store.clock.monotonic() - last[0]
        if silent_s * 1000 > self._settings.worker_keep_ms:
            return f"the store has not answered its heartbeats for {silent_s:.0f} s"
        return None

    def _make_keeper(self, board: Board) -> LeaseKeeper:
        if self._store.clock.goes_by_itself:
            return ThreadKeeper(
                self._store,
                self._settings,
                board.lost,
                self._turning,
                failed=self._end_by_itself,
                lagged=board.lagged,
            )
        return TaskKeeper(self._store, self._settings, board.lost, self._end_by_itself)

    def _turning(self) -> Turning | None:
        """The turn that the event loop is in, seen from the keeper's thread."""
        partition = self._turns.turning if self._turns is not None else None
        if partition is not None:
            pending = partition.slice.running
            if pending is None:
                return None
            target, stream_id = pending.message.target, pending.stream_id
            local = not stream_id
            running = partition.marker_of_waking(target) if local else partition.suspects.marker_for(target, stream_id)
        else:
            held = list(self._board.partitions.values()) if self._board is not None else []
            partition = next((partition for partition in held if partition.loading is not None), None)
            if partition is None or partition.loading is None:
                return None
            running = partition.suspects.marker_of_loading(program(), partition.loading)
        return Turning(partition.number, partition.token, running.target, running.stream_id, running.tries)

    def _spawn(self, name: str, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = begin_task(part(), name=f"stead-{name}")
        task.add_done_callback(self._part_ended)
        self._tasks.append(task)

    def _part_ended(self, task: asyncio.Task[None]) -> None:
        """A part is there for as long as the worker is: without it, what the worker holds would stand still. (When the
        worker itself ends, this does nothing.)"""
        self._end_by_itself(ended_early(task))

    def _end_by_itself(self, error: BaseException) -> None:
        """Something cannot go on, so nothing does: everything is let go at once, and others may have it."""
        board = self._board
        if self._ended or self._failure is not None or board is None:
            return
        self._failure = error
        self._stopping.set()
        known = is_a(error, (HubMismatch, ServerUnsuitable))
        logger.critical(
            "the worker ends, and lets everything go: %s",
            text_of(error) if known else text_of_error(error),
            exc_info=None if known else error,
        )
        held = {partition.number: partition.token for partition in board.partitions.values()}
        self._let_go("the worker ends by itself")
        if not is_a(error, HubMismatch):  # what it holds is not in the hub that is there now, if any is
            self._giving_up = begin_task(self._give_up(held), name="stead-giving-up")

    async def _give_up(self, held: Mapping[int, bytes]) -> None:
        """Free what was held, so that nobody has to wait for leases to run out; for as long as those last."""
        assert self._membership is not None, "a started worker has all its parts"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.lease_ms / 1000):
                await self._membership.free(held)


def _kinds_of(extensions: Sequence[Extension], environment: Environment) -> list[tuple[str, Kind]]:
    """The kinds of extensions with how their targets begin, the longest first."""
    kinds: dict[str, Kind] = {}
    for extension in extensions:
        kind = extension.kind(environment)
        if kind is None:
            continue
        prefix: str = getattr(extension, "prefix", "")
        if prefix in kinds:
            what = f"targets that begin with {prefix!r}" if prefix else "all targets that are not others'"
            raise InvalidDefinition(
                type(extension).__name__, f"another extension of this worker has {what}: give it a `prefix` of its own"
            )
        kinds[prefix] = kind
    return sorted(kinds.items(), key=lambda item: -len(item[0]))


def _find_kind(entities: EntityKind, others: Sequence[tuple[str, Kind]], target: str) -> Kind:
    """The kind of a target: an entity's begins with "@", that of an extension with its prefix."""
    if target.startswith("@"):
        return entities
    for prefix, kind in others:
        if target.startswith(prefix):
            return kind
    raise Blocked(f"{target!r} is not an entity, and no extension of this worker knows what it is", "orchestration")
