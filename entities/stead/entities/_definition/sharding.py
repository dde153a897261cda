"""Entities that are kept in shards: what their class must have, what it may not, and how one state is made of many."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from stead.entities._message.errors import InvalidDefinition, InvalidState
from stead.entities._message.ids import EntityClass
from stead.transport import SHARDS_MAX
from stead.transport.describing import text_of_error

from .class_rules import MERGE

if TYPE_CHECKING:
    from .entity import Entity

Merge = Callable[[Sequence[Any]], Any]

_REFUSED = {
    "changes": "changes=…: a commit is one shard's, and none of them knows what has become of the whole",
    "expires_after": "expires_after=…: the shards of one entity would expire apart",
    "indexes": "Indexed fields: an index would see the shards, and never what they are together",
}


class MergedEntity(EntityClass, Protocol):
    """A class of entities that can be kept in shards: it has a `merge`."""

    @classmethod
    def merge(cls, shards: Sequence[Self], /) -> Self:
        """The one state of an entity, of those of its shards that exist, in their order. There is no order of what has happened
        in different ones."""
        ...


def merge_of(cls: type[Entity]) -> Merge | None:
    """A class's `merge`, if it has one."""
    found = inspect.getattr_static(cls, MERGE, None)
    return getattr(cls, MERGE) if isinstance(found, classmethod) else None


def checked_shards(cls: type[Entity], shards: object, merge: Merge | None) -> int:
    """A number of shards. Raises `InvalidDefinition` if it is none, and for a class that cannot have any."""
    what = f"shards of {cls.__name__}"
    if type(shards) is not int or not 1 <= shards <= SHARDS_MAX:
        raise InvalidDefinition(what, f"shards={shards!r}: give a whole number from 1 to {SHARDS_MAX:,}")
    if merge is None:
        raise InvalidDefinition(
            what,
            "nothing makes one state of them: give the class a class method `merge(cls, shards: Sequence[Self]) -> Self`",
        )
    takes = [parameter.kind for parameter in inspect.signature(merge).parameters.values()]
    if takes not in ([inspect.Parameter.POSITIONAL_ONLY], [inspect.Parameter.POSITIONAL_OR_KEYWORD]):
        raise InvalidDefinition(f"{cls.__name__}.{MERGE}", "it takes `cls` and the shards, and nothing else")
    if inspect.iscoroutinefunction(merge):
        raise InvalidDefinition(f"{cls.__name__}.{MERGE}", "it is called where states are read: write `def`")
    return shards


def refuse_beside_shards(cls: type[Entity], given: Collection[str]) -> None:
    """Raise `InvalidDefinition` if a class in shards has what would be one shard's and not the entity's."""
    for name, reason in _REFUSED.items():
        if name in given:
            raise InvalidDefinition(f"shards of {cls.__name__}", f"it cannot go with {reason}")


def merged_state(
    cls: type[Entity], shards: Sequence[Entity], merge: Merge, pack: Callable[[Any], bytes], name: str
) -> bytes:
    """The one state of an entity. Raises `InvalidState` if there is none."""
    try:
        merged = merge(shards)
        if type(merged) is not cls:
            raise TypeError(f"it gave {type(merged).__name__}, and has to give {cls.__name__}")
        return pack(merged)
    except Exception as error:
        raise InvalidState(f"the shards of {name} cannot be merged: {text_of_error(error)}") from error
