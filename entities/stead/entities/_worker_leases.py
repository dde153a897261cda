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

from stead.transport import HubMismatch, LeaseView, ServerChanged, TornCommit, WorkerView, get_logger

from ._assignment import assign
from ._board import Bell, Board
from ._leases import LeaseWatch, plan_leases
from ._partition import Partition
from ._patience import BORNE

logger = get_logger("stead.worker")

_REMEMBER_WAITING = 30  # heartbeats for which a partition's wish for another worker is remembered
_TRY_AGAIN_S = 0.2


class Membership:
    """Keeps a worker a member of its hub."""

    def __init__(self, board: Board, names: Mapping[str, Mapping[str, Any]]) -> None:
        self._board = board
        self._names = names
        self._watch = LeaseWatch(board.settings.lease_ms)
        self._quarantined: set[int] = set()
        self._waiting: dict[int, tuple[set[str], int]] = {}  # partition -> kinds, heartbeats left to remember them
        self._releases: dict[Partition, asyncio.Task[None]] = {}
        self._unsure: dict[int, bytes] = {}  # partition -> token: asked for, and the answer has not come
        self._published_ms = 0
        self._published_in: int = -1  # the generation of the server that has them: one that failed over may not
        self._mixed: set[str] = set()

    async def run(self) -> None:
        patience = self._board.patience("a heartbeat")
        while True:
            try:
                await self.round()
                patience.rest()
                await self._pause(self._board.settings.heartbeat_ms / 1000)
            except BORNE as error:
                patience.bear(error)
                await self._pause(_TRY_AGAIN_S)
            except ServerChanged:
                self._board.check_generation()

    async def _pause(self, seconds: float) -> None:
        """Until the next heartbeat is due, or leases should be looked at at once."""
        await self._board.membership.wait_at_most(self._board.store.clock, seconds)

    async def round(self) -> None:
        """One heartbeat, and what follows from it."""
        board = self._board
        settings = board.settings
        await self._let_go_of_unsure()
        server_ms, workers = await board.store.heartbeat(board.name, self._info(), settings.worker_keep_ms)
        generation = board.store.generation
        age_ms = abs(server_ms - self._published_ms)  # the server's clock may have been set back
        if generation != self._published_in or age_ms > settings.names_keep_ms // 10:
            await board.store.publish(self._names, settings.names_keep_ms)
            self._published_ms, self._published_in = server_ms, generation
        server_ms, views = await board.store.read_leases()
        board.check_generation()
        board.workers = workers
        self._warn_of_mixed(workers)
        plan = plan_leases(
            me=board.name,
            views=views,
            owners=self._assign(workers),
            held=board.partitions,
            watch=self._watch,
            server_ms=server_ms,
            monotonic=board.store.clock.monotonic(),
            lease_ms=settings.lease_ms,
        )
        self._report_quarantined(plan.quarantined)
        for number in plan.release:
            self._release_soon(board.partitions[number])
        for view in plan.acquire:
            await self._acquire(view)

    # -- who should have what ------------------------------------------------------------------------------------------

    def _info(self) -> dict[str, Any]:
        """What the others learn of this worker."""
        for partition in self._board.partitions.values():
            if partition.unknown_kinds:
                self._waiting[partition.number] = (set(partition.unknown_kinds), _REMEMBER_WAITING)
        for number, (kinds, left) in list(self._waiting.items()):
            if left <= 1:
                del self._waiting[number]
            else:
                self._waiting[number] = (kinds, left - 1)
        return {
            **self._board.info,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "kinds": {name: dict(description) for name, description in self._names.items()},
            "partitions": len(self._board.partitions),
            "waiting": {str(number): sorted(kinds) for number, (kinds, _) in self._waiting.items()},
        }

    def _assign(self, workers: list[WorkerView]) -> dict[int, str]:
        kinds = {view.worker: frozenset(view.info.get("kinds", ())) for view in workers}
        kinds.setdefault(self._board.name, frozenset(self._names))
        waiting: dict[int, set[str]] = {}
        for view in workers:
            for number, names in view.info.get("waiting", {}).items():
                waiting.setdefault(int(number), set()).update(names)
        return assign(kinds, self._board.store.layout.partitions, waiting)

    def _warn_of_mixed(self, workers: list[WorkerView]) -> None:
        """Kinds that only some of the living workers know: a deployment is under way, or somebody forgot one."""
        known = [set(view.info.get("kinds", ())) for view in workers]
        mixed = set[str]().union(*known) - set(self._names) if known else set[str]()
        if mixed - self._mixed:
            logger.warning(
                "other workers of this hub know kinds that this one does not: %s; their messages go to those workers",
                ", ".join(sorted(mixed)),
            )
        self._mixed = mixed

    def _report_quarantined(self, numbers: list[int]) -> None:
        for number in set(numbers) - self._quarantined:
            logger.critical("partition %d is quarantined: a commit was applied in part; see `stead info`", number)
        self._quarantined = set(numbers)

    # -- taking --------------------------------------------------------------------------------------------------------

    async def _acquire(self, view: LeaseView) -> None:
        board = self._board
        number, token, generation = view.partition, board.draw(16), board.generation
        self._unsure[number] = token
        try:
            acquired = await board.store.acquire(number, board.name, token, view.token, board.settings.lease_ms)
        except TornCommit as error:
            logger.critical("%s", error)
            del self._unsure[number]
            return
        if board.store.generation != generation:  # though another part may have seen that already: what the old server
            board.check_generation()  # has granted is let go of, if the new one knows of it at all
            return
        del self._unsure[number]
        if acquired is not None:
            board.add(Partition(acquired, board.environment))
            logger.debug("partition %d is held, epoch %d", acquired.partition, acquired.epoch)

    async def free(self, held: Mapping[int, bytes]) -> None:
        """Give back, however often it takes, what was dropped all at once, and leave the hub."""
        board = self._board
        self._unsure.update(held)
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
            await asyncio.sleep(_TRY_AGAIN_S)

    async def _let_go_of_unsure(self) -> None:
        """Free what may be held for this worker without its knowing: the answer was lost, or not waited for."""
        for number, token in list(self._unsure.items()):
            await self._board.store.release(number, token)
            self._unsure.pop(number, None)

    # -- giving back ---------------------------------------------------------------------------------------------------

    def _release_soon(self, partition: Partition) -> None:
        if partition not in self._releases:
            task = asyncio.create_task(self._release(partition), name=f"stead-release {partition.number}")
            self._releases[partition] = task
            task.add_done_callback(lambda _: self._releases.pop(partition, None))
            self._board.watch(task)

    async def release_all(self) -> None:
        """Give every partition back, and leave the hub."""
        for partition in list(self._board.partitions.values()):
            self._release_soon(partition)
        await asyncio.gather(*self._releases.values(), return_exceptions=True)
        try:
            await self._let_go_of_unsure()
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
            await board.giving_back(partition)
            if not await self._wait_settled(partition, bell):
                board.cancel(partition)  # what still runs will run again elsewhere (HAZARDS 9)
                partition.abandon()
                await self._wait_settled(partition, bell)
            if not partition.gone:
                await board.store.release(partition.number, partition.token)
        except (*BORNE, ServerChanged, HubMismatch) as error:
            logger.info(
                "partition %d was not released: %s; it will be, or its lease will expire", partition.number, error
            )
            self._unsure[partition.number] = partition.token
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
