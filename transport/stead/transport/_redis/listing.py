"""A cursor over the indexes of all partitions, which merges them into one order. Does no I/O."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from .scripts import command


def end_of(prefix: bytes) -> bytes:
    """What bounds all that begin with the prefix: the next text of its length, as no UTF-8 text ends with byte 255."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else b""


def next_after(after: str) -> bytes:
    """What comes next after a text, in the order of bytes; nothing is left out after an empty one."""
    return after.encode() + b"\0" if after else b""


class Listing:
    """Merges the indexes of all partitions into one ascending order, reading each a piece at a time.

    Invariant: every partition either has members in the heap, or is at its end, or is wanted next.
    """

    def __init__(self, first: bytes, end: bytes, page: int, partitions: int) -> None:
        """Lists from `first` on to what comes before `end`; an empty `end` is none."""
        self._least = b"[" + first if first else b"-"
        self._most = b"(" + end if end else b"+"
        self._piece = max(8, 2 * page // partitions)
        self._after: dict[int, bytes] = {}  # the last member read of a partition
        self._in_heap = [0] * partitions
        self._ended = [False] * partitions
        self._heap: list[tuple[bytes, int]] = []

    def wanted(self) -> list[int]:
        """The partitions to read on."""
        return [place for place, count in enumerate(self._in_heap) if count == 0 and not self._ended[place]]

    def range_command(self, partition: int, index: bytes) -> bytes:
        """The command that reads a partition on."""
        after = self._after.get(partition)
        least = b"(" + after if after is not None else self._least
        return command(b"ZRANGE", index, least, self._most, b"BYLEX", b"LIMIT", 0, self._piece)

    def take(self, partition: int, members: Sequence[bytes]) -> None:
        """What a partition's command gave."""
        if len(members) < self._piece:
            self._ended[partition] = True
        if members:
            self._after[partition] = members[-1]
            self._in_heap[partition] += len(members)
        for member in members:
            heapq.heappush(self._heap, (member, partition))

    def ready(self, page: int) -> list[tuple[bytes, int]]:
        """At most `page` members (and their partitions) in order, as far as no partition has to be read on first."""
        members: list[tuple[bytes, int]] = []
        while self._heap and len(members) < page:
            member, partition = heapq.heappop(self._heap)
            members.append((member, partition))
            self._in_heap[partition] -= 1
            if self._in_heap[partition] == 0 and not self._ended[partition]:
                break
        return members
