"""Readers of changes: what commits have changed of the entities of a kind, partition by partition, on and on.

1. A reader asks all partitions in one pipeline, and again when it has given what came; if nothing came, after a while. It holds nobody up.
2. It has missed something just if more entries were trimmed than it has read (HAZARDS 95, 97): that is raised before anything
   that came after the gap is given.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, TypeVar

from stead.entities._index.feeds import read_entry
from stead.entities._message.errors import ChangesLost
from stead.entities._message.ids import EntityId
from stead.transport import (
    UNREADABLE,
    FeedPart,
    ReadFeed,
    Settings,
    SteadError,
    Store,
    Tries,
    until_answered,
)

from .cursor import Place, read_cursor, write_cursor

T_co = TypeVar("T_co", covariant=True)

_READ_LENGTH = 64  # entries of a partition that are read at a time


@dataclass(frozen=True, slots=True)
class Change(Generic[T_co]):
    """An entity's state differs from the one before. `state`: None if the entity was deleted; `time`: that of the commit."""

    entity_id: EntityId
    state: T_co | None
    time: datetime
    _cursor: Callable[[], str]

    @property
    def cursor(self) -> str:
        """The place behind this change: `changes(…, after=cursor)` goes on with the next one."""
        return self._cursor()


class ChangeReader:
    """Reads the changes of one kind."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        name: str,
        kind: str,
        read: Callable[[bytes], Any],
        pause: Callable[[float, int], Awaitable[None]],
    ) -> None:
        """`name`: as it was defined; `kind`: the canonical name; `read`: makes a state of what is stored."""
        self._store = store
        self._settings = settings
        self._name = name
        self.kind = kind
        self._read_state = read
        self._pause = pause

    async def ends(self) -> list[Place]:
        """The places behind all that there is."""
        parts = await self._ask([Place()] * self._store.layout.partitions, limit=0)
        return [Place.behind(part.last, part.trimmed + part.length) for part in parts]

    async def follow(self, after: str | None) -> AsyncGenerator[Change[Any]]:
        """Changes from there on, without an end. Raises `ChangesLost`."""
        places = await self._begin(after)
        in_vain = 0
        while True:
            parts = await self._ask(places, _READ_LENGTH)
            self._check(places, parts)
            for partition, part in enumerate(parts):
                for stream_id, entry in part.entries:
                    async for change in self._changes(places, partition, stream_id, entry):
                        yield change
            if any(part.entries for part in parts):
                in_vain = 0
            else:
                await self._pause(self._settings.changes_poll_ms / 1000, in_vain)
                in_vain += 1

    async def _begin(self, after: str | None) -> list[Place]:
        layout = self._store.layout
        if after is None:
            return await self.ends()
        if after == "oldest":
            parts = await self._ask([Place()] * layout.partitions, limit=0)
            return [Place(number=part.trimmed) for part in parts]
        return read_cursor(after, layout.hub_id, self.kind, layout.partitions)

    async def _ask(self, places: Sequence[Place], limit: int) -> list[FeedPart]:
        looks = [ReadFeed(number, self.kind, place.stream_id, limit) for number, place in enumerate(places)]
        _, parts = await until_answered(lambda: self._store.look(looks), Tries(self._store.clock, self._settings))
        return parts

    def _check(self, places: Sequence[Place], parts: Sequence[FeedPart]) -> None:
        pairs = list(zip(places, parts, strict=True))
        missing = sum(max(0, part.trimmed - place.number) for place, part in pairs)
        went_back = any(place.number > part.trimmed + part.length for place, part in pairs)
        if missing or went_back:
            lost = [place.number < part.trimmed or place.number > part.trimmed + part.length for place, part in pairs]
            resume = [
                Place(number=part.trimmed) if gone else place for gone, (place, part) in zip(lost, pairs, strict=True)
            ]
            raise ChangesLost(self._name, missing, went_back, self._write(resume))

    async def _changes(
        self, places: list[Place], partition: int, stream_id: bytes, entry: bytes
    ) -> AsyncGenerator[Change[Any]]:
        before = places[partition]
        behind = Place.behind(stream_id, before.number + 1)
        time = datetime.fromtimestamp(behind.milliseconds / 1000, UTC)
        left_out = self._store.left_out
        try:
            changed = read_entry(entry)
        except UNREADABLE as error:
            left_out.note("changes", f"{self._name} {stream_id.decode()} of partition {partition}", error)
            changed = []
        for number, (key, packed) in enumerate(changed[before.changes :], before.changes + 1):
            places[partition] = before._replace(changes=number) if number < len(changed) else behind
            try:
                state = None if packed is None else self._read_state(packed)
            except (*UNREADABLE, SteadError) as error:  # of before, and there is no `migrate`
                left_out.note("changes", f"{self._name} {key}", error)
                continue
            yield Change(EntityId(self._name, key), state, time, partial(self._write, tuple(places)))
        places[partition] = behind

    def _write(self, places: Sequence[Place]) -> str:
        return write_cursor(self._store.layout.hub_id, self.kind, places)
