"""What is published: bounded, readable by others, and never counted twice."""

from __future__ import annotations

from typing import Any

import pytest

from stead.entities._measures.blocks import BLOCK_BYTES_MAX, SUM_NAMES_MAX, MeasuredBlock, bounded, joined, readable
from stead.entities._measures.hottest import Hot
from stead.entities._measures.measures import NAMES_MAX, OTHERS, Measured, Measures
from stead.entities._measures.meter import Meter, upper_bound
from stead.entities._measures.window import MINUTE_MS, Window
from stead.transport import InvalidInput, pack


def written(meters: list[Any], hot: Any) -> bytes:
    return pack({"v": 1, "since_ms": 1, "until_ms": 1, "meters": meters, "hot": hot, "hot_missed": 0})


MALFORMED = [
    b"",
    b"\xc1",
    pack(7),
    pack({"v": 2}),
    written([["x"]], []),
    written([], "abc"),
    written([["a", "b", "c", 1, 1, 1, [1]]], []),
    written([[1, "b", "c", 1, 1, 1, []]], []),
]


def test_a_block_comes_back_as_it_was() -> None:
    measures = Measures()
    measures.meter("operation", "Station", "record").add_run(7, 0.02)
    measures.meter("operation", "Station", "record").failed += 2
    block = MeasuredBlock(1, 2, measures.meters, [Hot("@station@oslo", 5, 1)], 3)
    assert MeasuredBlock.decode(block.encode()) == block


@pytest.mark.parametrize("spread", [1, 60, 240])
def test_however_much_there_is_a_block_is_bounded(spread: int) -> None:
    measures = Measures()
    for number in range(10_000):
        meter = measures.meter("operation", f"{'long' * 10} {number}", "ø" * (number % 50))
        for bucket in range(spread):
            meter.add_run(2**40, 2**40 * upper_bound(bucket) * 0.99)
    assert len(measures.meters) <= NAMES_MAX + 1
    assert sum(meter.count for meter in measures.meters.values()) == 10_000 * spread * 2**40
    hot = [Hot("x" * 200, 2**50, 2**50)] * 1_000
    data = MeasuredBlock(0, 0, measures.meters, hot, 0).encode()
    assert len(data) <= 2 * BLOCK_BYTES_MAX
    assert sum(meter.count for meter in MeasuredBlock.decode(data).meters.values()) == 10_000 * spread * 2**40


def test_sums_of_many_workers_are_bounded_too() -> None:
    meters = {Measured("operation", str(n)): Meter(n + 1, 0, 1.0, {8: n + 1}) for n in range(3 * SUM_NAMES_MAX)}
    whole = bounded(MeasuredBlock(0, 0, dict(meters)))
    assert len(whole.meters) == SUM_NAMES_MAX + 1
    assert whole.meters[Measured("operation", OTHERS)].count == sum(range(1, 2 * SUM_NAMES_MAX + 1))


@pytest.mark.parametrize("data", MALFORMED)
def test_what_another_version_wrote_is_left_out(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        MeasuredBlock.decode(data)
    good = MeasuredBlock(1, 2, {Measured("commit"): Meter(1, 0, 1.0, {8: 1})})
    assert readable({"new": data, "good": good.encode()}) == {"good": good}


def test_what_another_version_measures_besides_goes_on_in_the_sums() -> None:
    newer = MeasuredBlock(1, 2, {Measured("something new", "x"): Meter(3, 0, 1.0, {8: 3})})
    assert joined([MeasuredBlock.decode(newer.encode()), MeasuredBlock(0, 0)]).meters == newer.meters


def test_minutes_have_what_came_within_them() -> None:
    measures = Measures()
    window = Window(measures, 5 * MINUTE_MS + 1)
    measures.meter("commit").add(0.5)
    measures.hottest.note("a", 3)
    first = window.within_minute(5 * MINUTE_MS + 2_000)
    assert (first.meters[Measured("commit")].count, first.hot) == (1, [Hot("a", 3, 0)])
    assert not window.turn_over(6 * MINUTE_MS - 1)
    assert window.turn_over(6 * MINUTE_MS)
    assert window.within_minute(6 * MINUTE_MS) == MeasuredBlock(6 * MINUTE_MS, 6 * MINUTE_MS, {}, [], 0)
    measures.meter("commit").add(0.5)
    assert window.within_minute(6 * MINUTE_MS + 1).meters[Measured("commit")].count == 1
    assert window.sums(6 * MINUTE_MS + 1).meters[Measured("commit")].count == 2


def test_what_was_taken_into_the_sum_of_ended_ones_is_not_published_again() -> None:
    measures = Measures()
    window = Window(measures, 0)
    measures.meter("commit").add(0.5)
    published = window.sums(1)
    measures.meter("commit").add(0.5)
    window.begin_anew(published)
    assert window.sums(2).meters[Measured("commit")].count == 1
    window.begin_anew(window.sums(2))
    measures.meter("commit").add(0.5)
    assert window.sums(3).meters[Measured("commit")].count == 1
