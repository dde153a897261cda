"""Entities with fields of every kind, and hubs that have some, for tests of tables and SQL."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, model_serializer

from stead.app import App, Client, Settings
from stead.app.testing import TestHub
from stead.entities import (
    Entity,
    EntityContext,
    Indexed,
    indexed,
)
from stead.entities.aggregates import Tally

SETTINGS = Settings(partitions=4, slot_groups=2, list_page_length=7)
app = App("tables", settings=SETTINGS)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Spot(BaseModel):
    x: int = 0


@app.entity
class Thing(Entity):
    count: Indexed[int] = indexed(0)
    share: float = 0.0
    on: bool = False
    note: str = ""
    raw: bytes = b""
    day: date = date(2026, 1, 1)
    at: datetime | None = None
    lasts: timedelta = timedelta(0)
    colour: Colour = Colour.RED
    size: Literal["s", "m"] = "s"
    price: Decimal = Decimal(0)
    wakes: time = time(7)
    uid: UUID = UUID(int=0)
    tags: set[str] = set()
    rows: list[list[int]] = []
    either: int | str = 0
    anything: Any = None
    spot: Spot = Spot()
    pairs: dict[str, int] = {}
    seen: Tally = Tally()

    def put(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, Colour(value) if name == "colour" else value)

    def see(self, value: float) -> None:
        self.seen.add(value)


@app.entity(name="odd-names")
class Odd(Entity):
    name: int = 1
    Name: int = 2
    NAME_2: int = 3
    order: int = 4
    größe: int = 5  # noqa: PLC2401 - users have such names

    def poke(self) -> None:
        self.name = 1
        self.größe = 6


@app.entity
class Own(Entity):
    """Its stored form is its own, and has other names than its fields."""

    value: int = 0

    def poke(self) -> None:
        self.value = 7

    @model_serializer
    def _dump(self) -> dict[str, int]:
        return {"value": self.value}


@app.entity_function("Switch")
def switch(context: EntityContext) -> None:
    context.set_state({"on": [1, True, None]})


@asynccontextmanager
async def hub_of(*operations: tuple[Any, ...], of: App = app) -> AsyncGenerator[Client]:
    async with TestHub(of) as hub:
        for operation in operations:
            await hub.client.call_entity(*operation)
        yield hub.client


async def rows(client: Client, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.sql(query)).to_pylist()
    return found
