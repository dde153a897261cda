"""What a query is over: a kind, by its class or by its name, and the indexes by which it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stead.entities._definition.entity_type import EntityType
from stead.entities._index.catalogue import Index
from stead.entities._index.plan import AskedQuery
from stead.entities._index.types import IndexType
from stead.entities._message.errors import IndexNotReady
from stead.transport import InvalidInput


@dataclass(frozen=True, slots=True)
class QuerySubject:
    """What is queried: a kind, by its class or by its name."""

    name: str
    kind: str  # canonical
    entity_type: EntityType | None  # None: by name

    @property
    def types(self) -> Mapping[str, IndexType] | None:
        """The types of the indexed fields, as far as this program knows them."""
        if self.entity_type is None:
            return None
        return {index.field: IndexType(index.code, True) for index in self.entity_type.indexes}


def indexes_for(
    subject: QuerySubject,
    asked: AskedQuery,
    known: Mapping[str, Sequence[Index]],
    ready: Mapping[str, int],
    *,
    published: bool = False,
) -> dict[str, Index]:
    """The indexes that a query needs, by field: those of the class, or by name what the workers have declared.

    Raises `InvalidInput` for a field without one, `IndexNotReady` if nobody has declared any of the kind yet, and it is not known either
    (`published`) that its code has none.
    """
    found: dict[str, Index] = {}
    own = {} if subject.entity_type is None else {index.field: index for index in subject.entity_type.indexes}
    for name in asked.fields:
        if subject.entity_type is not None:
            found[name] = own[name]
            continue
        candidates = known.get(name)
        if not candidates:
            if not known and not published:
                raise IndexNotReady(subject.name, name, 0, 1, known=False)
            others = f"; it has: {', '.join(sorted(known))}" if known else ""
            raise InvalidInput(
                f"field {name!r}",
                f"{subject.name} has no index of it{others}. To index it, declare it in the class of its workers, with its type and "
                f"default: `{name}: Indexed[int] = indexed(0)`",
            )
        found[name] = max(candidates, key=lambda index: (ready.get(index.name, 0), index.name))
    if not found:  # all of them, in whatever order
        every = list(own.values()) or [index for indexes in known.values() for index in indexes]
        first = min(every, key=lambda index: (-ready.get(index.name, 0), index.name))
        found[first.field] = first
    return found
