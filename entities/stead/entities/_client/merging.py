"""Shards as readers see them: the one entity that they are together (HAZARDS 67, 111).

Each is read as it is committed; what they have in common is no moment. Their one record has the merged state, and the time at which
the last of them was changed: so whoever reads records need not know of shards.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence

from stead.entities._definition.entity_type import EntityType
from stead.entities._definition.registry import Registry
from stead.entities._message.errors import InvalidState
from stead.entities._message.record import UnreadableRecord, decode_record, encode_record
from stead.entities._message.shards import MARK, kind_of, logical_target
from stead.transport import SteadError

Listed = tuple[str, bytes]


def merged_record(entity_type: EntityType | None, name: str, records: Sequence[bytes]) -> bytes | None:
    """The one record of an entity, of those of its shards in their order; None if it does not exist. Raises `InvalidState` and
    `UnknownEnvelope`."""
    found = [decode_record(record) for record in records]
    packed = [each.packed_state for each in found if each.packed_state is not None]
    if not packed:
        return None
    if entity_type is None:
        raise InvalidState(
            f"{name} has shards in this hub, and only a program that has its class can merge them: run this with that app"
        )
    return encode_record(entity_type.merge(packed), max(each.modified_ms for each in found))


async def merged_pages(
    pages: AsyncIterator[list[Listed]], registry: Registry, sharded: Collection[str]
) -> AsyncIterator[list[Listed]]:
    """The pages of a listing of targets with their records, with one in the place of all shards of an entity. `sharded`: the kinds
    that have any."""
    held: list[Listed] = []  # of the entity with which the page before ended
    async for page in pages:
        if not sharded and not held and not any(MARK in target for target, _ in page):
            yield page
            continue
        merged: list[Listed] = []
        for listed in page:
            if held and logical_target(listed[0]) != logical_target(held[0][0]):
                merged += _merged(held, registry, sharded)
                held = []
            held.append(listed)
        if merged:
            yield merged
    if held and (merged := _merged(held, registry, sharded)):
        yield merged


def _merged(held: Sequence[Listed], registry: Registry, sharded: Collection[str]) -> list[Listed]:
    target = logical_target(held[0][0])
    kind = kind_of(target)
    if len(held) == 1 and target == held[0][0] and kind not in sharded:
        return [held[0]]
    entity_type = registry.get(kind)
    try:
        record = merged_record(
            entity_type, kind if entity_type is None else entity_type.name, [each for _, each in held]
        )
    except SteadError as error:
        return [(target, UnreadableRecord.of(error))]
    return [] if record is None else [(target, record)]
