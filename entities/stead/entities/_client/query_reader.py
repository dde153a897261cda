"""Reads what queries ask for: keys from indexes, then states.

Index and state are read at two moments (HAZARDS 83). What no longer matches is dropped; what has moved is given at its new place, unless that
is beyond the page, where a later one has it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple

from stead.entities._index.catalogue import Index
from stead.entities._index.plan import (
    AskedQuery,
    QueryPlan,
    counting_plan,
    from_token,
    is_settled,
    plan_of,
    token_of,
)
from stead.entities._index.ranges import everything
from stead.entities._index.scan import Position, Scan, in_order, is_after
from stead.transport import LISTING, InvalidInput, LeftOut, Settings, Store

from .indexes import KnownIndexes
from .query_looks import Candidates, FoundEntity, QueryLooks

FEW_PART = 4  # of all there are: of a larger part it is cheaper to read all in a row
_SPARE = 1_000  # of a sorted page, entities that are held beyond it while the rest is looked through


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
        looks = QueryLooks(self._store, self._settings, self.indexes, asked, indexes)
        return QueryReading(looks, self._check_open)


class QueryReading:
    """One reading of a query: a page, or all of it."""

    def __init__(self, looks: QueryLooks, check_open: Callable[[], None]) -> None:
        self.looks = looks
        self._check_open = check_open
        self._most = looks.settings.query_results_max

    # -- planning ------------------------------------------------------------------------------------------------------

    async def plan(self, wanted: int) -> QueryPlan:
        """How to read it: by counts, if there is a choice."""
        asked, looks = self.looks.asked, self.looks
        counts: dict[str, int] = {}
        if not is_settled(asked, looks.limited):
            choices = dict(looks.limited)
            if asked.order is not None:
                choices.setdefault(asked.order, everything(looks.indexes[asked.order].code))
            counts = await looks.counts(choices)
        return plan_of(asked, looks.indexes, looks.limited, counts, wanted, self._most)

    async def counting_plan(self) -> QueryPlan:
        """How to find all that match, in whatever order."""
        counts = await self.looks.counts(self.looks.limited)
        return counting_plan(self.looks.asked, self.looks.indexes, self.looks.limited, counts, self._most)

    def index(self, field: str) -> Index:
        """The index of a field that was asked for."""
        return self.looks.indexes[field]

    def resume(self, token: str) -> tuple[QueryPlan, Position]:
        """How to go on from a page. Raises `InvalidInput` for what is no token of this query."""
        return from_token(token, self.looks.hub_id, self.looks.asked, self.looks.indexes, self.looks.limited)

    def token(self, plan: QueryPlan, position: Position) -> str:
        """What a page says so that the next one can go on."""
        return token_of(self.looks.hub_id, self.looks.asked, plan, position)

    async def few_keys(self) -> Candidates | None:
        """All that may match, if an index has it, and it is little; None if all there are had better be read."""
        looks = self.looks
        if not looks.limited:
            return None
        counts = await looks.counts(looks.limited)
        plan = counting_plan(looks.asked, looks.indexes, looks.limited, counts, self._most)
        few = counts[plan.driver.field] if plan.driver is not None else counts[LISTING]
        if plan.streams or FEW_PART * few > counts[LISTING]:
            return None
        return await looks.gather(plan)

    async def records(self, candidates: Candidates) -> list[tuple[str, bytes]]:
        """Targets with their records, of those that are there."""
        self._go_on()
        return await self.looks.records(candidates)

    # -- pages ---------------------------------------------------------------------------------------------------------

    async def page(self, plan: QueryPlan, after: Position | None, size: int) -> FoundPage:
        """At most so many that match, from behind a position on."""
        if plan.streams:
            return await self._streamed_page(plan, after, size)
        if plan.ordered is None:
            return await self._page_by_key(plan, await self.looks.gather(plan), after, size)
        return await self._sorted_page(plan, after, size)

    async def pages(self, plan: QueryPlan, size: int) -> AsyncIterator[Sequence[FoundEntity]]:
        """All pages, one after the other, each with its time."""
        gathered = None if plan.streams else await self.looks.gather(plan)
        if gathered is not None and plan.ordered is not None:
            async for found in self._sorted_pages(plan, gathered, size):
                yield found
            return
        after: Position | None = None
        while True:
            if gathered is None:
                page = await self._streamed_page(plan, after, size)
            else:
                page = await self._page_by_key(plan, gathered, after, size)
            yield page.found
            if page.end is None:
                return
            after = page.end
            self._go_on()

    def _go_on(self) -> None:
        self._check_open()
        self.looks.renew()

    async def _streamed_page(self, plan: QueryPlan, after: Position | None, size: int) -> FoundPage:
        looks, scan = self.looks, self._scan(plan, after)
        found: dict[bytes, FoundEntity] = {}
        last = after
        batch, weight = looks.next_batch() if plan.checks else min(size, looks.fitting), 0
        while len(found) < size and weight < looks.settings.query_page_bytes_max:
            ready = await self._ready(scan, batch)
            if not ready:
                break
            last = ready[-1][0]
            for each in await looks.load(ready, plan):
                if after is None or is_after(each.position, after, descending=plan.descending):
                    found[each.position.key] = each
                    weight += len(each.record)
            batch = looks.next_batch(batch)
        at_end = scan.ended and len(found) <= size
        of = {each.position: each for each in found.values()}
        ordered = in_order(of, descending=plan.descending)
        if not at_end and last is not None:  # what has moved beyond comes later
            ordered = [each for each in ordered if not is_after(each, last, descending=plan.descending)]
        if len(ordered) > size:
            ordered = ordered[:size]
            last = ordered[-1]
        return FoundPage([of[position] for position in ordered], None if at_end else last)

    def _scan(self, plan: QueryPlan, after: Position | None) -> Scan:
        looks = self.looks
        return Scan(
            looks.asked.kind, plan.driver, plan.ranges, looks.partitions, descending=plan.descending, after=after
        )

    async def _ready(self, scan: Scan, most: int) -> Candidates:
        """The next of a scan, with their partitions; none if it is at its end."""
        while True:
            looks = scan.looks(most)
            answers = await self.looks.look([look for _, look in looks])
            for (source, _), entries in zip(looks, answers, strict=True):
                source.take(entries)
            ready = scan.ready(most)
            if ready or scan.ended:
                return ready

    async def _page_by_key(self, plan: QueryPlan, gathered: Candidates, after: Position | None, size: int) -> FoundPage:
        """A page of what was gathered, by key."""
        looks = self.looks
        at = 0 if after is None else bisect_right(gathered, after.key, key=lambda each: each[0].key)
        found: list[FoundEntity] = []
        batch, weight = looks.next_batch() if plan.checks else min(size, looks.fitting), 0
        while at < len(gathered) and len(found) < size and weight < looks.settings.query_page_bytes_max:
            some = await looks.load(gathered[at : at + batch], plan)
            found += some
            weight += sum(len(each.record) for each in some)
            at += batch
            batch = looks.next_batch(batch)
        found.sort(key=lambda each: each.position.key)
        if len(found) > size:
            return FoundPage(found[:size], found[size - 1].position)
        return FoundPage(found, gathered[at - 1][0] if at < len(gathered) else None)

    async def _sorted_page(self, plan: QueryPlan, after: Position | None, size: int) -> FoundPage:
        """A page of what is gathered by one index, in the order of another: the first of all behind a position."""
        best: list[FoundEntity] = []
        async for some in self.batches(plan, await self.looks.gather(plan)):
            best += [
                each for each in some if after is None or is_after(each.position, after, descending=plan.descending)
            ]
            if len(best) > size + _SPARE:
                best = _sorted(best, plan)[: size + 1]
        best = _sorted(best, plan)
        page = best[:size]
        return FoundPage(page, page[-1].position if len(best) > size else None)

    async def _sorted_pages(
        self, plan: QueryPlan, gathered: Candidates, size: int
    ) -> AsyncIterator[Sequence[FoundEntity]]:
        """All of what was gathered, in the order of another index. Where each stands is looked at first, and its state again when its
        turn has come; so memory holds places, and a page of states."""
        partition_of = {position.key: partition for position, partition in gathered}
        waiting = [each.position async for some in self.batches(plan, gathered) for each in some]
        after: Position | None = None
        while waiting:
            self._go_on()
            waiting = in_order(waiting, descending=plan.descending)
            some, waiting = waiting[:size], waiting[size:]
            last, page = some[-1], list[FoundEntity]()
            for each in await self.looks.load_all([(one, partition_of[one.key]) for one in some], plan.ordered):
                if waiting and is_after(each.position, last, descending=plan.descending):
                    waiting.append(each.position)  # it has moved on
                elif after is None or is_after(each.position, after, descending=plan.descending):
                    page.append(each)
            yield _sorted(page, plan)
            after = last

    async def batches(self, plan: QueryPlan, gathered: Candidates) -> AsyncIterator[list[FoundEntity]]:
        """What matches of what was gathered, some at a time."""
        at, batch = 0, self.looks.next_batch()
        while at < len(gathered):
            yield await self.looks.load(gathered[at : at + batch], plan)
            at += batch
            batch = self.looks.next_batch(batch)

    async def every(self, plan: QueryPlan) -> AsyncIterator[FoundEntity]:
        """All that match, each once, in whatever order."""
        if not plan.streams:
            async for some in self.batches(plan, await self.looks.gather(plan)):
                for each in some:
                    yield each
            return
        scan, batch = self._scan(plan, None), self.looks.next_batch()
        seen: set[bytes] = set()
        while ready := await self._ready(scan, batch):
            for each in await self.looks.load(ready, plan):
                if each.position.key not in seen:
                    seen.add(each.position.key)
                    yield each
            batch = self.looks.next_batch(batch)


def _sorted(found: Sequence[FoundEntity], plan: QueryPlan) -> list[FoundEntity]:
    of = {each.position: each for each in found}
    return [of[position] for position in in_order(of, descending=plan.descending)]


def too_many(most: int) -> InvalidInput:
    """The error of a query that finds more than it may."""
    return InvalidInput(
        "query",
        f"it has more than {most:,} results (STEAD_QUERY_RESULTS_MAX): narrow it, limit it, or take it by pages",
    )
