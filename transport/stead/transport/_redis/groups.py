"""The part of `RedisStore` that is about groups of readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stead.transport._contract.groups import NO_FENCE, Attendance, Dropped, GroupRow, GroupView, PlaceText, order_of

from .base import RedisBase, concerning_hub
from .group_signatures import Attended, AttendGroup, ClaimHeld, Claiming, DropGroup, MarkDone, OpenGroup
from .scripts import ATTEND_GROUP, DROP_GROUP, MARK_DONE, OPEN_GROUP, command


class GroupSide(RedisBase):
    """Groups of readers: each is one hash, so that whatever is done to it is one step."""

    async def open_group(self, feed: str, group: str, places: Sequence[PlaceText], keep_ms: int) -> bool:
        """Make a group of a feed, with a place for each partition, unless there is one. Whether it was made."""
        wanted = OpenGroup(f"{feed}/{group}", keep_ms, places, self._layout.hub_id)
        return bool(await self._one_of(feed, group, OPEN_GROUP.call(self._names(feed, group), wanted)))

    async def attend_group(self, feed: str, group: str, attendance: Attendance) -> GroupView | None:
        """A reader attends: in one step it gives back, renews and claims, and is told what there is then."""
        reader, reader_ms, claim_ms, keep_ms, renewed, released, claimed = attendance
        claiming = [Claiming(number, expected or NO_FENCE, fence) for number, expected, fence in claimed]
        said = AttendGroup(
            f"{feed}/{group}",
            reader,
            reader_ms,
            claim_ms,
            keep_ms,
            [ClaimHeld(*each) for each in renewed],
            [ClaimHeld(*each) for each in released],
            claiming,
            self._layout.hub_id,
        )
        with concerning_hub(self._keys.change_group(feed, group)):
            answer = await self._queries.one(ATTEND_GROUP.call(self._names(feed, group), said))
            if not answer[0]:
                return None
            attended = Attended(*answer)
            return _view_of(int(attended.now_ms), attended.fields)

    async def mark_done(
        self, feed: str, group: str, partition: int, fence: bytes, place: PlaceText, *, back: bool = False
    ) -> bool:
        """Move a place forwards, or with `back` anywhere. False if the partition is not claimed under that fence."""
        names = (self._keys.change_group(feed, group), self._keys.record)
        done = MarkDone(partition, fence, place, int(back), self._layout.hub_id)
        return bool(await self._one_of(feed, group, MARK_DONE.call(names, done)))

    async def groups(self) -> list[tuple[str, str]]:
        """Feed and name of each group, in order."""
        key = self._keys.change_groups
        with concerning_hub(key):
            (time,) = await self._ask(command(b"TIME"))
            now_ms = int(time[0]) * 1000 + int(time[1]) // 1000
            (members,) = await self._ask(command(b"ZRANGEBYSCORE", key, now_ms, b"+inf"))
            found = [member.decode().partition("/") for member in sorted(members)]
        return [(feed, group) for feed, _, group in found]

    async def read_group(self, feed: str, group: str) -> GroupView | None:
        """A group at this moment. None: there is none."""
        key = self._keys.change_group(feed, group)
        with concerning_hub(key):
            time, fields = await self._ask(command(b"TIME"), command(b"HGETALL", key))
            return _view_of(int(time[0]) * 1000 + int(time[1]) // 1000, fields) if fields else None

    async def drop_group(self, feed: str, group: str) -> Dropped:
        """Forget a group, unless it has readers that live."""
        wanted = DropGroup(f"{feed}/{group}", self._layout.hub_id)
        return Dropped(await self._one_of(feed, group, DROP_GROUP.call(self._names(feed, group), wanted)))

    def _names(self, feed: str, group: str) -> tuple[bytes, bytes, bytes]:
        return self._keys.change_group(feed, group), self._keys.change_groups, self._keys.record

    async def _one_of(self, feed: str, group: str, step: bytes) -> int:
        with concerning_hub(self._keys.change_group(feed, group)):
            return int(await self._queries.one(step))


def _view_of(now_ms: int, fields: Sequence[bytes]) -> GroupView:
    """Raises one of `UNREADABLE` for what is no group."""
    readers: dict[str, int] = {}
    rows: dict[int, GroupRow] = {}
    for field, value in _pairs(fields):
        if field[:1] == b"r":
            readers[field[1:].decode()] = int(value)
            continue
        until_ms, fence, reader, place = value.split(b" ")
        order_of(place)
        held = fence != NO_FENCE
        rows[int(field[1:])] = GroupRow(place, reader.decode() if held else "", fence if held else b"", int(until_ms))
    return GroupView(now_ms, readers, dict(sorted(rows.items())))


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
