"""One activation with nothing around it, and the entities that its tests use."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
from collections.abc import Awaitable
from decimal import Decimal
from typing import Any, cast

from pydantic import BaseModel, PrivateAttr

from stead.entities import (
    ClassEntityType,
    Entity,
    EntityId,
    EntityType,
    Registry,
)
from stead.entities._message.envelope import Message
from stead.entities._partition.effects import Effects
from stead.entities._turns.cell import Cell, cells_of
from stead.entities._turns.turn import Turn
from stead.transport import PayloadLimit, Settings


def cell_of(entity: EntityType, packed: bytes | None, *, eager: bool = False, state_bytes_max: int = 1_048_576) -> Cell:
    """An activation's cell, with a stored state or a fresh one."""
    return cells_of(entity, PayloadLimit(state_bytes_max))(packed, eager)


class Bench:
    """One activation, and a worker that does nothing but run its operations."""

    def __init__(self, entity: EntityType, packed: bytes | None = None, **options: Any) -> None:
        self.entity = entity
        self.cell = cell_of(entity, packed, **options)
        self.turn = Turn(Registry(), lambda: 0)
        self.turn.serve(str(EntityId(entity.name, "k")), Effects(1, Settings(), lambda: 0, b"nonce"))

    def run(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        message = Message("", operation, args, b"", kwargs, None, None, None, None)
        try:
            result = self.cell.invoke(self.turn, self.entity.operation(operation), message)
            if isinstance(result, Awaitable):
                result = asyncio.run(_await(cast("Any", result)))
            self.cell.settle()
        except BaseException:
            self.turn.end()
            self.cell.rollback()
            raise
        self.turn.end()
        return result

    @property
    def state(self) -> Any:
        packed = self.cell.packed()
        return None if packed is None else self.entity.read(packed)

    def again(self) -> Bench:
        """The activation as another worker would load it."""
        return Bench(self.entity, self.cell.packed())


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Size:
    width: int = 1
    tags: list[str] = dataclasses.field(default_factory=list[str])


class Part(BaseModel):
    name: str = "p"
    size: Size = Size()


class Plain(Entity):
    """Scalars and containers of scalars."""

    count: int = 0
    ratio: float | None = None
    names: list[str] = []
    rows: list[list[int]] = []
    table: dict[str, float] = {}
    total: Decimal = Decimal(0)
    marks: set[int] = set()
    pair: tuple[int, str] = (0, "")

    def update(self, values: dict[str, Any]) -> int:
        for name, value in values.items():
            setattr(self, name, value)
        return self.count

    def fail_after(self, values: dict[str, Any]) -> None:
        self.update(values)
        self.names.append("lost")
        self.rows.append([1])
        if self.rows:
            self.rows[0].append(99)
        self.table["lost"] = 1.0
        raise RuntimeError("no")

    def look(self) -> int:
        return len(self.names)

    def append(self, name: str) -> None:
        self.names.append(name)

    def grow(self, length: int) -> None:
        self.names = ["x" * 10] * length

    def drop(self, name: str) -> None:
        delattr(self, name)

    def recreate(self, count: int) -> None:
        self.context.delete_state()
        self.count = count

    def delete_and_fail(self) -> None:
        self.context.delete_state()
        raise RuntimeError("no")

    async def later(self, name: str) -> str:
        await asyncio.sleep(0)
        self.names.append(name)
        return self.context.operation_name

    def misspell(self) -> None:
        setattr(self, "cuo" + "nt", 1)


class Rich(Entity):
    """What needs more than msgpack."""

    parts: list[Part] = []
    main: Part | None = None
    colour: Colour | int = Colour.RED
    anything: Any = None
    either: Part | Size | str = ""
    _cache: int = PrivateAttr(default=0)

    def update(self, values: Any) -> None:
        for name, value in VALUES[values].items():
            setattr(self, name, value)

    def fail_after(self, name: str) -> None:
        self.parts[0].size.tags.append(name)
        self.parts.append(Part())
        self._cache += 1
        raise RuntimeError("no")

    def tag(self, name: str) -> None:
        self.parts[0].size.tags.append(name)

    def cached(self) -> int:
        return self._cache


VALUES: dict[str, dict[str, Any]] = {}
PLAIN = ClassEntityType(Plain)
RICH = ClassEntityType(Rich)


def put(bench: Bench, **values: Any) -> None:
    """Set fields to values as they are, which arguments would have converted."""
    VALUES["now"] = values
    bench.run("update", "now")


def put_plain(bench: Bench, **values: Any) -> None:
    bench.run("update", values)
