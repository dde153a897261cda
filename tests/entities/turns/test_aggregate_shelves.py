"""Lists and dicts of aggregates: an operation costs what it changes of them, and is undone as a whole (HAZARDS 112)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity
from stead.entities._aggregates.marks import Marks
from stead.entities.aggregates import Quantiles, Tally, TopItems, Windowed
from support.activation_bench import Bench
from support.aggregate_bench import START, live, seen, spans

KEYS = [f"key-{number}" for number in range(50)]


class Shelves(Entity):
    """Does what a test says."""

    count: int = 0
    by_key: dict[str, Quantiles] = {}
    by_number: dict[int, Tally] = {}
    in_order: list[Tally] = []
    windows: dict[str, Windowed[Tally]] = {}
    own: Tally = Tally()

    def do(self, act: Any, fails: bool = False) -> None:
        self.count += 1
        act(self)
        if fails:
            raise ValueError("as it was told")


def fill(state: Any) -> None:
    state.by_key = {key: Quantiles() for key in KEYS}
    state.by_number = {number: Tally() for number in range(3)}
    state.in_order = [Tally() for _ in range(6)]
    state.windows = {"w": spans()}
    for one in (*state.by_key.values(), *state.by_number.values(), *state.in_order):
        one.add(1.0)
    state.windows["w"].at(START).add(1.0)


def do(bench: Bench, act: Callable[[Any], object], fails: bool = False) -> None:
    bench.run("do", act, fails)


def filled() -> Bench:
    bench = Bench(ClassEntityType(Shelves))
    do(bench, fill)
    do(bench, lambda state: None)
    bench.cell.record()
    return bench


@pytest.fixture
def packed_tokens(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Those aggregates that somebody looks at to see whether they have changed."""
    looked: list[Any] = []
    give = Marks.give

    def count(self: Marks, value: Any) -> bytes:
        looked.append(value)
        return give(self, value)

    monkeypatch.setattr(Marks, "give", count)
    return looked


@pytest.mark.hazard(112)
def test_an_operation_looks_at_what_it_changes(packed_tokens: list[Any]) -> None:
    bench = filled()
    del packed_tokens[:]

    def first(key: str, at: int, state: Shelves) -> None:
        state.by_key[key].add(2.0)
        state.in_order[at].add(2.0)

    def second(at: int, state: Shelves) -> None:
        state.by_number[at].add(2.0)
        state.windows["w"].at(START).add(2.0)

    for number in range(200):
        do(bench, partial(first, KEYS[number % 50], number % 3))
        do(bench, partial(second, number % 3))
    assert packed_tokens == [] and bench.cell.changed
    assert live(bench).in_order[0]._parent._moved == {}, "what was kept is forgotten"
    state = bench.state
    assert [one.count for one in state.by_key.values()] == [5] * 50
    assert [sum(one.count for one in shelf) for shelf in (state.in_order, state.by_number.values())] == [206, 203]
    assert state.windows["w"].at(START).count == 201


@pytest.mark.hazard(112)
def test_a_sketch_in_a_dict_is_packed_once_a_commit() -> None:
    bench = filled()
    one: Any = live(bench).by_key[KEYS[7]]
    base = one._base
    for _ in range(20):
        do(bench, lambda state: state.by_key[KEYS[7]].add(2.0))
    assert len(one._waiting) == 20 and one._base is base
    bench.cell.record()
    assert one._waiting == [] and live(bench).by_key[KEYS[7]] is one


def rename(shelf: dict[int, Tally]) -> None:
    values = [*shelf.values()]
    shelf.clear()
    shelf.update({1_000 + number: value for number, value in enumerate(values)})


CHANGES: dict[str, Callable[[Any], object]] = {
    "an item": lambda state: state.by_key[KEYS[3]].add(9.0),
    "items of all": lambda state: [
        one.add(9.0) for one in (state.in_order[0], state.by_number[1], state.windows["w"].at(START), state.own)
    ],
    "one more": lambda state: state.by_key.update(more=Quantiles()),
    "one less": lambda state: state.in_order.pop(),
    "another one": lambda state: state.by_number.update({1: Tally()}),
    "another order": lambda state: state.by_key.update({KEYS[0]: state.by_key.pop(KEYS[0])}),
    "a list in another order": lambda state: state.in_order.reverse(),
    "another name": lambda state: state.by_number.update(
        {max(state.by_number) + 1: state.by_number.pop(min(state.by_number))}
    ),
    "all other names": lambda state: rename(state.by_number),
    "one moves": lambda state: setattr(state, "own", state.in_order.pop(0)),
    "one is there twice": lambda state: state.in_order.append(state.in_order[0]),
    "one of another shelf": lambda state: state.by_number.update({1: state.in_order[0]}),
    "a part of a window": lambda state: state.in_order.append(state.windows["w"].at(START)),
    "empty again": lambda state: state.in_order[1].clear(),
    "no shelf": lambda state: setattr(state, "by_key", {}),
}


@pytest.mark.hazard(112)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("again", [False, True])
def test_a_change_is_kept_or_undone(change: Callable[[Shelves], object], again: bool) -> None:
    bench = filled()
    for _ in range(2):
        do(bench, lambda state: (state.by_key[KEYS[1]].add(2.0), state.in_order[2].add(2.0)))
    before = seen(bench.state)

    def twice(state: Shelves) -> None:
        change(state)
        if state.by_key:
            state.by_key[KEYS[1]].add(3.0)
        state.in_order[-1].add(4.0)

    for _ in range(2):
        with pytest.raises(ValueError, match="as it was told"):
            do(bench, twice, True)
        assert seen(live(bench)) == seen(bench.state) == before
        do(bench, lambda state: setattr(state, "count", state.count - 1))  # nothing, by the flat way again
    model: Any = ClassEntityType(Shelves).read(bench.cell.packed() or b"")
    for _ in range(1 + again):
        do(bench, twice)
        twice(model)
        model = ClassEntityType(Shelves).read(ClassEntityType(Shelves).form.pack(model))
    assert seen(bench.state)["in_order"] == seen(model)["in_order"]
    assert {**seen(live(bench)), "count": 0} == {**seen(model), "count": 0} == {**seen(bench.state), "count": 0}
    with pytest.raises(ValueError, match="as it was told"):
        do(bench, twice, True)
    assert {**seen(live(bench)), "count": 0} == {**seen(model), "count": 0}


def _copy(place: str, state: Shelves) -> None:
    setattr(state, place, copy.copy(getattr(state, place)))


@pytest.mark.hazard(112)
def test_what_takes_the_place_of_a_shelf_is_looked_at() -> None:
    """Though it has the same in it, it is another one that changes from then on."""
    for place in ("by_key", "in_order"):
        bench = filled()
        do(bench, partial(_copy, place))
        if place == "by_key":
            do(bench, lambda state: state.by_key.update({KEYS[0]: Quantiles()}))
        else:
            do(bench, lambda state: state.in_order.__setitem__(0, Tally()))
        do(bench, lambda state: state.by_key[KEYS[1]].add(1.0))
        assert [bench.state.by_key[key].count for key in KEYS[:3]] == [int(place != "by_key"), 2, 1]
        assert [one.count for one in bench.state.in_order[:2]] == [int(place != "in_order"), 1]


def test_what_leaves_it_unchanged_is_no_change() -> None:
    bench = filled()
    same: list[Callable[[Shelves], object]] = [
        lambda state: setattr(state, "by_key", dict(state.by_key)),
        lambda state: setattr(state, "in_order", list(state.in_order)),
        lambda state: (state.by_number.update({9: Tally()}), state.by_number.pop(9)),
        lambda state: None,
    ]
    for act in same:

        def uncounted(state: Shelves, act: Callable[[Any], object] = act) -> None:
            act(state)
            state.count -= 1

        do(bench, uncounted)
        assert not bench.cell.changed


@pytest.mark.parametrize("name", ["by_key", "by_number", "in_order"])
def test_what_is_left_running_changes_nothing_on_a_shelf(name: str) -> None:
    bench = filled()
    do(bench, lambda state: state.own.add(1.0))
    before = seen(bench.state)
    strays: list[Callable[[Any], object]] = [
        lambda shelf: (shelf if name == "in_order" else list(shelf.values()))[0].add(5.0),
        lambda shelf: shelf.clear(),
        lambda shelf: shelf.reverse() if name == "in_order" else shelf.update({next(iter(shelf)): TopItems(most=1)}),
    ]
    for stray in strays:
        assert not bench.cell.disturbed()
        stray(getattr(live(bench), name))
        assert bench.cell.disturbed() and not bench.cell.resume()
        assert seen(live(bench)) == seen(bench.state) == before


def test_those_of_a_shelf_that_is_gone_tell_nobody_for_ever() -> None:
    """What says that it has changed is forgotten with the shelf."""
    bench = filled()
    old: Any = live(bench).in_order[0]
    shelf = old._parent

    def take(state: Shelves) -> None:
        state.own = state.in_order.pop(0)
        state.own.add(1.0)

    do(bench, take)
    for _ in range(5):
        do(bench, lambda state: state.own.add(1.0))
    assert old is live(bench).own and old._parent is None and len(shelf._moved) <= 1
