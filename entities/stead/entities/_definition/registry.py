"""The entities that an app knows, by canonical name and by class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stead.entities._message.errors import InvalidDefinition
from stead.entities._message.ids import BUILT_IN

if TYPE_CHECKING:
    from .entity_type import EntityType


class Registry:
    """What is registered on an app. Names are compared without regard to case."""

    def __init__(self) -> None:
        self._by_name: dict[str, EntityType] = {}
        self._by_class: dict[type, EntityType] = {}
        self.sharded = False
        """Whether there is one whose entities are to be kept in shards."""

    def add(self, entity_type: EntityType) -> None:
        """Register an entity. Raises `InvalidDefinition` if its name, or its class, is taken."""
        other = self._by_name.get(entity_type.canonical)
        if other is not None:
            raise InvalidDefinition(
                f"entity {entity_type.name!r}",
                f"{other.name!r} is registered already, and names are compared without regard to case; "
                'rename one with @app.entity(name="…")',
            )
        cls = entity_type.entity_class
        if cls is not None and cls in self._by_class:
            raise InvalidDefinition(
                f"entity {entity_type.name!r}",
                f"its class is registered already, as {self._by_class[cls].name!r}; make a subclass for a second name",
            )
        self.sharded = self.sharded or entity_type.shards is not None
        self._by_name[entity_type.canonical] = entity_type
        if cls is not None:
            self._by_class[cls] = entity_type

    def add_built_in(self, entity_type: EntityType) -> None:
        """Register one of stead's own. Nobody is told of it, and registering it again does nothing."""
        cls = entity_type.entity_class
        assert cls is not None and entity_type.canonical.startswith(BUILT_IN), "it is a class, and has such a name"
        self._by_name[entity_type.canonical] = self._by_class[cls] = entity_type

    def get(self, canonical: str) -> EntityType | None:
        """The entity of a canonical name."""
        return self._by_name.get(canonical)

    def for_class(self, cls: type) -> EntityType | None:
        """The entity that a class was registered as."""
        return self._by_class.get(cls)

    def names(self) -> list[str]:
        """The names of all entities, as they were given, sorted."""
        return sorted(entity_type.name for entity_type in self.types())

    def types(self) -> list[EntityType]:
        """All entities, by name."""
        users = [entity_type for name, entity_type in self._by_name.items() if not name.startswith(BUILT_IN)]
        return sorted(users, key=lambda entity_type: entity_type.name)
