"""Groups of readers as a store sees them: how far a feed has been dealt with, partition by partition, and who reads which (HAZARDS 98).

1. A group has a row for each partition: its place, and the reader that has claimed it, under a fence drawn at random for each claim. Only
   who names the fence moves the place, and only forwards.
2. Readers share the partitions as workers do: each says that it lives, sees who else does, and claims what is its by that. A claim that has
   run out is taken over by who names its fence.
3. A group that nobody attends for its time is forgotten.

What a place says is for the layers above, but for its beginning: two numbers, by which places are ordered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

PlaceText = bytes
"""b"12.3.…": two numbers, and then whatever the layers above need; no blanks."""

NO_FENCE = b"-"
"""What stands in a store for the fence of a partition that nobody has claimed. No fence is this, or has blanks."""


class GroupRow(NamedTuple):
    """A partition of a group. One that nobody has claimed has no reader and no fence."""

    place: PlaceText
    reader: str = ""
    fence: bytes = b""
    until_ms: int = 0


class GroupView(NamedTuple):
    """A group at one moment."""

    now_ms: int
    readers: Mapping[str, int]  # until when each counts as alive
    rows: Mapping[int, GroupRow]


class Claim(NamedTuple):
    """A partition that a reader wants: under a new fence, if the fence is still the one that it has seen (b"": nobody's)."""

    partition: int
    expected: bytes
    fence: bytes


class Attendance(NamedTuple):
    """What a reader says to its group, in one step: that it lives, what it holds, what it gives back, and what it wants.

    With `reader_ms` 0 it leaves.
    """

    reader: str
    reader_ms: int  # for how long it counts as alive
    claim_ms: int  # for how long claims hold
    keep_ms: int  # after how long without attendance the group is forgotten
    renewed: Sequence[tuple[int, bytes]] = ()  # partition, fence
    released: Sequence[tuple[int, bytes]] = ()
    claimed: Sequence[Claim] = ()


class Dropped(Enum):
    """What became of a group that was to be forgotten."""

    UNKNOWN = 0  # there is none
    GONE = 1
    READ = 2  # it has readers: nothing was done


def order_of(place: PlaceText) -> tuple[int, int]:
    """Where a place is among those of its partition. `lua/mark_done.lua` has the same."""
    first, second, *_ = place.split(b".")
    return int(first), int(second)


class GroupStore(Protocol):
    """The part of a store that is about groups. Its rules are those of `Store`."""

    async def open_group(self, feed: str, group: str, places: Sequence[PlaceText], keep_ms: int) -> bool:
        """Make a group of a feed, with a place for each partition, unless there is one. Whether it was made."""
        ...

    async def attend_group(self, feed: str, group: str, attendance: Attendance) -> GroupView | None:
        """A reader attends: in one step it gives back, renews and claims, as far as the fences are as it says, and is told what there
        is then. None: there is no such group. Sent again, it does no harm."""
        ...

    async def mark_done(
        self, feed: str, group: str, partition: int, fence: bytes, place: PlaceText, *, back: bool = False
    ) -> bool:
        """Move a place forwards (with `back` to wherever it is said to be). False, with nothing written, if the partition is not claimed
        under that fence."""
        ...

    async def groups(self) -> list[tuple[str, str]]:
        """Feed and name of each group, in order."""
        ...

    async def read_group(self, feed: str, group: str) -> GroupView | None:
        """A group at this moment. None: there is none."""
        ...

    async def drop_group(self, feed: str, group: str) -> Dropped:
        """Forget a group, unless it has readers that live."""
        ...
