"""Fields of an entity are there: they cannot be deleted, whatever the form of the class, and a frozen state is refused."""

from __future__ import annotations

import pytest
from pydantic import ConfigDict, Field

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, InvalidDefinition, OperationFailed


class Plain(Entity):
    kept: int = 5

    def set(self, number: int) -> None:
        self.kept = number

    def forget(self) -> None:
        del self.kept

    def forget_by_name(self) -> None:
        delattr(self, "kept")

    def forget_behind(self) -> None:
        vars(self).pop("kept")

    def forget_for_a_moment(self) -> None:
        kept = self.kept
        del self.kept
        self.kept = kept

    def forget_private(self) -> int:
        self._note = 1
        del self._note
        return self.kept

    _note: int = 0

    def get(self) -> int:
        return self.kept


class Dumped(Plain):
    fixed: int = Field(default=1, frozen=True)

    def change_fixed(self) -> None:
        self.fixed = 2


@pytest.mark.parametrize("cls", [Plain, Dumped])
async def test_a_field_is_not_deleted(cls: type[Plain]) -> None:
    app = App("fields")
    app.entity(cls)
    async with TestHub(app) as hub:
        client = hub.client
        await client.signal_entity(cls.set, "k", 7)
        for operation in (cls.forget, cls.forget_by_name, cls.forget_behind):
            with pytest.raises(OperationFailed, match="deleted"):
                await client.call_entity(operation, "k")
        await client.call_entity(cls.forget_for_a_moment, "k")
        assert await client.call_entity(cls.forget_private, "k") == 7
        assert await client.call_entity(cls.get, "k") == 7


async def test_a_single_field_may_be_frozen() -> None:
    app = App("fields")
    app.entity(Dumped)
    async with TestHub(app) as hub:
        with pytest.raises(OperationFailed, match="frozen"):
            await hub.client.call_entity(Dumped.change_fixed, "k")


def test_a_frozen_class_is_refused() -> None:
    class Frozen(Entity):
        model_config = ConfigDict(frozen=True)
        number: int = 0

    class Below(Frozen):
        other: int = 0

    class Thawed(Frozen):
        model_config = ConfigDict(frozen=False)

    app = App("fields")
    for cls in (Frozen, Below):
        with pytest.raises(InvalidDefinition, match="frozen=True"):
            app.entity(cls)
    app.entity(Thawed)
