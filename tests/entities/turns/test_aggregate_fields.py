"""Aggregates as fields: their defaults, their parameters over deployments, how they are stored."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast

import pytest

from stead.entities import ClassEntityType, Entity
from stead.entities.aggregates import Distinct, Quantiles, Tally, TopItems, Windowed, windowed
from stead.transport import pack_exact, unpack
from support.activation_bench import Bench
from support.aggregate_bench import MINUTE, START, Plain, bench_of, seen, spans


@pytest.mark.hazard(80)
@pytest.mark.parametrize(
    "make",
    [Tally, lambda: Quantiles(0.05), Distinct, lambda: TopItems(5), spans],
    ids=["tally", "quantiles", "distinct", "top", "windowed"],
)
def test_two_entities_share_nothing(make: Callable[[], Any]) -> None:
    windows = isinstance(make(), Windowed)
    cls: Any = type(
        "One", (Entity,), {"__module__": __name__, "__annotations__": {"field": type(make())}, "field": make()}
    )
    if windows:
        cls = type(
            "One", (Entity,), {"__module__": __name__, "__annotations__": {"field": Windowed[Tally]}, "field": make()}
        )
    form = ClassEntityType(cls).form
    first, second = cast("Any", form.fresh()), cast("Any", form.fresh())
    one, other = first.field, second.field
    assert one is not other
    target = one.at(START) if windows else one
    target.add("a" if type(one) in (Distinct, TopItems) else 1.0)
    assert one != other
    assert other == make()
    assert cls().field == make()
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_what_is_empty_has_the_parameters_of_the_class_and_what_is_not_keeps_its_own() -> None:
    class Old(Entity):
        latency: Quantiles = Quantiles(accuracy=0.05)
        recent: Windowed[Tally] = windowed(Tally(), MINUTE, keep=3)

        def add(self, number: float) -> None:
            self.latency.add(number)
            self.recent.at(START).add(number)

        def clear(self) -> None:
            self.latency.clear()
            self.recent.clear()

        def reset(self) -> None:
            self.clear()
            self.add(7)

    class New(Old):
        latency: Quantiles = Quantiles(accuracy=0.02)
        recent: Windowed[Tally] = windowed(Tally(), 2 * MINUTE, keep=5)

    old = bench_of(Old)
    old.run("add", 1.0)
    new = Bench(bench_of(New).entity, old.cell.packed())
    new.run("add", 2.0)
    assert new.state.latency.accuracy == 0.05
    assert new.state.recent.width == MINUTE
    assert new.state.latency.count == 2
    for operation in ("reset", "clear"):
        other = new.again()
        other.run(operation)
        assert other.state.latency.accuracy == (0.05 if operation == "reset" else 0.02)
        assert other.state.recent.keep == (3 if operation == "reset" else 5)
        other.run("add", 3.0)
        assert other.state.latency.accuracy == (0.05 if operation == "reset" else 0.02)
    old.run("clear")
    assert Bench(new.entity, old.cell.packed()).state.latency.accuracy == 0.02


def test_migrate_makes_an_aggregate_of_what_was_stored() -> None:
    class Old(Entity):
        delays: list[float] = []

        def add(self, number: float) -> None:
            self.delays.append(number)

    class New(Entity):
        delays: Tally = Tally()

        @classmethod
        def migrate(cls, old: dict[str, Any]) -> dict[str, Any]:
            tally = Tally()
            tally.extend(old["delays"])
            return {"delays": tally}

        def add(self, number: float) -> None:
            self.delays.add(number)

    old = bench_of(Old)
    for number in (1.0, 2.0):
        old.run("add", number)
    new = Bench(bench_of(New).entity, old.cell.packed())
    new.run("add", 6.0)
    assert new.state.delays.mean == 3
    assert seen(new.again().state) == seen(new.state)


def test_what_is_stored_is_plain_data_that_says_what_it_is() -> None:
    bench = bench_of(Plain)
    bench.run("do", [["add", 1.5]])
    packed = bench.cell.packed()
    assert packed is not None
    assert unpack(packed)["tally"] == {"stead.tally": [1, 1.5, 0.0, 1.5, 0.0, 0.0, 1.5, 1.5]}
    assert pack_exact(unpack(packed)) == packed
    model = deepcopy(bench.state)
    assert seen(model) == seen(bench.state)
