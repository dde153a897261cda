"""What the scripts of groups of readers are given and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .signature import Signature


class OpenGroup(NamedTuple):
    """A group that is to be there."""

    member: str  # "feed/group"
    keep_ms: int
    places: Sequence[bytes]
    hub_id: str


class ClaimHeld(NamedTuple):
    """A partition that a reader holds, or held."""

    partition: int
    fence: bytes


class Claiming(NamedTuple):
    """A partition that a reader wants."""

    partition: int
    expected: bytes  # the fence that it has seen; "-": nobody's
    drawn: bytes


class AttendGroup(NamedTuple):
    """What a reader says to its group."""

    member: str
    reader: str
    reader_ms: int  # 0: it leaves
    claim_ms: int
    keep_ms: int
    renewed: Sequence[ClaimHeld]
    released: Sequence[ClaimHeld]
    claimed: Sequence[Claiming]
    hub_id: str


class Attended(NamedTuple):
    """The group as it is then."""

    verdict: int
    now_ms: bytes
    fields: Sequence[bytes]  # field, value, ...


class MarkDone(NamedTuple):
    """A place that is to be another one."""

    partition: int
    fence: bytes
    place: bytes
    back: int  # 1: wherever it is now
    hub_id: str


class DropGroup(NamedTuple):
    """A group that is to be forgotten."""

    member: str
    hub_id: str


_KEYS = "group:hash groups:zset"

OPEN_GROUP = Signature(OpenGroup, keys=_KEYS, last_keys="record:hash")
ATTEND_GROUP = Signature(AttendGroup, keys=_KEYS, last_keys="record:hash", rows=(ClaimHeld, Claiming), answer=Attended)
MARK_DONE = Signature(MarkDone, keys="group:hash", last_keys="record:hash")
DROP_GROUP = Signature(DropGroup, keys=_KEYS, last_keys="record:hash")
