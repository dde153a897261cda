"""What cannot be kept in shards is refused where it is defined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Self

import pytest

from stead.app import App
from stead.entities import Entity, Indexed, InvalidDefinition, indexed


class Counted(Entity):
    count: int = 0

    @classmethod
    def merge(cls, shards: Sequence[Self]) -> Self:
        return cls(count=sum(each.count for each in shards))


class Bare(Entity):
    count: int = 0


class Scored(Entity):
    score: Indexed[int] = indexed(0)

    @classmethod
    def merge(cls, shards: Sequence[Self]) -> Self:
        return shards[0]


class Method(Entity):
    def merge(self, shards: Sequence[Self]) -> None: ...


class Nothing(Entity):
    @classmethod
    def merge(cls) -> Self:
        return cls()


class Later(Entity):
    @classmethod
    async def merge(cls, shards: Sequence[Self]) -> Self:
        return cls()


@pytest.mark.hazard(79)
@pytest.mark.parametrize(
    ("cls", "options", "why"),
    [
        (Bare, {"shards": 4}, "nothing makes one state of them"),
        (Method, {"shards": 4}, "nothing makes one state of them"),
        (Nothing, {"shards": 4}, "it takes `cls` and the shards"),
        (Later, {"shards": 4}, "write `def`"),
        (Scored, {"shards": 4}, "Indexed fields"),
        (Counted, {"shards": 0}, "a whole number from 1 to 1,024"),
        (Counted, {"shards": 1_025}, "a whole number from 1 to 1,024"),
        (Counted, {"shards": True}, "a whole number from 1 to 1,024"),
        (Counted, {"shards": 4, "changes": timedelta(days=1)}, "changes="),
        (Counted, {"shards": 4, "expires_after": timedelta(days=1)}, "expires_after="),
    ],
)
def test_what_cannot_be_in_shards_is_refused_where_it_is_defined(
    cls: type[Entity], options: dict[str, Any], why: str
) -> None:
    fresh: Any = type(cls.__name__, (cls,), {"__module__": __name__})
    define: Callable[..., Callable[[Any], Any]] = App("refused").entity
    with pytest.raises(InvalidDefinition, match=why):
        define(**options)(fresh)


@pytest.mark.hazard(79)
def test_merge_is_no_name_of_a_field() -> None:
    with pytest.raises(InvalidDefinition, match="the name is taken: a class method of it makes one state"):
        type("Wrong", (Entity,), {"__annotations__": {"merge": "int"}, "merge": 1, "__module__": __name__})
