"""What is left of an earlier way to tell entities that their class expires: messages that may still be on their way."""

from __future__ import annotations

from stead.entities._definition.entity import Entity
from stead.entities._definition.entity_type import ClassEntityType
from stead.entities._definition.registry import Registry


class ExpiryNotice(Entity):
    """It told the entities of a name, and knew what they had been told. The sets of due times need nobody for that."""

    expires_ms: int = 0

    def tell(self, targets: list[str]) -> None:
        """It is known already."""
        self.context.delete_state()

    def told(self, expires_ms: int) -> None:
        """Nobody asks any more."""
        self.context.delete_state()


def register_notices(registry: Registry) -> None:
    """What was sent to them is known by this registry."""
    registry.add_built_in(_NOTICES)


_NOTICES = ClassEntityType(ExpiryNotice, "Expiry", built_in=True)
