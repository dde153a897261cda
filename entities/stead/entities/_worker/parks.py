"""The part of a worker that keeps slow entities from stopping their neighbours: it moves their messages to parks,

and reads them back when they can run (HAZARDS 11).
"""

from __future__ import annotations

from stead.entities._partition.activation import Activation
from stead.entities._partition.partition import Partition
from stead.transport import FACED, KeyDamaged, StreamId, TornCommit

from .board import Board
from .turns import Turns

_REFILL_MAX = 1_000  # messages read back at once
_REFILL_MIN = 16
_ENTRY_BYTES_GUESS = 65_536  # the size of a parked message before any was seen


class Parker:
    """Moves messages between inbox, park and mailbox."""

    def __init__(self, board: Board, turns: Turns) -> None:
        self._board = board
        self._turns = turns
        self._entry_bytes: float = _ENTRY_BYTES_GUESS

    async def run(self) -> None:
        board = self._board
        while True:
            await board.parking.wait()
            try:
                while await self._round():
                    pass
            except FACED as error:
                board.face(error)

    async def watch_age(self) -> None:
        """Ring now and then, so that messages are parked by age too."""
        board = self._board
        while True:
            await board.store.clock.sleep(board.settings.mailbox_age_ms_max / 2000)
            for partition in board.partitions.values():
                partition.park_the_old()
                if partition.wants_parking:
                    board.parking.ring()
                if partition.suspects.active:  # of which there may be none any more
                    self._turns.wake(partition)

    async def _round(self) -> bool:
        """One move or refill for whoever needs one; whether there was any."""
        did = False
        for partition in list(self._board.partitions.values()):
            if partition.gone or partition.draining:
                continue
            try:
                did = await self._round_of(partition) or did
            except (KeyDamaged, TornCommit) as error:
                self._board.face(error)
        return did

    async def _round_of(self, partition: Partition) -> bool:
        did = False
        for activation, stream_ids in partition.parking.take_parks():
            did = True
            await self._park(partition, activation, stream_ids)
        for activation, after in partition.take_refills():
            did = True
            await self._refill(partition, activation, after)
        return did

    async def _park(self, partition: Partition, activation: Activation, stream_ids: list[StreamId]) -> None:
        board = self._board
        held = await board.insist(
            lambda: board.store.park(partition.number, partition.token, activation.target, stream_ids), "parking"
        )
        if partition.gone:
            return
        if held:
            partition.parking.parked(activation)
        else:
            board.drop(partition, "its lease is no longer this worker's")

    async def _refill(self, partition: Partition, activation: Activation, after: StreamId) -> None:
        board = self._board
        # The store gives as many as it is asked for, so large messages have to be fewer (HAZARDS 22).
        room = int(board.settings.read_bytes_max / self._entry_bytes)
        count = 1 if partition.suspects.careful else min(_REFILL_MAX, max(_REFILL_MIN, room))
        entries = await board.insist(
            lambda: board.store.read_park(partition.number, activation.target, after, count), "reading a park"
        )
        if partition.gone:
            return
        if entries:
            self._entry_bytes = max(1.0, sum(len(fields[1]) for _, fields in entries) / len(entries))
        if entries and partition.suspects.careful:
            partition.put_aside(entries, activation)
        else:
            partition.refilled(activation, entries, count)
        self._turns.wake(partition)
        if partition.wants_commit:
            board.commit(partition)
