"""Shards: the ordinary targets in which one entity of a sharded kind is kept (HAZARDS 67, 111).

1. Shard 0 is the entity's own target, `@clicks@home`; the others have a control character after it, which no key has, and their
   number. So an entity that gets shards later loses nothing, and who knows of none sends to the first.
2. A signal's shard is chosen where it is sent, by who sends it and by the entity's key. Nothing is kept of that: a sender comes
   to the same one each time, for as long as the number of shards is the same.
3. A `delete` goes to all of them.
4. Messages to the others are of a version of their own: workers that know of no shards let them wait (HAZARDS 26).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from stead.transport import SHARDS_MAX, ShardCount

from .envelope import MESSAGE_VERSION, MESSAGE_VERSION_SHARDS
from .ids import SHARD_MARK, check_key

MARK = SHARD_MARK
"""After it comes a shard's number. In the order of targets an entity's shards are next to each other: keys have nothing below a space."""

BEHIND = f"{MARK}~"
"""Behind a target, this is behind all shards of its entity, and before whatever comes next."""

_DIGITS = 4


class Spread(NamedTuple):
    """Over how many shards a kind's entities are spread, as far as somebody knows."""

    total: int  # what is read, and deleted
    sending: int
    first: int  # for sources


Spreads = Mapping[str, Spread]
"""By the canonical names of sharded kinds."""

NONE: Spreads = {}


class LatestSpreads:
    """What a worker knows of shards just now, for all who ask for each message: `now` is replaced as a whole."""

    __slots__ = ("now",)

    def __init__(self, now: Spreads = NONE) -> None:
        self.now = now


def spreads_of(counts: Mapping[str, ShardCount], now_ms: int) -> Spreads:
    """What the hub's record says, at a time."""
    return {kind: Spread(each.total, each.sending(now_ms), each.first) for kind, each in counts.items()}


def kind_of(target: str) -> str:
    """The canonical name of an entity's kind."""
    return target[1:].partition("@")[0]


def shard_target(target: str, shard: int) -> str:
    """The target of one of an entity's shards."""
    return f"{target}{MARK}{shard:0{_DIGITS}d}" if shard else target


def split_target(target: str) -> tuple[str, int]:
    """The entity's own target, and which of its shards one is."""
    logical, mark, number = target.partition(MARK)
    return logical, int(number) if mark else 0


def check_target_key(key: str) -> None:
    """Raise `InvalidInput` unless this is what a target has behind its kind's name: a key, and perhaps a shard's number."""
    logical, mark, number = key.partition(MARK)
    canonical = len(number) == _DIGITS and number.isascii() and number.isdecimal() and 0 < int(number) < SHARDS_MAX
    check_key(logical if mark and canonical else key)


def logical_target(target: str) -> str:
    """The target of the entity that a shard is of; of all others their own."""
    return target.partition(MARK)[0]


def shown_target(target: str) -> str:
    """A target as people see it."""
    logical, mark, number = target.partition(MARK)
    return f"{logical} (shard {int(number)})" if mark and number.isdecimal() else target


def version_for(target: str) -> int:
    """That of messages to a target."""
    return MESSAGE_VERSION_SHARDS if MARK in target else MESSAGE_VERSION


def shard_targets(target: str, count: int) -> list[str]:
    """The targets of all of an entity's shards, in their order."""
    return [shard_target(target, shard) for shard in range(count)]


def chosen_shard(target: str, sender: bytes, count: int) -> int:
    """Which shard of an entity gets what somebody sends it."""
    digest = blake2b(sender + b"\0" + target.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count


def receivers(target: str, operation: str, sender: bytes, spread: Spread, *, source: bool = False) -> Sequence[str]:
    """To whom a signal goes that is for an entity: one of its shards, always the same for a sender; a `delete` to all. The one that
    is this sender's comes last. `source`: whose messages are numbered, and known by these numbers in each partition."""
    mine = shard_target(target, chosen_shard(target, sender, spread.first if source else spread.sending))
    if operation.lower() != "delete":
        return (mine,)
    return [*(each for each in shard_targets(target, spread.total) if each != mine), mine]


def by_target(sender: str) -> bytes:
    """An entity or an instance, as one that sends."""
    return b"t" + sender.encode()
