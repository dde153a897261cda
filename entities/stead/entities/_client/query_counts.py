"""How many a query finds, and the place of an entity in an order: by indexes alone, where that is possible."""

from __future__ import annotations

from stead.entities._index.catalogue import Index, text_member, unindexed
from stead.entities._index.plan import AskedQuery, QueryPlan
from stead.entities._index.ranges import Ranges, doubtful_places, everything
from stead.entities._index.scan import Position, counting, counts_of, gathered_keys, parts_of, unindexed_counts
from stead.transport import CountRange, FindPlace, ReadMembers, partition_of

from .query_looks import FoundEntity, QueryLooks
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


async def rank_of(looks: QueryLooks, index: Index, key: str) -> int | None:
    """The place of an entity in the whole order of its kind, from 1 on; None if it does not exist.

    Each partition is looked at at one moment, and its own at one at which it stands where it is counted: so it is never among those before
    itself. If it has moved since its state was read, both are done again.
    """
    partition = partition_of(f"@{looks.asked.kind}@{key}", looks.partitions)
    while True:
        found = await looks.load_all([(Position(None, key.encode()), partition)], index)
        if not found:
            return None
        before = await _count_before(looks, index, found[0], partition)
        if before is not None:
            return before + 1


async def _count_before(looks: QueryLooks, index: Index, own: FoundEntity, partition: int) -> int | None:
    """How many come before an entity in the order of an index; None if it is not there any more."""
    (place, key), descending = own.position, looks.asked.descending
    everywhere = range(looks.partitions)
    if place is None:
        return await _count_before_none(looks, index, own, partition)
    if not isinstance(place, bytes):
        found = await looks.look([FindPlace(number, index.name, place, key) for number in everywhere])
        return sum(behind if descending else before for before, _, behind in found) if found[partition][1] else None
    member = text_member(place, key)
    before = [_before(number, index.name, member, descending=descending) for number in everywhere]
    with_itself = ReadMembers(partition, [before[partition], _itself(partition, index.name, member)], 1)
    answers = await looks.look([with_itself if number == partition else before[number] for number in everywhere])
    count, itself = answers[partition]
    return int(sum(answers[:partition]) + count + sum(answers[partition + 1 :])) if itself else None


async def _count_before_none(looks: QueryLooks, index: Index, own: FoundEntity, partition: int) -> int | None:
    """The same for one that has no value: all values come before it, then of those without one some, by their keys."""
    kind, descending, key = looks.asked.kind, looks.asked.descending, own.position.key
    values = everything(index.code).parts
    is_apart = looks.has_no_place(own, index)
    asked: list[ReadMembers] = []
    for number in range(looks.partitions):
        counted = [
            *parts_of(number, index, Ranges(values, False)),
            _before(number, index.none, key, descending=descending),
        ]
        read = [_itself(number, index.none, key), CountRange(number, unindexed(kind), by_member=True)]
        asked.append(ReadMembers(number, [*counted, *read], len(counted)))
    answers = await looks.look(asked)
    _, nones, apart = answers[partition]
    if key not in (apart if is_apart else nones):
        return None
    candidates = [
        (Position(None, other), number)
        for number, (_, _, others) in enumerate(answers)
        for other in others
        if (other > key if descending else other < key)
    ]
    looks.check_unindexed(len(candidates))
    loaded = await looks.load_all(candidates, None)
    return int(sum(count for count, _, _ in answers)) + sum(looks.has_no_place(each, index) for each in loaded)


def _before(partition: int, name: str, member: bytes, *, descending: bool) -> CountRange:
    """What comes before a member in the order of members."""
    if descending:
        return CountRange(partition, name, member, open_least=True, by_member=True)
    return CountRange(partition, name, None, member, open_most=True, by_member=True)


def _itself(partition: int, name: str, member: bytes) -> CountRange:
    return CountRange(partition, name, member, member, by_member=True)
