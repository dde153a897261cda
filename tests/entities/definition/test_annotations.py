"""Definitions whose annotations name what is defined further down, or what only the type checker knows.

Since Python 3.14 code is written so without quotes and without `from __future__ import annotations`; before, with it.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, InvalidDefinition, InvalidInput
from stead.orchestrations import make_activity, make_orchestration

BEGINNING = "" if sys.version_info >= (3, 14) else "from __future__ import annotations\n"

TEXT = """
from typing import Generic, TypeVar
from pydantic import BaseModel
from stead.entities import Entity

T = TypeVar("T")


class Base(Entity):
    last: Item | None = None

    def put(self, item: Item, more: list[Item] | None = None) -> Item | None: ...

    def same(self) -> Base: ...


class Box(Base):
    items: list[Item] = []

    def add(self, item: Item) -> int: ...


class Shelf(Entity, Generic[T]):
    def keep(self, thing: T, others: list[Item]) -> T: ...


class Lost(Entity):
    def put(self, item: Nowhere) -> None: ...


class Item(BaseModel):
    weight: int = 0


def class_within():
    class Part(BaseModel):
        weight: int = 7

    class Local(Entity):
        last: Part = Part()

        def put(self, part: Part) -> Local: ...

    return Local


async def load(context: OnlyForTypeCheckers, items: list[Item]) -> Item: ...


def lose(item: Nowhere) -> None: ...


async def lose_too(context: OnlyForTypeCheckers, item: Nowhere) -> None: ...


def functions_within():
    class Part(BaseModel):
        weight: int = 7

    def weigh(parts: list[Part]) -> int: ...

    async def assemble(context: OnlyForTypeCheckers, part: Part) -> list[Part]: ...

    return make_activity(weigh), make_orchestration(assemble), Part()
"""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    module = ModuleType("written")
    monkeypatch.setitem(sys.modules, "written", module)  # where pydantic looks for names
    vars(module).update(make_activity=make_activity, make_orchestration=make_orchestration)
    exec(compile(BEGINNING + TEXT, "<written>", "exec", dont_inherit=True), vars(module))
    return vars(module)


def encoded(cls: type[Entity], name: str, *args: object) -> list[object]:
    return list(ClassEntityType(cls, cls.__name__.partition("[")[0]).operation(name).encode(args, None)[0])


def test_types_of_operations_may_be_defined_after_the_class(written: dict[str, Any]) -> None:
    item = written["Item"](weight=3)
    for name in ("Base", "Box"):
        assert encoded(written[name], "put", item, [item]) == [{"weight": 3}, [{"weight": 3}]]
        assert encoded(written[name], "same") == []
    assert encoded(written["Box"], "add", item) == [{"weight": 3}]
    with pytest.raises(InvalidInput, match="item"):
        encoded(written["Box"], "put", "a text")


def test_so_may_those_of_a_generic_class(written: dict[str, Any]) -> None:
    item = written["Item"](weight=3)
    assert encoded(written["Shelf"][written["Item"]], "keep", item, [item]) == [{"weight": 3}, [{"weight": 3}]]


def test_a_class_within_a_function_sees_its_neighbours(written: dict[str, Any]) -> None:
    local = written["class_within"]()
    assert encoded(local, "put", local.model_fields["last"].default) == [{"weight": 7}]


def test_a_type_that_is_nowhere_is_said_to_be_so(written: dict[str, Any]) -> None:
    with pytest.raises(InvalidDefinition, match=r"Lost\.put: an annotation cannot be resolved .*'Nowhere'"):
        ClassEntityType(written["Lost"])
    with pytest.raises(InvalidDefinition, match=r"activity lose: an annotation cannot be resolved .*'Nowhere'"):
        make_activity(written["lose"])
    with pytest.raises(
        InvalidDefinition, match=r"orchestration lose_too: an annotation cannot be resolved .*'Nowhere'"
    ):
        make_orchestration(written["lose_too"])


def test_the_type_of_the_context_is_never_asked_for(written: dict[str, Any]) -> None:
    item = written["Item"](weight=3)
    assert make_orchestration(written["load"]).encode_input([item]) == [{"weight": 3}]
    with pytest.raises(InvalidInput, match="items"):
        make_orchestration(written["load"]).encode_input("a text")


def test_functions_within_a_function_see_their_neighbours(written: dict[str, Any]) -> None:
    weigh, assemble, part = written["functions_within"]()
    assert weigh.encode_arguments([[part]], None) == ([[{"weight": 7}]], None)
    assert assemble.encode_input(part) == {"weight": 7}
    assert assemble.decode_output([{"weight": 7}]) == [part]
