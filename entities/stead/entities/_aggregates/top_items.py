"""`TopItems`: which items came most often."""

from __future__ import annotations

import struct
from typing import Any, ClassVar, Self, cast

from stead.transport import InvalidInput

from .sketch import Sketch, sketches

_ROOM = 8  # counters for each of the items that are asked for
# How the library writes a sketch: a head; then how many items there are, how often anything was added, and by how much at
# most a count may be too high; then the items.
_HEAD, _COUNTS = struct.Struct("<BBBBBBH"), struct.Struct("<IIQQ")
_FULL = 4  # words of eight bytes before the items; one alone, of what has none


class TopItems(Sketch):
    """The texts that were added most often, by a frequent-items sketch of Apache DataSketches (extra `stead[sketches]`).

    `most` is how many of them can be asked for. As long as there are no more than six times as many different ones, all counts
    are exact. Beyond that a count is too high by at most `error()`, and an item that came more often than that is never missed.
    """

    __slots__ = ("_lg", "_library", "_most")

    _NAME: ClassVar[str] = "stead.top"

    def __init__(self, most: int = 100) -> None:
        super().__init__()
        self._library = sketches("TopItems")
        if type(most) is not int or not 1 <= most <= 10_000:
            raise InvalidInput("TopItems, most", "it is a number of items, from 1 to 10,000")
        self._most = most
        self._lg = max(3, (most * _ROOM - 1).bit_length())

    def add(self, item: str, count: int = 1) -> None:
        """Add an item, `count` times. Raises `TypeError` if it is no text, `ValueError` if the count is negative."""
        if type(item) is not str:
            if not isinstance(item, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"an item is a text, and this is {type(item).__name__}")
            item = str(item)
        if type(count) is not int or not 0 <= count < 2**53:
            raise ValueError(f"{count!r} is no number of times")
        if count:
            self._take((item, count))

    @property
    def most(self) -> int:
        """How many items can be asked for."""
        return self._most

    @property
    def count(self) -> int:
        """How often anything was added, exactly."""
        base = self._base
        waiting: int = sum(count for _, count in self._waiting)
        return waiting + (0 if base is None else cast("int", base.total_weight))

    def top(self, most: int = 10) -> list[tuple[str, int]]:
        """The items that came most often with their counts, the most frequent first. Raises `ValueError` for more than `most`, and
        for fewer than none."""
        if most < 0:
            raise ValueError(f"{most} are asked for: it is a number of items, from 0 to {self._most:,}")
        if most > self._most:
            raise ValueError(f"{most} are asked for, and this is made for {self._most}: TopItems(most={most})")
        base = self._fold()
        if base is None:
            return []
        pairs = ((item, count) for item, count, *_ in self._rows(base))
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:most]

    def _rows(self, base: Any) -> list[tuple[str, int, int, int]]:
        found = base.get_frequent_items(self._library.frequent_items_error_type.NO_FALSE_NEGATIVES, 0)
        return cast("list[tuple[str, int, int, int]]", found)

    def error(self) -> int:
        """How much too high a count can be: 0 as long as all are exact."""
        base = self._fold()
        if base is None:
            return 0
        return _offset(base)

    def summary(self) -> dict[str, Any]:
        """`top`: the ten most frequent, each with its count."""
        return {"top": [list(pair) for pair in self.top(min(10, self._most))]}

    def __repr__(self) -> str:
        return f"TopItems(most={self._most}, count={self.count})"

    def _value(self) -> Any:
        return self._most

    def _visible(self, base: Any) -> object:
        return base.total_weight, sorted(map(tuple, self._rows(base)))

    def _new(self) -> Any:
        return self._library.frequent_strings_sketch(self._lg)

    @staticmethod
    def _write(base: Any) -> bytes:
        raw = cast("bytes", base.serialize())
        if not base.is_empty():
            return raw
        # Many items that came equally often have pushed out one another, to the last: the library would forget all the rest.
        _, version, family, lg_max, lg_now, *_ = _HEAD.unpack_from(raw)
        return _HEAD.pack(_FULL, version, family, lg_max, lg_now, 0, 0) + _COUNTS.pack(
            0, 0, base.total_weight, _offset(base)
        )

    def _load(self, raw: bytes) -> Any:
        base = self._library.frequent_strings_sketch.deserialize(raw)
        if not base.total_weight:
            raise ValueError("nothing is in it")
        return base

    def _update(self, base: Any, items: list[Any]) -> None:
        for item, count in items:
            base.update(item, count)

    def _join(self, base: Any, other: Any) -> Any:
        if not other.is_empty():
            base.merge(other)
            return base
        # Without items, but not without counts (see `_write`), which the library would pass over.
        raw = self._write(base)
        items, unused, added, offset = _COUNTS.unpack_from(raw, _HEAD.size)
        counts = _COUNTS.pack(items, unused, added + other.total_weight, offset + _offset(other))
        return self._load(raw[: _HEAD.size] + counts + raw[_HEAD.size + _COUNTS.size :])

    @classmethod
    def _read(cls, held: Any) -> Self:
        most, raw = cls._parts(held)
        made = cls(most)
        return made if raw is None else made._read_into(raw)


def _offset(base: Any) -> int:
    """Of what is not in a sketch nothing is known but that it came no more often than this."""
    return cast("int", base.get_upper_bound("\0stead"))
