"""Readers of changes: what commits have changed of the entities of a kind, partition by partition, on and on.

1. A reader asks all partitions in one pipeline, and again when it has given what came; if nothing came, after a while. It holds nobody up.
2. It has missed something just if more entries were trimmed than it has read (HAZARDS 95, 97): that is raised before anything
   that came after the gap is given.
3. Whether the server has gone back is seen by what stands where the reader is: that is looked at when it begins, and again whenever it is
   another server than before (HAZARDS 2).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from stead.entities._index.feeds import read_entry
from stead.entities._message.errors import ChangesLost
from stead.entities._message.ids import EntityId
from stead.transport import (
    LAST,
    UNREADABLE,
    FeedPart,
    FindEntry,
    FoundEntry,
    InvalidInput,
    ReadFeed,
    Settings,
    SteadError,
    Store,
    Tries,
    mark_of_entry,
    partition_of,
    until_answered,
)

from .cursor import Place, read_cursor, write_cursor

T_co = TypeVar("T_co", covariant=True)

OLDEST = "oldest"
READ_LENGTH = 64  # entries of a partition that are read at a time

Pause = Callable[[float, int], Awaitable[None]]
"""Waits for others to do something, so many seconds; told how often that has been in vain."""


@dataclass(frozen=True, slots=True)
class Change(Generic[T_co]):
    """An entity's state differs from the one before. `state`: None if the entity was deleted; `time`: that of the commit."""

    entity_id: EntityId
    state: T_co | None
    time: datetime
    _cursor: Callable[[], str]
    _done: Callable[[], Awaitable[bool]] | None = None
    _receipt: Callable[[], str] | None = None

    @property
    def cursor(self) -> str:
        """The place behind this change: `changes(…, after=cursor)` goes on with the next one."""
        return self._cursor()

    async def done(self) -> bool:
        """Say that the group has dealt with this change and with all before it of the same partition: none of them comes again.

        False if the partition has gone to another reader meanwhile, which gets what was not done; nothing is to be done about that.
        Durable when it returns. Raises `InvalidInput` for a change that was not read with `group=`, `StoreUnavailable`.
        """
        if self._done is None:
            raise InvalidInput(
                "done()", "only changes that are read with group=… are marked; keep the cursor of this one"
            )
        return await self._done()

    @property
    def receipt(self) -> str:
        """A text by which `client.mark_change_done` marks a change of a group from elsewhere. Raises as `done` does."""
        if self._receipt is None:
            raise InvalidInput(
                "receipt", "only changes that are read with group=… have one; keep the cursor of this one"
            )
        return self._receipt()


class Told(NamedTuple):
    """One change, as it is in a feed, and the place behind it."""

    entity_id: EntityId
    state: Any
    time: datetime
    place: Place


class FeedReader:
    """Reads the feed of one kind, wherever it is told to."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        name: str,
        kind: str,
        read: Callable[[bytes], Any],
        pause: Pause,
        key: str | None = None,
    ) -> None:
        """`name`: as it was defined; `kind`: the canonical name; `read`: makes a state of what is stored; `key`: of the one entity
        that it is about, if it is about one."""
        self.store = store
        self.settings = settings
        self.name = name
        self.kind = kind
        self.pause = pause
        self._read_state = read
        self._key = key
        self._subject = kind if key is None else f"{kind}@{key}"
        count = store.layout.partitions
        self.partitions: Sequence[int] = range(count) if key is None else [partition_of(f"@{self._subject}", count)]
        # Partition -> the generation of the server in which the reader's place was last seen.
        self._seen_in: dict[int, int] = {}

    async def answer(self, request: Callable[[], Awaitable[Any]]) -> Any:
        """The answer to a request that may be made twice."""
        return await until_answered(request, Tries(self.store.clock, self.settings))

    # -- where to begin ------------------------------------------------------------------------------------------------

    async def places(self, after: str | None) -> dict[int, Place]:
        """Where a reading begins. Raises `InvalidInput` for what is no cursor of it."""
        if after is None:
            return await self.ends()
        if after == OLDEST:
            looks = [ReadFeed(number, self.kind, b"0-0", 0) for number in self.partitions]
            _, parts = await self.answer(lambda: self.store.look(looks))
            return {look.partition: Place(number=part.trimmed) for look, part in zip(looks, parts, strict=True)}
        places = read_cursor(after, self.store.layout.hub_id, self._subject, len(self.partitions))
        return dict(zip(self.partitions, places, strict=True))

    async def ends(self) -> dict[int, Place]:
        """The places behind all that there is."""
        looks = [FindEntry(number, self.kind, LAST) for number in self.partitions]
        _, ends = await self.answer(lambda: self.store.look(looks))
        return {look.partition: Place.at_end(found) for look, found in zip(looks, ends, strict=True)}

    def write(self, places: Mapping[int, Place]) -> str:
        """The cursor of places of all its partitions."""
        in_order = [places[number] for number in self.partitions]
        return write_cursor(self.store.layout.hub_id, self._subject, in_order)

    def write_with(self, places: Sequence[Place], nth: int, place: Place) -> str:
        """The cursor of places of all its partitions, in order, with another one in the place of the nth."""
        return write_cursor(self.store.layout.hub_id, self._subject, [*places[:nth], place, *places[nth + 1 :]])

    # -- reading -------------------------------------------------------------------------------------------------------

    def forget(self, partition: int) -> None:
        """Its next place is one that this reader has not read up to: it is looked at before anything after it is."""
        self._seen_in.pop(partition, None)

    async def read(self, places: Mapping[int, Place]) -> tuple[dict[int, FeedPart], Loss | None]:
        """What comes after places, and what is lost of it."""
        while True:
            generation = self.store.generation
            doubted = [
                number
                for number, place in places.items()
                if place.milliseconds and self._seen_in.get(number) != generation
            ]
            reads = [ReadFeed(number, self.kind, place.after, READ_LENGTH) for number, place in places.items()]
            finds = [FindEntry(number, self.kind, places[number].stream_id) for number in doubted]
            _, answers = await self.answer(partial(self.store.look, [*reads, *finds]))
            if self.store.generation == generation:
                break
        parts: dict[int, FeedPart] = dict(zip(places, answers, strict=False))
        found: dict[int, FoundEntry] = dict(zip(doubted, answers[len(reads) :], strict=True))
        self._seen_in.update(dict.fromkeys(places, generation))
        return parts, _loss(places, parts, found)

    def behind(self, place: Place, stream_id: bytes, entry: bytes) -> Place:
        """The place behind a whole entry, which is the one that a place is before, or within."""
        return Place.behind(stream_id, place.number if place.changes else place.number + 1, mark_of_entry(entry))

    def changes(self, behind: Place, entry: bytes, skipped: int) -> Iterator[Told]:
        """What an entry says, but for its first changes. `behind`: the place behind it."""
        time = datetime.fromtimestamp(behind.milliseconds / 1000, UTC)
        left_out = self.store.left_out
        try:
            changed = read_entry(entry)
        except UNREADABLE as error:
            left_out.note("changes", f"{self.name} {behind.stream_id.decode()}", error)
            return
        for nth, (key, packed) in enumerate(changed[skipped:], skipped + 1):
            if self._key is not None and key != self._key:
                continue
            try:
                state = None if packed is None else self._read_state(packed)
                entity_id = EntityId(self.name, key)
            except (*UNREADABLE, SteadError) as error:  # of before, and there is no `migrate`
                left_out.note("changes", f"{self.name} {key}", error)
                continue
            yield Told(entity_id, state, time, behind._replace(changes=nth) if nth < len(changed) else behind)


class Loss(NamedTuple):
    """What a reader can not read any more."""

    missing: int  # entries
    went_back: bool
    resume: dict[int, Place]  # where to go on, for the partitions that it concerns


def _loss(places: Mapping[int, Place], parts: Mapping[int, FeedPart], found: Mapping[int, FoundEntry]) -> Loss | None:
    missing, went_back, resume = 0, False, dict[int, Place]()
    for number, place in places.items():
        part = parts[number]
        gone = max(0, part.trimmed - place.whole)
        back = _went_back(place, part, found.get(number))
        if gone or back:
            missing += gone
            went_back = went_back or back
            resume[number] = Place(number=part.trimmed)
    return Loss(missing, went_back, resume) if resume else None


def _went_back(place: Place, part: FeedPart, found: FoundEntry | None) -> bool:
    """Whether the feed is not the one any more in which the place was: that of a history that is gone."""
    if place.number > part.written:
        return True
    if not place.milliseconds:  # it was behind what had been trimmed, which comes back only so
        return place.number > part.trimmed
    return (
        found is not None
        and place.number > found.trimmed
        and (found.stream_id, found.mark) != (place.stream_id, place.mark)
    )


class ChangeReader:
    """Follows the changes of one kind, in all partitions."""

    def __init__(self, feed: FeedReader) -> None:
        self._feed = feed

    async def begin(self, after: str | None) -> AsyncGenerator[Change[Any]]:
        """Changes from there on, without an end. Raises `InvalidInput` for what is no cursor; what it gives, `ChangesLost`."""
        return self._follow(await self._feed.places(after))

    async def _follow(self, places: dict[int, Place]) -> AsyncGenerator[Change[Any]]:
        feed, in_vain = self._feed, 0
        while True:
            parts, loss = await feed.read(places)
            if loss is not None:
                raise ChangesLost(feed.name, loss.missing, loss.went_back, feed.write({**places, **loss.resume}))
            for nth, (partition, part) in enumerate(parts.items()):
                for stream_id, entry in part.entries:
                    before = places[partition]
                    behind = feed.behind(before, stream_id, entry)
                    others = tuple(places.values())
                    for entity_id, state, time, place in feed.changes(behind, entry, before.changes):
                        yield Change(entity_id, state, time, partial(feed.write_with, others, nth, place))
                    places[partition] = behind
            if any(part.entries for part in parts.values()):
                in_vain = 0
            else:
                await feed.pause(feed.settings.changes_poll_ms / 1000, in_vain)
                in_vain += 1
