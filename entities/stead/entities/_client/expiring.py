"""When a class begins to expire, or expires after another time, what there is of it is told so: once, by a worker that joins.

What was told last is known by an entity of stead's own for each name, which does the telling too.
"""

from __future__ import annotations

from stead.entities._definition.entity import Entity
from stead.entities._definition.entity_type import ClassEntityType
from stead.entities._definition.own_context import send_message
from stead.entities._definition.registry import Registry
from stead.entities._message.envelope import MESSAGE_VERSION_NEWER, REMINDER
from stead.entities._message.reminders import EXPIRY, NOW

from .client import EntityClient

_AT_ONCE = 500  # entities that are told in one turn


class ExpiryNotice(Entity):
    """What the entities of a name have been told."""

    expires_ms: int = 0

    def tell(self, targets: list[str]) -> None:
        """These are to see whether they expire."""
        for target in targets:
            send_message(self.context, target, REMINDER, [EXPIRY, NOW], version=MESSAGE_VERSION_NEWER)

    def told(self, expires_ms: int) -> None:
        """All have been told."""
        self.expires_ms = expires_ms


def register_notices(registry: Registry) -> None:
    """Who tells entities that they expire is known by this registry."""
    registry.add_built_in(_NOTICES)


async def announce_expiry(client: EntityClient, registry: Registry) -> None:
    """Tell the entities of a registry's classes, if that was not done before. May be repeated from its beginning."""
    for entity_type in registry.types():
        name, expires_ms = entity_type.canonical, entity_type.expires_ms
        if expires_ms is None:
            continue
        notice = await client.read_entity(ExpiryNotice, name)
        if notice is not None and notice.expires_ms == expires_ms:
            continue
        async for page in client.targets_of(name):
            for first in range(0, len(page), _AT_ONCE):
                await client.signal_entity(ExpiryNotice.tell, name, page[first : first + _AT_ONCE])
        await client.signal_entity(ExpiryNotice.told, name, expires_ms)


_NOTICES = ClassEntityType(ExpiryNotice, "Expiry", built_in=True)
