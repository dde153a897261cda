"""Entities that use more of pydantic: aliases, frozen and private fields, validators' own ways, models of others."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, computed_field

from stead.entities import ClassEntityType, Entity, FunctionEntityType, InvalidDefinition, InvalidState
from stead.transport import pack
from support.activation_bench import Bench, cell_of


class Plain(Entity):
    """A class that assigns the quick way."""

    count: int = 0

    def add(self) -> int:
        self.count += 1
        return self.count


class Private(Plain):
    """A subclass that cannot: registered after its base class."""

    _hits: int = PrivateAttr(default=0)

    def hit(self) -> int:
        self._hits += 1
        self.count = self._hits
        return self._hits


def test_a_subclass_with_private_attributes_keeps_them_private() -> None:
    base = Bench(ClassEntityType(Plain))
    bench = Bench(ClassEntityType(Private))
    assert [bench.run("hit"), bench.run("hit"), base.run("add")] == [1, 2, 1]
    assert bench.state == Private(count=2)
    assert bench.again().run("hit") == 1, "private attributes are not stored"


def test_aliases_are_for_outside_and_names_for_the_store() -> None:
    class Address(BaseModel):
        street: str = Field(default="s", alias="Street")

    class Person(Entity):
        """Fields with other names outside."""

        age: int = Field(default=0, alias="Age")
        home: Address | None = None

        def birthday(self) -> None:
            self.age += 1

        def move(self, home: Address) -> None:
            self.home = home

    entity = ClassEntityType(Person)
    bench = Bench(entity)
    bench.run("birthday")
    assert bench.state.age == 1
    bench.run("move", {"Street": "x"})
    again = bench.again()
    again.run("birthday")
    assert (again.state.age, again.state.home.street) == (2, "x")


def test_an_alias_of_a_plain_class() -> None:
    class Aged(Entity):
        """Only scalars."""

        age: int = Field(default=0, alias="Age")

        def birthday(self) -> None:
            self.age += 1

    bench = Bench(ClassEntityType(Aged))
    bench.run("birthday")
    bench = bench.again()
    bench.run("birthday")
    assert bench.state.age == 2


def test_frozen_fields_and_validated_assignments_are_pydantics() -> None:
    class Frozen(Entity):
        """One field cannot be assigned."""

        name: str = Field(default="n", frozen=True)

        def rename(self, name: str) -> None:
            self.name = name

    class Validated(Entity):
        """Converts what is assigned."""

        model_config = ConfigDict(validate_assignment=True)
        count: int = 0

        def put(self, text: str) -> None:
            setattr(self, "cou" + "nt", text)

    bench = Bench(ClassEntityType(Frozen))
    with pytest.raises(ValidationError, match="frozen"):
        bench.run("rename", "x")
    bench = Bench(ClassEntityType(Validated))
    bench.run("put", "5")
    assert bench.state.count == 5
    with pytest.raises(ValidationError):
        bench.run("put", "x")
    assert bench.state.count == 5


def test_an_own_setattr_is_kept() -> None:
    class Noting(Entity):
        """Notes what is assigned."""

        names: list[str] = []
        count: int = 0

        def __setattr__(self, name: str, value: Any) -> None:
            self.names.append(name)
            super().__setattr__(name, value)

        def add(self) -> None:
            self.count += 1

    bench = Bench(ClassEntityType(Noting))
    bench.run("add")
    assert bench.state.names == ["count"]


def test_computed_and_cached_properties_are_not_stored() -> None:
    class Squares(Entity):
        """Computes."""

        side: int = 2

        @computed_field  # type: ignore[prop-decorator]
        @property
        def area(self) -> int:
            return self.side**2

        @cached_property
        def volume(self) -> int:
            return self.side**3

        def grow(self) -> int:
            self.side += 1
            return self.volume

    bench = Bench(ClassEntityType(Squares))
    assert bench.run("grow") == 27
    assert bench.cell.packed() == pack({"side": 3})


def test_extra_fields_if_the_user_wants_them() -> None:
    class Loose(Entity):
        """Takes any name."""

        model_config = ConfigDict(extra="allow")

        def put(self, name: str, value: int) -> None:
            setattr(self, name, value)

    bench = Bench(ClassEntityType(Loose))
    bench.run("put", "anything", 1)
    assert bench.again().state.anything == 1


def test_a_default_that_would_not_be_kept_is_refused() -> None:
    class Unchecked(Entity):
        """Its default is no integer, and pydantic is told not to look."""

        model_config = ConfigDict(validate_default=False)
        count: int = "1"  # type: ignore[assignment]

    with pytest.raises(InvalidDefinition, match=r"fresh state cannot be stored: .*count"):
        ClassEntityType(Unchecked)


def test_super_reaches_the_base_class() -> None:
    class Twice(Plain):
        """Adds twice."""

        def add(self) -> int:
            super().add()
            return super().add()

    assert Bench(ClassEntityType(Twice)).run("add") == 2


def test_a_state_in_another_order_or_with_less_is_read() -> None:
    class Wide(Entity):
        """Three fields."""

        a: int = 1
        b: float = 2.0
        c: list[float] = []

        def look(self) -> tuple[int, float, list[float]]:
            return self.a, self.b, self.c

    entity = ClassEntityType(Wide)
    assert Bench(entity, pack({"c": [1], "a": 5})).run("look") == (5, 2.0, [1.0])
    bench = Bench(entity, pack({"a": "5", "b": 1, "c": [1, 2]}))
    assert repr(bench.run("look")) == "(5, 1.0, [1.0, 2.0])"
    assert Bench(entity, pack({"a": 5, "b": 1.0, "c": []})).run("look") == (5, 1.0, [])
    with pytest.raises(InvalidState):
        cell_of(entity, pack([1, 2]))
    with pytest.raises(InvalidState):
        entity.read(pack(None))
    for broken in (entity, FunctionEntityType("Any", lambda context: None)):  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        with pytest.raises(InvalidState, match="cannot be read"):
            cell_of(broken, b"\xc1")
