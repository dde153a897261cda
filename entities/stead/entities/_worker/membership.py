"""The part of a worker that joins the hub: heartbeats, and taking and giving back partitions.

Every heartbeat tells who lives and which kinds they know; from that all workers compute the same assignment. A release
is graceful: reading stops, what runs may finish, what has finished is committed, and the partition is free at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Any

from stead.entities._definition.argument_schemas import ARGUMENTS
from stead.entities._index.assignment import assign_partitions
from stead.entities._partition.partition import Partition
from stead.transport import (
    BORNE,
    FACED,
    FORMATS,
    Backoff,
    HubMismatch,
    KeyDamaged,
    LeaseView,
    ServerChanged,
    TornCommit,
    WorkerView,
    begin_task,
    get_logger,
)

from .board import PART_PAUSE_S_MAX, Bell, Board
from .indexes import IndexKeeper
from .leases import LeaseWatch, plan_leases
from .measuring import Measuring
from .said import Said
from .sharding import ShardKeeper
from .turns import Turns
from .wishes import DRAINED, drained_now, watched_now

logger = get_logger("stead.worker")

_REMEMBER_WAITING = 30  # heartbeats for which a partition's wish for another worker is remembered
_LOADED_AGAIN = 10  # targets of a partition that could not be read and are tried again with each heartbeat


class Membership:
    """Keeps a worker a member of its hub."""

    def __init__(
        self,
        board: Board,
        turns: Turns,
        names: Mapping[str, Mapping[str, Any]],
        indexes: IndexKeeper,
        shards: ShardKeeper,
    ) -> None:
        self._board = board
        self._indexes = indexes
        self._shards = shards
        self._turns = turns
        self._names = names
        self._kinds = {
            name: {each: value for each, value in described.items() if each != ARGUMENTS}
            for name, described in names.items()
        }
        self._watch = LeaseWatch(board.settings.lease_ms)
        self._stood_in: dict[int, int] = {}  # see `plan_leases`
        self._waiting: dict[int, tuple[set[str], int]] = {}  # partition -> kinds, heartbeats left to remember them
        self._releases: dict[Partition, asyncio.Task[None]] = {}
        self._published_ms = 0
        self._published_in: int = -1  # the generation of the server that has them: one that failed over may not
        self._mixed: set[str] = set()
        self._measuring = Measuring(board)
        self.last: tuple[float, WorkerView] | None = (
            None  # the last heartbeat that was answered, by the monotonic clock
        )

    async def run(self) -> None:
        patience = self._board.patience("a heartbeat")
        while True:
            try:
                await self.round()
                patience.rest()
                await self._pause(self._board.settings.heartbeat_ms / 1000)
            except ServerChanged as error:
                self._board.face(error)
            except KeyDamaged as error:
                self._board.face(error)
                await self._pause(self._board.settings.heartbeat_ms / 1000)
            except BORNE as error:
                await self._pause(patience.bear_for(error))

    async def _pause(self, seconds: float) -> None:
        """Until the next heartbeat is due, or leases should be looked at at once."""
        await self._board.membership.wait_at_most(self._board.store.clock, seconds)

    async def round(self) -> None:
        """One heartbeat, and what follows from it."""
        board = self._board
        settings = board.settings
        await self._let_go_of_unsure()
        await self._shards.refresh()
        outdated = await self._indexes.refresh()
        if not self._indexes.known:
            # Others would leave partitions to it with which it cannot go on.
            return
        await self._heed_wishes()
        workers = await self._beat()
        board.quarantine.hub_was_read()
        for partition in outdated:
            self._release_soon(partition)
        server_ms, views = await board.store.read_leases()
        board.check_generation()
        board.workers = workers
        self._warn_of_mixed(workers)
        plan = plan_leases(
            me=board.name,
            views=views,
            owners=self._assign(workers),
            held=board.partitions,
            beats={view.worker: view.beat_ms for view in workers},
            stood_in=self._stood_in,
            watch=self._watch,
            server_ms=server_ms,
            monotonic=board.store.clock.monotonic(),
            lease_ms=settings.lease_ms,
        )
        self._stood_in = plan.stood_in
        self._see_quarantined([views[number] for number in plan.quarantined], {view.partition for view in plan.acquire})
        for number in plan.release:
            self._release_soon(board.partitions[number])
        if board.drained:
            board.unsure.update({view.partition: view.token for view in plan.acquire if view.owner == board.name})
        else:
            for view in plan.acquire:
                await self._acquire(view)
        self._load_again()

    def _load_again(self) -> None:
        """What could not be read of single targets may have been mended."""
        board = self._board
        found = [partition.load_again(_LOADED_AGAIN) for partition in board.partitions.values()]
        if any(found):
            board.interrupt_read()
            board.reading.ring()

    async def _heed_wishes(self) -> None:
        """Be drained, or work again, and tell what is looked at, if somebody wants that. What cannot be read changes nothing."""
        board = self._board
        try:
            wishes = await board.store.wishes()
        except KeyDamaged as error:
            board.face(error)
            return
        board.measures.recent.watch(watched_now(wishes), board.elapsed())
        drained = drained_now(wishes, board.name, board.drained)
        if drained != board.drained:
            board.drained = drained
            logger.warning(
                "this worker is drained, as somebody wants it: it gives everything back, and takes nothing new"
                if drained
                else "this worker works again, as somebody wants it"
            )

    async def _beat(self) -> list[WorkerView]:
        """Say that this worker lives, and what it knows; gives who else lives. Without an answer to that (the hub's own keys
        hold something else) everyone goes on as they were: partitions are held by leases, not by heartbeats."""
        board, settings = self._board, self._board.settings
        workers = board.workers
        try:
            info = self._info()
            now_ms, workers = await board.store.heartbeat(board.name, info, settings.worker_keep_ms)
            self.last = board.store.clock.monotonic(), WorkerView(board.name, now_ms, info)
            generation = board.store.generation
            age_ms = abs(now_ms - self._published_ms)  # the server's clock may have been set back
            if generation != self._published_in or age_ms > settings.names_keep_ms // 10:
                await board.store.publish(self._names, settings.names_keep_ms)
                self._published_ms, self._published_in = now_ms, generation
            await self._measuring.publish(now_ms)
            await self._measuring.fold(now_ms, workers)
        except KeyDamaged as error:
            board.face(error)
        return workers

    # -- who should have what ------------------------------------------------------------------------------------------

    def _info(self) -> dict[str, Any]:
        """What the others learn of this worker."""
        for partition in self._board.partitions.values():
            if partition.lacks:
                self._waiting[partition.number] = (set(partition.lacks.values()), _REMEMBER_WAITING)
            elif partition.caught_up:  # it has seen all that waits, and nothing of that is for others any more
                self._waiting.pop(partition.number, None)
        for number, (kinds, left) in list(self._waiting.items()):
            if left <= 1:
                del self._waiting[number]
            else:
                self._waiting[number] = (kinds, left - 1)
        drained = self._board.drained
        return {
            **self._board.info,
            **({"queues": []} if drained and "queues" in self._board.info else {}),
            "format": max(FORMATS),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "kinds": {} if drained else self._kinds,
            "partitions": len(self._board.partitions),
            "quarantined": self._board.quarantine.told(),
            "waiting": DRAINED
            if drained
            else {str(number): sorted(kinds) for number, (kinds, _) in self._waiting.items()},
            "program": self._board.environment.program,
            "now": self._measuring.now(),
        }

    def _assign(self, workers: list[WorkerView]) -> dict[int, str]:
        said = {view.worker: Said.of(view, self._board.store.left_out) for view in workers}
        kinds = {worker: what.kinds for worker, what in said.items() if what is not None}
        if self._board.drained:
            kinds.pop(self._board.name, None)
        else:
            kinds.setdefault(self._board.name, frozenset(self._names))
        waiting: dict[int, set[str]] = {}
        for what in said.values():
            for number, names in what.waiting.items() if what is not None else ():
                waiting.setdefault(number, set()).update(names)
        return assign_partitions(kinds, self._board.store.layout.partitions, waiting)

    def _warn_of_mixed(self, workers: list[WorkerView]) -> None:
        """Kinds that only some of the living workers know: a deployment is under way, or somebody forgot one."""
        said = (Said.of(view, self._board.store.left_out) for view in workers)
        mixed = set[str]().union(*(what.kinds for what in said if what is not None)) - set(self._names)
        if mixed - self._mixed:
            logger.warning(
                "other workers of this hub know kinds that this one does not: %s; their messages go to those workers",
                ", ".join(sorted(mixed)),
            )
        self._mixed = mixed

    def _see_quarantined(self, views: list[LeaseView], wanted: set[int]) -> None:
        """Partitions of which the lease itself says that nobody may go on with them."""
        board = self._board
        now = board.store.clock.monotonic()
        for view in views:
            torn = "a commit was applied in part, which no script of stead does by itself; see `stead info`"
            board.quarantine.see(view.partition, view.damage or torn, now)
            held = board.partitions.get(view.partition)
            if held is not None:
                board.drop(held, "it is quarantined")
        board.quarantine.look(board.partitions, wanted | {view.partition for view in views}, now)

    # -- taking --------------------------------------------------------------------------------------------------------

    async def _acquire(self, view: LeaseView) -> None:
        board = self._board
        if board.quarantine.waits(view.partition, board.store.clock.monotonic()):
            return
        if view.partition in board.unsure:  # let go of since this round began: it is released first
            board.membership.ring()
            return
        number, token, generation = view.partition, board.draw(16), board.generation
        board.unsure[number] = token
        try:
            acquired = await board.store.acquire(number, board.name, token, view.token, board.settings.lease_ms)
            if board.store.generation != generation:
                # Though another part may have seen that already: what the old server has granted is let go of, if the new one
                # knows of it at all.
                board.check_generation()
                return
            acquired = acquired and await self._indexes.adopt(acquired)
        except TornCommit as error:
            board.face(error)
            del board.unsure[number]
            return
        except KeyDamaged as error:  # it may be this worker's all the same: what was answered could not be read
            board.face(error)
            return
        del board.unsure[number]
        if acquired is not None:
            board.add(Partition(acquired, board.environment))
            board.quarantine.held(number, board.store.clock.monotonic())
            logger.debug("partition %d is held, epoch %d", acquired.partition, acquired.epoch)

    async def free(self, held: Mapping[int, bytes]) -> None:
        """Give back, however often it takes, what was dropped all at once, and leave the hub."""
        board = self._board
        self._board.unsure.update(held)
        backoff = Backoff(board.store.clock, PART_PAUSE_S_MAX)
        while True:
            try:
                await self._let_go_of_unsure()
                _, views = await board.store.read_leases()
                for view in views:  # what it lost track of is its own too
                    if view.owner == board.name:
                        await board.store.release(view.partition, view.token)
                await board.store.leave(board.name)
                return
            except ServerChanged:
                pass
            except Exception as error:  # noqa: BLE001 - the worker has ended already: this is a favour to the others
                logger.debug("leases cannot be given back: %s", error)
            await asyncio.sleep(backoff.failed())

    async def _let_go_of_unsure(self) -> None:
        """Free what may be held for this worker without its knowing: the answer was lost, or not waited for."""
        for number, token in list(self._board.unsure.items()):
            try:
                await self._board.store.release(number, token)
            except KeyDamaged as error:  # then it is nobody's, and the next owner draws another token
                self._board.face(error)
            self._board.unsure.pop(number, None)

    # -- giving back ---------------------------------------------------------------------------------------------------

    def _release_soon(self, partition: Partition) -> None:
        if partition not in self._releases:
            task = begin_task(self._release(partition), name=f"stead-release {partition.number}")
            self._releases[partition] = task
            task.add_done_callback(lambda _: self._releases.pop(partition, None))
            self._board.watch(task, partition)

    async def release_all(self) -> None:
        """Give every partition back, and leave the hub."""
        for partition in list(self._board.partitions.values()):
            self._release_soon(partition)
        await asyncio.gather(*self._releases.values(), return_exceptions=True)
        for partition in list(self._board.partitions.values()):  # somebody's code cancelled what was to give it back
            self._board.unsure[partition.number] = partition.token
            self._board.drop(partition, "the worker ends")
        try:
            await self._let_go_of_unsure()
            await self._measuring.publish(self._board.store.clock.now_ms())
            await self._board.store.leave(self._board.name)
        except (*BORNE, ServerChanged, HubMismatch) as error:
            logger.info("the worker left without a word: %s", error)

    async def _release(self, partition: Partition) -> None:
        board = self._board
        bell = board.settled[partition] = Bell()
        partition.draining = True
        board.interrupt_read()
        board.reading.ring()
        try:
            await board.hooks.giving_back(partition)
            if not await self._wait_settled(partition, bell):
                self._turns.cancel(partition)  # what still runs will run again elsewhere (HAZARDS 9)
                partition.abandon()
                await self._wait_settled(partition, bell)
            if not partition.gone:
                marker = partition.suspects.handed_on()
                deaths = partition.deaths.said() if partition.deaths.unsaid else None
                if marker is not None or deaths is not None:
                    await board.store.mark_running(partition.number, partition.token, marker, deaths)
                await board.store.release(partition.number, partition.token)
        except (*BORNE, *FACED, HubMismatch) as error:
            logger.info(
                "partition %d was not released: %s; it will be, or its lease will expire", partition.number, error
            )
            self._board.unsure[partition.number] = partition.token
        except asyncio.CancelledError:  # by somebody's code: nothing of it may be held for ever
            self._board.unsure[partition.number] = partition.token
            raise
        finally:
            del board.settled[partition]
            board.drop(partition, "it was given back")

    async def _wait_settled(self, partition: Partition, bell: Bell) -> bool:
        """Until nothing of the partition is left to commit; false if that took longer than `drain_ms`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._board.settings.drain_ms / 1000):
                while not (partition.gone or partition.settled):
                    if partition.wants_commit:
                        self._board.commit(partition)
                    await bell.wait()
        return partition.gone or partition.settled
