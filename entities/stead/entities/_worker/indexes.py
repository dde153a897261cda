"""The part of a worker that knows which indexes the hub has, and builds those that are new (HAZARDS 86-88).

A worker says which indexes it wants when it joins, and again from time to time. What the catalogue says is adopted partition by partition: a
partition that was held under another version is given back, and taken anew with what is stored. A new index is built in small steps,
each by a commit of the partition that it is of: fenced, and going on where the last one ended, whoever holds it then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from stead.entities._definition.entity_type import EntityType
from stead.entities._index.catalogue import Catalogue, Index, dropped_from, read_catalogue
from stead.entities._index.expiries import KindExpiry
from stead.entities._index.feeds import KindFeed, kind_of_feed
from stead.entities._message.errors import InvalidDefinition
from stead.entities._partition.indexing import Unbuilt
from stead.entities._partition.partition import Partition
from stead.transport import (
    FACED,
    FORMAT_CATALOGUE,
    LISTING,
    READY,
    UNREADABLE,
    Acquired,
    Adding,
    CatalogueView,
    KeyDamaged,
    ReadRange,
    WorkerView,
    get_logger,
)

from .board import Board

logger = get_logger("stead.worker")

STEP_LENGTH = 200
"""Entities that are looked at in one step of building: it goes into a commit with what the others wait for."""


class IndexKeeper:
    """Keeps what a worker knows of indexes and feeds, and builds them."""

    def __init__(self, board: Board, declared: Mapping[str, Index | KindFeed | KindExpiry]) -> None:
        self._board = board
        self._declared = {name: index.describe() for name, index in declared.items()}
        self._has_feeds = asyncio.Event()
        self._declared_ms = 0
        self.known = False  # whether the catalogue has been read at all
        self._declared_in = -1  # the generation of the server that was told
        self._waits = False  # for workers of an earlier version to end

    @property
    def _catalogue(self) -> Catalogue:
        return self._board.environment.catalogue

    async def refresh(self) -> list[Partition]:
        """Look at the catalogue; gives the partitions that are held under another version."""
        board = self._board
        store, keep_ms, now_ms = board.store, board.settings.names_keep_ms, board.store.clock.now_ms()
        generation = store.generation
        try:
            if await self._must_wait():
                view = await store.catalogue()
            elif self._declared_in != generation or abs(now_ms - self._declared_ms) > keep_ms // 10:
                view = await store.declare_indexes(self._declared, keep_ms)
                self._declared_ms, self._declared_in = now_ms, generation
            else:
                view = await store.catalogue()
            if view.version != self._catalogue.version:
                self._learn(view)
                logger.info("the hub's indexes are others by now (version %d of the catalogue)", view.version)
        except KeyDamaged as error:  # everyone goes on with what they know
            board.face(error)
            return []
        self.known = True
        return [p for p in board.partitions.values() if p.indexing.catalogue.version != view.version]

    async def _must_wait(self) -> bool:
        """Whether to declare nothing yet: a worker lives that would change states and not their indexes. (Others of its version do not
        join any more once something is declared: that raises the hub's format.)"""
        if not self._declared or self._declared_in >= 0:
            return False
        board = self._board
        try:
            living = await board.store.workers()
        except KeyDamaged as error:  # nobody knows who lives
            board.face(error)
            return True
        earlier = sorted(view.worker for view in living if not _knows_catalogue(view))
        if earlier and not self._waits:
            logger.error(
                "worker %s is of a version of stead that does not maintain indexes and feeds; this one declares none until it has ended: "
                "end workers of that version",
                ", ".join(earlier),
            )
        self._waits = bool(earlier)
        return self._waits

    def _learn(self, view: CatalogueView) -> None:
        try:
            self._board.environment.catalogue = read_catalogue(view)
        except UNREADABLE as error:
            raise KeyDamaged(
                f"the hub's catalogue of indexes cannot be read: {error}; another program has written to it, or a later version of stead"
            ) from error
        if self._catalogue.feeds:
            self._has_feeds.set()

    async def adopt(self, acquired: Acquired) -> Acquired | None:
        """Make the catalogue that of a partition, which was just taken. None if it is another's by now."""
        store = self._board.store
        if acquired.catalogue > self._catalogue.version:
            self._learn(await store.catalogue())
        if any(map(kind_of_feed, acquired.built)):
            self._has_feeds.set()  # what is left of them has to go
        catalogue = self._catalogue
        if acquired.catalogue == catalogue.version:
            return acquired
        added = [Adding(index.name, f"@{index.kind}@") for index in catalogue.indexes.values()]
        added += [Adding(feed.name, f"@{feed.kind}@") for feed in catalogue.all_feeds]
        added += [Adding(expiry.name, f"@{expiry.kind}@") for expiry in catalogue.all_expiring]
        dropped = dropped_from(acquired.built, catalogue)
        built = await store.adopt(acquired.partition, acquired.token, catalogue.version, added, dropped)
        return None if built is None else acquired.adopted(catalogue.version, built)

    async def keep_trimmed(self) -> None:
        """Have feeds trimmed to which nothing is added any more (HAZARDS 97)."""
        board = self._board
        clock = board.store.clock
        while True:
            await self._has_feeds.wait()
            now_ms = clock.now_ms()
            for partition in board.partitions.values():
                if partition.indexing.is_trim_due(now_ms) and not partition.draining:
                    partition.indexing.trim = True
                    partition.effects.reindexed = True
                    board.commit(partition)
            keeps_ms = self._catalogue.feeds.values()
            await clock.sleep((min(keeps_ms) / 10 if keeps_ms else board.settings.heartbeat_ms) / 1000)

    async def run(self) -> None:
        """Build, one step after the other."""
        board = self._board
        while True:
            try:
                found = self._next()
                if found is None:
                    await board.building.wait()
                else:
                    await self._step(*found)
            except FACED as error:
                board.face(error)
                # If it is a key of the whole hub, all is as it was: what was in the way may be mended by the next heartbeat.
                await board.building.wait_at_most(board.store.clock, board.settings.heartbeat_ms / 1000)

    def _next(self) -> tuple[Partition, Unbuilt] | None:
        for partition in self._board.partitions.values():
            if partition.draining or partition.suspects.careful:
                continue
            unbuilt = partition.indexing.unbuilt
            if unbuilt is not None:
                return partition, unbuilt
        return None

    async def _step(self, partition: Partition, unbuilt: Unbuilt) -> None:
        board, number, prefix = self._board, partition.number, unbuilt.prefix
        look = ReadRange(
            number,
            LISTING,
            prefix.encode(),
            prefix.encode() + b"\xff",
            open_most=True,
            by_member=True,
            after=(0.0, unbuilt.after.encode("utf-8", "surrogateescape")) if unbuilt.after else None,
            limit=STEP_LENGTH,
        )
        _, [entries] = await board.insist(lambda: board.store.look([look]), "building an index")
        members = [member.decode("utf-8", "surrogateescape") for _, member in entries]
        targets = partition.indexing.read(members)
        try:
            loaded = await board.insist(lambda: board.store.load({number: targets}), "building an index")
        except BaseException:
            partition.indexing.given_up()
            raise
        if partition.gone:
            return
        records = [(name, each.record) for name, each in zip(targets, loaded[number], strict=True)]
        reached = READY if len(members) < STEP_LENGTH else members[-1].encode("utf-8", "surrogateescape")
        partition.indexing.found(unbuilt, records, reached)
        partition.effects.reindexed = True
        while partition.indexing.has_found and not partition.gone:
            board.commit(partition)
            await board.building.wait()
        if reached == READY:
            names = ", ".join(index.field for index in unbuilt.kind.indexes if index.name in unbuilt.names)
            logger.info("partition %d: the index of %s.%s is ready", number, unbuilt.kind.kind, names)


def _knows_catalogue(view: WorkerView) -> bool:
    """Whether a worker maintains what the catalogue says, by its heartbeat."""
    known = view.info.get("format")
    return isinstance(known, int) and known >= FORMAT_CATALOGUE


def indexes_of(types: Iterable[EntityType], most: int) -> dict[str, Index | KindFeed | KindExpiry]:
    """The indexes, feeds and ends that a program's entities declare, by name. Raises `InvalidDefinition` for a kind with too many."""
    found: dict[str, Index | KindFeed | KindExpiry] = {}
    for each in types:
        indexes: Sequence[Index] = each.indexes
        if len(indexes) > most:
            raise InvalidDefinition(
                f"entity {each.name!r}",
                f"it has {len(indexes)} indexed fields, and {most} may be (STEAD_INDEXES_MAX): each is written with each change",
            )
        found.update((index.name, index) for index in indexes)
        for other in (each.feed, each.expiry):
            if other is not None:
                found[other.name] = other
    return found
