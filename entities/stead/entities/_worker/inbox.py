"""The part of a worker that reads: one blocking read over the inboxes of all its partitions, then the records needed.

While the partitions take their turns, the next read is already on its way; after one that brought little, it goes out right
behind their commit. Reading pauses while more messages wait in memory than the turns can take soon; messages of slow entities
do not count, since parks take those. It pauses too while what was received fills the next commit: scheduled signals, which
become timers without a turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from stead.entities._partition.activation import Activation
from stead.entities._partition.partition import Partition
from stead.entities._tracing import switch
from stead.transport import BORNE, FACED, Entry, KeyDamaged, Loaded, StreamId

from .board import Board
from .turns import Turns

_COUNT_MIN = 32
_FEW = 100
_SLICE_S = 0.005  # how long entries are decoded before the others may do something


class _Choice:
    """What to read, and what has to be known of it when the answer is here."""

    __slots__ = ("behind", "partitions", "positions", "unloaded")

    def __init__(self) -> None:
        self.partitions: dict[int, Partition] = {}
        self.positions: dict[int, StreamId] = {}
        self.behind: list[Partition] = []  # of those to read: whose inbox was not yet seen to its end
        self.unloaded: list[Partition] = []  # read or not: with activations whose records are needed


class InboxReader:
    """Reads inboxes and loads records."""

    def __init__(self, board: Board, turns: Turns) -> None:
        self._board = board
        self._turns = turns
        self._streams = 1  # how many partitions had something in the last read
        self._overfull: list[Partition] = []
        self.openings: list[tuple[Partition, Activation]] = []  # loaded, and so large that it takes some steps
        self._grown = False  # there are activations more than when their number was below its limit
        self._ahead_max = board.settings.batch_length_max * 2

    async def run(self) -> None:
        board = self._board
        patience = board.patience("reading inboxes")
        while True:
            try:
                if self.openings:
                    await self._load_on()
                reading = self._choose()
                if reading.unloaded:  # first, since no read would be interrupted for it; more may be wanted by then
                    await self._load(reading.unloaded)
                    continue
                if not reading.positions:
                    if self.openings:
                        continue
                    await board.reading.wait()
                    continue
                await self._read_once(reading)
                patience.rest()
            except FACED as error:
                board.face(error)
            except BORNE as error:
                await patience.bear(error)

    def _choose(self) -> _Choice:
        """What to read now: nothing while there is enough to do, or to commit. One pass, since it is made for each read."""
        choice = _Choice()
        partitions, positions, behind = choice.partitions, choice.positions, choice.behind
        runnable = 0
        for number, partition in self._board.partitions.items():
            if partition.to_load:
                choice.unloaded.append(partition)
            if partition.draining or partition.undecoded:
                continue
            runnable += partition.runnable
            partitions[number] = partition
            positions[number] = partition.position
            if not partition.caught_up:
                behind.append(partition)
        if self._overfull:
            self._overfull = [p for p in self._overfull if p.slice.overfull and not p.gone]
        if self._overfull or runnable > self._ahead_max:
            positions.clear()
        return choice

    async def _read_once(self, reading: _Choice) -> None:
        board = self._board
        settings = board.settings
        count = min(settings.read_length_max, max(_COUNT_MIN, settings.batch_length_max // self._streams))
        # Parks are read, and suspicions end, only after the inbox was seen to its end: that must not wait for messages.
        at_once = self.openings or any(p.wants_catching_up for p in reading.behind)
        block_ms = 0 if at_once else settings.read_block_ms
        hops = board.environment.hops
        number = 0
        if hops is not None:
            count = board.store.read_length(count, len(reading.positions))
            number = hops.read_begins()
        switch.look()
        results = await board.inbox_read.run(board.store.read_inboxes(reading.positions, count, block_ms))
        if results is None:
            return
        board.check_generation()
        if hops is not None:
            hops.read_comes()
        lengths = {number: len(entries) for number, entries in results}
        self._streams = max(1, len(lengths))
        heard = await self._received(results, reading.partitions)
        for partition in reading.behind:
            if partition.number not in lengths and not partition.gone:
                partition.receive((), caught_up=True)
                heard.append(partition)
        if hops is not None:
            cut_off = {number for number, length in lengths.items() if length >= count}
            hops.read_ends(number, reading.positions.keys() - cut_off if cut_off else reading.positions)
        await self._load(heard)
        for partition in heard:
            if partition.slice.overfull:
                self._overfull.append(partition)
            self._turns.wake(partition)
            if partition.wants_commit:
                board.commit(partition)
            if partition.wants_parking:
                board.parking.ring()
        if self._grown:
            self._evict()
        if sum(lengths.values()) <= _FEW:
            # Their turns are soon over. So the commit goes out before the next read: whoever waits for it waits for less,
            # and what comes meanwhile comes with that read.
            await asyncio.sleep(0)

    async def _received(
        self, results: list[tuple[int, Sequence[Entry]]], reading: Mapping[int, Partition]
    ) -> list[Partition]:
        """Hand what was read to its partitions, and let go of it; gives those that have taken it."""
        board = self._board
        heard: list[Partition] = []
        began = board.elapsed()
        for place, (number, entries) in enumerate(results):
            results[place] = number, ()  # there is room in it for what becomes of it
            partition = reading[number]
            if not (partition.gone or partition.draining):
                if partition.suspects.careful:
                    partition.put_aside(entries)
                else:
                    partition.receive(entries, caught_up=False)
                heard.append(partition)
            if board.elapsed() - began > _SLICE_S:  # a large read: the others may have something to do meanwhile
                await asyncio.sleep(0)
                began = board.elapsed()
        return heard

    async def _load(self, partitions: list[Partition]) -> None:
        """Fetch the records of activations that are new in memory."""
        wanted: dict[int, tuple[Partition, list[Activation]]] = {}
        for partition in partitions:
            loads = partition.take_loads()
            if loads and not partition.gone:
                wanted[partition.number] = (partition, loads)
        if not wanted:
            return
        self._grown = True
        found = await self._found(wanted)
        board = self._board
        began = board.elapsed()
        for number, (partition, loads) in wanted.items():
            if partition.gone:
                continue
            for activation, loaded in zip(loads, found.get(number, ()), strict=True):
                # Large states and long histories take their time, and the others may have something to do meanwhile.
                if board.elapsed() - began > _SLICE_S:
                    self._turns.wake(partition)
                    await asyncio.sleep(0)
                    began = board.elapsed()
                    if partition.gone:
                        break
                if partition.suspects.careful:
                    partition.put_loaded_aside(activation, loaded)
                elif not partition.loaded(activation, loaded):
                    self.openings.append((partition, activation))
            self._turns.wake(partition)

    async def _load_on(self) -> None:
        """A step of what is so large that it is looked into between one read and the next. The others go on meanwhile."""
        for opening in list(self.openings):
            partition, activation = opening
            if partition.gone or partition.load_on(activation):
                self.openings.remove(opening)
                if not partition.gone:
                    self._turns.wake(partition)
            await asyncio.sleep(0)

    async def _found(self, wanted: dict[int, tuple[Partition, list[Activation]]]) -> dict[int, list[Loaded]]:
        """What the store has of those activations; nothing of a partition whose keys hold something else."""
        board = self._board
        targets = {number: [a.target for a in loads] for number, (_, loads) in wanted.items()}
        while True:
            try:
                return await board.insist(lambda: board.store.load(targets), "loading")
            except KeyDamaged as error:
                board.face(error)
                if error.stands_still not in targets:
                    raise
                del targets[error.stands_still]

    def _evict(self) -> None:
        """Keep the number of activations in memory below its limit: those unused for longest go first."""
        partitions = self._board.partitions.values()
        limit = self._board.settings.activations_max
        total = sum(len(p.activations) for p in partitions)
        if total <= limit:
            self._grown = False
            return
        for idle_rounds in (1_000, 300, 100, 30, 10, 3, 1):
            for partition in partitions:
                total -= partition.evict(idle_rounds)
            if total <= limit * 0.9:
                self._grown = False
                return
