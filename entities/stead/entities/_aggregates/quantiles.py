"""`Quantiles`: the median, the 99th percentile and all others, of any number of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar, Self, cast

from stead.transport import InvalidInput

from .sketch import Sketch, sketches
from .tally import number

# The error of a KLL sketch with 99 % confidence: 2.296 / k ** 0.9723.
_FACTOR, _POWER = 2.296, 0.9723
_K_MAX = 65_535


class Quantiles(Sketch):
    """Quantiles of the numbers that were added, by a KLL sketch of Apache DataSketches (extra `stead[sketches]`).

    `accuracy` is the error in rank: with 0.01 `quantile(0.99)` is, with 99 % confidence, a number between the quantiles 0.98
    and 1. The least and the greatest are exact. It takes some kilobytes, nearly whatever is added.
    """

    __slots__ = ("_accuracy", "_k", "_library")

    _NAME: ClassVar[str] = "stead.quantiles"

    def __init__(self, accuracy: float = 0.01) -> None:
        super().__init__()
        self._library = sketches("Quantiles")
        if type(accuracy) not in (float, int) or not 0.0001 <= accuracy <= 0.25:
            raise InvalidInput("Quantiles, accuracy", "it is an error in rank, from 0.0001 to 0.25")
        self._accuracy = float(accuracy)
        self._k = min(max(8, math.ceil((_FACTOR / accuracy) ** (1 / _POWER))), _K_MAX)

    def add(self, value: float) -> None:
        """Add a number. Raises `ValueError` if it is not finite, `TypeError` if it is no number."""
        if type(value) is not float or value - value != 0.0:
            value = number(value)
        self._take(value)

    def extend(self, values: Iterable[float]) -> None:
        """Add many numbers, all or none. Raises what `add` does."""
        given: Any = values
        numbers = list(map(number, cast("Iterable[float]", given.tolist() if hasattr(given, "tolist") else given)))
        if numbers:
            self._change()
            self._waiting.extend(numbers)
            if len(self._waiting) >= 4_096:
                self._fold()

    @property
    def accuracy(self) -> float:
        """The error in rank, with 99 % confidence."""
        return self._accuracy

    @property
    def count(self) -> int:
        """How many numbers were added."""
        base = self._base
        return len(self._waiting) + (0 if base is None else cast("int", base.n))

    def quantile(self, rank: float) -> float | None:
        """The number below which that part of all is: 0.5 gives the median, 0 the least, 1 the greatest; None if there are none.
        Raises `ValueError` if it is not from 0 to 1.
        """
        if not 0 <= rank <= 1:
            raise ValueError(f"a rank is from 0 to 1, and {rank} is not")
        if rank in (0, 1):  # which a sketch that was merged may not have among its samples
            return self.max if rank else self.min
        base = self._fold()
        return None if base is None else cast("float", base.get_quantile(rank, True))

    def rank(self, value: float) -> float | None:
        """The part of all numbers that are not greater than one; None if there are none. Raises `ValueError` if it is none."""
        base = self._fold()
        return None if base is None else cast("float", base.get_rank(number(value), True))

    @property
    def min(self) -> float | None:
        """The least, exactly; None if there are none."""
        base = self._fold()
        return None if base is None else cast("float", base.get_min_value())

    @property
    def max(self) -> float | None:
        """The greatest, exactly; None if there are none."""
        base = self._fold()
        return None if base is None else cast("float", base.get_max_value())

    def summary(self) -> dict[str, Any]:
        """`count`, `p50`, `p90` and `p99`."""
        ranks = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
        return {"count": self.count, **{name: self.quantile(rank) for name, rank in ranks.items()}}

    def __repr__(self) -> str:
        return f"Quantiles(accuracy={self._accuracy}, count={self.count})"

    def _value(self) -> Any:
        return self._accuracy

    def _visible(self, base: Any) -> object:
        ranks = [index / 1_000 for index in range(1_001)]
        return base.n, base.num_retained, base.get_min_value(), base.get_max_value(), list(base.get_quantiles(ranks))

    def _new(self) -> Any:
        return self._library.kll_doubles_sketch(self._k)

    @staticmethod
    def _write(base: Any) -> bytes:
        return cast("bytes", base.serialize())

    def _load(self, raw: bytes) -> Any:
        base = self._library.kll_doubles_sketch.deserialize(raw)
        if base.k != self._k or not base.n:
            raise ValueError("its accuracy is another one")
        return base

    def _update(self, base: Any, items: list[Any]) -> None:
        if len(items) < 16:
            for item in items:
                base.update(item)
            return
        import numpy  # comes with the library, which takes an array many times as fast

        base.update(numpy.array(items, dtype=numpy.float64))

    def _join(self, base: Any, other: Any) -> Any:
        base.merge(other)
        return base

    @classmethod
    def _read(cls, held: Any) -> Self:
        accuracy, raw = cls._parts(held)
        made = cls(accuracy)
        return made if raw is None else made._read_into(raw)
