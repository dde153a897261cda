"""Operations named like pydantic's deprecated methods: mypy alone minds the override, both know the types."""

from __future__ import annotations

from typing import assert_type

from stead.entities import Entity, EntityClient


class Clerk(Entity):
    """Operations named like pydantic's deprecated methods."""

    def copy(self, target: str) -> int:  # type: ignore[override]
        return 1

    def json(self) -> bytes:  # type: ignore[override]
        return b""

    def dict(self) -> float:  # type: ignore[override]
        return 1.0

    def validate(self, strict: bool) -> str:  # type: ignore[override]
        return ""


async def calls(client: EntityClient) -> None:
    assert_type(await client.call_entity(Clerk.copy, "a", "b"), int)
    assert_type(await client.call_entity(Clerk.json, "a"), bytes)
    assert_type(await client.call_entity(Clerk.dict, "a"), float)
    assert_type(await client.call_entity(Clerk.validate, "a", True), str)
