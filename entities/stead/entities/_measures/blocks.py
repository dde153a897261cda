"""How measures look in the store: a versioned map in msgpack, bounded in bytes.

    {"v": 1, "since_ms", "until_ms", "meters": [[family, name, detail, count, failed, total, [bucket, count, …]], …],
     "hot": [[target, messages, over], …], "hot_missed"}

A block of another version, or one that cannot be read, is left out of sums by whoever meets it. Families that a reader does not
know are kept as they are, since sums go from worker to worker.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from stead.transport import InvalidInput, pack, unpack

from .hottest import Hot, Hottest
from .measures import OTHERS, Measured, add_meters
from .meter import Meter

VERSION = 1
BLOCK_BYTES_MAX = 16_384
"""A block that is larger is made coarser, until it is not, or nearly not."""
_WIDTHS = (1, 4, 16, 64)  # buckets in one
SUM_NAMES_MAX = 500
HOT_LENGTH = 30
_TARGET_LENGTH_MAX = 200


@dataclass(slots=True)
class MeasuredBlock:
    """What was measured between two moments of the hub's time."""

    since_ms: int
    until_ms: int
    meters: dict[Measured, Meter] = field(default_factory=dict[Measured, Meter])
    hot: Sequence[Hot] = field(default_factory=list[Hot])
    hot_missed: int = 0  # how many messages a target that is not among `hot` may have had

    def encode(self) -> bytes:
        """Its bytes."""
        data = b""
        for width in _WIDTHS:
            data = pack(self._as_data(width))
            if len(data) <= BLOCK_BYTES_MAX:
                break
        return data

    def _as_data(self, width: int) -> dict[str, object]:
        rows = [[*key, *meter.coarser(width).as_row()] for key, meter in self.meters.items()]
        hot = [list(hot) for hot in self.hot[: HOT_LENGTH // width or 1]]
        return {
            "v": VERSION,
            "since_ms": self.since_ms,
            "until_ms": self.until_ms,
            "meters": rows,
            "hot": hot,
            "hot_missed": self.hot_missed,
        }

    @classmethod
    def decode(cls, data: bytes) -> MeasuredBlock:
        """Raises `InvalidInput` for what this version of stead cannot read."""
        try:
            parts = cast("dict[str, Any]", unpack(data))
            if parts["v"] != VERSION:
                raise ValueError(f"it is of version {parts['v']!r}")
            meters = {Measured(*map(_text, row[:3])): Meter.of_row(*row[3:7]) for row in parts["meters"]}
            hot = [Hot(_text(row[0]), int(row[1]), int(row[2])) for row in parts["hot"]]
            return cls(int(parts["since_ms"]), int(parts["until_ms"]), meters, hot, int(parts["hot_missed"]))
        except InvalidInput:
            raise
        except Exception as error:
            raise InvalidInput("measures", f"this version of stead cannot read them ({error})") from error


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError("names are text")
    return value


def hot_rows(hottest: Hottest) -> tuple[list[Hot], int]:
    """What a block says of the hottest targets, and how many messages any other may have had."""
    top = hottest.top(HOT_LENGTH + 1)
    missed = max(hottest.floor, top[HOT_LENGTH].messages if len(top) > HOT_LENGTH else 0)
    return [hot for hot in top[:HOT_LENGTH] if len(hot.target) <= _TARGET_LENGTH_MAX], missed


def joined(blocks: Iterable[MeasuredBlock]) -> MeasuredBlock:
    """All blocks, as one."""
    whole: MeasuredBlock | None = None
    hottest = Hottest()
    for block in blocks:
        if whole is None:
            whole = MeasuredBlock(block.since_ms, block.until_ms)
        whole.since_ms = min(whole.since_ms, block.since_ms)
        whole.until_ms = max(whole.until_ms, block.until_ms)
        add_meters(whole.meters, block.meters)
        hottest.merge(block.hot, block.hot_missed)
    if whole is None:
        return MeasuredBlock(0, 0)
    whole.hot, whole.hot_missed = hot_rows(hottest)
    return whole


def bounded(block: MeasuredBlock) -> MeasuredBlock:
    """The same with no more names than a sum may have: the least of them are counted with the others of their family."""
    if len(block.meters) > SUM_NAMES_MAX:
        ordered = sorted(block.meters.items(), key=lambda each: -each[1].count)
        block.meters = dict(ordered[:SUM_NAMES_MAX])
        for key, meter in ordered[SUM_NAMES_MAX:]:
            add_meters(block.meters, {Measured(key.family, OTHERS): meter})
    return block


def readable(stored: Mapping[str, bytes]) -> dict[str, MeasuredBlock]:
    """The blocks of those workers whose can be read."""
    found: dict[str, MeasuredBlock] = {}
    for worker, data in stored.items():
        with contextlib.suppress(InvalidInput):
            found[worker] = MeasuredBlock.decode(data)
    return found
