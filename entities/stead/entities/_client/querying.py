"""The part of the client that queries begin with."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from stead.entities._definition.entity import Entity

from .query import Query
from .query_hub import QueryHub

E = TypeVar("E", bound=Entity)
V = TypeVar("V")  # what the store has of a target


class Querying:
    """What begins queries."""

    _queries: QueryHub

    @overload
    def query(self, entity: type[E], /) -> Query[E]: ...

    @overload
    def query(self, entity: str, /) -> Query[Any]: ...

    def query(self, entity: Any, /) -> Query[Any]:
        """A query over the entities of a class or name: `client.query(Player).where(Player.score >= 100).order_by(Player.score)`.

        By name the states are plain data, and fields are `field("score")`. Nothing is read before it is asked for something. Raises
        `UnknownEntity` for a class that is not registered.
        """
        return Query(self._queries, self._queries.subject(entity))
