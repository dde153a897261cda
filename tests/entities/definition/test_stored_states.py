"""What is read of a state that another version of its class has written."""

from __future__ import annotations

import pickle
from collections.abc import Awaitable
from typing import Annotated, Any

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    WrapSerializer,
    field_serializer,
    model_serializer,
)

from stead.entities import (
    ClassEntityType,
    Entity,
    InvalidDefinition,
    InvalidState,
)
from stead.entities._definition.class_state import StateForm
from stead.transport import pack, unpack
from support.activation_bench import cell_of


class Old(Entity):
    """As it was."""

    total: int = 0
    name: str = "n"

    def set(self, total: int) -> None:
        self.total = total


def stored(**state: Any) -> bytes:
    return pack(state)


def test_a_stored_state_is_read() -> None:
    assert ClassEntityType(Old).read(stored(total=3)) == Old(total=3)


@pytest.mark.parametrize("state", [{"total": "x"}, {"gone": 1}, {"total": None}])
def test_a_state_that_is_not_valid_any_more_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(InvalidState, match=r"the stored state of Old .* `migrate"):
        cell_of(ClassEntityType(Old), stored(**state))


def test_migrate_upgrades_a_state_that_is_not_valid_any_more() -> None:
    class New(Entity):
        """As it is now."""

        cents: int = 0

        @classmethod
        def migrate(cls, old: dict[str, Any]) -> dict[str, Any]:
            return {"cents": old["total"] * 100}

    entity = ClassEntityType(New)
    assert entity.read(stored(total=3)) == New(cents=300)
    assert entity.read(stored(cents=5)) == New(cents=5), "a valid state is not migrated"
    with pytest.raises(InvalidState, match="`migrate` raised KeyError: 'total'"):
        entity.read(stored(other=1))
    with pytest.raises(InvalidState, match="not either"):
        entity.read(stored(total="x"))


def test_errors_survive_pickling() -> None:
    error = InvalidDefinition("Station.x", "because")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.what, copy.reason) == (str(error), "Station.x", "because")
    assert isinstance(error, TypeError)


def test_a_function_that_returns_an_awaitable_is_async() -> None:
    class Waits(Entity):
        def soon(self) -> Awaitable[int]:
            async def inner() -> int:
                return 1

            return inner()

    operation = ClassEntityType(Waits).operation("soon")
    assert operation.is_async
    assert operation.decode_result("2") == 2


def test_other_config_is_the_users() -> None:
    class Lenient(Entity):
        model_config = ConfigDict(extra="ignore")
        x: int = 0

    assert ClassEntityType(Lenient).read(stored(x=1, gone=2)) == Lenient(x=1)


class OfField(Entity):
    """A field with a default has a serializer: what is stored is what that makes."""

    at: int = 3

    @field_serializer("at")
    def _write(self, at: int) -> str:
        return f"{at}"


class OfAnnotation(Entity):
    """The same in the field's annotation."""

    at: Annotated[int, WrapSerializer(lambda at, write: str(write(at)))] = 3


class Inside(BaseModel):
    """A nested model that has one."""

    at: int = 3

    @model_serializer
    def _write(self) -> dict[str, str]:
        return {"at": f"{self.at}"}


class OfNested(Entity):
    """A field with a model that has one."""

    inside: Inside = Inside()


@pytest.mark.parametrize(
    ("cls", "stored"), [(OfField, {"at": "3"}), (OfAnnotation, {"at": "3"}), (OfNested, {"inside": {"at": "3"}})]
)
def test_serializers_of_ones_own_decide_what_is_stored(cls: type[Entity], stored: object) -> None:
    form = StateForm(cls)
    packed = form.pack(form.fresh())
    assert unpack(packed) == stored
    assert form.load(unpack(packed)) == form.fresh()


def test_a_serializer_that_cannot_be_read_back_is_refused_at_the_definition() -> None:
    class Shifted(Entity):
        at: int = 3

        @field_serializer("*")
        def _write(self, at: int) -> int:
            return at + 1000

    with pytest.raises(InvalidDefinition, match="'at'"):
        ClassEntityType(Shifted)
