"""How many a query finds, and the place of an entity in an order: by indexes alone, where that is possible."""

from __future__ import annotations

from stead.entities._index.catalogue import Index, text_member
from stead.entities._index.plan import AskedQuery, QueryPlan
from stead.entities._index.ranges import Ranges, doubtful_places, everything
from stead.entities._index.scan import Position, counting, counts_of, gathered_keys, unindexed_counts
from stead.transport import CountRange, FindPlace, partition_of

from .query_looks import QueryLooks
from .query_reader import QueryReading


async def count_of(reading: QueryReading) -> int:
    """How many match: by the index alone, where the condition is about one field."""
    looks = reading.looks
    node = looks.asked.node
    named = [] if node is None else AskedQuery(looks.asked.kind, node).fields
    if len(named) > 1:
        counted = 0
        async for _ in reading.every(await reading.counting_plan()):
            counted += 1
        return counted
    return await _count_by(reading, looks.indexes[named[0] if named else next(iter(looks.indexes))])


async def _count_by(reading: QueryReading, index: Index) -> int:
    """How many match by the index alone, each partition at one moment; states are read of those only of which it does not tell, and
    which are not counted by it."""
    looks = reading.looks
    node, ranges = looks.asked.node, looks.limited.get(index.field) or everything(index.code)
    doubts = sorted(((place, 0), (place, 1)) for place in doubtful_places(node, index.code))
    inside = [part for part in doubts if any(low <= part[0] and part[1] <= high for low, high in ranges.parts)]
    doubtful = Ranges(tuple(inside), False)
    counted, doubted = 0, list(range(looks.partitions))
    if not inside and len(ranges.parts) + ranges.none == 1:  # one command says it at one moment, without a script
        values = counts_of(index, ranges, looks.partitions)
        answers = await looks.look([*values, *unindexed_counts(index.kind, looks.partitions)])
        numbers, apart = answers[: looks.partitions], answers[looks.partitions :]
        counted = sum(number for number, some in zip(numbers, apart, strict=True) if not some)
        doubted = [partition for partition, some in enumerate(apart) if some]
    read: dict[bytes, int] = {}  # those at doubtful places
    unplaced: dict[bytes, int] = {}  # those that some index cannot hold
    asked = counting(index, ranges, doubtful, doubted)
    for look, answer in zip(asked, await looks.look(asked), strict=True):
        members = answer[1:] if look.counted else answer
        keys = gathered_keys(index, doubtful, members[:-1])
        counted += (answer[0] if look.counted else 0) - len(keys)
        read.update(dict.fromkeys(keys, look.partition))
        unplaced.update(dict.fromkeys(members[-1], look.partition))
    looks.check_unindexed(len(unplaced))
    candidates = [(Position(None, key), partition) for key, partition in sorted({**unplaced, **read}.items())]
    async for some in reading.batches(QueryPlan(index, doubtful, None, False), candidates):
        counted += sum(each.position.key in read or looks.has_no_place(each, index) for each in some)
    return counted


async def _count_unindexed(
    looks: QueryLooks, index: Index, before: Position | None = None, *, after: bool = False
) -> int:
    """Of those that no index can hold, how many match, and are not in this one; only those before a key, or after it."""
    found = await looks.load_all(await looks.unindexed(), None)
    if before is not None:
        found = [
            each for each in found if (each.position.key > before.key if after else each.position.key < before.key)
        ]
    return sum(looks.has_no_place(each, index) for each in found)


async def rank_of(looks: QueryLooks, index: Index, key: str) -> int | None:
    """The place of an entity in the whole order of its kind, from 1 on; None if it does not exist."""
    partition = partition_of(f"@{looks.asked.kind}@{key}", looks.partitions)
    found = await looks.load_all([(Position(None, key.encode()), partition)], index)
    return 1 + await _count_before(looks, index, found[0].position) if found else None


async def _count_before(looks: QueryLooks, index: Index, position: Position) -> int:
    """How many come before a position in the order of an index."""
    place, member = position
    descending, everywhere = looks.asked.descending, range(looks.partitions)

    def members(name: str, entry: bytes) -> list[CountRange]:
        return [
            CountRange(number, name, entry, open_least=True, by_member=True)
            if descending
            else CountRange(number, name, None, entry, open_most=True, by_member=True)
            for number in everywhere
        ]

    if place is None:
        values = counts_of(index, Ranges(everything(index.code).parts, False), looks.partitions)
        counted = sum(await looks.look([*values, *members(index.none, member)]))
        return int(counted) + await _count_unindexed(looks, index, position, after=descending)
    if isinstance(place, bytes):
        return int(sum(await looks.look(members(index.name, text_member(place, member)))))
    places = [FindPlace(number, index.name, place, member) for number in everywhere]
    if not descending:
        return int(sum(before for before, _ in await looks.look(places)))
    answers = await looks.look([*places, *(CountRange(number, index.name) for number in everywhere)])
    found, totals = answers[: looks.partitions], answers[looks.partitions :]
    return int(sum(total - before - same for (before, same), total in zip(found, totals, strict=True)))
