"""The part of a worker that knows in how many shards the hub keeps the entities of its kinds (HAZARDS 111).

A worker that joins raises the numbers in the hub's record to what its code says, before it does anything else. With each heartbeat
it reads them again: what counts is the record, since others may have newer code, and a number is never lowered.
"""

from __future__ import annotations

from collections.abc import Iterable

from stead.entities._definition.entity_type import EntityType
from stead.entities._message.shards import Spreads, spreads_of
from stead.transport import KeyDamaged, get_logger, raise_shards

from .board import Board

logger = get_logger("stead.worker")


class ShardKeeper:
    """Keeps what a worker knows of shards."""

    def __init__(self, board: Board, types: Iterable[EntityType]) -> None:
        self._board = board
        self._types = {each.canonical: each for each in types}
        self._declared = {kind: each.shards for kind, each in self._types.items() if each.shards is not None}
        self._declared_in = -1  # the generation of the server that was told
        self._told: set[tuple[str, int]] = set()

    async def refresh(self) -> None:
        """Read the numbers; raise them, if this server has not been told yet. Raises what the store does."""
        board = self._board
        store, generation = board.store, board.store.generation
        try:
            if self._declared and self._declared_in != generation:
                counts = await raise_shards(store, self._declared)
                self._declared_in = generation
            else:
                counts = await store.shards()
        except KeyDamaged as error:  # everyone goes on with what they know
            board.face(error)
            return
        board.environment.latest_spreads.now = spreads = spreads_of(counts, store.clock.now_ms())
        self._tell(spreads)

    def _tell(self, spreads: Spreads) -> None:
        """Say once where the hub has more shards than this code asks for."""
        for kind, spread in spreads.items():
            own = self._types.get(kind)
            if own is None or (own.shards or 1) >= spread.total or (kind, spread.total) in self._told:
                continue
            self._told.add((kind, spread.total))
            logger.warning(
                "%s has %s in this code and %d shards in the hub: their number can only grow, so it stays %d; "
                "write @app.entity(shards=%d)",
                own.name,
                "no shards" if own.shards is None else f"shards={own.shards}",
                spread.total,
                spread.total,
                spread.total,
            )
