"""Sketches: within what they promise, on skewed and adversarial data too; and what is damaged ends nothing."""

from __future__ import annotations

import bisect
import random
import sys
from collections import Counter
from typing import Any, cast
from uuid import UUID

import numpy as np
import pytest

from stead.entities.aggregates import Aggregate, Distinct, Quantiles, SketchesMissing, TopItems
from stead.transport import InvalidInput, pack, unpack

approx: Any = cast("Any", pytest).approx  # its own types are unknown in part
COUNT = 50_000
RNG = np.random.default_rng(112)

DATA: dict[str, list[float]] = {
    "uniform": RNG.uniform(size=COUNT).tolist(),
    "heavy tail": RNG.pareto(0.5, size=COUNT).tolist(),
    "sorted": sorted(RNG.normal(size=COUNT).tolist()),
    "reversed": sorted(RNG.normal(size=COUNT).tolist(), reverse=True),
    "saw": [float(index % 100) for index in range(COUNT)],
    "nearly all the same": [7.0] * (COUNT - 100) + [float(index) for index in range(100)],
    "far apart": [float(10**index) * sign for index in range(25) for sign in (1, -1)] * (COUNT // 50),
    "zoom": [(-1.0) ** index * 0.999**index for index in range(COUNT)],
}


@pytest.mark.parametrize("accuracy", [0.02, 0.005])
@pytest.mark.parametrize("kind", DATA)
def test_quantiles_are_within_their_error_in_rank(kind: str, accuracy: float) -> None:
    values = DATA[kind]
    whole = Quantiles(accuracy)
    whole.extend(values)
    parts: list[Quantiles] = []
    for start in range(0, COUNT, 9_973):
        part = Quantiles(accuracy)
        for value in values[start : start + 9_973]:
            part.add(value)
        parts.append(part)
    merged = Quantiles.merged(parts[::-1])
    ordered = sorted(values)
    for sketch in (whole, merged):
        assert (sketch.count, sketch.min, sketch.max) == (COUNT, ordered[0], ordered[-1])
        outside = 0
        ranks = [index / 100 for index in range(101)]
        for rank in ranks:
            found = sketch.quantile(rank)
            assert found is not None
            low, high = bisect.bisect_left(ordered, found) / COUNT, bisect.bisect_right(ordered, found) / COUNT
            outside += not low - accuracy <= rank <= high + accuracy
        assert outside <= 2, "99 of 100 are within"


def test_quantiles_of_none_and_of_few() -> None:
    sketch = Quantiles()
    assert (sketch.quantile(0.5), sketch.rank(1.0), sketch.min, sketch.max, sketch.count) == (None, None, None, None, 0)
    for value in (3.0, 1.0, 2.0):
        sketch.add(value)
    assert [sketch.quantile(rank) for rank in (0, 0.3, 0.5, 1)] == [1.0, 1.0, 2.0, 3.0]
    assert sketch.rank(2.0) == approx(2 / 3)
    assert sketch.summary() == {"count": 3, "p50": 2.0, "p90": 3.0, "p99": 3.0}
    for rank in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="from 0 to 1"):
            sketch.quantile(rank)
    with pytest.raises(ValueError, match="nan"):
        sketch.add(float("nan"))
    with pytest.raises(ValueError, match="inf"):
        sketch.extend([1.0, float("inf")])
    assert sketch.count == 3


@pytest.mark.parametrize("count", [1, 10, 200, 5_000, 200_000])
def test_distinct_ones_are_counted_within_the_error(count: int) -> None:
    sketches = [Distinct() for _ in range(4)]
    for index in range(count):
        sketches[index % 4].add(f"user-{index}")
        sketches[(index * 7) % 4].add(f"user-{index}")  # again, perhaps somewhere else
    merged = Distinct.merged(sketches)
    assert merged.estimate() == approx(count, rel=0.05)
    backwards = Distinct.merged(sketches[::-1])
    assert backwards.estimate() == approx(merged.estimate(), rel=1e-9)
    merged.merge(backwards)
    assert merged.estimate() == approx(count, rel=0.05), "nobody is counted twice"


def test_an_error_of_a_percent_is_one() -> None:
    wrong = 0
    for seed in range(30):
        sketch = Distinct(accuracy=0.02)
        for index in range(20_000):
            sketch.add(seed * 1_000_000 + index)
        wrong += abs(sketch.estimate() / 20_000 - 1) > 0.02
    assert wrong <= 2


def test_items_of_different_types_are_different_ones_and_all_count() -> None:
    items: list[str | int | bytes | UUID] = ["", "1", 1, b"1", b"", -1, 2**80, "é", UUID(int=1), 0]
    sketch = Distinct()
    for item in [*items, *items]:
        sketch.add(item)
    assert sketch.estimate() == approx(len(items), abs=0.01)
    for wrong in (1.5, None, True, ["a"]):
        with pytest.raises(TypeError, match="item"):
            sketch.add(wrong)  # type: ignore[arg-type]


def stream(kind: str) -> list[str]:
    order = random.Random(5)
    if kind == "skewed":
        return [f"page-{int(order.paretovariate(1.1))}" for _ in range(COUNT)]
    if kind == "even":
        return [f"page-{order.randrange(5_000)}" for _ in range(COUNT)]
    if kind == "in turn":
        return [f"page-{index % 1_000}" for index in range(COUNT)]
    # Frequent ones at the beginning, then nothing but new ones, which push them out.
    return [f"hot-{index % 20}" for index in range(20_000)] + [f"new-{index}" for index in range(30_000)]


@pytest.mark.parametrize("kind", ["skewed", "even", "in turn", "pushed out"])
def test_counts_are_no_less_and_not_much_more_than_they_were(kind: str) -> None:
    items = stream(kind)
    sketches = [TopItems(most=20) for _ in range(3)]
    for index, item in enumerate(items):
        sketches[index % 3].add(item)
    whole = TopItems(most=20)
    for item in items:
        whole.add(item)
    exact = Counter(items)
    for sketch in (whole, TopItems.merged(sketches)):
        assert sketch.count == COUNT
        error = sketch.error()
        assert error <= COUNT * 3.5 / 256
        top = sketch.top(20)
        assert [count for _, count in top] == sorted((count for _, count in top), reverse=True)
        for item, count in top:
            assert exact[item] <= count <= exact[item] + error
        missed = [item for item, count in exact.items() if count > error and item not in dict(sketch.top(20))]
        assert all(exact[item] <= min(count for _, count in top) for item in missed)
    if kind not in ("even", "in turn"):
        assert set(dict(whole.top(3))) == {item for item, _ in exact.most_common(3)} or kind == "pushed out"


def test_items_that_push_out_one_another_to_the_last_leave_their_counts() -> None:
    """The library calls such a sketch empty, and writes and merges it as one."""
    sketch, emptied = TopItems(most=5), 0
    for index in range(1_000):
        sketch.add(f"page-{index}")
        if sketch.top(5):
            continue
        emptied += 1
        again = TopItems.from_bytes(sketch.to_bytes())
        assert again == sketch
        assert (again.count, again.top(5), again.error()) == (index + 1, [], sketch.error())
        again.add("page-0", 3)
        assert again.count == index + 4
        assert again.top(1) == [("page-0", 3 + sketch.error())]
        for one, other in ((again, sketch), (sketch, again), (sketch, sketch)):
            both = TopItems.merged([one, other])
            assert both.count == one.count + other.count
            assert both.error() == one.error() + other.error()
    assert emptied > 3


def test_few_items_are_counted_exactly() -> None:
    sketch = TopItems(most=5)
    for index in range(30):
        for _ in range(index + 1):
            sketch.add(f"{index:02}")
    sketch.add("", 100)
    assert sketch.top(3) == [("", 100), ("29", 30), ("28", 29)]
    assert sketch.error() == 0
    assert sketch.summary() == {"top": [["", 100], ["29", 30], ["28", 29], ["27", 28], ["26", 27]]}
    with pytest.raises(ValueError, match="most=6"):
        sketch.top(6)
    with pytest.raises(ValueError, match="from 0 to 5"):
        sketch.top(-1)
    assert sketch.top(0) == []
    with pytest.raises(TypeError):
        sketch.add(3)  # type: ignore[arg-type]
    for count in (-1, True, 1.0):
        with pytest.raises(ValueError, match="times"):
            sketch.add("a", count)  # type: ignore[arg-type]


SKETCHES: list[Any] = [Quantiles(0.02), Distinct(), TopItems(5)]


def filled(kind: Any, count: int) -> Any:
    sketch = kind._bare()
    assert isinstance(sketch, Aggregate)
    add: Any = cast("Any", sketch).add
    for index in range(count):
        add(f"{index}" if not isinstance(sketch, Quantiles) else float(index))
    return sketch


@pytest.mark.parametrize("kind", SKETCHES, ids=lambda kind: type(kind).__name__)
@pytest.mark.parametrize("count", [0, 1, 100, 10_000])
def test_bytes_are_read_back_and_damaged_ones_are_refused(kind: Any, count: int) -> None:
    sketch = filled(kind, count)
    cls = cast("Any", type(kind))
    data = sketch.to_bytes()
    again = cls.from_bytes(data)
    assert again == sketch
    assert again.summary() == sketch.summary()
    assert again.to_bytes() == data
    order = random.Random(count)
    for _ in range(200):
        broken = bytearray(data)
        place = order.randrange(len(broken))
        if order.random() < 0.5:
            del broken[place:]
        else:
            broken[place] ^= 1 << order.randrange(8)
        try:
            read = cls.from_bytes(bytes(broken))
        except ValueError:
            continue
        assert read._value() != kind._value() or bytes(broken) == data or count == 0


@pytest.mark.parametrize("kind", SKETCHES, ids=lambda kind: type(kind).__name__)
def test_what_is_none_is_refused(kind: Any) -> None:
    sketch = filled(kind, 100)
    cls = cast("Any", type(kind))
    name, held = next(iter(unpack(sketch.to_bytes()).items()))
    others: list[Any] = [
        3,
        None,
        [],
        {},
        {name: None},
        {name: []},
        {name: [1, 2, 3]},
        {"other": held},
        {name: [held[0], b""]},
    ]
    others += [{name: ["x"]}, {name: [None, held[1]]}, {name: [[], held[1]]}, {name: [0.1, held[1]]}, {1: held}]
    for other in others:
        with pytest.raises(ValueError):
            cls.from_bytes(pack(other))
    for wrong in (0, -1, "x", True, 10**9):
        with pytest.raises(InvalidInput):
            cls(wrong)
    with pytest.raises(ValueError, match="parameters"):
        sketch.merge(cls(7 if isinstance(sketch, TopItems) else 0.1))


@pytest.mark.parametrize("cls", [Quantiles, Distinct, TopItems])
def test_without_the_library_it_says_what_to_install(cls: type[Aggregate], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasketches", None)
    with pytest.raises(SketchesMissing, match=r"pip install 'stead\[sketches\]'") as caught:
        cls()
    assert isinstance(caught.value, ImportError)
