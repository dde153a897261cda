"""Reads what queries ask for: keys from indexes, then states, of which the condition is asked again (HAZARDS 83).

Index and state are read at two moments. What no longer matches is dropped; what has moved is given at its new place, unless that is beyond
the page, where a later one has it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from stead.entities._index.catalogue import Index, Nowhere, text_member, unindexed
from stead.entities._index.conditions import matches
from stead.entities._index.plan import AskedQuery, QueryPlan, from_token, plan_of, ranges_by_field, token_of
from stead.entities._index.ranges import Ranges, doubtful_places, everything
from stead.entities._index.scan import Position, Scan, counts_of, in_order, is_after
from stead.entities._message.errors import CallTimeout, IndexNotReady
from stead.entities._message.record import decode_record
from stead.transport import (
    UNREADABLE,
    CountRange,
    FindPlace,
    InvalidInput,
    LeftOut,
    ReadRange,
    ReadRecords,
    Settings,
    SteadError,
    Store,
    partition_of,
    unpack,
)

from .indexes import KnownIndexes

UNINDEXED_MAX = 1_000
"""Entities of a kind that no index can hold, and that a query looks through all the same."""

_BATCH_LEAST, _BATCH_MOST = 32, 1_000  # states that are read at once
_PARTS_COUNTED_MAX = 8  # of a condition with more parts, nobody counts what is in them


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


class FoundPage(NamedTuple):
    """A part of what was found, and where the next one begins; None if there is no more."""

    found: Sequence[FoundEntity]
    end: Position | None


class QueryReader:
    """Reads for the queries of one client. `check_open` raises once the client is closed."""

    def __init__(self, store: Store, settings: Settings, check_open: Callable[[], None]) -> None:
        self._store = store
        self._settings = settings
        self._check_open = check_open
        self.indexes = KnownIndexes(store, settings)

    @property
    def left_out(self) -> LeftOut:
        """What could not be read."""
        return self._store.left_out

    def begin(self, asked: AskedQuery, indexes: Mapping[str, Index]) -> QueryReading:
        """A query's reading, which has so much time from now on."""
        self._check_open()
        return QueryReading(self._store, self._settings, self.indexes, asked, indexes)


class QueryReading:
    """One reading of a query: a page, a count, all of it."""

    def __init__(
        self, store: Store, settings: Settings, known: KnownIndexes, asked: AskedQuery, indexes: Mapping[str, Index]
    ) -> None:
        self._store = store
        self._settings = settings
        self._known = known
        self._asked = asked
        self._indexes = indexes
        self._used = list(indexes.values())
        self._limited = ranges_by_field(asked, indexes)
        self._partitions = store.layout.partitions
        self._ends_at = store.clock.monotonic() + settings.query_timeout_ms / 1000
        self._size = 1_024.0  # of a record, so far

    async def _look(self, looks: Sequence[Any]) -> list[Any]:
        if self._store.clock.monotonic() > self._ends_at:
            raise CallTimeout(
                f"querying {self._asked.kind}",
                self._settings.query_timeout_ms / 1000,
                "narrow the condition, ask for pages, or raise STEAD_QUERY_TIMEOUT_MS; nothing was changed",
            )
        return await self._known.look(looks, self._used) if looks else []

    # -- planning ------------------------------------------------------------------------------------------------------

    async def plan(self, wanted: int) -> QueryPlan:
        """How to read it: by counts, if there is a choice."""
        limited = {
            name: ranges for name, ranges in self._limited.items() if len(ranges.parts) <= _PARTS_COUNTED_MAX
        } or self._limited
        counts: dict[str, int] = {}
        choices = dict(limited)
        if self._asked.order is not None and self._asked.order not in choices:
            ordered = self._indexes[self._asked.order]
            choices[ordered.field] = everything(ordered.code)
        if len(choices) > 1:
            looks = {name: counts_of(self._indexes[name], ranges, self._partitions) for name, ranges in choices.items()}
            answers = iter(await self._look([look for each in looks.values() for look in each]))
            counts = {name: sum(next(answers) for _ in each) for name, each in looks.items()}
        return plan_of(self._asked, self._indexes, limited, counts, wanted, self._settings.query_results_max)

    def index(self, field: str) -> Index:
        """The index of a field that was asked for."""
        return self._indexes[field]

    def resume(self, token: str) -> tuple[QueryPlan, Position]:
        """How to go on from a page. Raises `InvalidInput` for what is no token of this query."""
        return from_token(token, self._store.layout.hub_id, self._asked, self._indexes, self._limited)

    def token(self, plan: QueryPlan, position: Position) -> str:
        """What a page says so that the next one can go on."""
        return token_of(self._store.layout.hub_id, self._asked, plan, position)

    # -- pages ---------------------------------------------------------------------------------------------------------

    async def page(self, plan: QueryPlan, after: Position | None, size: int) -> FoundPage:
        """At most so many that match, from behind a position on."""
        if not plan.streams:
            return await self._sorted_page(plan, after, size)
        scan = self._scan(plan, after)
        found: dict[bytes, FoundEntity] = {}
        last = after
        batch, weight = min(size, self._fitting), 0
        while len(found) < size and weight < self._settings.query_page_bytes_max:
            ready = await self._ready(scan, batch)
            if not ready:
                break
            last = ready[-1][0]
            for each in await self._load(ready, plan.ordered):
                if after is None or is_after(each.position, after, descending=plan.descending):
                    found[each.position.key] = each
                    weight += len(each.record)
            batch = self._next_batch(batch)
        at_end = scan.ended and len(found) <= size
        of = {each.position: each for each in found.values()}
        ordered = in_order(of, descending=plan.descending)
        if not at_end and last is not None:  # what has moved beyond comes later
            ordered = [each for each in ordered if not is_after(each, last, descending=plan.descending)]
        if len(ordered) > size:
            ordered = ordered[:size]
            last = ordered[-1]
        return FoundPage([of[position] for position in ordered], None if at_end else last)

    def _next_batch(self, batch: int) -> int:
        """More at once, as long as little matches; but no more than a page may weigh."""
        return min(_BATCH_MOST, max(_BATCH_LEAST, 2 * batch), self._fitting)

    @property
    def _fitting(self) -> int:
        """How many states fit into a page."""
        return max(1, int(self._settings.query_page_bytes_max / self._size))

    def _scan(self, plan: QueryPlan, after: Position | None) -> Scan:
        descending = plan.descending and plan.streams
        return Scan(plan.driver, plan.ranges, self._partitions, descending=descending, after=after)

    async def _ready(self, scan: Scan, most: int) -> list[tuple[Position, int]]:
        """The next of a scan, with their partitions; none if it is at its end."""
        while True:
            looks = scan.looks(most)
            answers = await self._look([look for _, look in looks])
            for (source, _), entries in zip(looks, answers, strict=True):
                source.take(entries)
            ready = scan.ready(most)
            if ready or scan.ended:
                return ready

    async def _sorted_page(self, plan: QueryPlan, after: Position | None, size: int) -> FoundPage:
        """The same by way of all that the driver finds: it is little."""
        found: dict[bytes, FoundEntity] = {}
        async for each in self._all(plan, self._settings.query_results_max):
            found[each.position.key] = each
        of = {each.position: each for each in found.values()}
        ordered = in_order(of, descending=plan.descending)
        if after is not None:
            ordered = [each for each in ordered if is_after(each, after, descending=plan.descending)]
        page = ordered[:size]
        return FoundPage([of[position] for position in page], page[-1] if len(ordered) > size else None)

    async def _all(self, plan: QueryPlan, most: int) -> AsyncIterator[FoundEntity]:
        """All that match, each once, in the order of the driver as it was read; at most so many."""
        scan = self._scan(plan._replace(descending=False), None)
        seen: set[bytes] = set()
        batch = _BATCH_LEAST
        while ready := await self._ready(scan, batch):
            for each in await self._load(ready, plan.ordered):
                if each.position.key not in seen:
                    if len(seen) >= most:
                        raise too_many(self._settings.query_results_max)
                    seen.add(each.position.key)
                    yield each
            batch = self._next_batch(batch)

    async def _load(self, ready: Sequence[tuple[Position, int]], ordered: Index) -> list[FoundEntity]:
        """Those that match in their states."""
        return [
            found
            for target, record in await self._records(ready)
            if record is not None and (found := self._match(target, record, ordered)) is not None
        ]

    async def _records(self, ready: Sequence[tuple[Position, int]]) -> list[tuple[str, bytes | None]]:
        start = f"@{self._asked.kind}@"
        by_partition: dict[int, list[str]] = {}
        for position, partition in ready:
            by_partition.setdefault(partition, []).append(start + position.key.decode("utf-8", "replace"))
        looks = [ReadRecords(partition, targets) for partition, targets in by_partition.items()]
        answers = await self._look(looks)
        records = [
            each for look, found in zip(looks, answers, strict=True) for each in zip(look.targets, found, strict=True)
        ]
        for _, record in records:
            if record is not None:
                self._size += (len(record) - self._size) / 8 if len(record) < self._size else len(record) - self._size
        return records

    def _match(self, target: str, record: bytes, ordered: Index) -> FoundEntity | None:
        try:
            packed = decode_record(record).packed_state
            state: Any = None if packed is None else unpack(packed)
        except (*UNREADABLE, SteadError) as error:
            self._store.left_out.note("entities", target, error)
            return None
        if packed is None or not isinstance(state, dict):
            return None
        known = self._with_defaults(cast("Any", state))
        if self._asked.node is not None and not matches(self._asked.node, known):
            return None
        place = ordered.place_in(known)
        key = target[len(self._asked.kind) + 2 :].encode()
        return FoundEntity(Position(None if isinstance(place, Nowhere) else place, key), packed, record)

    def _with_defaults(self, state: dict[str, Any]) -> Mapping[str, Any]:
        """A state with what it does not have yet, as its indexes take it."""
        missing = {
            name: index.default for name, index in self._indexes.items() if name not in state and index.has_default
        }
        return {**missing, **state} if missing else state

    # -- counts and ranks ----------------------------------------------------------------------------------------------

    async def count(self) -> int:
        """How many match: by the index alone, where the condition is about one field."""
        node = self._asked.node
        named = [name for name in self._asked.fields if name != self._asked.order] or list(self._indexes)[:1]
        if node is not None and len(set(self._fields_of_condition())) > 1:
            plan = await self.plan(self._settings.query_results_max)
            counted = 0
            async for _ in self._all(plan._replace(ordered=plan.driver), 2**62):
                counted += 1
            return counted
        index = self._indexes[named[0]]
        ranges = self._limited.get(index.field) or everything(index.code)
        doubts = [((place, 0), (place, 1)) for place in doubtful_places(node, index.code)]
        doubtful = [part for part in doubts if any(low <= part[0] and part[1] <= high for low, high in ranges.parts)]
        looks = counts_of(index, ranges, self._partitions)
        unsure = counts_of(index, Ranges(tuple(doubtful), False), self._partitions)
        answers = await self._look([*looks, *unsure])
        counted = sum(answers[: len(looks)]) - sum(answers[len(looks) :])
        if doubtful:
            part = QueryPlan(index, Ranges(tuple(sorted(doubtful)), False), index, False)
            async for each in self._all(part, 2**62):
                counted += each.position.place is not None
        return int(counted) + await self._count_unindexed(index)

    def _fields_of_condition(self) -> list[str]:
        node = self._asked.node
        return [] if node is None else AskedQuery(self._asked.kind, node).fields

    async def _count_unindexed(self, index: Index) -> int:
        """Of those that no index can hold, how many match, and are not in this one."""
        ready = await self._unindexed()
        counted = 0
        for target, record in await self._records(ready):
            if record is not None and self._match(target, record, index) is not None:
                packed = decode_record(record).packed_state
                state: Any = {} if packed is None else unpack(packed)
                counted += isinstance(index.place_in(self._with_defaults(state)), Nowhere)
        return counted

    async def _unindexed(self) -> list[tuple[Position, int]]:
        name = unindexed(self._asked.kind)
        looks = [
            ReadRange(partition, name, by_member=True, limit=UNINDEXED_MAX) for partition in range(self._partitions)
        ]
        answers = await self._look(looks)
        if sum(map(len, answers)) > UNINDEXED_MAX:
            raise IndexNotReady(
                self._asked.kind,
                ", ".join(self._indexes),
                self._partitions,
                self._partitions,
                f"more than {UNINDEXED_MAX:,} entities have values that cannot be indexed: write them anew",
            )
        return [
            (Position(None, key), look.partition)
            for look, entries in zip(looks, answers, strict=True)
            for _, key in entries
        ]

    async def rank(self, index: Index, key: str) -> int | None:
        """The place of an entity in the whole order of its kind, from 1 on; None if it does not exist."""
        target = f"@{self._asked.kind}@{key}"
        member = key.encode()
        partition = partition_of(target, self._partitions)
        records = await self._records([(Position(None, member), partition)])
        found = None if records[0][1] is None else self._match(target, records[0][1], index)
        if found is None:
            return None
        return 1 + await self._count_before(index, found.position)

    async def _count_before(self, index: Index, position: Position) -> int:
        """How many come before a position in the order of an index."""
        place, member = position
        descending, everywhere = self._asked.descending, range(self._partitions)

        def members(name: str, entry: bytes) -> list[CountRange]:
            return [
                CountRange(number, name, entry, open_least=True, by_member=True)
                if descending
                else CountRange(number, name, None, entry, open_most=True, by_member=True)
                for number in everywhere
            ]

        if place is None:
            values = counts_of(index, Ranges(everything(index.code).parts, False), self._partitions)
            return int(sum(await self._look([*values, *members(index.none, member)])))
        if isinstance(place, bytes):
            return int(sum(await self._look(members(index.name, text_member(place, member)))))
        places = [FindPlace(number, index.name, place, member) for number in everywhere]
        if not descending:
            return int(sum(before for before, _ in await self._look(places)))
        answers = await self._look([*places, *(CountRange(number, index.name) for number in everywhere)])
        found, totals = answers[: self._partitions], answers[self._partitions :]
        return int(sum(total - before - same for (before, same), total in zip(found, totals, strict=True)))


def too_many(most: int) -> InvalidInput:
    """The error of a query that finds more than it may."""
    return InvalidInput(
        "query",
        f"it has more than {most:,} results (STEAD_QUERY_RESULTS_MAX): narrow it, limit it, or take it by pages",
    )
