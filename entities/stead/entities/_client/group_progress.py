"""How far the groups are that read changes: for people, and for whoever watches a hub."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from stead.transport import UNREADABLE, FeedPart, GroupView, ReadFeed, Store

from .cursor import Place


@dataclass(frozen=True, slots=True)
class ChangesGroup:
    """A group of readers at one moment."""

    entity: str
    """The canonical name of the entities whose changes it reads."""
    group: str
    readers: int
    """How many read it now. One that died counts for `STEAD_WORKER_KEEP_MS` yet."""
    partitions: int
    """How many partitions these have claimed. The others wait for one of them, or for a reader at all."""
    behind: int
    """Commits whose changes are kept and not marked as done yet."""
    lost: int
    """Commits whose changes were not done in time and are gone: its next reader gets `ChangesLost`."""
    done_time: datetime | None
    """The time of the last change that was done in the partition that is furthest behind; None if none is, or nothing was done."""


async def group_progress(store: Store) -> list[ChangesGroup]:
    """All groups of a hub, in order. What cannot be read is left out."""
    found: list[ChangesGroup] = []
    for feed, group in await store.groups():
        view = await store.read_group(feed, group)
        if view is None:
            continue
        try:
            places = {number: Place.of_text(row.place) for number, row in view.rows.items()}
        except UNREADABLE as error:
            store.left_out.note("groups", f"{feed}/{group}", error)
            continue
        store.left_out.readable("groups", f"{feed}/{group}")
        looks = [ReadFeed(number, feed, b"0-0", 0) for number in places if number < store.layout.partitions]
        _, parts = await store.look(looks)
        found.append(_progress(feed, group, view, places, dict(zip(places, parts, strict=False))))
    return found


def _progress(
    feed: str, group: str, view: GroupView, places: dict[int, Place], parts: dict[int, FeedPart]
) -> ChangesGroup:
    waiting = {number: part.written - max(part.trimmed, places[number].whole) for number, part in parts.items()}
    late = [
        places[number].milliseconds for number, count in waiting.items() if count > 0 and places[number].milliseconds
    ]
    return ChangesGroup(
        entity=feed,
        group=group,
        readers=sum(until_ms >= view.now_ms for until_ms in view.readers.values()),
        partitions=sum(bool(row.fence) and row.until_ms >= view.now_ms for row in view.rows.values()),
        behind=sum(max(0, count) for count in waiting.values()),
        lost=sum(max(0, part.trimmed - places[number].whole) for number, part in parts.items()),
        done_time=datetime.fromtimestamp(min(late) / 1000, UTC) if late else None,
    )
