"""Meters: whatever is added or subtracted in whatever order, the counts are exact and the percentiles near."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stead.entities._measures.hottest import KEPT, Hottest
from stead.entities._measures.meter import Meter, bucket_of, merged, upper_bound

VALUES = st.floats(1e-6, 1e6)


def of(values: list[float]) -> Meter:
    meter = Meter()
    for value in values:
        meter.add(value)
    return meter


@given(VALUES)
def test_a_value_is_within_its_bucket_which_is_narrow(value: float) -> None:
    bucket = bucket_of(value)
    above, below = upper_bound(bucket), upper_bound(bucket - 1)
    assert below <= value < above
    assert above <= below * 1.25 + 1e-12


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-9, 2.0**-20, 2.0**-21, 2.0**40, 2.0**39, 1e300, math.inf])
def test_adding_finds_the_bucket_that_there_is_at_the_edges_too(value: float) -> None:
    run = Meter()
    run.add_run(3, 3 * value)
    assert (of([value]).buckets, run.buckets) == ({bucket_of(value): 1}, {bucket_of(value): 3})


EDGES = [0.0, -0.0, -1.0, -1e300, 5e-324, 1e-9, 2.0**-20, 2.0**-21, 2.0**40, 2.0**39, 1.0, 1.25, 1.5, 1e300, math.inf]


@given(st.lists(st.floats(allow_nan=False) | VALUES | st.sampled_from(EDGES)))
@example(EDGES)
def test_many_that_are_added_together_are_in_the_buckets_that_each_finds(values: list[float]) -> None:
    meter = Meter()
    meter.add_each(values)
    assert (meter.buckets, meter.count) == (of(values).buckets, len(values))
    assert meter.total == of(values).total or math.isnan(meter.total)


@given(VALUES)
def test_adding_finds_the_bucket_that_there_is(value: float) -> None:
    run = Meter()
    run.add_run(1, value)
    assert of([value]).buckets == run.buckets == {bucket_of(value): 1}


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-9, 1e300, math.inf])
def test_what_is_out_of_range_is_counted_all_the_same(value: float) -> None:
    assert sum(of([value]).buckets.values()) == 1


@given(st.lists(VALUES, min_size=1), st.lists(VALUES))
def test_what_was_added_apart_is_what_was_added_together(one: list[float], other: list[float]) -> None:
    both = merged([of(one), of(other)])
    assert both.buckets == of(one + other).buckets
    assert both.count == len(one) + len(other)
    assert both.total == pytest.approx(sum(one + other))
    grown = both.since(of(one))
    assert (grown.count, grown.buckets) == (len(other), of(other).buckets)


@given(st.lists(VALUES, min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_percentiles_are_near(values: list[float], q: float) -> None:
    exact = sorted(values)[math.ceil(q * len(values)) - 1]
    found = of(values).quantile(q)
    assert found == pytest.approx(exact, rel=0.13)


def test_nothing_has_no_percentiles() -> None:
    assert (Meter().quantile(0.5), Meter().mean) == (None, None)


@given(st.lists(VALUES, min_size=1), st.integers(-18, 18))
def test_coarser_ones_say_the_same_of_powers_of_two(values: list[float], exponent: int) -> None:
    bound = 2.0**exponent
    fine, coarse = of(values), of(values).coarser(4)
    below = [sum(value < bound for value in values)]
    assert fine.at_most([bound]) == coarse.at_most([bound]) == below
    assert (coarse.count, coarse.total) == (fine.count, fine.total)


def test_a_run_counts_as_its_mean_each() -> None:
    meter = Meter()
    meter.add_run(10, 0.005)
    assert (meter.count, meter.total) == (10, 0.005)
    assert meter.buckets == {bucket_of(0.0005): 10}


# -- the hottest -------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 2_000), st.integers(1, 50)), max_size=4_000))
def test_a_count_is_never_too_low_and_too_high_by_what_it_says_at_most(noted: list[tuple[int, int]]) -> None:
    halves, truth = (Hottest(), Hottest()), dict[str, int]()
    for place, (number, messages) in enumerate(noted):
        halves[place % 2].note(str(number), messages)
        truth[str(number)] = truth.get(str(number), 0) + messages
    whole, other = halves
    whole.merge(other.top(2 * KEPT), other.floor)
    for hot in whole.top(2 * KEPT):
        assert truth.get(hot.target, 0) <= hot.messages <= truth.get(hot.target, 0) + hot.over


def test_the_hot_ones_are_found_among_many() -> None:
    hottest = Hottest()
    for number in range(20_000):
        hottest.note(f"cold {number}", 1)
        hottest.note(f"hot {number % 3}", 5)
    assert {hot.target for hot in hottest.top(3)} == {"hot 0", "hot 1", "hot 2"}
    assert sum(hot.messages - hot.over for hot in hottest.top(3)) >= 90_000


def plainly(counts: dict[str, int], floor: int, recent: dict[str, int]) -> tuple[dict[str, int], int]:
    """What is kept if each that is new is looked at."""
    for target, messages in recent.items():
        counts[target] = counts.get(target, floor) + messages
    if len(counts) <= KEPT:
        return counts, floor
    floor = sorted(counts.values(), reverse=True)[KEPT]
    kept = {target: count for target, count in counts.items() if count > floor}
    ties = [target for target, count in counts.items() if count == floor]
    return kept | dict.fromkeys(ties[: KEPT - len(kept)], floor), floor


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5_000), st.integers(1, 3_000)), max_size=8))
@example([(2, 152, 411), (1, 1, 413), (1, 0, 152)])
@example([(1, 0, 3_000), (1, 3_000, 3_000), (1, 6_000, 3_000), (1, 5_900, 3_000)])
@settings(max_examples=50)
def test_those_of_whom_most_are_new_are_the_ones_that_looking_at_each_finds(
    stretches: list[tuple[int, int, int]],
) -> None:
    """Stretches of targets, each with one message or some."""
    hottest, counts, floor = Hottest(), dict[str, int](), 0
    for most, first, length in stretches:
        targets = [f"@station@{number}" for number in range(first, first + length)]
        messages = [1 + number % (most + 1) for number in range(length)]
        if most:
            hottest.note_all(targets, messages)
        else:
            hottest.note_each(targets)
        counts, floor = plainly(counts, floor, dict(zip(targets, messages, strict=True)))
        kept = hottest.top(KEPT)
        assert ({hot.target: hot.messages for hot in kept}, hottest.floor) == (counts, floor)
