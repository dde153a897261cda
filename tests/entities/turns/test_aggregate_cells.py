"""States with aggregates: what an operation adds is settled or undone with it, and nothing else can be noticed of it."""

from __future__ import annotations

import copy
from datetime import datetime
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stead.entities import ClassEntityType, Entity, Indexed, InvalidState, indexed
from stead.entities.aggregates import Quantiles, Tally, TopItems, Windowed, windowed
from stead.transport import InvalidInput, PayloadTooLarge
from support.activation_bench import Bench
from support.aggregate_bench import (
    MINUTE,
    START,
    Flat,
    Mixed,
    Nested,
    Plain,
    Step,
    Steps,
    act,
    bench_of,
    live,
    seen,
    spans,
)

numbers = st.integers(-5, 5).map(float)
minutes = st.integers(-6, 1)
keys = st.sampled_from("ab")
a_step: st.SearchStrategy[Step] = st.one_of(
    st.sampled_from(
        [["count"], ["append"], ["pop"], ["merge"], ["clear"], ["new"], ["shared"], ["swap"], ["read"], ["maybe"]]
    ),
    st.tuples(st.sampled_from(["add", "last", "nested", "sketch"]), numbers).map(list),
    st.tuples(st.just("event"), minutes, numbers).map(list),
    st.tuples(st.just("key"), keys, numbers).map(list),
    st.tuples(st.just("span"), keys, minutes).map(list),
)
an_operation = st.tuples(st.sampled_from(["do", "later"]), st.lists(a_step, max_size=5), st.booleans(), st.booleans())


# Made once: that takes longer than what is tried with them.
ENTITIES = {
    cls.__name__: ClassEntityType(cast("type[Entity]", type(cls.__name__, (cls,), {"__module__": __name__})))
    for cls in (Plain, Mixed, Nested, Flat)
}


@pytest.mark.hazard(112)
@pytest.mark.parametrize("cls", [Plain, Mixed, Nested, Flat])
@given(st.lists(an_operation, max_size=8))
@settings(max_examples=60, deadline=None)
def test_an_operation_is_settled_or_undone_as_a_whole(cls: type[Steps], operations: list[Any]) -> None:
    entity = ENTITIES[cls.__name__]
    bench, model = Bench(entity), entity.form.fresh()
    fresh = seen(model)
    exists = False
    for name, steps, fails, again in operations:
        trial = entity.read(entity.form.pack(model))
        for step in steps:
            act(trial, step)
        if name == "later":
            bench.cell.detach()
        try:
            bench.run(name, steps, fails)
        except ValueError:
            assert fails
        else:
            assert not fails
            model = entity.read(entity.form.pack(trial))
            exists = exists or seen(model) != fresh
        if name == "later":
            bench.cell.leave(bench.turn)
        assert bench.cell.exists == exists
        if exists:
            assert seen(bench.state) == seen(model)
        assert seen(live(bench)) == seen(model)
        if again:
            bench.cell.record()
            bench = bench.again() if exists else Bench(entity)


def test_what_an_operation_leaves_of_single_values_is_seen_exactly() -> None:
    """A state of those and of aggregates is not packed to see it (see `_aggregates/flat`)."""
    bench = bench_of(Flat)
    bench.run("do", [["add", 1.0], ["event", 0, 1.0]])
    bench.cell.record()
    settled = bench.cell.packed()
    values: list[tuple[str, Any]] = [
        *(("ratio", value) for value in (1.5, 0.0, -0.0, 2.0, float("nan"))),
        *(("large", value) for value in (5, 2**70, -(2**64), None)),
        *(("label", value) for value in ("a", "b" * 100)),
        ("count", 2**63),
        ("count", 10**400),
    ]
    for name, value in values:
        for again in (False, True):
            bench.run("put", name, copy.deepcopy(value) if type(value) is not float else float(repr(value)))
            assert bench.cell.changed == (not again)
            bench.cell.record()
            packed = bench.cell.packed()
            assert (packed == settled) == again
            settled = packed
            assert repr(getattr(bench.state, name)) == repr(value)
        with pytest.raises(ValueError, match="as it was told"):
            bench.run("do", [["append"], ["last", 7.0], ["key", "a", 7.0], ["add", 7.0], ["event", 0, 7.0]], True)
        assert bench.cell.packed() == settled
        bench.run("do", [["add", 1.0]])
        settled = bench.cell.packed()
    for name, wrong in (("count", True), ("count", 1.0), ("label", 3), ("ratio", "1"), ("label", "\ud800"), ("new", 1)):
        with pytest.raises((InvalidState, InvalidInput)):
            bench.run("put", name, wrong)
        assert bench.cell.packed() == settled
        assert bench.state.tally.count == 1 + len(values)


def test_what_is_emptied_gets_the_parameters_of_its_class() -> None:
    class Before(Flat):
        pages: TopItems = TopItems(most=7)

    before = bench_of(Before)
    before.run("do", [["sketch", 1.0], ["count"]])
    bench = Bench(ENTITIES["Flat"], before.cell.packed())
    for _ in range(2):
        bench.run("do", [["sketch", 1.0]])
    assert bench.state.pages.most == 7
    bench.run("do", [["clear"]])
    assert live(bench).pages.most == bench.state.pages.most == 3


def test_an_asynchronous_operation_that_fails_leaves_what_was_kept_without_packing_it() -> None:
    bench = bench_of(Flat)
    for _ in range(3):
        bench.run("do", [["add", 1.0], ["event", 0, 1.0], ["sketch", 1.0], ["count"]])
    before = seen(bench.state)
    bench.cell.detach()
    with pytest.raises(ValueError, match="as it was told"):
        bench.run("later", [["add", 7.0], ["event", 1, 7.0], ["count"]], True)
    assert seen(live(bench)) == seen(bench.state) == before


def test_what_changes_nothing_is_no_change() -> None:
    bench = bench_of(Flat)
    bench.run("do", [["add", 1.0], ["event", 0, 1.0], ["last", 3.0]])
    bench.cell.record()
    for name, value in (("ratio", 3.0), ("count", 0), ("label", ""), ("large", None)):
        bench.run("put", name, value)
        assert not bench.cell.changed
    bench.run("do", [["event", -9, 1.0]])
    assert bench.cell.changed, "it is late, which is counted"
    bench.cell.record()
    bench.run("do", [["last", 4.0]])
    assert bench.cell.changed


@pytest.mark.parametrize("cls", [Plain, Mixed, Flat])
def test_what_is_left_running_changes_nothing(cls: type[Steps]) -> None:
    bench = bench_of(cls)
    bench.run("do", [["add", 1.0], ["key", "a", 1.0], ["event", 0, 1.0], ["sketch", 1.0]])
    bench.run("do", [["add", 0.0], ["event", 0, 0.0]])
    instance: Any = live(bench)
    bucket = instance.recent.at(START)
    kept = [instance.tally, bucket, instance.latency, *([instance.by_key["a"]] if cls is not Flat else [])]
    assert not bench.cell.disturbed()
    for one in kept:
        before = seen(bench.state)
        one.add(5.0)
        assert bench.cell.disturbed()
        assert not bench.cell.resume()
        assert seen(bench.state) == before
        assert seen(live(bench)) == before
    bench.run("do", [["add", 2.0]])
    assert bench.state.tally.count == 3


@pytest.mark.parametrize("cls", [Plain, Mixed, Flat])
def test_what_an_asynchronous_operation_was_given_is_its_own(cls: type[Steps]) -> None:
    bench = bench_of(cls)
    bench.run("do", [["add", 1.0], ["sketch", 1.0], ["event", 0, 1.0]])
    old: Any = live(bench)
    bench.cell.detach()
    for one in (old.tally, old.latency, old.recent.at(START)):
        one.add(9.0)
    bench.run("later", [["add", 2.0]])
    assert bench.state.tally.sum == 3
    assert bench.state.latency.max == 1
    assert bench.state.recent.over(MINUTE).sum == 1


@pytest.mark.parametrize("cls", [Plain, Mixed, Nested, Flat])
def test_a_commit_while_an_operation_runs_writes_what_was_settled(cls: type[Steps]) -> None:
    bench = bench_of(cls)
    bench.run("do", [["add", 1.0], ["sketch", 1.0], ["event", 0, 1.0], ["nested", 1.0]])
    expected = seen(bench.state)
    bench = bench_of(cls)
    bench.run("do", [["add", 1.0], ["sketch", 1.0], ["event", 0, 1.0], ["nested", 1.0]])
    bench.cell.detach()
    act(live(bench), ["add", 7.0])  # the operation has come so far
    act(live(bench), ["sketch", 7.0])
    act(live(bench), ["event", 1, 7.0])
    record = bench.cell.record()
    assert record is not None
    assert seen(bench.entity.read(record)) == expected
    bench.cell.settle()
    assert bench.state.tally.sum == 8
    assert bench.state.latency.max == 7


@pytest.mark.parametrize("cls", [Plain, Mixed, Nested, Flat])
def test_what_is_held_to_be_settled_later_is_as_the_operation_left_it(cls: type[Steps]) -> None:
    bench = bench_of(cls)
    bench.run("do", [["add", 1.0], ["nested", 2.0], ["shared"]])
    for settles in (True, False):
        before = seen(bench.state)
        bench.cell.detach()
        left: Any = live(bench)
        left.do([["add", 2.0], ["sketch", 2.0], ["event", 0, 1.0], ["key", "b", 1.0]])
        expected = seen(left)
        bench.cell.hold()
        left.do([["add", 7.0], ["sketch", 7.0], ["event", 0, 7.0]])  # by what it has left running
        bench.cell.settle() if settles else bench.cell.rollback()
        assert seen(bench.state) == (expected if settles else before)


def test_a_reading_operation_changes_nothing() -> None:
    bench = bench_of(Plain)
    for operation in ("do", "later"):
        bench.cell.detach()
        bench.run(operation, [["read"]])
        assert not bench.cell.exists
    bench.run("do", [["sketch", 1.0]])
    bench.cell.record()
    for operation in ("do", "later"):
        bench.cell.detach()
        bench.run(operation, [["read"]])
        assert not bench.cell.changed


def test_a_sketch_is_not_packed_by_an_operation() -> None:
    """However much is in it: only what a commit writes is packed."""
    bench = bench_of(Plain)
    bench.run("do", [["many", 1.0]])
    bench.cell.record()
    instance: Any = live(bench)
    waiting = instance.latency
    base = waiting._base
    for _ in range(20):
        bench.run("do", [["sketch", 1.0]])
    assert len(waiting._waiting) == 20
    assert waiting._base is base
    assert waiting is live(bench).latency
    bench.cell.record()
    assert waiting._waiting == []
    assert waiting._base is base, "it is folded where it is"


def test_a_value_that_is_no_aggregate_is_refused() -> None:
    class Wrong(Entity):
        tally: Tally = Tally()
        recent: Windowed[Tally] = spans()

        def put(self, kind: str) -> None:
            if kind == "tally":
                self.tally = cast("Any", 3)
            else:
                self.recent = cast("Any", windowed(Quantiles(), MINUTE, keep=3))

    bench = bench_of(Wrong)
    for kind in ("tally", "window"):
        with pytest.raises(InvalidState, match="tally" if kind == "tally" else "recent"):
            bench.run("put", kind)
    assert not bench.cell.exists


def test_deleting_leaves_nothing() -> None:
    bench = bench_of(Plain)
    bench.run("do", [["add", 1.0], ["event", 0, 1.0]])
    bench.run("delete")
    assert not bench.cell.exists
    bench.run("do", [["read"]])
    assert not bench.cell.exists
    bench.run("do", [["add", 2.0]])
    assert bench.state.tally.sum == 2
    assert bench.state.recent.series() == []


def test_a_state_that_is_too_large_is_the_failure_of_a_commit_or_of_its_operation() -> None:
    bench = bench_of(Plain)
    for eager in (False, True):
        bench = Bench(bench.entity, None, state_bytes_max=1_200, eager=eager)
        bench.run("do", [["add", 1.0]])
        bench.cell.record()
        if eager:
            with pytest.raises(PayloadTooLarge):
                bench.run("do", [["many", 1.0]])
            assert bench.state.latency.count == 0
        else:
            bench.run("do", [["many", 1.0]])
            with pytest.raises(PayloadTooLarge):
                bench.cell.record()


class Placed(Entity):
    number: Indexed[int] = indexed(0)
    ratio: Indexed[float] = indexed(0.0)
    seen: Indexed[datetime | None] = indexed(None)
    each: Tally = Tally()

    def put(self, name: str, value: Any) -> None:
        self.each.add(1)
        setattr(self, name, value)


@pytest.mark.hazard(89)
@pytest.mark.parametrize(
    ("name", "value"), [("number", 2**53 + 1), ("ratio", float("nan")), ("seen", datetime(2026, 1, 1))]
)
@pytest.mark.parametrize("eager", [False, True])
def test_a_value_that_no_index_has_a_place_for_fails_its_operation(name: str, value: Any, eager: bool) -> None:
    bench = Bench(ClassEntityType(Placed), eager=eager)
    bench.run("put", "number", 1)
    before = bench.cell.packed()
    with pytest.raises(InvalidState, match=f"left field '{name}'"):
        bench.run("put", name, value)
    assert bench.cell.packed() == before
    bench.run("put", "number", 2)
    assert bench.again().cell.packed() == bench.cell.packed() != before
