"""A log with deletions on plain data, as a server's stream."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from stead.transport._contract.records import Entry, StreamId, stream_order

Order = tuple[int, int]  # a stream ID as numbers: milliseconds, sequence number

_COMPACT_ABOVE = 64  # IDs of deleted entries are swept out when they are more than this and more than half


def format_id(order: Order) -> StreamId:
    """A stream ID as the server writes it."""
    return b"%d-%d" % order


@dataclass(slots=True)
class Stream:
    """An append-only log with deletions, as a server's stream: an emptied one keeps its last ID.

    Invariant: `order` is ascending and holds every key of `entries`; what it holds beyond them was deleted.
    """

    entries: dict[Order, bytes] = field(default_factory=dict[Order, bytes])
    order: list[Order] = field(default_factory=list[Order])
    last: Order = (0, 0)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def first(self) -> Order | None:
        return next(iter(self), None)

    @property
    def youngest(self) -> bytes:
        """The ID of the last entry that is there."""
        return b"%d-%d" % next((order for order in reversed(self.order) if order in self.entries), (0, 0))

    def __iter__(self) -> Iterator[Order]:
        return (order for order in self.order if order in self.entries)

    def append(self, now_ms: int, payload: bytes) -> Order:
        """Add an entry under the next ID: the server's time, or one more than the last if time has not moved on."""
        order = (now_ms, 0) if now_ms > self.last[0] else (self.last[0], self.last[1] + 1)
        self.insert(order, payload)
        return order

    def insert(self, order: Order, payload: bytes) -> None:
        """Add an entry under an ID of the caller's choice; one that is there stays as it is."""
        if order in self.entries:
            return
        if order > self.last:
            self.order.append(order)
            self.last = order
        else:
            place = bisect_left(self.order, order)
            if self.order[place : place + 1] != [order]:
                self.order.insert(place, order)
        self.entries[order] = payload

    def delete(self, order: Order) -> bytes | None:
        """Remove an entry; gives what it held, or None if it was not there."""
        payload = self.entries.pop(order, None)
        if len(self.order) > _COMPACT_ABOVE + 2 * len(self.entries):
            self.order = list(self)
        return payload

    def after(self, position: Order, count: int) -> list[Order]:
        """The IDs of at most `count` entries after `position`, ascending."""
        found: list[Order] = []
        for index in range(bisect_right(self.order, position), len(self.order)):
            if len(found) >= count:
                break
            if self.order[index] in self.entries:
                found.append(self.order[index])
        return found

    def read(self, position: StreamId, count: int) -> list[Entry]:
        """Entries after a stream ID in the form in which a server answers."""
        orders = self.after(stream_order(position), count)
        return [[format_id(order), [b"m", self.entries[order]]] for order in orders]
