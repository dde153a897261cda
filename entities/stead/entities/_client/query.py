"""`client.query(Player)`: conditions, order and limit are chosen, then it is read, counted, paged, or signalled.

A query does not change: each method gives a new one. It sees committed states only, each partition at its own moment.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from stead.entities._index.conditions import Condition, Join, Node, QueryField, checked
from stead.entities._index.plan import AskedQuery, from_listing_token, listing_token
from stead.entities._index.scan import Position
from stead.entities._index.syntax import parse_order, parse_where
from stead.entities._message.ids import EntityId, check_key
from stead.transport import UNREADABLE, InvalidInput, SteadError, unpack

from .listing import EntityStatus, entity_status
from .query_counts import count_of, rank_of
from .query_hub import QueryHub
from .query_looks import FoundEntity
from .query_reader import QueryReading, too_many
from .query_signals import SignalProgress, signal_each, signal_each_once
from .query_subject import QuerySubject

E = TypeVar("E")
T = TypeVar("T")
P = ParamSpec("P")

_ITERATED_LENGTH = 200  # entities that an iteration reads at a time


@dataclass(frozen=True, slots=True)
class QueryPage(Generic[T]):
    """A part of what a query finds. `continuation`: give it to get the next part; None if there is no more."""

    items: Sequence[T]
    continuation: str | None


class Query(Generic[E]):
    """A query over the entities of one kind: `client.query(Player).where(Player.score >= 100)`.

    `async for entity_id, player in query` gives what matches, each once; `await query.count()`, `query.page(50)`, `query.rank(…)` and
    `query.signal(…)` do what they say. What exists and matches throughout, with its order's field unchanged, is given exactly once.
    """

    def __init__(
        self,
        hub: QueryHub,
        subject: QuerySubject,
        nodes: tuple[Node, ...] = (),
        order: tuple[str, bool] | None = None,
        most: int | None = None,
        progress: SignalProgress | None = None,
    ) -> None:
        self._hub = hub
        self._subject = subject
        self._nodes = nodes
        self._order = order
        self._most = most
        self._progress = progress

    def _with(self, **changes: Any) -> Self:
        kept: dict[str, Any] = {
            "nodes": self._nodes,
            "order": self._order,
            "most": self._most,
            "progress": self._progress,
        }
        return type(self)(self._hub, self._subject, **{**kept, **changes})

    def where(self, *conditions: Condition[E]) -> Self:
        """Only what matches all of these conditions, and those given before. They are of the class that is queried."""
        for condition in conditions:
            self._check_condition(condition)
        return self._with(nodes=(*self._nodes, *(condition.node for condition in conditions)))

    def order_by(self, field: QueryField[E, Any], *, descending: bool = False) -> Self:
        """In the order of an indexed field, ties by key; None is last in both directions."""
        return self._with(order=(self._field(field), bool(descending)))

    def limit(self, most: int) -> Self:
        """At most so many."""
        if type(most) is not int or most < 0:
            raise InvalidInput(f"limit({most!r})", "give a whole number, 0 or above")
        return self._with(most=most)

    def with_options(self, *, progress: SignalProgress | None) -> Self:
        """What goes with a `signal` or a `signal_once`: `progress(sent, total)` is called once it is known how many match, and each time that
        more of them have their signals for certain."""
        return self._with(progress=progress)

    def _check_condition(self, condition: Any) -> None:
        if not isinstance(condition, Condition):
            raise InvalidInput(f"where({condition!r})", "give conditions, such as Player.score >= 100, joined by & | ~")
        self._check_owners(condition.owners)
        if self._subject.types is not None and not condition.owners:
            checked(condition.node, self._subject.types, self._subject.name)

    def _check_owners(self, owners: frozenset[type]) -> None:
        entity_type = self._subject.entity_type
        cls = None if entity_type is None else entity_type.entity_class
        for owner in owners:
            if cls is None:
                raise InvalidInput(
                    f"a field of {owner.__name__}", f"the query is by name: write field(…), or query({owner.__name__})"
                )
            if owner not in cls.__mro__:
                raise InvalidInput(
                    f"a field of {owner.__name__}",
                    f"the query is over {cls.__name__}: name a field of the class that is queried",
                )

    def _field(self, field: Any) -> str:
        if not isinstance(field, QueryField):
            raise InvalidInput(f"field {field!r}", 'give an indexed field: Player.score, or field("score")')
        self._check_owners(frozenset() if field.owner is None else frozenset({field.owner}))
        types = self._subject.types
        if types is not None and field.name not in types:
            known = ", ".join(sorted(types)) or "none"
            raise InvalidInput(f"field {field.name!r}", f"{self._subject.name} has no index of it; it has: {known}")
        return field.name

    # -- reading -------------------------------------------------------------------------------------------------------

    def _asked(self) -> AskedQuery:
        node = None if not self._nodes else self._nodes[0] if len(self._nodes) == 1 else Join(False, self._nodes)
        order, descending = self._order or (None, False)
        return AskedQuery(self._subject.kind, node, order, descending)

    async def _begin(self, asked: AskedQuery) -> QueryReading:
        return await self._hub.begin(self._subject, asked)

    async def __aiter__(self) -> AsyncIterator[tuple[EntityId, E]]:
        """What matches, each once: at most `limit`, and `query_results_max` in all."""
        given: set[str] = set()
        async for found in self._all():
            item = None if found.key in given else self._item(found)
            if item is None:
                continue
            self._check_more(given)
            given.add(found.key)
            yield item
            if len(given) == self._most:
                return

    def _check_more(self, found: Sized) -> None:
        """Refuse one more than there may be."""
        if len(found) >= self._hub.settings.query_results_max:
            raise too_many(self._hub.settings.query_results_max)

    async def _all(self) -> AsyncIterator[FoundEntity]:
        """What matches, page by page; what changes meanwhile may come again."""
        most = self._most
        if most == 0:
            return
        if self._is_plain:
            async for key, packed in self._hub.listed(self._subject):
                yield FoundEntity(Position(None, key.encode()), packed, packed)
            return
        length = min(most or _ITERATED_LENGTH, _ITERATED_LENGTH)
        reading = await self._begin(self._asked())
        async for page in reading.pages(await reading.plan(length), length):
            for found in page:
                yield found

    @property
    def _is_plain(self) -> bool:
        """Whether it asks for all, in whatever order: that needs no index."""
        return not self._nodes and self._order is None

    def _item(self, found: FoundEntity) -> tuple[EntityId, E] | None:
        """An entity with its state; None if that cannot be read any more."""
        entity_id = EntityId(self._subject.name, found.key)
        entity_type = self._subject.entity_type
        left_out = self._hub.left_out
        try:
            state = unpack(found.packed) if entity_type is None else entity_type.read(found.packed)
        except (*UNREADABLE, SteadError) as error:
            left_out.note("entities", str(entity_id), error)
            return None
        left_out.readable("entities", str(entity_id))
        return entity_id, cast("E", state)

    async def page(self, size: int, *, continuation: str | None = None) -> QueryPage[tuple[EntityId, E]]:
        """At most `size` of what matches, and a `continuation` for the next page. A `limit` is not for pages.

        A page may have less than `size`, if states are large, and still have a next one. Raises `InvalidInput` for a continuation of
        another query.
        """
        self._check_page(size)
        if self._is_plain:
            return await self._plain_page(size, continuation)
        found, token = await self._found_page(size, continuation)
        return QueryPage([item for each in found if (item := self._item(each)) is not None], token)

    async def page_status(self, size: int, *, continuation: str | None = None) -> QueryPage[EntityStatus]:
        """A page of a query with a condition or an order, each entity with the time of its last change; its state is plain data."""
        self._check_page(size)
        found, token = await self._found_page(size, continuation)
        start = f"@{self._subject.kind}@"
        statuses = [entity_status(start + each.key, each.record, None, None, with_state=True) for each in found]
        return QueryPage([status for status in statuses if status is not None], token)

    def _check_page(self, size: int) -> None:
        if type(size) is not int or not 1 <= size <= self._hub.settings.query_results_max:
            raise InvalidInput(f"page({size!r})", f"a page has 1 to {self._hub.settings.query_results_max:,} items")
        if self._most is not None:
            raise InvalidInput("page", "the query has a limit: give the size of the page alone")

    async def _found_page(self, size: int, continuation: str | None) -> tuple[Sequence[FoundEntity], str | None]:
        reading = await self._begin(self._asked())
        plan, after = (await reading.plan(size), None) if continuation is None else reading.resume(continuation)
        page = await reading.page(plan, after, size)
        return page.found, None if page.end is None else reading.token(plan, page.end)

    async def _plain_page(self, size: int, continuation: str | None) -> QueryPage[tuple[EntityId, E]]:
        """A page of all there are, ascending by key."""
        asked, hub_id = self._asked(), self._hub.hub_id
        after = None if continuation is None else from_listing_token(continuation, hub_id, asked)
        items: list[tuple[EntityId, E]] = []
        last = after or ""
        async for key, packed in self._hub.listed(self._subject, after):
            if len(items) == size:
                return QueryPage(items, listing_token(hub_id, asked, last))
            last = key
            item = self._item(FoundEntity(Position(None, key.encode()), packed, packed))
            if item is not None:
                items.append(item)
        return QueryPage(items, None)

    async def count(self) -> int:
        """How many match (`limit` bounds it): of one range by the indexes alone, of several conditions by reading states.

        By one field, what matches throughout is counted once, wherever it moves meanwhile among values that an index holds.
        """
        counted = None if self._nodes else await self._hub.count_by_index(self._subject)
        if counted is None and not self._nodes:
            counted = 0
            async for _ in self._hub.listed(self._subject):
                counted += 1
        elif counted is None:
            counted = await count_of(await self._begin(replace(self._asked(), order=None, descending=False)))
        return counted if self._most is None else min(counted, self._most)

    async def rank(self, field: QueryField[E, Any], key: str, *, descending: bool = False) -> int | None:
        """The place of an entity among all of its kind in the order of a field: 1 is first; None if it does not exist.

        Each partition is looked at at one moment, its own at one at which the entity had that place. Raises `CallTimeout` for one that moves so
        often that there is none.
        """
        if self._nodes or self._order is not None or self._most is not None:
            raise InvalidInput(
                "rank", "it is the place among all of the kind: ask for it without where, order_by and limit"
            )
        name = self._field(field)
        asked = AskedQuery(self._subject.kind, None, name, bool(descending))
        reading = await self._begin(asked)
        return await rank_of(reading.looks, reading.index(name), check_key(key))

    # -- signalling ----------------------------------------------------------------------------------------------------

    @overload
    async def signal(
        self, operation: Callable[Concatenate[E, P], object], /, *args: P.args, **kwargs: P.kwargs
    ) -> int: ...

    @overload
    async def signal(self, operation: str, /, *args: Any, **kwargs: Any) -> int: ...

    async def signal(self, operation: Any, /, *args: Any, **kwargs: Any) -> int:
        """Signal every entity that matches, once; gives how many. The keys are read first, at most `query_results_max`.

        Raises `PartlySent` if it stops half-way. An operation is one of the class that is queried, or by name for a query by name.
        """
        return await signal_each(self._hub, self._subject, self._keys, self._progress, operation, args, kwargs)

    @overload
    async def signal_once(
        self, name: str, operation: Callable[Concatenate[E, P], object], /, *args: P.args, **kwargs: P.kwargs
    ) -> int: ...

    @overload
    async def signal_once(self, name: str, operation: str, /, *args: Any, **kwargs: Any) -> int: ...

    async def signal_once(self, name: str, operation: Any, /, *args: Any, **kwargs: Any) -> int:
        """The same, to be repeated under the same name until it is through: each entity gets it once.

        The keys are those that match at the first call, and are kept for a day: who matches later is not reached by a repeat. After
        that day the name stands for nothing again.
        """
        return await signal_each_once(
            self._hub, self._subject, name, self._keys, self._progress, operation, args, kwargs
        )

    async def _keys(self) -> list[str]:
        """The keys of what matches, whether or not its state can be read by the class."""
        keys: dict[str, None] = {}
        async for found in self._all():
            if found.key not in keys:
                self._check_more(keys)
                keys[found.key] = None
                if len(keys) == self._most:
                    break
        return list(keys)


def query_in_words(query: Query[E], where: str, order: str | None) -> Query[E]:
    """The query with conditions, and perhaps an order, as they are typed: `score>=100 country=NO`, `-score`. Raises `InvalidInput`."""
    asked = query.where(*parse_where(where))
    if order is None:
        return asked
    field, descending = parse_order(order)
    return asked.order_by(field, descending=descending)
