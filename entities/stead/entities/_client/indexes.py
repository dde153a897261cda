"""What a client knows of a hub's indexes: which there are, and whether they are ready. Looks that need them are made through it.

It is remembered for some seconds, and each look says which version of the catalogue was there when it had been made: with another
one the look is made again, since what it read may be of an index that was going (HAZARDS 87).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stead.entities._index.catalogue import NOTHING, Catalogue, Index, read_catalogue
from stead.entities._message.errors import IndexNotReady
from stead.transport import READY, Look, ReadBuilt, Settings, Store, Tries, until_answered

KEEP_S = 5.0


class KnownIndexes:
    """The indexes of one hub, for a client."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._catalogue: Catalogue = NOTHING
        self._read_at: float | None = None
        self._ready: set[str] = set()  # names of indexes, of the catalogue that is known

    async def catalogue(self) -> Catalogue:
        """The catalogue, as it was some seconds ago at most."""
        now = self._store.clock.monotonic()
        if self._read_at is None or now - self._read_at > KEEP_S:
            await self._refresh()
        return self._catalogue

    async def _refresh(self) -> None:
        view = await until_answered(self._store.catalogue, Tries(self._store.clock, self._settings))
        if view.version != self._catalogue.version or self._read_at is None:
            self._catalogue = read_catalogue(view)
            self._ready.clear()
        self._read_at = self._store.clock.monotonic()

    async def of_kind(self, kind: str, *, now: bool = False) -> Mapping[str, Sequence[Index]]:
        """The indexes of a kind by field: several of one field while its type changes. `now`: none is missing that was there before."""
        if now:
            await self._refresh()
        found: dict[str, list[Index]] = {}
        known = (await self.catalogue()).kinds.get(kind)
        for index in known.indexes if known is not None else ():
            found.setdefault(index.field, []).append(index)
        return found

    async def built(self) -> Mapping[str, int]:
        """In how many partitions each index is ready."""
        counts = dict.fromkeys((await self.catalogue()).indexes, 0)
        _, answers = await self._look([ReadBuilt(partition) for partition in range(self._store.layout.partitions)])
        for built in answers:
            for name in counts:
                counts[name] += built.get(name) == READY
        return counts

    async def check(self, indexes: Iterable[Index]) -> None:
        """Raise `IndexNotReady` unless all of them can be queried."""
        wanted = {index.name: index for index in indexes}
        catalogue = await self.catalogue()
        if wanted.keys() <= self._ready:
            return
        if not wanted.keys() <= catalogue.indexes.keys():  # a worker may have come just now
            await self._refresh()
        counts = await self.built()
        partitions = self._store.layout.partitions
        self._ready = {name for name, count in counts.items() if count == partitions}
        for name, index in wanted.items():
            if name not in self._ready:
                raise IndexNotReady(index.kind, index.field, counts.get(name, 0), partitions, known=name in counts)

    async def look(self, looks: Sequence[Look], indexes: Sequence[Index]) -> list[Any]:
        """Answers of looks at indexes that are ready, before and after."""
        while True:
            await self.check(indexes)
            expected = self._catalogue.version
            version, answers = await self._look(looks)
            if version == expected:
                return answers
            self._read_at = None

    async def _look(self, looks: Sequence[Look]) -> tuple[int, list[Any]]:
        return await until_answered(lambda: self._store.look(looks), Tries(self._store.clock, self._settings))
