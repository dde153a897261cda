"""`Tally`: count, sum, mean, least, greatest and variance of numbers, in eight of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar, Self, cast

from .base import Aggregate, parts_of

_Data = tuple[int, float, float, float, float, float, float, float]
_EMPTY: _Data = (0, 0.0, 0.0, 0.0, 0.0, 0.0, math.inf, -math.inf)


class Tally(Aggregate):
    """Count, sum, mean, minimum, maximum and variance of the numbers that were added.

    Counts are exact. Sum and mean carry what adding to them loses (Neumaier), the variance grows by differences from the mean
    (Welford), and merging is by Chan's rule: so large offsets do no harm, and the order in which tallies are merged makes a
    difference of rounding only. Sums beyond the largest float are infinite.
    """

    __slots__ = ("_data",)

    _NAME: ClassVar[str] = "stead.tally"

    def __init__(self) -> None:
        super().__init__()
        # Count; sum, what it has lost; mean, what it lacks; sum of squares of differences from it; least, greatest.
        self._data: _Data = _EMPTY

    def add(self, value: float) -> None:
        """Add a number. Raises `ValueError` if it is not finite, `TypeError` if it is no number."""
        if type(value) is not float or value - value != 0.0:
            value = number(value)
        if self._token is not None:
            self._change()
        count, total, lost, mean, rest, squares, low, high = self._data
        count += 1
        new = total + value
        lost += (total - new) + value if abs(total) >= abs(value) else (value - new) + total
        delta = (value - mean) - rest
        step = delta / count
        squares += delta * (delta - step)
        if squares - squares != 0.0:  # too large for a float
            step, squares = value / count - mean / count, math.inf
        rest += step
        middle = mean + rest
        rest += mean - middle
        low, high = value if value < low else low, value if value > high else high  # noqa: FURB136 - calls cost more
        self._data = (count, new, lost, middle, rest, squares, low, high)

    def extend(self, values: Iterable[float]) -> None:
        """Add many numbers, all or none: the same as `add` of each, and faster. An array of numpy does. Raises what `add` does."""
        given: Any = values
        numbers = list(map(number, cast("Iterable[float]", given.tolist() if hasattr(given, "tolist") else given)))
        if not numbers:
            return
        count = len(numbers)
        try:
            total = math.fsum(numbers)
            mean = total / count
            rest = math.fsum([value - mean for value in numbers]) / count
            squares = math.fsum([(value - mean) * (value - mean) for value in numbers]) - count * rest * rest
        except OverflowError:
            for value in numbers:
                self.add(value)
            return
        self._change()
        self._take(count, total, 0.0, mean, rest, max(squares, 0.0), min(numbers), max(numbers))

    @property
    def count(self) -> int:
        """How many numbers were added."""
        return self._data[0]

    @property
    def sum(self) -> float:
        """Their sum: 0.0 of none."""
        _, total, lost, *_ = self._data
        return total + lost if total - total == 0.0 else total

    @property
    def mean(self) -> float | None:
        """Their mean; None if there are none."""
        count, total, lost, mean, _, _, low, high = self._data
        if not count:
            return None
        exact = (total + lost) / count
        return min(max(exact if exact - exact == 0.0 else mean, low), high)

    @property
    def min(self) -> float | None:
        """The least; None if there are none."""
        return self._data[6] if self._data[0] else None

    @property
    def max(self) -> float | None:
        """The greatest; None if there are none."""
        return self._data[7] if self._data[0] else None

    @property
    def variance(self) -> float | None:
        """The sample variance (divided by one less than the count); None below two numbers."""
        count, squares = self._data[0], self._data[5]
        return squares / (count - 1) if count > 1 else None

    @property
    def stddev(self) -> float | None:
        """The root of the variance; None below two numbers."""
        variance = self.variance
        return None if variance is None else math.sqrt(variance)

    def summary(self) -> dict[str, Any]:
        """`count`, `sum`, `mean`, `min`, `max` and `variance`."""
        shown = {"sum": self.sum, "mean": self.mean, "min": self.min, "max": self.max, "variance": self.variance}
        finite = {name: value if value is None or math.isfinite(value) else None for name, value in shown.items()}
        return {"count": self.count, **finite}

    def __repr__(self) -> str:
        return f"Tally(count={self.count}, sum={self.sum!r}, mean={self.mean!r})" if self.count else "Tally()"

    def _parameters(self) -> tuple[object, ...]:
        return ()

    def _is_empty(self) -> bool:
        return not self._data[0]

    def _clear(self) -> None:
        self._data = _EMPTY

    def _merge(self, other: Any) -> None:
        self._take(*other._data)

    def _take(
        self,
        count: int,
        total: float,
        lost: float,
        mean: float,
        rest: float,
        squares: float,
        low: float,
        high: float,
    ) -> None:
        own, own_total, own_lost, own_mean, own_rest, own_squares, own_low, own_high = self._data
        both = own + count
        new = own_total + total
        slip = (own_total - new) + total if abs(own_total) >= abs(total) else (total - new) + own_total
        delta = (mean - own_mean) + (rest - own_rest)
        share = count / both
        step = delta * share
        spread = own_squares + squares + delta * step * own
        if spread - spread != 0.0:
            step, spread = mean * share - own_mean * share, math.inf
        own_rest += step
        middle = own_mean + own_rest
        own_rest += own_mean - middle
        low, high = min(own_low, low), max(own_high, high)
        self._data = (both, new, own_lost + lost + slip, middle, own_rest, spread, low, high)

    def _snapshot(self) -> Any:
        return self._data

    def _restore(self, before: Any) -> None:
        self._data = before

    def _copied(self) -> Self:
        copy = type(self)()
        copy._data = self._data
        return copy

    def _stored(self) -> list[Any]:
        return [*self._data] if self._data[0] else []

    @classmethod
    def _read(cls, held: Any) -> Self:
        made = cls()
        if held == []:
            return made
        data = tuple(parts_of(held, 8))
        if [*map(type, data)] != [int, *[float] * 7] or data[0] < 1 or not data[6] <= data[7] or data[5] < 0:
            raise ValueError(f"this is no {cls.__name__}: its figures do not belong together")
        made._data = cast("Any", data)
        return made


def number(value: object) -> float:
    """A finite number as a float. Raises `ValueError` if it is not finite, `TypeError` if it is no number."""
    if type(value) is not float:
        if not hasattr(value, "__float__"):
            raise TypeError(f"a number is to be added, and this is {type(value).__name__}")
        try:
            value = float(cast("Any", value))
        except OverflowError as error:
            raise ValueError("a number is to be added that a float can hold") from error
    if value - value != 0.0:
        raise ValueError(f"{value} cannot be added: what comes of it would say nothing any more")
    return value
