"""What workers publish of operations' arguments: as JSON schemas, in order, and never too much of it."""

from __future__ import annotations

import json
from datetime import datetime
from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel

from stead.entities import Entity, EntityContext, batched
from stead.entities._definition.argument_schemas import KIND_BYTES_MAX, OPERATION_BYTES_MAX, schemas_of
from stead.entities._definition.entity_type import ClassEntityType, FunctionEntityType
from stead.transport import pack, unpack


class Colour(Enum):
    RED = "red"


class Spot(BaseModel):
    x: int


class Everything(Entity):
    def none(self) -> None: ...
    def one(self, celsius: float) -> None: ...
    def many(self, a: int, b: str = "x", *, at: datetime | None = None, colour: Colour = Colour.RED) -> None: ...
    def placed(self, a: int, /, b: Literal["s", "m"]) -> None: ...
    def open(self, *args: int) -> None: ...
    def named(self, **kwargs: int) -> None: ...
    def model(self, spot: Spot, anything: Any) -> None: ...
    def anything(self, x: Any) -> None: ...

    @batched
    def item(self, items: list[float]) -> None: ...


def published() -> dict[str, list[dict[str, Any]]]:
    described = unpack(pack(ClassEntityType(Everything).describe()))
    found: dict[str, list[dict[str, Any]]] = described["arguments"]
    return found


def test_arguments_are_in_order_with_what_is_taken() -> None:
    found = published()
    assert found["none"] == []
    assert found["one"] == [{"name": "celsius", "schema": {"type": "number"}, "required": True}]
    a, b, at, colour = found["many"]
    assert (a["name"], a["schema"], a["required"]) == ("a", {"type": "integer"}, True)
    assert (b["required"], b["default"]) == (False, "x")
    assert at["schema"] == {"anyOf": [{"format": "date-time", "type": "string"}, {"type": "null"}]}
    assert (at["required"], at["default"]) == (False, None)
    assert "default" not in colour, "it is no plain value"
    assert colour["schema"]["enum"] == ["red"]


def test_what_has_to_stand_at_its_place_is_said() -> None:
    a, b = published()["placed"]
    assert (a["by_name"], b.get("by_name", True)) == (False, True)
    assert b["schema"]["enum"] == ["s", "m"]
    (item,) = published()["item"]
    assert (item["by_name"], item["schema"]) == (False, {"type": "number"})


def test_what_takes_any_number_is_left_out_and_what_takes_anything_is_not() -> None:
    found = published()
    assert not {"open", "named"} & found.keys()
    spot, anything = found["model"]
    assert spot["schema"]["properties"]["x"]["type"] == "integer"
    assert anything["schema"] == {}
    assert found["anything"][0]["schema"] == {}


def takes_anything(context: EntityContext) -> None: ...


def test_a_function_has_none() -> None:
    assert "arguments" not in FunctionEntityType("any", takes_anything).describe()


def test_no_more_than_so_many_bytes() -> None:
    def taking(names: int) -> Any:
        source = f"def operation(self, {', '.join(f'argument_{n}: int' for n in range(names))}): ..."
        space: dict[str, Any] = {}
        exec(source, space)
        return space["operation"]

    many: list[tuple[str, Any, dict[str, Any]]] = [(f"o{n:03}", taking(30), {}) for n in range(100)]
    found = schemas_of([*many, ("large", taking(1_000), {}), ("small", taking(1), {})])
    assert "large" not in found
    assert len(json.dumps(list(found.values()))) <= KIND_BYTES_MAX + 2 * len(found)
    assert all(len(json.dumps(one)) <= OPERATION_BYTES_MAX for one in found.values())
    assert 0 < len(found) < 100


def test_an_argument_that_has_no_schema_takes_anything() -> None:
    class Strange:
        @classmethod
        def __get_pydantic_core_schema__(cls, *_: object) -> object:
            raise RecursionError

    def operation(self: object, x: object) -> None: ...

    found = schemas_of([("odd", operation, {"x": Strange})])
    assert found["odd"][0]["schema"] == {}
