"""The indexes of a partition's entities: what its commits write of them, and the building of those that are new (HAZARDS 85-90).

1. An activation keeps where it stood when it was last committed, or loaded. A commit writes what differs.
2. Of an index that is not ready, a commit writes all that a changed entity has in it. So what is built is needed only for entities
   that no commit has changed since it was read: whatever changes in between is right already, and what was read of it is dropped.
3. Nothing of it is a turn: a state that is only indexed is not changed, has no new time, and no message is consumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stead.entities._index.catalogue import Catalogue, KindIndexes, Writes
from stead.entities._index.feeds import Changed, kind_of_feed, mark_of, state_in, write_entry
from stead.entities._message.ids import EntityId
from stead.transport import NOT_BEGUN, READY, Commit, FeedWrite, InvalidInput

from .activation import Activation
from .expiring import Expiring
from .uses import Uses


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """Indexes of one kind that are to be built on from the same place."""

    kind: KindIndexes
    names: frozenset[str]
    after: str  # the last target that was looked at, or ""

    @property
    def prefix(self) -> str:
        """With which the targets of the kind begin."""
        return f"@{self.kind.kind}@"


class Indexing:
    """The indexes of one tenure of a partition."""

    def __init__(self, catalogue: Catalogue, built: Mapping[str, bytes], changes_max: int = 1) -> None:
        """`changes_max`: entries of one feed that are kept."""
        self.catalogue = catalogue
        self.expiring = Expiring(catalogue, built)
        # With these begin the targets of whom commits write more than states: most kinds are not of them, and each entity is asked.
        self.prefixes = tuple(f"@{kind}@" for kind in {*catalogue.kinds, *catalogue.feeds, *catalogue.expiring})
        self._changes_max = changes_max
        # Kinds that keep no changes any more.
        self._gone = {kind_of_feed(name) for name in built} - {None, *catalogue.feeds}
        self._all_old_ms: dict[str, int] | None = None  # kind -> when all that is in its feed will be too old
        self.trim = False  # the next commit is to trim them
        self.built = {name: built.get(name, NOT_BEGUN) for name in catalogue.indexes}
        self._whole = {kind: self._unready(of) for kind, of in catalogue.kinds.items()}
        self._reading: set[str] = set()  # targets that were read to be built, and that no commit has changed since
        self._flying: frozenset[str] = frozenset()  # targets that the commit in flight changes
        self._found: tuple[Unbuilt, Sequence[tuple[str, bytes | None]], bytes] | None = None

    def _unready(self, kind: KindIndexes) -> frozenset[str]:
        return frozenset(name for name in kind.names if self.built[name] != READY)

    @property
    def active(self) -> bool:
        """Whether the hub has indexes at all."""
        return bool(self.catalogue.kinds or self.catalogue.feeds or self._gone or self.expiring.active)

    def is_trim_due(self, now_ms: int) -> bool:
        """Whether there may be something in feeds that is too old, which no commit will trim if nothing is added."""
        feeds = self.catalogue.feeds
        if self._all_old_ms is None:  # what is in them when a tenure begins is not known
            self._all_old_ms = {kind: now_ms + keep_ms for kind, keep_ms in feeds.items()}
            return bool(feeds or self._gone)
        due = [kind for kind, all_old_ms in self._all_old_ms.items() if all_old_ms <= now_ms]
        for kind in due:
            del self._all_old_ms[kind]
        return bool(due)

    def loaded(self, activation: Activation, record: bytes | None) -> None:
        """What the store has of an activation has come, whose target begins with one of `prefixes`."""
        kind = kind_in(activation.target)
        indexes = activation.indexes = self.catalogue.kinds.get(kind)
        if indexes is not None:
            activation.places = indexes.places(record)
        if self.expiring.active:
            self.expiring.loaded(activation)
        if kind in self.catalogue.feeds:
            activation.told = True
            activation.seen = mark_of(record)

    # -- building ------------------------------------------------------------------------------------------------------

    @property
    def unbuilt(self) -> Unbuilt | None:
        """What is to be built next, unless something is under way."""
        if self._found is not None or self._reading:
            return None
        for kind, names in self._whole.items():
            if names:
                reached = {name: _place(self.built[name], kind) for name in names}
                first = min(reached.values())
                together = frozenset(name for name, place in reached.items() if place == first)
                return Unbuilt(self.catalogue.kinds[kind], together, first)
        return None

    def read(self, targets: Iterable[str]) -> list[str]:
        """Records are about to be read; gives of which targets: those that the commit in flight changes are written by it."""
        self._reading = {target for target in targets if target not in self._flying}
        return sorted(self._reading)

    def given_up(self) -> None:
        """They could not be read."""
        self._reading.clear()

    def found(self, unbuilt: Unbuilt, records: Sequence[tuple[str, bytes | None]], reached: bytes) -> None:
        """They were read: the next commit writes what they have in the indexes, and how far that is."""
        self._found = (unbuilt, records, reached)

    @property
    def has_found(self) -> bool:
        """Whether there is something to write."""
        return self._found is not None

    # -- commits -------------------------------------------------------------------------------------------------------

    def build(
        self,
        commit: Commit,
        changed: Sequence[tuple[Activation, bytes | None]],
        now_ms: int,
        used: Mapping[str, Uses],
    ) -> None:
        """Put into a commit what its states, and what was found, change in indexes. `changed`: with their new records; `used`: of whom
        something is to be written to sets of due times."""
        expiring = self.expiring
        if not (changed or self._found or self.trim):
            if used or expiring.has_found:
                commit.indexed, commit.built = expiring.write(used)
            return
        writes = Writes()
        for activation, record in changed:
            indexes = activation.indexes
            if indexes is None:
                continue
            places = indexes.places(record)
            indexes.write(activation.places, places, key_of(activation.target), writes, self._whole[indexes.kind])
            activation.places = places
        commit.feeds = self._feeds(changed, now_ms)
        self._flying = frozenset(activation.target for activation, _ in changed)
        self._reading -= self._flying
        if self._found is not None:
            commit.built = self._build_found(writes, *self._found)
        commit.indexed = writes.all()
        if used or expiring.has_found:
            indexed, built = expiring.write(used)
            commit.indexed = [*commit.indexed, *indexed]
            commit.built = [*commit.built, *built]

    def _feeds(self, changed: Sequence[tuple[Activation, bytes | None]], now_ms: int) -> list[FeedWrite]:
        """What is added to feeds: of each changed state one, in one entry for its kind. And what only is trimmed, when it is time."""
        entries: dict[str, list[Changed]] = {}
        for activation, record in changed:
            if not activation.told:
                continue
            mark = mark_of(record)
            if mark != activation.seen:
                activation.seen = mark
                told = (key_of(activation.target).decode(), state_in(record))
                entries.setdefault(kind_in(activation.target), []).append(told)
        feeds = self.catalogue.feeds
        if self._all_old_ms is not None:
            self._all_old_ms.update((kind, now_ms + 1 + feeds[kind]) for kind in entries)
        writes = [
            FeedWrite(kind, write_entry(entries[kind]) if kind in entries else b"", keep_ms, self._changes_max)
            for kind, keep_ms in feeds.items()
            if self.trim or kind in entries
        ]
        if self.trim:
            writes += [FeedWrite(kind, b"", 0, 0) for kind in sorted(filter(None, self._gone))]
            self.trim = False
        return writes

    def _build_found(
        self, writes: Writes, unbuilt: Unbuilt, records: Sequence[tuple[str, bytes | None]], reached: bytes
    ) -> list[tuple[str, bytes]]:
        for target, record in records:
            if target in self._reading:
                unbuilt.kind.write(None, unbuilt.kind.places(record), key_of(target), writes, unbuilt.names)
        self._found = None
        self._reading.clear()
        self.built.update(dict.fromkeys(unbuilt.names, reached))
        self._whole[unbuilt.kind.kind] = self._unready(unbuilt.kind)
        return [(name, reached) for name in sorted(unbuilt.names)]

    def committed(self) -> None:
        """The commit in flight has been applied."""
        self._flying = frozenset()
        if self.expiring.kinds:
            self.expiring.committed()


def _place(reached: bytes, kind: str) -> str:
    """The last target that was looked at; nothing, if none was, or what is stored is none of the kind's: then it is built anew."""
    place = reached.decode("utf-8", "surrogateescape")
    return place if place.startswith(f"@{kind}@") else ""


def kind_in(target: str) -> str:
    """The canonical name of an entity's kind; of an instance nothing."""
    return target[1:].partition("@")[0] if target.startswith("@") else ""


def key_of(target: str) -> bytes:
    """The key of an entity, as members of indexes have it."""
    try:
        return EntityId.parse(target).key.encode()
    except InvalidInput:  # another program has written its record: it is listed so, too
        return target.encode("utf-8", "surrogateescape")
