"""`Windowed` against a plain list of events, in any order of arrival."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.entities._aggregates.window import hub_clock
from stead.entities.aggregates import Quantiles, Tally, Windowed, windowed
from stead.transport import InvalidInput

MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Now:
    ms = 0


@pytest.fixture(autouse=True)
def clock() -> Iterator[type[Now]]:
    Now.ms = 1_000_000 * 60_000
    token = hub_clock.set(lambda: Now.ms)
    yield Now
    hub_clock.reset(token)


def moment(minutes: float) -> datetime:
    return EPOCH + timedelta(minutes=1_000_000 + minutes)


class Plain:
    """All the events that count, as they are; the rule is written down once more."""

    def __init__(self, keep: int, ahead_ms: int) -> None:
        self.keep, self.ahead_ms = keep, ahead_ms
        self.events: list[tuple[int, float]] = []
        self.newest: int | None = None
        self.late = self.early = 0

    def add(self, at: datetime, value: float) -> None:
        ms = round((at - EPOCH).total_seconds() * 1000)
        index = ms // 60_000
        if ms > Now.ms + self.ahead_ms:
            self.early += 1
        elif self.newest is not None and index <= self.newest - self.keep:
            self.late += 1
        else:
            self.events.append((index, value))
            self.newest = index if self.newest is None else max(self.newest, index)

    def over(self, count: int) -> list[float]:
        newest = self.newest or 0
        return sorted(value for index, value in self.events if newest - count < index <= newest)


values = st.integers(-100, 100).map(float)
an_event = st.tuples(st.floats(-8, 4).map(lambda minutes: round(minutes * 60) / 60), values, st.integers(0, 90_000))
KEEP = 4


def summed(tally: Tally) -> tuple[int, float, float | None, float | None]:
    return tally.count, tally.sum, tally.min, tally.max


def expected(numbers: list[float]) -> tuple[int, float, float | None, float | None]:
    return len(numbers), sum(numbers), min(numbers, default=None), max(numbers, default=None)


def check(window: Windowed[Tally], plain: Plain) -> None:
    assert (window.late, window.early) == (plain.late, plain.early)
    for count in range(1, KEEP + 1):
        assert summed(window.over(count * MINUTE)) == expected(plain.over(count))
    series = window.series()
    if plain.newest is None:
        assert series == []
        return
    assert [start for start, _ in series] == [
        EPOCH + (plain.newest - KEEP + 1 + place) * MINUTE for place in range(KEEP)
    ]
    for start, tally in series:
        index = (start - EPOCH) // MINUTE
        assert summed(tally) == expected([value for place, value in plain.events if place == index])


@given(st.lists(an_event, max_size=25))
def test_it_is_what_a_list_of_all_events_says(events: list[Any]) -> None:
    Now.ms = 1_000_000 * 60_000
    window, plain = windowed(Tally(), MINUTE, keep=KEEP, ahead=MINUTE), Plain(KEEP, 60_000)
    for minutes, value, passes in events:
        window.at(moment(minutes)).add(value)
        plain.add(moment(minutes), value)
        check(window, plain)
        Now.ms += passes
    check(Windowed[Tally].from_bytes(window.to_bytes()), plain)
    assert len(window._buckets) <= 2 * KEEP + 1


@given(st.lists(st.lists(an_event, max_size=8), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_merged_in_any_order_it_is_the_same(parts: list[list[Any]], order: Any) -> None:
    Now.ms = 1_000_000 * 60_000
    windows: list[Windowed[Tally]] = []
    for events in parts:
        window = windowed(Tally(), MINUTE, keep=KEEP, ahead=MINUTE)
        for minutes, value, _ in events:
            window.at(moment(minutes)).add(value)
        windows.append(window)
    together = Windowed[Tally].merged(windows)
    order.shuffle(windows)
    again = Windowed[Tally].merged(windows)
    assert [(start, summed(tally)) for start, tally in again.series()] == [
        (start, summed(tally)) for start, tally in together.series()
    ]
    assert (again.late, again.early) == (together.late, together.early)
    newest = max((window.series()[-1][0] for window in windows if window.series()), default=None)
    if newest is not None:
        assert together.series()[-1][0] == newest
        for start, tally in together.series():
            alone = [dict(window.series()).get(start, Tally()) for window in windows]
            assert summed(tally) == summed(Tally.merged(alone))


def test_the_cost_does_not_grow_with_the_events() -> None:
    window = windowed(Tally(), MINUTE, keep=3)
    sizes: set[int] = set()
    for minute in range(1_000):
        Now.ms += 60_000
        for second in range(0, 60, 20):
            window.at(moment(minute + second / 60)).add(1.0)
        assert len(window._buckets) <= 3
        if minute > 3:
            sizes.add(len(window.to_bytes()))
    assert max(sizes) - min(sizes) <= 8
    assert window.over(3 * MINUTE).count == 9


def test_asking_for_a_bucket_changes_nothing() -> None:
    window = windowed(Tally(), MINUTE, keep=3)
    window.at(moment(0)).add(1.0)
    before = window.summary()
    for minutes in (-10, -1, 1, 100):
        assert window.at(moment(minutes)).count == 0
    assert window.summary() == before
    for index in range(100):
        assert window.at(moment(-index / 100)).variance is None
    assert len(window._buckets) < 10
    for _ in range(2):
        window.at(moment(-10)).add(1.0)
    outside = window.at(moment(100))
    outside.add(1.0)
    outside.add(1.0)
    assert (window.late, window.early) == (2, 2), "each that was added counts"
    bucket = window.at(moment(0))
    Now.ms += 10 * 60_000
    window.at(moment(10)).add(1.0)
    bucket.add(5.0)
    assert window.late == 3, "meanwhile it has become too old"
    assert window.over(3 * MINUTE).count == 1
    bucket = window.at(moment(10))
    window.clear()
    with pytest.raises(RuntimeError, match="ask for it"):
        bucket.add(5.0)
    assert window.summary()["buckets"] == []


def test_the_server_decides_what_is_early() -> None:
    window = windowed(Tally(), MINUTE, keep=3, ahead=timedelta(0))
    window.at(moment(0)).add(1.0)
    window.at(moment(0) + timedelta(milliseconds=1)).add(1.0)
    assert window.early == 1
    Now.ms += 1
    window.at(moment(0) + timedelta(milliseconds=1)).add(1.0)
    assert window.over(MINUTE).count == 2
    assert windowed(Tally(), MINUTE, keep=3).ahead == MINUTE


def test_buckets_are_of_moments_whatever_their_zone_and_century() -> None:
    window = windowed(Tally(), MINUTE, keep=3)
    window.at(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)).add(1.0)
    window.at(datetime(1970, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=1)))).add(1.0)
    assert [tally.count for _, tally in window.series()] == [0, 1, 1]
    with pytest.raises(ValueError, match="time zone"):
        window.at(datetime(2026, 1, 1))


def test_other_aggregates_are_windowed_too() -> None:
    window = windowed(Quantiles(accuracy=0.05), MINUTE, keep=2)
    for minute in range(2):
        Now.ms += 60_000
        for value in range(100):
            window.at(moment(minute)).add(float(value + 100 * minute))
    assert window.over(2 * MINUTE).quantile(1.0) == 199
    assert window.over(MINUTE).quantile(0.0) == 100
    assert window.over(2 * MINUTE).accuracy == 0.05


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"of": 3}, "first"),
        ({"of": windowed(Tally(), MINUTE, keep=2)}, "first"),
        ({"width": timedelta(0)}, "width"),
        ({"width": timedelta(microseconds=1_500)}, "width"),
        ({"width": timedelta(days=100_000)}, "width"),
        ({"width": 60}, "width"),
        ({"keep": 0}, "keep"),
        ({"keep": True}, "keep"),
        ({"keep": 100_001}, "keep"),
        ({"ahead": -MINUTE}, "ahead"),
        ({"ahead": 3}, "ahead"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], named: str) -> None:
    right: dict[str, Any] = {"of": Tally(), "width": MINUTE, "keep": 3} | options
    with pytest.raises(InvalidInput, match=named):
        windowed(right.pop("of"), right.pop("width"), **right)
    used = Tally()
    used.add(1.0)
    with pytest.raises(ValueError, match="empty"):
        windowed(used, MINUTE, keep=3)


def test_a_window_is_within_what_is_kept_and_parameters_are_merged_with_their_like() -> None:
    window = windowed(Tally(), MINUTE, keep=3)
    for duration in (timedelta(0), -MINUTE, 4 * MINUTE):
        with pytest.raises(ValueError, match="kept"):
            window.over(duration)
    assert window.over(timedelta(seconds=90)).count == 0
    for other in (windowed(Tally(), 2 * MINUTE, keep=3), windowed(Tally(), MINUTE, keep=4)):
        with pytest.raises(ValueError, match="parameters"):
            window.merge(other)
    with pytest.raises(ValueError, match="nothing to merge"):
        Windowed[Tally].merged([])
