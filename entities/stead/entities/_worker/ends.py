"""The part of a worker that sees to the ends of entities that nobody uses (HAZARDS 103, 104).

It sleeps until something is due by a set of its partitions, reads it, many partitions in one pipeline, and says so to the entities, in
memory. A set is only looked at when something in it may be due: what is idle costs nothing. Sets that are new are built here
too, in steps, each by a commit of the partition that it is of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from stead.entities._index.expiries import KindExpiry
from stead.entities._message.due import Due
from stead.entities._message.envelope import UnknownEnvelope
from stead.entities._message.record import decode_record
from stead.entities._message.reminders import EXPIRY, decode_reminders
from stead.entities._partition.expiring import SetLook, due_ms_of
from stead.entities._partition.partition import Partition
from stead.entities._turns.expiry import due_by
from stead.transport import FACED, LISTING, READY, InvalidInput, ReadRange, ReadRecords, ReadScores, get_logger

from .board import Board
from .turns import Turns

logger = get_logger("stead.worker")

STEP_LENGTH = 500
"""Entities that enter a new set in one step of building."""

_SETS_AT_ONCE = 16  # that are looked at together: what is told of them waits in memory


class EndKeeper:
    """Tells entities that they are due to expire, and builds the sets that say when."""

    def __init__(self, board: Board, turns: Turns, declared: Collection[KindExpiry]) -> None:
        """`declared`: what this program's entities do."""
        self._board = board
        self._turns = turns
        self._declared = sorted(kind.name for kind in declared)
        self._everyone_s = 0.0

    async def run(self) -> None:
        """Do so while the worker lives."""
        board = self._board
        patience = board.patience("looking at what expires")
        while True:
            try:
                self._settle_all()
                due, unbuilt = self._due(), self._unbuilt()
                if due:
                    await self._tell(due)
                if unbuilt is not None:
                    await self._build(*unbuilt)
                if not due and unbuilt is None:
                    await self._wait()
                patience.rest()
            except FACED as error:
                board.face(error)
                # If it is a key of the whole hub, all is as it was: what was in the way may be mended by the next heartbeat.
                await board.ending.wait_at_most(board.store.clock, board.settings.heartbeat_ms / 1000)

    async def _wait(self) -> None:
        """Until something may be due, or a commit has brought something."""
        board = self._board
        dues = [
            due_ms
            for partition in board.partitions.values()
            for name, due_ms in partition.indexing.expiring.next_ms.items()
            if name in self._declared and not partition.draining
        ]
        told = any(map(_has_told, board.partitions.values()))
        if not dues and not told:
            await board.ending.wait()
            return
        # As with timers: the clock is corrected with every heartbeat, so that no wait may be longer.
        left_ms = board.settings.heartbeat_ms
        if dues and not told:
            left_ms = min(min(dues) - board.store.clock.now_ms(), left_ms)
        await board.ending.wait_at_most(board.store.clock, max(0.001, left_ms / 1000))

    # -- what is due ---------------------------------------------------------------------------------------------------

    def _due(self) -> list[tuple[Partition, str]]:
        now_ms = self._board.store.clock.now_ms()
        found = [
            (partition, name)
            for partition in self._board.partitions.values()
            if not partition.draining
            for name in self._declared
            if partition.indexing.expiring.is_due(name, now_ms)
        ]
        return found[:_SETS_AT_ONCE]

    async def _tell(self, due: Sequence[tuple[Partition, str]]) -> None:
        board = self._board
        looks: list[tuple[Partition, SetLook]] = []
        for partition, name in due:
            looks.append((partition, partition.indexing.expiring.look(name, partition.effects.used)))
        asked = [ReadRange(partition.number, look.kind.name, limit=look.limit) for partition, look in looks]
        answers: Sequence[Any] = [None] * len(looks)
        try:
            _, answers = await board.insist(lambda: board.store.look(asked), "looking at what expires")
        finally:
            now_ms = board.store.clock.now_ms()
            for (partition, look), entries in zip(looks, answers, strict=True):
                dues = partition.indexing.expiring.looked(look, entries, now_ms)
                if dues and not partition.gone:
                    for message in dues:
                        partition.deliver_due(message)
                    self._turns.wake(partition)
            # What is loaded for them, is so before the next read.
            board.interrupt_read()
            board.reading.ring()

    def _settle_all(self) -> None:
        """Forget who has been told, and of whom what came of it is stored; now and then look at those too of whom nothing comes."""
        board = self._board
        now_s = board.store.clock.monotonic()
        everyone = now_s >= self._everyone_s
        if everyone:
            self._everyone_s = now_s + board.settings.heartbeat_ms / 1000
        for partition in board.partitions.values():
            expiring = partition.indexing.expiring
            if not (everyone or expiring.stirred):
                continue
            landed = expiring.take_landed()
            for told in expiring.told.values():
                if told:
                    self._settle(partition, told, list(told) if everyone else landed)
            if partition.effects.used:  # of what waits for another version of the program
                board.commit(partition)

    def _settle(self, partition: Partition, told: dict[str, Due], targets: Iterable[str]) -> None:
        for target in targets:
            due, activation = told.get(target), partition.activations.get(target)
            if due is None or (activation is not None and not partition.is_over(activation, due)):
                continue
            del told[target]
            if activation is not None:
                partition.forget_gone(activation)
            if target in partition.deaths:
                partition.forgive(target)
                self._turns.wake(partition)

    # -- building ------------------------------------------------------------------------------------------------------

    def _unbuilt(self) -> tuple[Partition, KindExpiry, bytes] | None:
        for partition in self._board.partitions.values():
            if partition.draining or partition.suspects.careful:
                continue
            unbuilt = partition.indexing.expiring.unbuilt
            if unbuilt is not None:
                return partition, *unbuilt
        return None

    async def _build(self, partition: Partition, kind: KindExpiry, at: bytes) -> None:
        """The next step of building a set: who is there is due so long from now, or when others say so."""
        board, number, expiring = self._board, partition.number, partition.indexing.expiring
        prefix = f"@{kind.kind}@".encode()
        after = (0.0, at) if at.startswith(prefix) else None
        listing = ReadRange(
            number, LISTING, prefix, prefix + b"\xff", open_most=True, by_member=True, after=after, limit=STEP_LENGTH
        )
        _, [entries] = await board.insist(lambda: board.store.look([listing]), "building a set of due times")
        targets = [member.decode("utf-8", "surrogateescape") for _, member in entries]
        dues: list[tuple[int, str]] = []
        if targets:
            others = expiring.whole(kind)
            members = [kind.member(target) for target in targets]
            looks = [ReadScores(number, each.name, members) for each in others]
            records = ReadRecords(number, targets)
            _, [found, *scores] = await board.insist(
                lambda: board.store.look([records, *looks]), "building a set of due times"
            )
            fresh_ms = board.store.clock.now_ms() + kind.later_ms
            for place, target in enumerate(targets):
                known = [
                    due_ms_of(of_set[place]) - other.expires_ms + kind.expires_ms
                    for of_set, other in zip(scores, others, strict=True)
                    if of_set[place] is not None
                ]
                reminded_ms = _reminded_ms(found[place], kind.expires_ms)
                known += [] if reminded_ms is None else [reminded_ms]
                dues.append((max(known, default=fresh_ms), target))
        if partition.gone:
            return
        reached = READY if len(targets) < STEP_LENGTH else entries[-1][1]
        expiring.found(kind, dues, reached)
        partition.effects.reindexed = True
        while expiring.has_found and not partition.gone:
            board.commit(partition)
            await board.ending.wait()
        if reached == READY:
            logger.info("partition %d: it is known when each %s expires", number, kind.kind)


def _has_told(partition: Partition) -> bool:
    return any(partition.indexing.expiring.told.values())


def _reminded_ms(record: bytes | None, expires_ms: int) -> int | None:
    """When an entity is due by a reminder that an earlier version has set."""
    try:
        more: Mapping[str, Any] = decode_record(record).more if record is not None else {}
        reminder = decode_reminders(more["r"]).get(EXPIRY) if "r" in more else None
    except (InvalidInput, UnknownEnvelope):  # whoever loads it says so
        return None
    return None if reminder is None else due_by(reminder, expires_ms)
