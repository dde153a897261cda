"""Groups of readers in memory: the twin of `_redis/groups` and its scripts."""

from __future__ import annotations

from collections.abc import Sequence

from stead.transport._contract.groups import NO_FENCE, Attendance, Dropped, GroupRow, GroupView, PlaceText, order_of

from .base import MemoryBase
from .living import ReaderGroup


class MemoryGroups(MemoryBase):
    """Groups of readers."""

    async def open_group(self, feed: str, group: str, places: Sequence[PlaceText], keep_ms: int) -> bool:
        """Make a group of a feed, with a place for each partition, unless there is one. Whether it was made."""

        def make() -> bool:
            if self._group(feed, group) is not None:
                return False
            rows = {number: GroupRow(place) for number, place in enumerate(places)}
            self._state.groups[feed, group] = ReaderGroup(self._clock.now_ms() + keep_ms, rows)
            return True

        return await self._call("open_group", make)

    async def attend_group(self, feed: str, group: str, attendance: Attendance) -> GroupView | None:
        """A reader attends: in one step it gives back, renews and claims, and is told what there is then."""

        def attend() -> GroupView | None:
            found = self._group(feed, group)
            if found is None:
                return None
            _attend(found, attendance, self._clock.now_ms())
            return _view_of(found, self._clock.now_ms())

        return await self._call("attend_group", attend)

    async def mark_done(
        self, feed: str, group: str, partition: int, fence: bytes, place: PlaceText, *, back: bool = False
    ) -> bool:
        """Move a place forwards, or with `back` anywhere. False if the partition is not claimed under that fence."""

        def mark() -> bool:
            found = self._group(feed, group)
            row = None if found is None else found.rows.get(partition)
            if found is None or row is None or not fence or row.fence != fence:
                return False
            if back or order_of(place) > order_of(row.place):
                found.rows[partition] = row._replace(place=place)
            return True

        return await self._call("mark_done", mark)

    async def groups(self) -> list[tuple[str, str]]:
        """Feed and name of each group, in order."""

        def living() -> list[tuple[str, str]]:
            return sorted(
                (name for name in list(self._state.groups) if self._group(*name) is not None),
                key=lambda name: "/".join(name).encode(),
            )

        return await self._call("groups", living)

    async def read_group(self, feed: str, group: str) -> GroupView | None:
        """A group at this moment. None: there is none."""

        def read() -> GroupView | None:
            found = self._group(feed, group)
            return None if found is None else _view_of(found, self._clock.now_ms())

        return await self._call("read_group", read)

    async def drop_group(self, feed: str, group: str) -> Dropped:
        """Forget a group, unless it has readers that live."""

        def drop() -> Dropped:
            found = self._group(feed, group)
            if found is None:
                return Dropped.UNKNOWN
            if any(until_ms >= self._clock.now_ms() for until_ms in found.readers.values()):
                return Dropped.READ
            del self._state.groups[feed, group]
            return Dropped.GONE

        return await self._call("drop_group", drop)

    def _group(self, feed: str, group: str) -> ReaderGroup | None:
        """A group, if it is there: one whose time has come is forgotten."""
        found = self._state.groups.get((feed, group))
        if found is not None and found.expires_ms <= self._clock.now_ms():
            del self._state.groups[feed, group]
            return None
        return found


def _view_of(found: ReaderGroup, now_ms: int) -> GroupView:
    return GroupView(now_ms, dict(found.readers), dict(sorted(found.rows.items())))


def _is_fence(held: tuple[int, bytes]) -> bool:
    return held[1] not in (b"", NO_FENCE)


def _attend(group: ReaderGroup, attendance: Attendance, now_ms: int) -> None:
    """All partitions are looked at as they were before the step, as the script does."""
    before = dict(group.rows)

    def change(partition: int, expected: bytes, until_ms: int, fence: bytes, reader: str) -> None:
        row = before.get(partition)
        if row is not None and row.fence == expected:
            group.rows[partition] = GroupRow(row.place, reader, fence, until_ms)

    reader, until_ms = attendance.reader, now_ms + attendance.claim_ms
    for partition, fence in filter(_is_fence, attendance.released):
        change(partition, fence, 0, b"", "")
    for partition, fence in filter(_is_fence, attendance.renewed):
        change(partition, fence, until_ms, fence, reader)
    for partition, expected, fence in attendance.claimed:
        change(partition, expected, until_ms, fence, reader)
    group.readers = {name: until for name, until in group.readers.items() if until >= now_ms}
    if attendance.reader_ms:
        group.readers[reader] = now_ms + attendance.reader_ms
    else:
        group.readers.pop(reader, None)
    group.expires_ms = now_ms + attendance.keep_ms
