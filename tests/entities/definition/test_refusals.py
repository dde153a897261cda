"""What a class body and `@app.entity` refuse, each with what to do instead."""

# pyright: reportUnusedClass=false

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from stead.entities import (
    ClassEntityType,
    Entity,
    EntityContext,
    FunctionEntityType,
    InvalidDefinition,
    InvalidInput,
    Registry,
)


class Later(BaseModel):
    when: int = 0


class Base(Entity):
    """A base class that is an entity itself."""

    count: int = 0

    def add(self, amount: int = 1) -> int:
        self.count += amount
        return self.count


def free(context: EntityContext) -> None: ...


# -- refused in the class body -------------------------------------------------------------------------------------------


def test_a_field_named_context_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="context"):

        class Wrong(Entity):
            context: int = 0  # type: ignore[assignment]


def test_a_method_named_context_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="context"):

        class Wrong(Entity):
            def context(self) -> None: ...  # type: ignore[override]


@pytest.mark.parametrize("name", ["copy", "json", "model_dump", "delete", "schema"])
def test_a_field_named_like_a_member_of_pydantic_is_refused(name: str) -> None:
    with pytest.raises(InvalidDefinition, match=f"field '{name}' of Wrong"):
        type("Wrong", (Entity,), {"__annotations__": {name: int}, name: 0, "__module__": __name__})


def test_a_field_and_an_operation_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidDefinition, match="same name"):

        class Wrong(Entity):
            add: int = 0  # pyright: ignore[reportRedeclaration, reportAssignmentType]

            def add(self) -> None: ...  # type: ignore[no-redef]  # noqa: F811


def test_a_field_named_like_an_inherited_operation_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="Base has a method"):

        class Wrong(Base):
            add: int = 0  # type: ignore[assignment]


def test_an_operation_named_like_an_inherited_field_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="Base has a field"):

        class Wrong(Base):
            def count(self) -> None: ...  # type: ignore[misc, override]


def test_an_own_init_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="__init__"):

        class Wrong(Entity):
            def __init__(self) -> None:
                super().__init__()


def test_operations_that_differ_by_case_only_are_refused() -> None:
    with pytest.raises(InvalidDefinition, match="differs only by case"):

        class Wrong(Entity):
            def add(self) -> None: ...

            def Add(self) -> None: ...  # noqa: N802

    with pytest.raises(InvalidDefinition, match="differs only by case"):

        class Heir(Base):
            def ADD(self) -> None: ...  # noqa: N802


def test_migrate_has_to_be_a_class_method() -> None:
    with pytest.raises(InvalidDefinition, match="@classmethod"):

        class Wrong(Entity):
            def migrate(cls, old: dict[str, Any]) -> dict[str, Any]:  # noqa: N805  # pyright: ignore[reportSelfClsParameterName]
                return old


# -- refused at @app.entity ----------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = 1


def _entity(annotation: Any, default: Any = None, **config: Any) -> type[Entity]:
    body = {"__annotations__": {"x": annotation}, "x": default, "__module__": __name__, "model_config": config}
    return type("Wrong", (Entity,), body)


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (SecretStr | None, "asterisks"),
        (list[SecretStr], "asterisks"),
        (dict[str, Annotated[SecretStr | None, Field()]], "asterisks"),
        (Callable[[], int] | None, "Callable cannot be stored"),
        (Iterable[int] | None, "only once"),
        (complex, "complex cannot be stored"),
    ],
)
def test_types_that_cannot_be_stored_are_refused(annotation: Any, reason: str) -> None:
    with pytest.raises(InvalidDefinition, match=reason):
        ClassEntityType(_entity(annotation))


def test_a_secret_inside_a_model_is_refused() -> None:
    class Login(BaseModel):
        password: SecretStr

    with pytest.raises(InvalidDefinition, match="asterisks"):
        ClassEntityType(_entity(Login | None))


def test_arbitrary_types_are_refused() -> None:
    class Anything:
        pass

    with pytest.raises(InvalidDefinition, match="arbitrary_types_allowed"):
        ClassEntityType(_entity(Anything | None, arbitrary_types_allowed=True))


def test_a_field_without_default_is_refused() -> None:
    class Wrong(Entity):
        x: int

    with pytest.raises(InvalidDefinition, match="field 'x' of Wrong: it needs a default"):
        ClassEntityType(Wrong)


def test_an_invalid_default_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match=r"a default is not valid: x: .*integer"):
        ClassEntityType(_entity(int, "one"))


def test_an_excluded_field_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="private attribute"):
        ClassEntityType(_entity(Annotated[int, Field(exclude=True)], 1))


def test_an_abstract_class_and_entity_itself_are_refused() -> None:
    class Abstract(Entity, ABC):
        @abstractmethod
        def add(self) -> None: ...

    with pytest.raises(InvalidDefinition, match="abstract: define add"):
        ClassEntityType(Abstract)
    with pytest.raises(InvalidDefinition, match="derive a class"):
        ClassEntityType(Entity)
    with pytest.raises(InvalidDefinition, match="derives from Entity"):
        ClassEntityType(Later)  # type: ignore[arg-type]


def test_arguments_and_results_that_cannot_be_sent_are_refused() -> None:
    class Telling(Entity):
        def tell(self, secret: SecretStr) -> None: ...

    class Yielding(Entity):
        def numbers(self) -> Iterator[int]:
            yield 1

    class Strange(Entity):
        def strange(self, thing: Registry) -> None: ...

    class Selfless(Entity):
        def lost() -> None: ...  # type: ignore[misc]

    class Unknown(Entity):
        def unknown(self, thing: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for cls, reason in [
        (Telling, "argument 'secret' of Telling.tell: SecretStr"),
        (Yielding, "cannot be a generator"),
        (Strange, "cannot be checked"),
        (Selfless, "takes `self` first"),
        (Unknown, "Unknown.unknown: an annotation cannot be resolved"),
    ]:
        with pytest.raises(InvalidDefinition, match=reason):
            ClassEntityType(cls)


@pytest.mark.parametrize("name", ["", "1a", "a b", "a@b", "ä", "a" * 101, "_a"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        ClassEntityType(type("Fine", (Entity,), {"__module__": __name__}), name)
    with pytest.raises(InvalidInput):
        FunctionEntityType(name, free)


def test_an_entity_function_takes_the_context_alone() -> None:
    with pytest.raises(InvalidDefinition, match="one argument"):
        FunctionEntityType("Counter", lambda: None)
    with pytest.raises(InvalidDefinition, match="above a function"):
        FunctionEntityType("Counter", int)
