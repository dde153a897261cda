"""What `stead top` computes of what was measured: rates over the time that it took, whenever one looks."""

from __future__ import annotations

from typing import Any, cast

import pytest

from stead.app._commands.top import Screenful, WorkRow, rows_of
from stead.app._console.words import time_taken
from stead.entities.extending import HubMeasures, Measured, MeasuredBlock, Meter

MINUTE_MS = 60_000
RECORD = Measured("operation", "Station", "record")


def look(now_ms: int, recorded: int, *minutes: tuple[int, int], since_ms: int = 0) -> Screenful:
    """A look: so many ever, and in each of these minutes."""
    blocks = [(at * MINUTE_MS, block(at * MINUTE_MS, count)) for at, count in minutes]
    return Screenful(HubMeasures(now_ms, block(since_ms, recorded), blocks), cast("Any", None))


def block(since_ms: int, count: int) -> MeasuredBlock:
    meter = Meter()
    if count:
        meter.add_run(count, 0.25 * count)
    return MeasuredBlock(since_ms, since_ms, {RECORD: meter} if count else {})


def test_at_the_beginning_of_a_minute_the_one_before_counts() -> None:
    found = rows_of(look(6 * MINUTE_MS + 1_000, 500, (5, 122), (6, 0)), None)
    (row,) = found
    assert (row.what, row.rate, row.failed) == ("Station.record", 2.0, 0.0)
    assert row.p50 == pytest.approx(0.25, rel=0.2)  # a bucket is so wide


def test_a_hub_that_is_younger_has_the_rate_of_its_own_time() -> None:
    (row,) = rows_of(look(6 * MINUTE_MS, 30, (5, 30), (6, 0), since_ms=6 * MINUTE_MS - 10_000), None)
    assert row.rate == 3.0


def test_rates_are_those_since_the_look_before() -> None:
    before = look(6 * MINUTE_MS, 100, (5, 60), (6, 0))
    (row,) = rows_of(look(6 * MINUTE_MS + 2_000, 108, (5, 60), (6, 8)), before)
    assert row.rate == 4.0


def test_what_could_not_be_read_is_nothing() -> None:
    nothing: list[WorkRow] = rows_of(look(6 * MINUTE_MS, 0), None)
    assert nothing == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.000_004, "4 µs"),
        (0.25, "250.0 ms"),
        (59.94, "59.9 s"),
        (150.0, "2 min"),
        (5_999.0, "100 min"),
        (6_000.0, "1.7 h"),
        (3 * 86_400.0, "3 days"),
    ],
)
def test_times_are_in_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert time_taken(seconds) == text
