"""`Tally` against exact fractions and numpy, in any order."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stead.entities.aggregates import Tally

numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100)


def tally_of(values: list[float]) -> Tally:
    tally = Tally()
    for value in values:
        tally.add(value)
    return tally


def check(tally: Tally, values: list[float]) -> None:
    """Against exact arithmetic: the errors are of rounding only, relative to the numbers themselves."""
    assert tally.count == len(values)
    if not values:
        assert (tally.mean, tally.min, tally.max, tally.variance, tally.stddev) == (None,) * 5
        assert tally.sum == 0
        return
    exact = [Fraction(value) for value in values]
    total, most = sum(exact, Fraction(0)), max(map(abs, exact))
    assert (tally.min, tally.max) == (min(values), max(values))
    mean = total / len(values)
    assert tally.mean is not None
    assert abs(Fraction(tally.sum) - total) <= most * Fraction(len(values), 2**52)
    assert abs(Fraction(tally.mean) - mean) <= most * Fraction(4, 2**52)
    assert min(values) <= tally.mean <= max(values)
    if len(values) < 2:
        assert tally.variance is None
        return
    spread = sum(((value - mean) ** 2 for value in exact), Fraction(0)) / (len(values) - 1)
    assert tally.variance is not None
    assert tally.stddev == math.sqrt(tally.variance)
    # What Welford's and Chan's rules promise: errors of rounding of the numbers, not of their squares.
    slack = (most * Fraction(len(values), 2**50)) ** 2 + spread * Fraction(len(values), 2**48)
    cross = most * Fraction(math.isqrt(int(spread) + 1) + 1) * Fraction(len(values), 2**48)
    assert abs(Fraction(tally.variance) - spread) <= slack + cross


@given(st.lists(numbers, max_size=30), st.randoms(use_true_random=False))
@example([1e16, 1.0, -1e16], random.Random(0))
@example([1e9 + index for index in range(10)], random.Random(0))
def test_it_is_exact_but_for_rounding_however_it_comes_about(values: list[float], order: random.Random) -> None:
    check(tally_of(values), values)
    extended = Tally()
    extended.extend(values)
    check(extended, values)
    parts: list[Tally] = []
    rest = list(values)
    while rest:
        cut = order.randint(1, len(rest))
        parts.append(tally_of(rest[:cut]))
        rest = rest[cut:]
    order.shuffle(parts)
    check(Tally.merged(parts), values)
    while len(parts) > 1:  # as a tree
        first = parts.pop(order.randrange(len(parts)))
        first.merge(parts.pop(order.randrange(len(parts))))
        parts.append(first)
    check(parts[0] if parts else Tally(), values)


def test_large_offsets_do_no_harm() -> None:
    values = [1e9 + value for value in np.random.default_rng(7).normal(size=10_000)]
    tally = tally_of(values)
    assert tally.mean == pytest.approx(np.mean(values), rel=1e-15)
    assert tally.variance == pytest.approx(np.var(values, ddof=1), rel=1e-13)
    assert tally.sum == math.fsum(values)
    assert tally_of([0.1] * 10).sum == 1.0, "what adding loses is carried"


def test_an_array_of_numpy_is_taken_as_a_list() -> None:
    values = np.random.default_rng(1).exponential(size=1_000)
    tally = Tally()
    tally.extend(values)
    tally.extend([])
    assert tally.count == 1_000
    assert tally.variance == pytest.approx(np.var(values, ddof=1), rel=1e-12)
    tally.add(cast("float", np.float32(2.5)))
    assert tally.count == 1_001


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 10**400, Decimal("NaN")])
def test_what_is_not_finite_is_refused(value: Any) -> None:
    tally = tally_of([1.0])
    with pytest.raises(ValueError, match="add"):
        tally.add(value)
    with pytest.raises(ValueError, match="add"):
        tally.extend([2.0, value])
    assert tally == tally_of([1.0]), "all or none"


@pytest.mark.parametrize("value", ["3", None, b"3", [1.0], 1j])
def test_what_is_no_number_is_refused(value: Any) -> None:
    tally = Tally()
    with pytest.raises(TypeError, match="number"):
        tally.add(value)
    with pytest.raises(TypeError):
        tally.extend([value])
    assert tally.count == 0


def test_what_is_too_large_for_a_float_is_infinite_and_never_no_number() -> None:
    top = 1.7e308
    tallies = [tally_of([top, top, -top, 1.0, top]), Tally.merged([tally_of([top, top]), tally_of([-top, 1.0, top])])]
    extended = Tally()
    extended.extend([top, top, -top, 1.0, top])
    for tally in [*tallies, extended]:
        assert (tally.count, tally.min, tally.max) == (5, -top, top)
        assert tally.sum == math.inf
        assert tally.variance == math.inf
        assert tally.mean is not None
        assert -top <= tally.mean <= top
        assert tally.summary()["sum"] is None, "JSON has no such number"
        tally.add(-3.0)
        assert tally.sum == math.inf
        assert Tally.from_bytes(tally.to_bytes()).mean == tally.mean


def test_merging_leaves_the_other_one_alone_and_takes_only_its_kind() -> None:
    first, second = tally_of([1.0]), tally_of([3.0])
    first.merge(second)
    assert (first.mean, second.mean) == (2.0, 3.0)
    first.merge(Tally())
    assert first.count == 2
    first.merge(first)
    assert (first.count, first.sum) == (4, 8.0)
    with pytest.raises(TypeError, match="Tally merges another one"):
        first.merge(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="merged takes"):
        Tally.merged([3])  # type: ignore[list-item]
    assert Tally.merged([]) == Tally()
