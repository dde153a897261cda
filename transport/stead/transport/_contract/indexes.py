"""Indexes as a store sees them: sets of entries in an order, each of one partition, read by ranges.

An entry has a score and a member, and a set is in the order of both: a set of numbers has them as scores, one of texts has all scores 0
and the text in its members. What an index is of, and where a value stands in it, is for the layers above.

The *catalogue* says which indexes a hub has. It has a version, which grows with each change; a partition's owner *adopts* a version,
and from then on no commit of the partition is written that does not know it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from .feeds import FindEntry, ReadFeed

READY = b"+"
"""How far an index of a partition has been built: to its end."""
NOT_BEGUN = b"-"
"""Not at all. Between the two it is the last target that was looked at."""

TIMED = "due."
"""With which the names of those sets begin whose scores are times: in virtual time something comes at each of them."""

LISTING = ""
"""The name of the set of all targets of a partition, among those of indexes."""


class IndexWrite(NamedTuple):
    """What a commit changes in one set: the entries that go, and then those that come or get another score."""

    name: str
    removed: Sequence[bytes]  # members
    added: Sequence[tuple[float, bytes]]
    rises: bool = False  # an entry that is there already keeps its score, if that is higher


class Adding(NamedTuple):
    """An index that a partition is to have from now on."""

    name: str
    prefix: str  # with which the targets begin that it is of: where there are none, it is ready at once


@dataclass(frozen=True, slots=True)
class CatalogueView:
    """The catalogue as it is in the store."""

    version: int = 0
    indexes: Mapping[str, bytes] = field(default_factory=dict[str, bytes])  # name -> description


class ReadRange(NamedTuple):
    """The first entries of a part of a set. Bounds are scores, or members where `by_member`; None for no bound.

    Ascending, or from its end on if `descending`. With `after`, which lies between
    the bounds, only what comes after that entry in that direction.
    """

    partition: int
    name: str
    least: bytes | float | None = None
    most: bytes | float | None = None
    open_least: bool = False  # the bound itself is not in it
    open_most: bool = False
    by_member: bool = False
    descending: bool = False
    after: tuple[float, bytes] | None = None
    limit: int = 1000


class CountRange(NamedTuple):
    """How many entries a part of a set has."""

    partition: int
    name: str
    least: bytes | float | None = None
    most: bytes | float | None = None
    open_least: bool = False
    open_most: bool = False
    by_member: bool = False


class FindPlace(NamedTuple):
    """How many entries of a set come before one, 1 if that one is there itself, and how many come after it: all at one moment."""

    partition: int
    name: str
    score: float
    member: bytes


class ReadMembers(NamedTuple):
    """The members of several parts of sets, all at one moment: what moves from one part to another is in one of them.

    Of the first `counted` parts only how many these are together, which is the first of the answer then.
    """

    partition: int
    parts: Sequence[CountRange]
    counted: int = 0


class ReadScores(NamedTuple):
    """The scores of members of a set; None for those that are not in it."""

    partition: int
    name: str
    members: Sequence[bytes]


class ReadRecords(NamedTuple):
    """The committed records of targets."""

    partition: int
    targets: Sequence[str]


class ReadBuilt(NamedTuple):
    """How far the indexes of a partition have been built: index -> `READY`, `NOT_BEGUN` or a target."""

    partition: int


Look: TypeAlias = (
    ReadRange | CountRange | FindPlace | ReadMembers | ReadScores | ReadRecords | ReadBuilt | ReadFeed | FindEntry
)
"""One look at a partition. Its answer: entries (score, member); a number; three numbers; a number if any are counted, and members of each other part; scores; records; a
dictionary; a `FeedPart`; a `FoundEntry`."""
