"""The indexes of a hub, as its workers and clients know them, and the entries that an entity has in them.

An index is of one field of a kind. Its name is made of all that decides where a value stands: of another type it is another index,
which is built beside the old one (HAZARDS 85, 86).

1. What stands in an index is a function of the stored state, so that any worker maintains it. A field that a state does not have yet has
   the class's default.
2. An entity's values are compared with those of its last committed state: only what differs is written.
3. A value that has no place in an index of its type puts the entity among the kind's unindexed ones, which queries look through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from stead.entities._message.envelope import UnknownEnvelope
from stead.entities._message.record import decode_record
from stead.transport import CatalogueView, IndexWrite, InvalidInput, pack, unpack

from .expiries import CODE as EXPIRY
from .expiries import KindExpiry
from .feeds import CODE as CHANGES
from .feeds import KindFeed, kind_of_feed
from .types import Place, Unplaced, is_text, place_of

ENCODING = 1  # of places as entries: another one makes other indexes
_NAME_LENGTH = 16
_SEPARATOR = b"\0"
_ESCAPED = b"\0\xff"


class Nowhere:
    """Stands for the place of a value that has none."""

    def __repr__(self) -> str:
        return "nowhere"


NOWHERE = Nowhere()

Places = tuple["Place | Nowhere", ...]
"""Where an entity stands in the indexes of its kind, in their order."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index of one field of a kind. `kind` is the canonical name; `default` the stored form of what a state has that lacks the field."""

    name: str
    kind: str
    field: str
    code: str  # the type of its values: see `types`
    has_default: bool
    default: object

    @property
    def none(self) -> str:
        """The name of the set of those whose value is None."""
        return f"{self.name}.none"

    @property
    def is_text(self) -> bool:
        """Whether it is in the order of bytes."""
        return is_text(self.code)

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of its sets."""
        return (self.name, self.none)

    def place_in(self, state: Mapping[str, Any]) -> Place | Nowhere:
        """Where a state stands in it."""
        if self.field in state:
            value = state[self.field]
        elif self.has_default:
            value = self.default
        else:
            return NOWHERE
        try:
            return place_of(self.code, value)
        except Unplaced:
            return NOWHERE

    def entry(self, place: Place, key: bytes) -> tuple[str, float, bytes]:
        """The entry of an entity with a place: its set, score and member."""
        if place is None:
            return self.none, 0.0, key
        if isinstance(place, bytes):
            return self.name, 0.0, text_member(place, key)
        return self.name, place, key

    def describe(self) -> bytes:
        """What the catalogue holds."""
        return pack([self.kind, self.field, self.code, self.has_default, self.default])


def index_of(kind: str, field: str, code: str, has_default: bool, default: object = None) -> Index:
    """The index of a field."""
    made_of = pack([ENCODING, kind, field, code, has_default, default])
    return Index(hashlib.sha256(made_of).hexdigest()[:_NAME_LENGTH], kind, field, code, has_default, default)


def unindexed(kind: str) -> str:
    """The name of the set of a kind's entities that have no place in some index."""
    return f"{kind}.unindexed"


def text_member(place: bytes, key: bytes) -> bytes:
    """The member of a text and a key: in the order of the texts, then of the keys."""
    return place.replace(_SEPARATOR, _ESCAPED) + _SEPARATOR + key


def of_text_member(member: bytes) -> tuple[bytes, bytes]:
    """The text and the key of a member. Keys have no control characters: the last separator is the one before the key."""
    text, _, key = member.rpartition(_SEPARATOR)
    return text.replace(_ESCAPED, _SEPARATOR), key


def below_text(place: bytes) -> bytes:
    """What comes before all members with a text, and after all with lesser ones."""
    return place.replace(_SEPARATOR, _ESCAPED) + _SEPARATOR


def above_text(place: bytes) -> bytes:
    """What comes after all members with a text, and before all with greater ones."""
    return place.replace(_SEPARATOR, _ESCAPED) + _ESCAPED


class KindIndexes:
    """All indexes of one kind."""

    __slots__ = ("indexes", "kind", "names")

    def __init__(self, kind: str, indexes: Iterable[Index]) -> None:
        self.kind = kind
        self.indexes = tuple(sorted(indexes, key=lambda index: index.name))
        self.names = tuple(index.name for index in self.indexes)

    def places(self, record: bytes | None) -> Places | None:
        """Where a stored record stands; None for what is in no index, since it has no state (HAZARDS 90)."""
        if record is None:
            return None
        try:
            packed = decode_record(record).packed_state
            state = None if packed is None else unpack(packed)
        except (InvalidInput, UnknownEnvelope):  # it cannot be read, so nobody can say whether it matches
            return (NOWHERE,) * len(self.indexes)
        if packed is None:
            return None
        known: Mapping[str, Any] = cast("Any", state) if isinstance(state, dict) else {}
        return tuple(index.place_in(known) for index in self.indexes)

    def write(
        self, old: Places | None, new: Places | None, key: bytes, writes: Writes, whole: frozenset[str] = frozenset()
    ) -> None:
        """Put what differs into `writes`; all that there is now for the indexes of `whole`, which are being built."""
        if old == new and not whole:
            return
        for place, index in enumerate(self.indexes):
            before = NOWHERE if old is None else old[place]
            after = NOWHERE if new is None else new[place]
            if before == after and index.name not in whole:
                continue
            if after is not NOWHERE:
                put = index.entry(cast("Place", after), key)
                writes.add(put)
            else:
                put = None
            if before is not NOWHERE and before != after:
                gone = index.entry(cast("Place", before), key)
                if put is None or (gone[0], gone[2]) != (put[0], put[2]):  # else it gets another score
                    writes.remove(gone)
        was, is_now = old is not None and NOWHERE in old, new is not None and NOWHERE in new
        if is_now and (whole or not was):
            writes.add((unindexed(self.kind), 0.0, key))
        elif was and not is_now:
            writes.remove((unindexed(self.kind), 0.0, key))


class Writes:
    """Collects the entries that a commit changes, set by set."""

    __slots__ = ("_sets",)

    def __init__(self) -> None:
        self._sets: dict[str, tuple[list[bytes], list[tuple[float, bytes]]]] = {}

    def add(self, entry: tuple[str, float, bytes]) -> None:
        name, score, member = entry
        self._sets.setdefault(name, ([], []))[1].append((score, member))

    def remove(self, entry: tuple[str, float, bytes]) -> None:
        self._sets.setdefault(entry[0], ([], []))[0].append(entry[2])

    def all(self) -> list[IndexWrite]:
        return [IndexWrite(name, *changes) for name, changes in self._sets.items()]


class Catalogue:
    """A version of the catalogue: the indexes that a hub has, by kind, the kinds that keep their changes, and those that expire."""

    def __init__(
        self,
        version: int,
        indexes: Iterable[Index],
        feeds: Iterable[KindFeed] = (),
        expiring: Iterable[KindExpiry] = (),
    ) -> None:
        self.version = version
        self.indexes = {index.name: index for index in indexes}
        kinds: dict[str, list[Index]] = {}
        for index in self.indexes.values():
            kinds.setdefault(index.kind, []).append(index)
        self.kinds: Mapping[str, KindIndexes] = {kind: KindIndexes(kind, of) for kind, of in kinds.items()}

        self.feeds: dict[str, int] = {}  # kind -> for how long (ms)
        self.all_feeds = tuple(feeds)
        for feed in self.all_feeds:
            self.feeds[feed.kind] = max(feed.keep_ms, self.feeds.get(feed.kind, 0))
        self.expiring: dict[str, tuple[KindExpiry, ...]] = {}  # kind -> one for each time
        for each in expiring:
            self.expiring[each.kind] = (*self.expiring.get(each.kind, ()), each)

    @property
    def all_expiring(self) -> list[KindExpiry]:
        """Those of all kinds."""
        return [each for of_kind in self.expiring.values() for each in of_kind]


NOTHING = Catalogue(0, ())


def read_catalogue(view: CatalogueView) -> Catalogue:
    """The catalogue from what the store has. Raises `InvalidInput` for a description that this version cannot read."""
    indexes = [_read_index(*each) for each in view.indexes.items()]
    feeds = [KindFeed(each.kind, int(str(each.default))) for each in indexes if each.code == CHANGES]
    expiring = [KindExpiry(each.kind, int(str(each.default))) for each in indexes if each.code == EXPIRY]
    others = [each for each in indexes if each.code not in (CHANGES, EXPIRY)]
    return Catalogue(view.version, others, feeds, expiring)


def _read_index(name: str, description: bytes) -> Index:
    found: Any = unpack(description)
    match found:
        case [str(kind), str(field), str(code), bool(has_default), default, *_]:
            return Index(name, kind, field, code, has_default, default)
        case _:
            raise InvalidInput(f"index {name}", "its description is of a later version of stead")


def dropped_from(built: Iterable[str], catalogue: Catalogue) -> dict[str, Sequence[str]]:
    """Of the indexes that a partition has, those that are gone, with the names of their sets. What it has of a feed that is gone
    is trimmed by its commits."""
    there = {*catalogue.indexes, *(each.name for each in catalogue.all_expiring)}
    return {name: (name, f"{name}.none") for name in built if name not in there and kind_of_feed(name) is None}
