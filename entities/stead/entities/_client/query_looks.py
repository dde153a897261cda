"""What a reading of a query looks at: counts, keys, states, of which the condition is asked again (HAZARDS 83).

Each look is at a moment of its own. Whatever indexes say is a hint: an entity is given by what its state says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from stead.entities._index.catalogue import Index, Nowhere, unindexed
from stead.entities._index.conditions import matches
from stead.entities._index.plan import AskedQuery, QueryPlan, ranges_by_field
from stead.entities._index.ranges import Ranges, is_in
from stead.entities._index.scan import Position, counted_in, counts_of, gathered_keys, gathering, listing_counts
from stead.entities._message.envelope import raise_if_keyless
from stead.entities._message.errors import CallTimeout, IndexNotReady
from stead.entities._message.record import decode_record
from stead.transport import (
    LISTING,
    UNREADABLE,
    Look,
    ReadRange,
    ReadRecords,
    ReadScores,
    Settings,
    SteadError,
    Store,
    unpack,
)

from .indexes import KnownIndexes

UNINDEXED_MAX = 1_000
"""Entities of a kind that no index can hold, and that a count looks through all the same."""

_BATCH_LEAST, _BATCH_MOST = 32, 1_000  # states that are read at once

Candidates: TypeAlias = Sequence[tuple[Position, int]]
"""Where entities are to be found that may match, with their partitions."""


@dataclass(frozen=True, slots=True)
class FoundEntity:
    """An entity that matches: where it stands in the order, and its stored state."""

    position: Position
    packed: bytes
    record: bytes

    @property
    def key(self) -> str:
        """Its key."""
        return self.position.key.decode()


class QueryLooks:
    """The looks of one reading of a query, which has so much time from `renew` on."""

    def __init__(
        self, store: Store, settings: Settings, known: KnownIndexes, asked: AskedQuery, indexes: Mapping[str, Index]
    ) -> None:
        self.asked = asked
        self.settings = settings
        self.indexes = indexes
        self.limited = ranges_by_field(asked, indexes)
        self.partitions = store.layout.partitions
        self.hub_id = store.layout.hub_id
        self._store = store
        self._known = known
        self._used = list(indexes.values())
        self._size = 1_024.0  # of a record, so far
        self.renew()

    def renew(self) -> None:
        """Let it have its time from now on."""
        self._ends_at = self._store.clock.monotonic() + self.settings.query_timeout_ms / 1000

    async def look(self, looks: Sequence[Look]) -> list[Any]:
        """Answers of looks. Raises `CallTimeout`, and `IndexNotReady`."""
        if self._store.clock.monotonic() > self._ends_at:
            raise CallTimeout(
                f"querying {self.asked.kind}",
                self.settings.query_timeout_ms / 1000,
                "narrow the condition, ask for pages, or raise STEAD_QUERY_TIMEOUT_MS; nothing was changed",
            )
        return await self._known.look(looks, self._used) if looks else []

    # -- keys ----------------------------------------------------------------------------------------------------------

    async def counts(self, choices: Mapping[str, Ranges]) -> dict[str, int]:
        """How many entries the ranges of each field have, and the listing."""
        looks: dict[str, Sequence[Look]] = {
            name: counts_of(self.indexes[name], ranges, self.partitions) for name, ranges in choices.items()
        }
        looks[LISTING] = listing_counts(self.asked.kind, self.partitions)
        answers = iter(await self.look([look for each in looks.values() for look in each]))
        return {name: counted_in(next(answers) for _ in each) for name, each in looks.items()}

    async def gather(self, plan: QueryPlan) -> list[tuple[Position, int]]:
        """All that is in the ranges of a plan, by key: of each partition at one moment."""
        index = plan.driver
        assert index is not None, "the listing is never read at once"
        answers = await self.look(gathering(self.asked.kind, index, plan.ranges, self.partitions))
        return sorted(
            (Position(None, key), partition)
            for partition, answer in enumerate(answers)
            for key in gathered_keys(index, plan.ranges, answer)
        )

    async def sift(self, candidates: Candidates, plan: QueryPlan) -> Candidates:
        """Without those of which a score says that they do not match (HAZARDS 92)."""
        for name in plan.checks:
            index, ranges = self.indexes[name], self.limited[name]
            by_partition = _by_partition(candidates)
            looks = [
                ReadScores(partition, index.name, [position.key for position, _ in each])
                for partition, each in by_partition.items()
            ]
            answers = await self.look(looks)
            candidates = [
                candidate
                for each, scores in zip(by_partition.values(), answers, strict=True)
                for candidate, score in zip(each, scores, strict=True)
                if score is None
                or is_in(score, ranges)  # without a score it may be None, or no number: its state tells
            ]
        return candidates

    async def unindexed(self) -> list[tuple[Position, int]]:
        """Those that some index of the kind cannot hold."""
        name = unindexed(self.asked.kind)
        looks = [
            ReadRange(partition, name, by_member=True, limit=UNINDEXED_MAX) for partition in range(self.partitions)
        ]
        answers = await self.look(looks)
        self.check_unindexed(sum(map(len, answers)))
        return [
            (Position(None, key), look.partition)
            for look, entries in zip(looks, answers, strict=True)
            for _, key in entries
        ]

    def check_unindexed(self, number: int) -> None:
        """Refuse to look through more than there may be of those."""
        if number > UNINDEXED_MAX:
            raise IndexNotReady(
                self.asked.kind,
                ", ".join(self.indexes),
                self.partitions,
                self.partitions,
                f"more than {UNINDEXED_MAX:,} entities have values that cannot be indexed: write them anew",
            )

    # -- states --------------------------------------------------------------------------------------------------------

    def next_batch(self, batch: int = 0) -> int:
        """How many states to read next: more at once, as long as little matches; but no more than a page may weigh."""
        return min(_BATCH_MOST, max(_BATCH_LEAST, 2 * batch), self.fitting)

    @property
    def fitting(self) -> int:
        """How many states fit into a page."""
        return max(1, int(self.settings.query_page_bytes_max / self._size))

    async def load(self, candidates: Candidates, plan: QueryPlan) -> list[FoundEntity]:
        """Those that match in their states, with their places in the order."""
        if plan.checks:
            candidates = await self.sift(candidates, plan)
        return await self.load_all(candidates, plan.ordered)

    async def load_all(self, candidates: Candidates, ordered: Index | None) -> list[FoundEntity]:
        """The same of all candidates, without asking for scores."""
        found: list[FoundEntity] = []
        for target, record in await self.records(candidates):
            self._size += (len(record) - self._size) / 8 if len(record) < self._size else len(record) - self._size
            entity = self._match(target, record, ordered)
            if entity is not None:
                found.append(entity)
        return found

    async def records(self, candidates: Candidates) -> list[tuple[str, bytes]]:
        """Targets with their records, of those that are there."""
        start = f"@{self.asked.kind}@"
        looks = [
            ReadRecords(partition, [start + position.key.decode("utf-8", "replace") for position, _ in each])
            for partition, each in _by_partition(candidates).items()
        ]
        answers = await self.look(looks)
        return [
            (target, record)
            for look, records in zip(looks, answers, strict=True)
            for target, record in zip(look.targets, records, strict=True)
            if record is not None
        ]

    def _match(self, target: str, record: bytes, ordered: Index | None) -> FoundEntity | None:
        try:
            packed = decode_record(record).packed_state
            state: Any = None if packed is None else unpack(packed)
        except (*UNREADABLE, SteadError) as error:
            raise_if_keyless(error, target)
            self._store.left_out.note("entities", target, error)
            return None
        if packed is None or not isinstance(state, dict):
            return None
        known = self._with_defaults(cast("Any", state))
        if self.asked.node is not None and not matches(self.asked.node, known):
            return None
        place = None if ordered is None else ordered.place_in(known)
        key = target[len(self.asked.kind) + 2 :].encode()
        return FoundEntity(Position(None if isinstance(place, Nowhere) else place, key), packed, record)

    def _with_defaults(self, state: dict[str, Any]) -> Mapping[str, Any]:
        """A state with what it does not have yet, as its indexes take it."""
        missing = {
            name: index.default for name, index in self.indexes.items() if name not in state and index.has_default
        }
        return {**missing, **state} if missing else state

    def has_no_place(self, found: FoundEntity, index: Index) -> bool:
        """Whether an entity cannot be in an index."""
        state: Any = unpack(found.packed)
        return isinstance(index.place_in(self._with_defaults(state)), Nowhere)


def _by_partition(candidates: Candidates) -> dict[int, list[tuple[Position, int]]]:
    found: dict[int, list[tuple[Position, int]]] = {}
    for candidate in candidates:
        found.setdefault(candidate[1], []).append(candidate)
    return found
