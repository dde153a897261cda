"""Members that an entity cannot have, and classes that are no entities."""

from __future__ import annotations

from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, EntityId, InvalidDefinition, InvalidInput


def test_an_operation_cannot_replace_a_member_of_pydantics() -> None:
    with pytest.raises(InvalidDefinition, match="model_dump"):

        class Dumper(Entity):  # pyright: ignore[reportUnusedClass]
            def model_dump(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
                return ""


@pytest.mark.parametrize("wrap", [classmethod, staticmethod, property])
def test_nor_can_anything_else(wrap: Any) -> None:
    with pytest.raises(InvalidDefinition, match="model_validate"):
        type("Validator", (Entity,), {"model_validate": wrap(print), "__module__": __name__})


def test_what_pydantic_means_to_be_overridden_may_be() -> None:
    class Careful(Entity):
        count: int = 0

        def model_post_init(self, context: Any, /) -> None:
            """Nothing to do."""

        def copy(self) -> int:  # type: ignore[override]  # mypy looks at pydantic's
            return self.count

    assert set(ClassEntityType(Careful).operations) == {"copy", "delete"}


def test_migrate_has_to_be_a_class_method() -> None:
    with pytest.raises(InvalidDefinition, match="@classmethod"):

        class Old(Entity):  # pyright: ignore[reportUnusedClass]
            def migrate(self, old: dict[str, Any]) -> dict[str, Any]:
                return old


@pytest.mark.parametrize("cls", [int, Entity, object])
def test_an_id_needs_an_entitys_class(cls: Any) -> None:
    with pytest.raises(InvalidInput, match="does not derive from Entity"):
        EntityId(cls, "k")
