"""`SyncClient.query(…)`: a query without `await`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from stead.entities import Condition, EntityId, Query, QueryField, QueryPage, SignalProgress

from .orchestrations import in_chunks
from .portal import Portal

if TYPE_CHECKING:
    from stead.app._hub.client import Client

E = TypeVar("E")
P = ParamSpec("P")
R = TypeVar("R")


class SyncQuery(Generic[E]):
    """A query over the entities of one kind: `for entity_id, player in client.query(Player).where(Player.score >= 100)`.

    What its methods do is said at `Query`.
    """

    def __init__(self, portal: Portal, query: Query[E], seconds: float | None) -> None:
        self._portal = portal
        self._query = query
        self._seconds = seconds

    def _with(self, query: Query[E]) -> Self:
        return type(self)(self._portal, query, self._seconds)

    def _run(self, request: Callable[[], Coroutine[Any, Any, R]]) -> R:
        return self._portal.run(lambda _: request(), self._seconds)

    def where(self, *conditions: Condition[E]) -> Self:
        """Only what matches all of these conditions, and those given before. They are of the class that is queried."""
        return self._with(self._query.where(*conditions))

    def order_by(self, field: QueryField[E, Any], *, descending: bool = False) -> Self:
        """In the order of an indexed field, ties by key; None is last in both directions."""
        return self._with(self._query.order_by(field, descending=descending))

    def limit(self, most: int) -> Self:
        """At most so many."""
        return self._with(self._query.limit(most))

    def with_options(self, *, progress: SignalProgress | None) -> Self:
        """What goes with a `signal` or a `signal_once`: `progress(sent, total)` is called, in the thread of the client, once it is known how
        many match, and each time that more of them have their signals for certain."""
        return self._with(self._query.with_options(progress=progress))

    def __iter__(self) -> Iterator[tuple[EntityId, E]]:
        """What matches, each once: at most `limit`, and `query_results_max` in all."""

        async def begin(client: Client) -> AsyncIterator[tuple[EntityId, E]]:
            return aiter(self._query)

        yield from in_chunks(self._portal, self._portal.run(begin, self._seconds), self._seconds)

    def page(self, size: int, *, continuation: str | None = None) -> QueryPage[tuple[EntityId, E]]:
        """At most `size` of what matches, and a `continuation` for the next page. A `limit` is not for pages."""
        return self._run(lambda: self._query.page(size, continuation=continuation))

    def count(self) -> int:
        """How many match (`limit` bounds it)."""
        return self._run(self._query.count)

    def rank(self, field: QueryField[E, Any], key: str, *, descending: bool = False) -> int | None:
        """The place of an entity among all of its kind in the order of a field: 1 is first; None if it does not exist."""
        return self._run(lambda: self._query.rank(field, key, descending=descending))

    @overload
    def signal(self, operation: Callable[Concatenate[E, P], object], /, *args: P.args, **kwargs: P.kwargs) -> int: ...

    @overload
    def signal(self, operation: str, /, *args: Any, **kwargs: Any) -> int: ...

    def signal(self, operation: Any, /, *args: Any, **kwargs: Any) -> int:
        """Signal every entity that matches, once; gives how many. Raises `PartlySent` if it stops half-way."""
        return self._run(lambda: self._query.signal(operation, *args, **kwargs))

    @overload
    def signal_once(
        self, name: str, operation: Callable[Concatenate[E, P], object], /, *args: P.args, **kwargs: P.kwargs
    ) -> int: ...

    @overload
    def signal_once(self, name: str, operation: str, /, *args: Any, **kwargs: Any) -> int: ...

    def signal_once(self, name: str, operation: Any, /, *args: Any, **kwargs: Any) -> int:
        """The same, to be repeated under the same name until it is through: each entity gets it once."""
        return self._run(lambda: self._query.signal_once(name, operation, *args, **kwargs))
