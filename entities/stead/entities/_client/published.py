"""Whether the hub's workers know an entity and an operation that are named by a string.

Names that this program has registered are not asked about. Others are looked up among those that workers have published;
a hub whose workers have published nothing yet takes every message, which waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from stead.entities._message.errors import UnknownEntity, UnknownOperation
from stead.transport import KeyDamaged, Settings, Store, Tries, until_answered

# For how long what was published is believed, and how old it must be to be asked for again because of a missing name.
KEEP_S = 5.0
AGAIN_S = 0.5


class Names:
    """What workers have published, remembered for some seconds."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._published: Mapping[str, Mapping[str, Any]] = {}
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    async def check(self, name: str, operation_name: str | None = None) -> None:
        """Raise `UnknownEntity` or `UnknownOperation` if workers have published names, but not this one.

        `name` is canonical; without an operation name, only the entity is looked up.
        """
        if await self.knows(name, operation_name):
            return
        kind = self._published.get(name)
        if kind is None:
            raise UnknownEntity(name, self.known(""))
        raise UnknownOperation(operation_name or "", str(kind.get("name", name)), list(kind.get("operations", ())))

    async def knows(self, name: str, operation_name: str | None = None) -> bool:
        """Whether workers have published a name, or nothing at all yet."""
        await self._refresh(KEEP_S)
        if self._knows(name, operation_name):
            return True
        await self._refresh(AGAIN_S)
        return self._knows(name, operation_name)

    def has(self, name: str) -> bool:
        """Whether workers had published a canonical name when that was last asked."""
        return name in self._published

    def shards(self, name: str) -> int | None:
        """In how many shards the workers' code keeps the entities of a canonical name, as far as that was asked for."""
        found = self._published.get(name, {}).get("shards")
        return found if type(found) is int else None

    def known(self, folder: str) -> list[str]:
        """The published names of a folder ("orchestration"), as they were given; those of entities are in "".

        A version ("orchestration/NAME@VERSION") is no name.
        """
        found = {
            str(known.get("name", key))
            for key, known in self._published.items()
            if key.rpartition("/")[0] == folder and "@" not in key
        }
        return sorted(found)

    def _knows(self, name: str, operation_name: str | None) -> bool:
        if not self._published:
            return True
        kind = self._published.get(name)
        if kind is None:
            return False
        if operation_name is None or kind.get("form") != "class":
            return True
        wanted = operation_name.lower()
        return any(known.lower() == wanted for known in kind.get("operations", ()))

    async def _refresh(self, age_s: float) -> None:
        clock = self._store.clock
        async with self._reading:
            if self._read_at is not None and clock.monotonic() - self._read_at < age_s:
                return
            try:
                self._published = await until_answered(self._store.published, Tries(clock, self._settings))
            except KeyDamaged as error:  # nobody can say who knows what: messages wait for whoever does
                self._store.left_out.note("names", "(all)", error)
                self._published = {}
            self._read_at = clock.monotonic()
