"""The entities of a partition that expire: when the next one is due, who has been told so, and what commits write of it (HAZARDS 103, 104).

    use ──▶ `Uses` of the activation ── (once in a tenth) ──▶ effects ──▶ commit: the sets of due times
    sets ── what is due ──▶ `told` ── a message in memory ──▶ turn: the end, or put off ──▶ the same commit

1. What is stored is never too early: a use is written when what is stored would not reach as far as it has to from now on, and then
   a tenth further. So a crash, or an eviction, which forgets the uses since then, brings no end forward.
2. Every message that said to an entity that it is due leads to another time in the set, or to its going from there; and until that is
   committed the entity is not told again. So what the set says is done once.
3. A set may have too much (who deleted the entity did not know of it), which is found out when it is due; it is never behind what was used
   while an answer was on its way: see `SetLook`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stead.entities._index.catalogue import Catalogue
from stead.entities._index.expiries import KindExpiry
from stead.entities._message.due import Due, due_message
from stead.entities._message.reminders import EXPIRE
from stead.transport import NOT_BEGUN, READY, IndexWrite

from .activation import Activation
from .uses import Uses

if TYPE_CHECKING:
    from .effects import Effects

_LATEST_MS = 2.0**53  # up to which a score is exact
TOLD_MAX = 256
"""Entities of one set of a partition that are told at a time: what is due is read in pieces."""


def note_use(activation: Activation, effects: Effects) -> None:
    """When it is due has changed, or it does not exist any more: the next commit writes that."""
    if activation.uses is not None:
        effects.note_use(activation.target, activation.uses)


def put_off(activation: Activation, milliseconds: int, of_set: str, effects: Effects) -> None:
    """It is not due before so long from now."""
    if activation.uses is not None:
        activation.uses.put_off(of_set, effects.now_ms + milliseconds)
        note_use(activation, effects)


def _is_text(target: str) -> bool:
    """Whether a name that was read is that of somebody: what is no UTF-8 was read escaped."""
    return target.isascii() or not any("\udc80" <= character <= "\udcff" for character in target)


def due_ms_of(score: float) -> int:
    """When an entity is due by what a set says: a moment that there can be, whatever another program has written there."""
    return int(min(max(score, 0.0), _LATEST_MS))


@dataclass(slots=True)
class SetLook:
    """A look at what is due by a set, from the moment at which it was asked for."""

    kind: KindExpiry
    limit: int
    touched: set[str] = field(default_factory=set[str])
    """Of whom something has been written meanwhile, or was on its way: what is read of them may be old."""


class Expiring:
    """What one tenure of a partition knows of its sets of due times."""

    def __init__(self, catalogue: Catalogue, built: Mapping[str, bytes]) -> None:
        self._kinds = catalogue.expiring
        self.kinds = {each.name: each for each in catalogue.all_expiring}
        self._reached = {name: built.get(name, NOT_BEGUN) for name in self.kinds}
        self.next_ms: dict[str, int] = dict.fromkeys(self.kinds, 0)  # when the next is due, or may be
        # Who has been told, and has not come to anything yet that is in the store.
        self.told: dict[str, dict[str, Due]] = {name: {} for name in self.kinds}
        self.flying: frozenset[str] = frozenset()  # of whom the commit in flight writes something
        self._flying_ms: dict[str, int] = {}  # the earliest of what that writes: a look may come before it
        self._looks: list[SetLook] = []
        self._found: tuple[KindExpiry, Sequence[tuple[int, str]], bytes] | None = None
        self.landed: list[str] = []  # of whom a commit has written something, for who looks after those that were told
        self.built_on = False  # a step of building has been committed
        self._builds = False

    @property
    def active(self) -> bool:
        """Whether anything of the hub expires."""
        return bool(self.kinds)

    def loaded(self, activation: Activation) -> None:
        """What the store has of an activation has come."""
        kinds = self._kinds.get(activation.target[1:].partition("@")[0]) if activation.target.startswith("@") else None
        if kinds is not None:
            activation.uses = Uses(kinds, exists=activation.stored)

    # -- what is due ---------------------------------------------------------------------------------------------------

    def is_due(self, name: str, now_ms: int) -> bool:
        """Whether a set is to be looked at, and there is room for what is found."""
        due_ms = self.next_ms.get(name)
        return due_ms is not None and due_ms <= now_ms and 2 * len(self.told[name]) < TOLD_MAX

    def look(self, name: str, uncommitted: Iterable[str]) -> SetLook:
        """A set is about to be looked at. `uncommitted`: of whom effects have something to write to it."""
        told = self.told[name]
        look = SetLook(self.kinds[name], TOLD_MAX + len(told), {*told, *self.flying, *uncommitted})
        self.next_ms.pop(name, None)
        if name in self._flying_ms:
            self._comes(name, self._flying_ms[name])
        self._looks.append(look)
        return look

    def looked(self, look: SetLook, entries: Sequence[tuple[float, bytes]] | None, now_ms: int) -> list[Due]:
        """The first entries of the set, or None if it could not be read; gives what is to be said to whom."""
        self._looks.remove(look)
        kind, told = look.kind, self.told[look.kind.name]
        if entries is None:
            self._comes(kind.name, 0)
            return []
        found: list[Due] = []
        for score, member in entries:
            if score > now_ms:
                self._comes(kind.name, due_ms_of(score))
                break
            target = kind.target(member)
            if not _is_text(target):  # nobody is told: another program has written it, and no entity has such a key
                continue
            if target not in look.touched:
                told[target] = due_message(target, EXPIRE, kind.name, due_ms_of(score))
                found.append(told[target])
        else:
            if len(entries) >= look.limit:
                self._comes(kind.name, 0)
        return found

    def _comes(self, name: str, due_ms: int) -> None:
        self.next_ms[name] = min(due_ms, self.next_ms.get(name, due_ms))

    # -- building ------------------------------------------------------------------------------------------------------

    @property
    def unbuilt(self) -> tuple[KindExpiry, bytes] | None:
        """A set that is to be built on, and from where; None while what was found for one is not written."""
        if self._found is not None:
            return None
        return next(((self.kinds[name], at) for name, at in self._reached.items() if at != READY), None)

    def whole(self, kind: KindExpiry) -> list[KindExpiry]:
        """The other sets of the same kind that have all of its entities."""
        of_kind = self._kinds[kind.kind]
        return [each for each in of_kind if each is not kind and self._reached[each.name] == READY]

    def found(self, kind: KindExpiry, dues: Sequence[tuple[int, str]], reached: bytes) -> None:
        """When entities are due by a set that is being built, and how far that is."""
        self._found = (kind, [due for due in dues if _is_text(due[1])], reached)

    @property
    def has_found(self) -> bool:
        """Whether there is something to write of that."""
        return self._found is not None

    # -- commits -------------------------------------------------------------------------------------------------------

    def write(self, used: Mapping[str, Uses]) -> tuple[list[IndexWrite], list[tuple[str, bytes]]]:
        """What a commit changes in sets, and how far they are built: `used` are those of whom something is to be written."""
        added: dict[str, list[tuple[float, bytes]]] = {}
        removed: dict[str, list[bytes]] = {}
        for target, uses in used.items():
            for kind, due_ms in zip(uses.kinds, uses.due_ms, strict=True):
                if not uses.exists:
                    removed.setdefault(kind.name, []).append(kind.member(target))
                elif due_ms:
                    added.setdefault(kind.name, []).append((float(due_ms), kind.member(target)))
                    self._comes(kind.name, due_ms)
        built: list[tuple[str, bytes]] = []
        if self._found is not None:
            kind, dues, reached = self._found
            fresh = [(float(due_ms), kind.member(target)) for due_ms, target in dues if target not in used]
            if fresh:
                added.setdefault(kind.name, []).extend(fresh)
                self._comes(kind.name, int(min(fresh)[0]))
            built.append((kind.name, reached))
            self._reached[kind.name] = reached
            self._found = None
        self.flying = frozenset(used)
        self._flying_ms = {name: int(min(entries)[0]) for name, entries in added.items()}
        for look in self._looks:
            look.touched |= self.flying
        self._builds = bool(built)
        names = [*added, *(name for name in removed if name not in added)]
        return [IndexWrite(name, removed.get(name, ()), added.get(name, ()), True) for name in names], built

    def committed(self) -> None:
        """The commit in flight has been applied."""
        if not (self.flying or self._builds):
            return
        self.landed += self.flying
        self.flying = frozenset()
        self._flying_ms = {}
        self.built_on, self._builds = self.built_on or self._builds, False

    @property
    def stirred(self) -> bool:
        """Whether something has been committed that somebody waits for."""
        return bool(self.landed) or self.built_on

    def take_landed(self) -> list[str]:
        """Of whom commits have written something since this was asked last."""
        landed, self.landed, self.built_on = self.landed, [], False
        return landed
