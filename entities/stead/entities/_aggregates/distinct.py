"""`Distinct`: how many different ones there were."""

from __future__ import annotations

import hashlib
import math
from typing import Any, ClassVar, Self, cast
from uuid import UUID

from stead.transport import InvalidInput

from .sketch import Sketch, sketches

# The relative error of a HyperLogLog sketch that was merged: 1.04 / sqrt(2 ** lg), a standard deviation; 99 % are within 2.576.
_DEVIATION, _CONFIDENCE = 1.04, 2.576
_LG_MIN, _LG_MAX = 7, 21


class Distinct(Sketch):
    """How many different items were added, by a HyperLogLog sketch of Apache DataSketches (extra `stead[sketches]`).

    `accuracy` is the relative error of `estimate()`, with 99 % confidence. At the default of 0.05 it takes 4 kB at most. Items
    are texts, integers, bytes and UUIDs; those of different types are different.
    """

    __slots__ = ("_accuracy", "_lg", "_library")

    _NAME: ClassVar[str] = "stead.distinct"

    def __init__(self, accuracy: float = 0.05) -> None:
        super().__init__()
        self._library = sketches("Distinct")
        if type(accuracy) not in (float, int) or not 0.002 <= accuracy <= 0.25:
            raise InvalidInput("Distinct, accuracy", "it is a relative error, from 0.002 to 0.25")
        self._accuracy = float(accuracy)
        wanted = math.ceil(2 * math.log2(_DEVIATION * _CONFIDENCE / accuracy))
        self._lg = min(max(_LG_MIN, wanted), _LG_MAX)

    def add(self, item: str | int | bytes | UUID) -> None:
        """Add an item. Raises `TypeError` for what is none."""
        kind = type(item)
        self._take(item if kind is str and item else _given(item))

    @property
    def accuracy(self) -> float:
        """The relative error of the estimate, with 99 % confidence."""
        return self._accuracy

    def estimate(self) -> float:
        """How many different items there were, about."""
        base = self._fold()
        return 0.0 if base is None else cast("float", base.get_estimate())

    def summary(self) -> dict[str, Any]:
        """`estimate`."""
        return {"estimate": self.estimate()}

    def __repr__(self) -> str:
        return f"<Distinct of about {self.estimate():.0f}, accuracy {self._accuracy}>"

    def _value(self) -> Any:
        return self._accuracy

    def _visible(self, base: Any) -> object:
        return base.get_estimate(), base.get_lower_bound(1), base.get_upper_bound(1)

    def _new(self) -> Any:
        return self._library.hll_sketch(self._lg, self._library.tgt_hll_type.HLL_8)

    @staticmethod
    def _write(base: Any) -> bytes:
        return cast("bytes", base.serialize_compact())

    def _load(self, raw: bytes) -> Any:
        base = self._library.hll_sketch.deserialize(raw)
        if base.lg_config_k != self._lg or base.is_empty():
            raise ValueError("its accuracy is another one")
        return base

    def _update(self, base: Any, items: list[Any]) -> None:
        for item in items:
            base.update(item)

    def _join(self, base: Any, other: Any) -> Any:
        union = self._library.hll_union(self._lg)
        union.update(base)
        union.update(other)
        return union.get_result(self._library.tgt_hll_type.HLL_8)

    @classmethod
    def _read(cls, held: Any) -> Self:
        accuracy, raw = cls._parts(held)
        made = cls(accuracy)
        return made if raw is None else made._read_into(raw)


def _given(item: object) -> str | int:
    """What the library is given for an item that is no text, or one that it would ignore. Stored sketches depend on it: never
    change it."""
    if isinstance(item, bool) or not isinstance(item, (str, int, bytes, UUID)):
        raise TypeError(f"an item is a text, an integer, bytes or a UUID, and this is {type(item).__name__}")
    if isinstance(item, str) and item:
        return str(item)
    if isinstance(item, UUID):
        kind, data = b"u", item.bytes
    elif isinstance(item, int):
        kind, data = b"i", b"%d" % item
    else:
        kind, data = (b"b", bytes(item)) if isinstance(item, bytes) else (b"s", b"")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8, person=kind).digest(), "big", signed=True)
