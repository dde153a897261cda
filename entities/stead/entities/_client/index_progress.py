"""Which indexes a hub has, and in how many of its partitions each is ready: for people."""

from __future__ import annotations

from dataclasses import dataclass

from stead.entities._index.catalogue import read_catalogue
from stead.transport import READY, ReadBuilt, Store


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """One index: of which field, and how far it has been built."""

    entity: str  # canonical
    field: str
    type: str
    ready: int
    """Partitions in which it is ready: in all of them, and it can be queried."""
    partitions: int


async def index_progress(store: Store) -> list[IndexProgress]:
    """All indexes of a hub, by kind and field."""
    catalogue = read_catalogue(await store.catalogue())
    if not catalogue.indexes:
        return []
    partitions = store.layout.partitions
    _, answers = await store.look([ReadBuilt(partition) for partition in range(partitions)])
    found = [
        IndexProgress(
            index.kind, index.field, index.code, sum(built.get(name) == READY for built in answers), partitions
        )
        for name, index in catalogue.indexes.items()
    ]
    return sorted(found, key=lambda each: (each.entity, each.field, each.type))
