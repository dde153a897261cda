"""What becomes an operation, how it is named, and what becomes of states when classes change."""

# pyright: reportUnusedClass=false

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any, ClassVar, Generic, TypeVar

import pytest
from pydantic import (
    BaseModel,
    computed_field,
    field_validator,
    model_validator,
)

from stead.entities import (
    ClassEntityType,
    Entity,
    EntityContext,
    EntityId,
    FunctionEntityType,
    InvalidDefinition,
    InvalidInput,
    Registry,
    UnknownOperation,
)

T = TypeVar("T")


class Later(BaseModel):
    when: int = 0


class Base(Entity):
    """A base class that is an entity itself."""

    count: int = 0
    LIMIT: ClassVar[int] = 3

    def add(self, amount: int = 1) -> int:
        self.count += amount
        return self.count

    async def slow(self, later: Later) -> Later:
        return later

    def _private(self) -> None: ...

    @staticmethod
    def helper() -> int:
        return 1

    @classmethod
    def make(cls) -> Base:
        return cls()

    @property
    def double(self) -> int:
        return self.count * 2


class Sub(Base):
    """Inherits `add` and has one of its own."""

    def more(self, *names: str, loud: bool = False, **rest: int) -> list[str]:
        return [*names, str(loud), str(rest)]


class Mixin:
    """Not an entity: its public methods become operations of the entities that have it."""

    def mixed(self) -> str:
        return type(self).__name__


class Both(Sub, Mixin):
    """A third generation."""


class Box(Entity, Generic[T]):
    """A generic entity."""

    item: T | None = None

    def put(self, item: T, twice: list[T] | None = None) -> T:
        self.item = item
        return item


class IntBox(Box[int]):
    """A box of integers."""


def names(cls: type[Entity]) -> list[str]:
    return list(ClassEntityType(cls).describe()["operations"])


def free(context: EntityContext) -> None: ...


def test_public_methods_are_operations_and_delete_is_implicit() -> None:
    assert names(Base) == ["add", "delete", "slow"]
    assert names(Sub) == ["add", "delete", "more", "slow"]
    assert names(Both) == ["add", "delete", "mixed", "more", "slow"]


def test_each_class_has_operations_of_its_own() -> None:
    assert Sub.add is not Base.add
    assert Both.mixed is not Mixin.mixed
    assert Sub.delete is not Base.delete
    for cls in (Base, Sub, Both):
        assert cls.add.__stead_operation__ == (cls, "add")  # type: ignore[attr-defined]
        assert cls.add.__qualname__ == f"{cls.__name__}.add"
    assert not hasattr(Mixin.mixed, "__stead_operation__")


def test_operations_are_found_without_regard_to_case() -> None:
    entity = ClassEntityType(Base)
    assert entity.operation("ADD") is entity.operation("add")
    assert entity.operation("slow").is_async
    assert not entity.operation("add").is_async
    with pytest.raises(UnknownOperation, match="'helper'; it has: add, delete, slow"):
        entity.operation("helper")


def test_a_generic_class_substitutes_its_parameters() -> None:
    for cls in (IntBox, Box[int]):
        put = ClassEntityType(cls, "IntBox").operation("put")
        assert put.bind(["3"], None) == ([3], {})
        assert put.bind([3, ["4"]], None) == ([3, [4]], {})
        assert put.decode_result(5) == 5
        with pytest.raises(InvalidInput, match=r"argument 'item' of IntBox\.put"):
            put.bind(["x"], None)
    assert ClassEntityType(Box[Later], "Boxes").operation("put").bind([{"when": 1}], None) == ([Later(when=1)], {})
    with pytest.raises(InvalidDefinition, match="generic"):
        ClassEntityType(Box)


def test_a_generic_base_of_a_generic_class() -> None:
    U = TypeVar("U")

    class Pair(Box[U], Generic[U]):
        other: U | None = None

        def swap(self, item: dict[str, U]) -> None: ...

    class StrPair(Pair[str]):
        """Both are text."""

    entity = ClassEntityType(StrPair)
    assert entity.operation("put").bind(["x"], None) == (["x"], {})
    with pytest.raises(InvalidInput):
        entity.operation("put").bind([1], None)
    with pytest.raises(InvalidInput):
        entity.operation("swap").bind([{"a": 1}], None)


def test_operations_may_be_named_like_pydantics_old_methods() -> None:
    class Clerk(Entity):
        """Uses all the good names."""

        value: int = 1

        def copy(self, target: str) -> str:  # type: ignore[override]
            return target

        def json(self) -> int:  # type: ignore[override]
            return self.value

        def dict(self) -> int:  # type: ignore[override]
            return self.value

        def validate(self) -> bool:  # type: ignore[override]
            return True

        def schema(self) -> None: ...  # type: ignore[override]

    entity = ClassEntityType(Clerk)
    assert entity.describe()["operations"] == ["copy", "delete", "dict", "json", "schema", "validate"]
    assert entity.operation("copy").bind(["x"], None) == (["x"], {})


def test_what_pydantic_calls_is_no_operation() -> None:
    class Checked(Entity):
        """Validators, serializers and computed fields."""

        value: int = 1

        @field_validator("value")
        @classmethod
        def positive(cls, value: int) -> int:
            return value

        @model_validator(mode="after")
        def whole(self) -> Checked:
            return self

        @computed_field  # type: ignore[prop-decorator]
        @property
        def half(self) -> float:
            return self.value / 2

        def model_post_init(self, context: Any, /) -> None: ...

        @cached_property
        def costly(self) -> int:
            return 1

    assert names(Checked) == ["delete"]


def test_an_own_delete_may_be_async_and_take_optional_arguments() -> None:
    class Careful(Entity):
        """Has its own."""

        async def delete(self, force: bool = False) -> int:
            return 1

    entity = ClassEntityType(Careful)
    assert entity.operation("delete").is_async
    assert entity.operation("delete").decode_result(1) == 1

    class Heir(Careful):
        """Inherits it."""

    assert ClassEntityType(Heir).operation("delete").is_async

    class Strict(Entity):
        """Cannot be deleted without a reason."""

        def delete(self, reason: str) -> None: ...  # type: ignore[override]

    with pytest.raises(InvalidDefinition, match="without arguments"):
        ClassEntityType(Strict)


def test_a_delete_in_other_case_replaces_the_implicit_one() -> None:
    class Loud(Entity):
        """As in C#."""

        def Delete(self) -> int:  # noqa: N802
            return 7

    entity = ClassEntityType(Loud)
    assert entity.describe()["operations"] == ["Delete"]
    assert entity.operation("delete").name == "Delete"


def test_a_decorated_method_is_an_operation() -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return inner

    class Decorated(Entity):
        """Its operation is wrapped."""

        @logged
        def add(self, amount: int) -> int:
            return amount

    assert ClassEntityType(Decorated).operation("add").bind(["1"], None) == ([1], {})


def test_local_types_and_forward_references_are_found() -> None:
    class Point(BaseModel):
        x: int

    class Mover(Entity):
        """Uses a local type, and itself."""

        at: Point | None = None

        def move(self, to: Point, also: Mover | None = None) -> Point:
            return to

    assert ClassEntityType(Mover).operation("move").bind([{"x": "1"}], None) == ([Point(x=1)], {})


# -- registry ------------------------------------------------------------------------------------------------------------


def test_names_are_registered_without_regard_to_case() -> None:
    class Door(Entity):
        """One."""

    registry = Registry()
    registry.add(ClassEntityType(Door))
    with pytest.raises(InvalidDefinition, match="'Door' is registered already"):
        registry.add(FunctionEntityType("DOOR", free))
    with pytest.raises(InvalidDefinition, match="subclass"):
        ClassEntityType(Door, "Gate")
    assert registry.names() == ["Door"]
    assert registry.for_class(Door) is registry.get("door")


def test_a_renamed_class_is_addressed_by_its_name() -> None:
    class Door(Entity):
        """Renamed."""

    ClassEntityType(Door, "Front.Door")
    assert str(EntityId(Door, "a")) == "@front.door@a"
