"""States are compared by what is stored of them, and what is stored can be read back, by whoever reads it."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ConfigDict, computed_field

from stead.entities import (
    ClassEntityType,
    Entity,
    EntityContext,
    FunctionEntityType,
    InvalidDefinition,
    InvalidInput,
    InvalidState,
)
from support.activation_bench import Bench


class Large(Entity):
    """More than is compared by its bytes."""

    prices: list[Decimal] = []
    table: dict[str, Decimal] = {}
    floats: list[float] = []
    numbers: list[int] = []
    order: dict[str, int] = {}
    nested: list[list[float]] = []
    total: Decimal = Decimal("1.5")
    padding: str = "x" * 5000

    def fill(self) -> None:
        self.prices, self.table = [Decimal("1.5")], {"a": Decimal("1.5")}
        self.floats, self.numbers, self.nested = [0.0, 1.0], [1, 2], [[0.0], [1.0]]
        self.order = {"a": 1, "b": 2}

    def change(self, how: str) -> None:
        match how:
            case "decimal in a list":
                self.prices[0] = Decimal("1.50")
            case "decimal in a dict":
                self.table["a"] = Decimal("1.50")
            case "decimal":
                self.total = Decimal("1.50")
            case "minus zero":
                self.floats[0] = -0.0
            case "minus zero inside":
                self.nested[0][0] = -0.0
            case "order":
                self.order["a"] = self.order.pop("a")
            case "true for one":
                self.numbers[0] = True
            case "one for one":
                self.floats[1] = 1
            case "equal":
                self.prices, self.floats = [Decimal("1.5")], [0.0, float("1.0")]
            case _:
                raise AssertionError(how)


LARGE = ClassEntityType(Large)


@pytest.mark.parametrize(
    "how", ["decimal in a list", "decimal in a dict", "decimal", "minus zero", "minus zero inside", "order"]
)
def test_equal_values_that_are_stored_in_another_way_are_a_change(how: str) -> None:
    bench = Bench(LARGE)
    bench.run("fill")
    bench.cell.record()
    bench.run("change", how)
    assert bench.cell.changed
    assert repr(bench.again().state) == repr(bench.state) != repr(filled())


@pytest.mark.parametrize("how", ["one for one", "equal"])
def test_what_is_stored_in_the_same_way_is_no_change(how: str) -> None:
    bench = Bench(LARGE)
    bench.run("fill")
    bench.cell.record()
    bench.run("change", how)
    assert not bench.cell.changed
    assert repr(live(bench)) == repr(filled())


def test_what_equals_an_allowed_value_need_not_be_allowed() -> None:
    bench = Bench(LARGE)
    bench.run("fill")
    with pytest.raises(InvalidState, match="numbers"):
        bench.run("change", "true for one")
    assert repr(live(bench)) == repr(filled())


def live(bench: Bench) -> Any:
    cell: Any = bench.cell
    return cell._instance


def filled() -> Large:
    large = Large()
    large.fill()
    return large


# -- what is twice in a state --------------------------------------------------------------------------------------------


class Twice(Entity):
    """Containers that can be the same one."""

    a: list[int] = []
    b: list[int] = []
    rows: list[list[int]] = []
    padding: str = ""

    def share(self) -> None:
        self.a = self.b

    def repeat(self) -> None:
        self.rows = [[0]] * 3

    def grow(self) -> None:
        self.padding = "x" * 5000

    def add(self) -> None:
        self.b.append(1)
        if self.rows:
            self.rows[0].append(1)


class TwiceDumped(Twice):
    """The same, dumped and loaded."""

    anything: Any = None


@pytest.mark.parametrize("cls", [Twice, TwiceDumped])
@pytest.mark.parametrize("before", [["share"], ["repeat"], ["grow", "share"], ["add", "share"], ["grow", "repeat"]])
def test_what_is_twice_in_a_state_is_two(cls: type[Twice], before: list[str]) -> None:
    warm = Bench(ClassEntityType(cls))
    for operation in before:
        warm.run(operation)
    cold = warm.again()
    warm.run("add")
    cold.run("add")
    assert warm.state == cold.state
    assert warm.cell.packed() == cold.cell.packed()


# -- what is read back ---------------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class StrictPart(BaseModel):
    model_config = ConfigDict(strict=True)
    colour: Colour = Colour.RED


class Strict(Entity):
    """An enum in a strict class."""

    model_config = ConfigDict(strict=True)
    colour: Colour = Colour.RED
    colours: dict[str, Colour] = {}

    def paint(self) -> None:
        self.colour = Colour.BLUE
        self.colours["x"] = Colour.BLUE


class StrictInside(Entity):
    """A strict model in an entity."""

    part: StrictPart = StrictPart()

    def paint(self) -> None:
        self.part = StrictPart(colour=Colour.BLUE)


@pytest.mark.parametrize("cls", [Strict, StrictInside])
def test_strict_members_of_enums_are_read_back(cls: type[Entity]) -> None:
    bench = Bench(ClassEntityType(cls))
    bench.run("paint")
    assert bench.again().state == bench.state == live(bench)
    assert bench.state != cls()


def test_a_strict_class_still_refuses_other_types() -> None:
    class Old(Entity):
        colour: str = "red"
        colours: list[int] = []

        def paint(self) -> None:
            self.colour = "blue"

    old = Bench(ClassEntityType(Old))
    old.run("paint")
    with pytest.raises(InvalidState, match="colours"):
        ClassEntityType(Strict).read(old.cell.packed() or b"")


def test_a_zone_is_kept() -> None:
    class Alarm(Entity):
        at: datetime | None = None

        def set(self) -> None:
            self.at = datetime(2026, 1, 1, 7, tzinfo=ZoneInfo("Europe/Berlin"))

        def half_a_year_on(self) -> None:
            assert self.at is not None
            self.at += timedelta(days=181)

    bench = Bench(ClassEntityType(Alarm))
    bench.run("set")
    again = bench.again()
    again.run("half_a_year_on")
    assert again.state.at.isoformat() == "2026-07-01T07:00:00+02:00"


def test_keys_that_are_stored_as_maps_are_refused_at_the_definition() -> None:
    class Key(BaseModel):
        model_config = ConfigDict(frozen=True)
        n: int = 0

    class ByModel(Entity):
        table: dict[Key, int] = {}

    class OfModels(Entity):
        keys: set[tuple[Key, int]] = set()

    for cls in (ByModel, OfModels):
        with pytest.raises(InvalidDefinition, match="Key cannot be a key, nor in a set"):
            ClassEntityType(cls)


# -- functions -----------------------------------------------------------------------------------------------------------


class Square(BaseModel):
    model_config = ConfigDict(extra="forbid")
    side: int = 1

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return self.side**2


def test_a_function_entity_does_not_store_what_is_computed() -> None:
    def squares(context: EntityContext) -> list[int]:
        found = context.get_state(list[Square], default=[])
        context.set_state([*found, Square(side=len(found) + 1)])
        return [square.area for square in found]

    bench = Bench(FunctionEntityType("Squares", squares))
    assert [bench.run("add"), bench.run("add"), bench.again().run("add")] == [[], [1], [1, 4]]
    assert bench.state == [{"side": 1}, {"side": 2}]


def _nested(levels: int, innermost: Any) -> Any:
    for _ in range(levels):
        innermost = [innermost]
    return innermost


@pytest.mark.parametrize(("lists", "allowed"), [(30, True), (31, True), (32, False)])
def test_a_field_whose_annotation_is_nested_too_deep_is_not_stored(lists: int, allowed: bool) -> None:
    annotation: Any = int
    for _ in range(lists):
        annotation = list[annotation]

    def fill(self: Any) -> None:
        self.value = _nested(lists, 1)

    space: dict[str, Any] = {
        "__module__": __name__,
        "__annotations__": {"value": annotation},
        "value": [],
        "fill": fill,
    }
    bench = Bench(ClassEntityType(type("Deep", (Entity,), space)))
    if allowed:
        bench.run("fill")
        assert bench.again().state.value == _nested(lists, 1)
    else:
        with pytest.raises(InvalidInput):
            bench.run("fill")


def test_a_value_that_is_nested_deeper_than_its_annotation_is_refused() -> None:
    class Flat(Entity):
        value: list[int] = []

        def fill(self, levels: int) -> None:
            self.value = _nested(levels, 1)

    bench = Bench(ClassEntityType(Flat))
    for levels in (2, 40, 5_000):
        with pytest.raises(InvalidState, match="value"):
            bench.run("fill", levels)
        assert bench.state is None


def test_a_list_within_a_large_state_that_became_another_kind_of_list_is_a_list_again() -> None:
    class Odd(list[float]):
        pass

    class Rows(Entity):
        rows: list[list[float]] = []
        padding: str = "x" * 5000

        def fill(self) -> None:
            self.rows = [[1.0], [2.0]]

        def swap(self) -> None:
            self.rows[1] = Odd(self.rows[1])

        def kind(self) -> str:
            return type(self.rows[1]).__name__

        def append(self) -> None:
            self.rows[1].append(3.0)

    bench = Bench(ClassEntityType(Rows))
    bench.run("fill")
    bench.run("swap")
    assert bench.run("kind") == "list"  # as it would be after a reload
    bench.run("append")
    assert bench.again().state.rows == [[1.0], [2.0, 3.0]]
