"""The state of one activation: existence, transactions, what an operation may leave, large states."""

from __future__ import annotations

import math
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from pydantic import Field, StringConstraints, computed_field, field_validator

from stead.entities import (
    ClassEntityType,
    Entity,
    InvalidInput,
    InvalidState,
    PayloadTooLarge,
)
from stead.transport import unpack
from support.activation_bench import PLAIN, RICH, Bench, Colour, Part, Plain, Size, cell_of, put

# -- existence -----------------------------------------------------------------------------------------------------------


def test_reading_a_fresh_entity_creates_nothing() -> None:
    bench = Bench(PLAIN)
    assert bench.run("look") == 0
    assert (bench.cell.exists, bench.cell.changed, bench.cell.packed()) == (False, False, None)


@pytest.mark.invariant(7)
def test_a_change_creates_and_a_falsy_state_is_state() -> None:
    bench = Bench(PLAIN)
    bench.run("update", {"count": 1})
    assert (bench.cell.exists, bench.cell.changed) == (True, True)
    assert bench.cell.record() == bench.cell.packed()
    assert not bench.cell.changed
    bench.run("look")
    assert not bench.cell.changed, "a read does not write"
    bench.run("update", {"count": 0})
    assert bench.cell.changed
    assert bench.state == Plain(), "back to the fresh values is not deleted"


def test_setting_what_is_there_creates_nothing() -> None:
    bench = Bench(PLAIN)
    bench.run("update", {"count": 0})
    assert not bench.cell.exists


def test_delete_and_recreate() -> None:
    bench = Bench(PLAIN, cell_of(PLAIN, None).packed())
    bench.run("update", {"count": 5})
    bench.cell.record()
    bench.run("delete")
    assert (bench.cell.exists, bench.cell.changed, bench.cell.record()) == (False, True, None)
    assert bench.run("update", {}) == 0
    assert not bench.cell.exists
    bench.run("update", {"count": 5})
    assert bench.state == Plain(count=5)
    bench.run("recreate", 7)
    assert bench.state == Plain(count=7)
    bench.run("recreate", 0)
    assert not bench.cell.exists


def test_deleting_what_does_not_exist_stays_nothing() -> None:
    bench = Bench(PLAIN)
    bench.run("delete")
    assert bench.cell.packed() is None


def test_a_failed_deletion_is_undone() -> None:
    bench = Bench(PLAIN)
    bench.run("update", {"count": 5})
    with pytest.raises(RuntimeError):
        bench.run("delete_and_fail")
    assert bench.state == Plain(count=5)
    bench.run("look")
    assert bench.state == Plain(count=5)


def test_is_new_follows_existence() -> None:
    seen: list[bool] = []

    class Watching(Entity):
        """Says whether it is new."""

        count: int = 0

        def add(self) -> None:
            seen.append(self.context.is_new)
            self.count += 1

    bench = Bench(ClassEntityType(Watching))
    for operation in ("add", "add", "delete", "add"):
        bench.run(operation)
    assert seen == [True, False, True]


# -- transactions --------------------------------------------------------------------------------------------------------


@pytest.mark.invariant(5)
@pytest.mark.parametrize("length", [0, 1000])
@pytest.mark.parametrize("eager", [False, True])
def test_a_failed_operation_changes_nothing(length: int, eager: bool) -> None:
    bench = Bench(PLAIN, None, eager=eager)
    bench.run("update", {"rows": [[1], [2]], "table": {"a": 1.0}, "names": ["x"] * length, "marks": {1}})
    before = bench.state
    with pytest.raises(RuntimeError):
        bench.run("fail_after", {"count": 7, "marks": {2}})
    bench.run("look")
    assert bench.state == before
    bench.run("append", "y")
    assert bench.state.names == ["x"] * length + ["y"]
    assert bench.state.rows == [[1], [2]]


def test_nested_models_are_rolled_back() -> None:
    bench = Bench(RICH)
    put(bench, parts=[Part(size=Size(2, ["a"]))])
    before = bench.state
    for _ in range(2):
        with pytest.raises(RuntimeError):
            bench.run("fail_after", "lost")
    assert bench.run("cached") == 0, "private attributes are made anew"
    assert bench.state == before
    bench.run("tag", "b")
    assert bench.state.parts[0].size.tags == ["a", "b"]


@pytest.mark.invariant(5)
def test_an_async_operation_is_a_transaction_too() -> None:
    bench = Bench(PLAIN)
    assert bench.run("later", "x") == "later"
    assert bench.state == Plain(names=["x"])


# -- what an operation may leave -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1000])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": "1"}, "count: .*valid integer"),
        ({"count": True}, "count: .*valid integer"),
        ({"count": None}, "count"),
        ({"names": ["a", 1]}, r"names\.1"),
        ({"names": ("a",)}, "names"),
        ({"rows": [[1.5]]}, r"rows\.0\.0"),
        ({"table": {"a": "b"}}, r"table\.a"),
        ({"total": 1}, "total"),
        ({"pair": (1, 2)}, "pair"),
        ({"marks": [1]}, "marks"),
    ],
)
def test_a_value_that_the_annotation_does_not_allow_fails_and_rolls_back(
    length: int, values: dict[str, Any], message: str
) -> None:
    bench = Bench(PLAIN)
    bench.run("update", {"names": ["n"] * length})
    before = bench.state
    with pytest.raises(InvalidState, match=message):
        bench.run("update", values)
    bench.run("look")
    assert bench.state == before
    bench.run("append", "fine")
    assert bench.state.names == ["n"] * length + ["fine"]


@pytest.mark.parametrize("length", [0, 1000])
def test_a_deleted_or_misspelt_field_fails(length: int) -> None:
    bench = Bench(PLAIN)
    bench.run("update", {"names": ["n"] * length})
    with pytest.raises(InvalidState, match="deleted field 'count'"):
        bench.run("drop", "count")
    with pytest.raises(InvalidState, match="no field 'cuont'"):
        bench.run("misspell")
    bench.run("update", {"count": 3})
    assert bench.state.count == 3


def test_constraints_hold() -> None:
    class Tank(Entity):
        """Cannot hold less than nothing."""

        level: Annotated[int, Field(ge=0)] = 0
        label: Annotated[str, StringConstraints(to_upper=True)] = "A"

        def draw(self, amount: int) -> None:
            self.level -= amount

        def rename(self, label: str) -> None:
            self.label = label

    bench = Bench(ClassEntityType(Tank))
    with pytest.raises(InvalidState, match=r"level: .*greater than or equal to 0"):
        bench.run("draw", 1)
    bench.run("draw", -1)
    bench.run("rename", "b")
    assert bench.state.label == "B", "a type that changes values has the last word"
    assert bench.again().state == bench.state


def test_validators_have_the_last_word() -> None:
    class Sorted(Entity):
        """Keeps its numbers in order."""

        numbers: list[int] = []

        @field_validator("numbers")
        @classmethod
        def in_order(cls, numbers: list[int]) -> list[int]:
            if 13 in numbers:
                raise ValueError("not thirteen")
            return sorted(numbers)

        @computed_field  # type: ignore[prop-decorator]
        @property
        def length(self) -> int:
            return len(self.numbers)

        def add(self, number: int) -> list[int]:
            self.numbers.append(number)
            return self.numbers

    bench = Bench(ClassEntityType(Sorted))
    for number in (3, 1, 2):
        bench.run("add", number)
    with pytest.raises(InvalidState, match="not thirteen"):
        bench.run("add", 13)
    assert bench.run("add", 0) == [1, 2, 3, 0]
    assert bench.state.numbers == [0, 1, 2, 3]


def test_what_would_be_read_back_as_something_else_fails() -> None:
    class More(Part):
        extra: int = 1

    bench = Bench(RICH)
    with pytest.raises(InvalidState, match=r"field 'main'.* would be read back as"):
        put(bench, main=More())
    with pytest.raises(InvalidState, match="field 'anything'"):
        put(bench, anything=Colour.RED)
    with pytest.raises((InvalidState, InvalidInput)):
        put(bench, anything=object())
    assert not bench.cell.exists
    put(bench, anything=[math.nan, (1, {"a": math.nan})])
    assert bench.cell.exists


@pytest.mark.invariant(9)
def test_a_state_above_the_limit_fails_and_rolls_back() -> None:
    for eager in (True, False):
        bench = Bench(PLAIN, None, eager=eager, state_bytes_max=20_000)
        bench.run("update", {"names": ["a"]})
        with pytest.raises(PayloadTooLarge, match="the state of Plain"):
            bench.run("grow", 3000)
        assert bench.state == Plain(names=["a"])


# -- large states --------------------------------------------------------------------------------------------------------


def test_a_large_state_is_packed_when_it_is_asked_for() -> None:
    bench = Bench(PLAIN)
    bench.run("grow", 1000)
    bench.cell.record()
    for number in range(5):
        bench.run("append", str(number))
    assert bench.cell.changed
    assert bench.state.names[-5:] == list("01234")
    bench.cell.record()
    bench.run("look")
    assert not bench.cell.changed
    bench.run("grow", 1)
    assert bench.state.names == ["x" * 10]
    bench.cell.record()
    with pytest.raises(RuntimeError):
        bench.run("fail_after", {"count": 1})
    bench.run("look")
    assert (bench.state.count, bench.state.names, bench.cell.changed) == (0, ["x" * 10], False)


def test_a_large_state_that_outgrew_the_limit_is_found_at_the_commit() -> None:
    bench = Bench(PLAIN, None, state_bytes_max=20_000)
    bench.run("grow", 1000)
    bench.run("grow", 3000)
    with pytest.raises(PayloadTooLarge):
        bench.cell.packed()


def test_of_a_large_state_is_known_what_it_had_when_it_was_last_packed() -> None:
    bench = Bench(PLAIN)
    for length in (1000, 500, 2000):  # one that becomes large, and one that is
        bench.run("grow", length)
        size = len(bench.cell.record() or b"")
        assert bench.cell.size_bytes == size > 4_096
        bench.run("append", "x" * 100)
        assert bench.cell.size_bytes == size, "it is not packed for that"
    bench.run("grow", 1)
    size = len(bench.cell.record() or b"")
    assert bench.cell.size_bytes == size < 2_048


def test_a_large_state_can_be_deleted_and_recreated() -> None:
    bench = Bench(PLAIN)
    bench.run("grow", 1000)
    bench.cell.record()
    bench.run("delete")
    assert bench.cell.record() is None
    bench.run("append", "x")
    assert bench.state == Plain(names=["x"])
    bench.run("grow", 1000)
    bench.run("recreate", 3)
    assert bench.state == Plain(count=3)


def test_a_class_entity_has_fields_for_state() -> None:
    class Mixed(Entity):
        """Takes itself for a function."""

        def wrong(self, which: str) -> None:
            if which == "get":
                self.context.get_state(int)
            elif which == "set":
                self.context.set_state(1)
            else:
                self.context.get_input(int)

    bench = Bench(ClassEntityType(Mixed))
    for which in ("get", "set", "input"):
        with pytest.raises(InvalidInput, match="entity functions"):
            bench.run("wrong", which)


def test_defaults_made_by_a_factory_are_no_change() -> None:
    class Dated(Entity):
        """Its fresh state differs every time."""

        key: UUID = Field(default_factory=uuid4)
        names: list[str] = Field(default_factory=list)

        def look(self) -> UUID:
            return self.key

        def add(self) -> None:
            self.names.append("x")

    bench = Bench(ClassEntityType(Dated))
    bench.run("look")
    assert not bench.cell.exists
    bench.run("add")
    key = bench.run("look")
    assert bench.again().run("look") == key
    bench.run("delete")
    assert not bench.cell.exists


def test_stored_bytes_are_plain_msgpack() -> None:
    bench = Bench(PLAIN)
    bench.run("append", "x")
    assert unpack(bench.cell.packed() or b"")["names"] == ["x"]
