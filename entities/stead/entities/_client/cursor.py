"""Where a reader of changes is: a place in the feed of each partition, as opaque text (HAZARDS 95)."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from stead.transport import InvalidInput, StreamId, pack, unpack

_VERSION = 1


class Place(NamedTuple):
    """A place in one feed: behind the entry with this ID and number, and so many changes of the next one."""

    milliseconds: int = 0
    sequence: int = 0
    number: int = 0
    changes: int = 0

    @property
    def stream_id(self) -> StreamId:
        """The ID of the entry."""
        return b"%d-%d" % (self.milliseconds, self.sequence)

    @classmethod
    def behind(cls, stream_id: StreamId, number: int) -> Place:
        """The place behind an entry."""
        milliseconds, _, sequence = stream_id.partition(b"-")
        return cls(int(milliseconds), int(sequence), number)


def write_cursor(hub_id: str, kind: str, places: Sequence[Place]) -> str:
    """The text of places. IDs are written as differences: most are of about the same time."""
    base = max((place.milliseconds for place in places), default=0)
    numbers = [
        number for place in places for number in (base - place.milliseconds if place.milliseconds else -1, *place[1:])
    ]
    packed: bytes = zlib.compress(pack([_VERSION, hub_id, kind, base, numbers]), 9)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_cursor(cursor: str, hub_id: str, kind: str, partitions: int) -> list[Place]:
    """The places of a text. Raises `InvalidInput` for what is none of this hub and kind."""
    what = f"after={cursor[:20]!r}…"
    try:
        unzipped = zlib.decompressobj().decompress(base64.urlsafe_b64decode(f"{cursor}==="), 1_000_000)
        version, *parts = _numbers(unpack(unzipped))
        if version != _VERSION:
            raise InvalidInput(what, "it is of a later version of stead")
        its_hub, its_kind, base, numbers = parts
        flat = [int(number) for number in numbers]
    except InvalidInput:
        raise
    except (ValueError, TypeError, zlib.error) as error:
        raise InvalidInput(what, 'it is no cursor: give one of a change, "oldest", or None') from error
    if (its_hub, its_kind) != (hub_id, kind) or len(flat) != 4 * partitions or min(flat, default=0) < -1:
        raise InvalidInput(what, "it is a cursor of another hub, or of another entity's changes")
    rows = zip(flat[::4], flat[1::4], flat[2::4], flat[3::4], strict=True)
    return [Place(0 if back < 0 else base - back, *rest) for back, *rest in rows]


def _numbers(found: Any) -> list[Any]:
    if not isinstance(found, list) or not found:
        raise ValueError
    return list(found)  # pyright: ignore[reportUnknownArgumentType]  # plain data
