"""The feeds of changes that a hub has, as its catalogue says: which kinds keep their changes, and for how long (HAZARDS 96).

What a commit adds to a feed is one entry: of each entity whose state it changed the key and the new state, or None if it is gone. An entity
has changed if its stored state is another one: a lock, a reminder or an index is no change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias, cast

from stead.entities._message.envelope import UnknownEnvelope
from stead.entities._message.record import decode_record
from stead.transport import NO_CODEC, InvalidInput, PayloadLocked, chunks_of, is_packed, pack, read_casket, unpack

CODE = "changes"
"""In the catalogue, in the place of the type of an index's values."""

Changed: TypeAlias = tuple[str, "bytes | None"]
"""An entity's key and its new state."""


@dataclass(frozen=True, slots=True)
class KindFeed:
    """That a kind keeps its changes for so long. Its name in the catalogue has both: who wants another time adds another, and
    the longest counts."""

    kind: str
    keep_ms: int

    @property
    def name(self) -> str:
        """Its name in the catalogue."""
        return f"{CODE}.{self.keep_ms}.{self.kind}"

    def describe(self) -> bytes:
        """What the catalogue holds."""
        return pack([self.kind, "", CODE, False, self.keep_ms])


def kind_of_feed(name: str) -> str | None:
    """The kind of a feed by its name in the catalogue; None for the name of an index."""
    code, _, rest = name.partition(".")
    return rest.partition(".")[2] if code == CODE and rest else None


def mark_of(record: bytes | None) -> bytes | None:
    """What the stored state of a record is known by; None if it has none."""
    packed = state_in(record)
    if packed is None:
        return None
    mark = blake2b(digest_size=16)
    for chunk in chunks_of(packed):
        mark.update(chunk)
    return mark.digest()


def state_in(record: bytes | None) -> bytes | None:
    """The stored state of a record. One that cannot be read counts as it is."""
    if record is None:
        return None
    try:
        return decode_record(record).packed_state
    except (InvalidInput, UnknownEnvelope):
        return record


def write_entry(changed: Sequence[Changed]) -> bytes:
    """The entry of a commit."""
    return pack([list(each) for each in changed])


def read_entry(entry: bytes) -> list[Changed]:
    """What an entry says. Raises `InvalidInput` for what is none."""
    found: Any = unpack(entry)
    if type(found) is dict and "l" in cast("dict[str, Any]", found):
        raise PayloadLocked(read_casket(cast("Any", found)["l"]).why or NO_CODEC)
    found = cast("Any", found)
    try:
        changed = [(key, state) for key, state, *_ in found]
    except (TypeError, ValueError) as error:
        raise _no_entry() from error
    # Looked at, not made: of a number `bytes` would make so many of them.
    if not all(type(key) is str and (state is None or is_packed(state)) for key, state in changed):
        raise _no_entry()
    return changed


def _no_entry() -> InvalidInput:
    return InvalidInput("entry of changes", "it is none, or of a later version of stead")
