"""How often something happened, how much of it there was (seconds, mostly), and how that was spread.

The spread is a histogram whose bounds are the same everywhere, so that any two can be added or subtracted: four buckets to a
doubling, which tells a percentile to about a tenth. Only buckets that have something are kept.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from math import frexp, inf, ldexp
from operator import add

_EXPONENT_MIN = -20  # a microsecond, about: what is less is in the first bucket
_EXPONENT_MAX = 40
_PARTS = 4  # to a doubling
_BUCKET_MAX = (_EXPONENT_MAX - _EXPONENT_MIN + 1) * _PARTS - 1

_HEAD = 3 if sys.byteorder == "little" else 0  # of the four pieces of a number that which has its exponent
_BELOW = (1022 + _EXPONENT_MIN) * _PARTS  # 1022: how much larger the exponent is there than `frexp` has it


def bucket_of(value: float) -> int:
    """The bucket of a value."""
    part, exponent = frexp(value)
    if exponent <= _EXPONENT_MIN or value <= 0:
        return 0
    if exponent > _EXPONENT_MAX or value == inf:
        return _BUCKET_MAX
    return (exponent - _EXPONENT_MIN) * _PARTS + int(part * 8) - _PARTS


def upper_bound(bucket: int) -> float:
    """What every value in the bucket is below."""
    exponent, part = divmod(bucket, _PARTS)
    return ldexp((part + _PARTS + 1) / 8, exponent + _EXPONENT_MIN)


class Meter:
    """See the module."""

    __slots__ = ("buckets", "count", "failed", "total")

    def __init__(
        self, count: int = 0, failed: int = 0, total: float = 0.0, buckets: Mapping[int, int] | None = None
    ) -> None:
        self.count = count
        self.failed = failed  # of `count`
        self.total = total
        self.buckets: dict[int, int] = dict(buckets or ())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Meter) and self.as_row() == other.as_row()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Meter({self.count}, {self.failed}, {self.total}, {self.buckets})"

    def add(self, value: float) -> None:
        """It happened once."""
        self.count += 1
        self.total += value
        # `bucket_of`, written out here and below: every activity and every turn comes here, and a call costs as much as all the rest.
        part, exponent = frexp(value)
        if _EXPONENT_MIN < exponent <= _EXPONENT_MAX and 0 < value < inf:
            bucket = (exponent - _EXPONENT_MIN) * _PARTS + int(part * 8) - _PARTS
        else:
            bucket = bucket_of(value)
        buckets = self.buckets
        buckets[bucket] = buckets.get(bucket, 0) + 1

    def add_run(self, count: int, total: float) -> None:
        """It happened so often in a row, with so much in all: each counts as the mean of them."""
        self.count += count
        self.total += total
        mean = total / count
        part, exponent = frexp(mean)
        if _EXPONENT_MIN < exponent <= _EXPONENT_MAX and 0 < mean < inf:
            bucket = (exponent - _EXPONENT_MIN) * _PARTS + int(part * 8) - _PARTS
        else:
            bucket = bucket_of(mean)
        buckets = self.buckets
        buckets[bucket] = buckets.get(bucket, 0) + count

    def add_each(self, values: Sequence[float]) -> None:
        """`add` of many values, without looking at each: a number begins with its exponent and the two bits that tell the part."""
        self.count += len(values)
        self.total = reduce(add, values, self.total)  # one after the other: later Pythons have another `sum`
        buckets = self.buckets
        heads: list[int] = memoryview(array("d", values)).cast("B").cast("H")[_HEAD::4].tolist()
        for head, count in Counter(heads).items():
            bucket = (head >> 2) - _BELOW
            if bucket < _PARTS or head & 0x8000:  # too little, or less than nothing
                bucket = 0
            elif bucket > _BUCKET_MAX:
                bucket = _BUCKET_MAX
            buckets[bucket] = buckets.get(bucket, 0) + count

    def merge(self, other: Meter) -> None:
        """Take another one into this."""
        self.count += other.count
        self.failed += other.failed
        self.total += other.total
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count

    def since(self, before: Meter | None) -> Meter:
        """What has come to it since it was as `before`."""
        if before is None:
            return self.copy()
        grown = {bucket: count - before.buckets.get(bucket, 0) for bucket, count in self.buckets.items()}
        return Meter(
            self.count - before.count,
            self.failed - before.failed,
            self.total - before.total,
            {bucket: count for bucket, count in grown.items() if count},
        )

    def copy(self) -> Meter:
        return Meter(self.count, self.failed, self.total, self.buckets)

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    def quantile(self, q: float) -> float | None:
        """The value that so large a part (0 to 1) of all is not above, to about a tenth of it. None if there is nothing."""
        wanted = q * sum(self.buckets.values())
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                below = upper_bound(bucket - 1) if bucket else 0.0
                return (below + upper_bound(bucket)) / 2
        return None

    def at_most(self, bounds: Sequence[float]) -> list[int]:
        """How many are below each of these bounds, which are bounds of buckets; ascending."""
        counts: list[int] = []
        ordered = sorted(self.buckets.items())
        seen = place = 0
        for bound in bounds:
            while place < len(ordered) and upper_bound(ordered[place][0]) <= bound:
                seen += ordered[place][1]
                place += 1
            counts.append(seen)
        return counts

    def coarser(self, width: int) -> Meter:
        """The same in fewer buckets, each of which has taken in `width` (a power of two) of them. With four, what is below a
        power of two stays so."""
        coarse: dict[int, int] = {}
        for bucket, count in self.buckets.items():
            wide = bucket | width - 1
            coarse[wide] = coarse.get(wide, 0) + count
        return Meter(self.count, self.failed, self.total, coarse)

    # -- as it is stored -----------------------------------------------------------------------------------------------

    def as_row(self) -> list[object]:
        """Plain data: `of_row` reads it."""
        flat = [number for pair in sorted(self.buckets.items()) for number in pair]
        return [self.count, self.failed, self.total, flat]

    @classmethod
    def of_row(cls, count: object, failed: object, total: object, flat: object) -> Meter:
        """Raises `ValueError` or `TypeError` for what is none."""
        if not (type(count) is type(failed) is int and type(total) in (int, float)):
            raise TypeError("a meter is three numbers and its buckets")
        numbers = _numbers(flat)
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        return cls(count, failed, float(total), dict(pairs))  # type: ignore[arg-type]


def _numbers(flat: object) -> list[int]:
    if not isinstance(flat, (list, tuple)):
        raise TypeError("buckets are numbers")
    numbers: list[int] = []
    for number in flat:  # pyright: ignore[reportUnknownVariableType]
        if type(number) is not int:  # pyright: ignore[reportUnknownArgumentType]
            raise TypeError("buckets are numbers")
        numbers.append(number)
    return numbers


def merged(meters: Iterable[Meter]) -> Meter:
    """All of them, as one."""
    found = Meter()
    for meter in meters:
        found.merge(meter)
    return found
