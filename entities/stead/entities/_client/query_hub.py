"""What all queries of a client share: the reader, the lookup of what is queried, and the way out for signals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

from stead.entities._definition.registry import Registry
from stead.entities._index.conditions import Node, checked
from stead.entities._index.plan import AskedQuery
from stead.entities._index.syntax import read_words
from stead.entities._index.types import IndexType
from stead.entities._message.envelope import raise_if_keyless
from stead.entities._message.errors import IndexNotReady, UnknownEntity
from stead.entities._message.ids import canonical_name, check_key
from stead.entities._message.record import decode_record
from stead.transport import (
    UNREADABLE,
    InvalidInput,
    LeftOut,
    Settings,
    SteadError,
    Store,
)

from .producer import Producer, SourceProducer
from .published import Names
from .query_counts import count_of
from .query_reader import QueryReader, QueryReading
from .query_subject import QuerySubject, indexes_for
from .sharding import HubShards

Pages = Callable[[str, str], AsyncIterator[list[tuple[str, bytes]]]]
"""A listing: targets with their records that begin with a prefix, from after a target on."""


class QueryHub:
    """The hub of a client's queries."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        settings: Settings,
        names: Names,
        shards: HubShards,
        pages: Pages,
        producer: Callable[[str | None], Producer | SourceProducer],
        check_open: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.store = store
        self._registry = registry
        self._names = names
        self._shards = shards
        self._pages = pages
        self.producer = producer
        self._reader = QueryReader(store, settings, check_open)
        self.indexes = self._reader.indexes

    @property
    def left_out(self) -> LeftOut:
        """What could not be read."""
        return self.store.left_out

    @property
    def hub_id(self) -> str:
        """The hub's ID."""
        return self.store.layout.hub_id

    def subject(self, entity: Any) -> QuerySubject:
        """What is queried. Raises `UnknownEntity` for a class that is not registered."""
        if isinstance(entity, str):
            return QuerySubject(entity, canonical_name(entity), None)
        if not isinstance(entity, type):
            raise InvalidInput(f"query({entity!r})", "give the class of an entity, or its name")
        known = self._registry.for_class(entity)
        if known is None:
            raise UnknownEntity(entity.__name__, self._registry.names())
        return QuerySubject(known.name, known.canonical, known)

    async def begin(self, subject: QuerySubject, asked: AskedQuery) -> QueryReading:
        """A reading of a query. Raises `InvalidInput` for fields and values that do not fit, `UnknownEntity` for a name."""
        if await self.is_sharded(subject):
            raise InvalidInput(
                f"query over {subject.name}",
                "it has shards, and no index knows what they are together: without conditions and order it can be listed "
                "and counted",
            )
        known: Mapping[str, Any] = {}
        ready: Mapping[str, int] = {}
        published = False
        if subject.entity_type is None:
            await self.check_name(subject)
            published = self._is_known(subject.kind)
            # a worker declares its indexes before it publishes its names
            known = await self.indexes.of_kind(subject.kind) or await self.indexes.of_kind(subject.kind, now=published)
            ready = await self.indexes.built() if any(len(each) > 1 for each in known.values()) else {}
        indexes = indexes_for(subject, asked, known, ready, published=published)
        if subject.entity_type is None and asked.node is not None:
            types = {index.field: IndexType(index.code, True) for index in indexes.values()}
            asked = replace(asked, node=read_words(asked.node, types))
            assert asked.node is not None, "it had a condition"
            checked(asked.node, types, subject.name)
        return self._reader.begin(asked, indexes)

    def _is_known(self, kind: str) -> bool:
        """Whether there is code of a kind: if no index of it is declared then, none will be without other code."""
        own = self._registry.get(kind)
        return self._names.has(kind) if own is None else not own.indexes

    async def check_name(self, subject: QuerySubject) -> None:
        """Raise `UnknownEntity` if nobody knows what is queried."""
        if subject.entity_type is None and self._registry.get(subject.kind) is None:
            await self._names.check(subject.kind)

    async def is_sharded(self, subject: QuerySubject) -> bool:
        """Whether the hub keeps what is queried in shards."""
        return subject.kind in await self._shards.recent() or self._shards.declared(subject.kind) is not None

    async def count_by_index(self, subject: QuerySubject) -> int | None:
        """How many of a kind exist, by an index; None if it has none that is ready."""
        if subject.entity_type is not None and not subject.entity_type.indexes:
            return None
        if subject.entity_type is None and not await self.indexes.of_kind(subject.kind):
            return None
        if await self.is_sharded(subject):
            return None
        try:
            return await count_of(await self.begin(subject, AskedQuery(subject.kind)))
        except IndexNotReady:
            return None

    async def narrowed_pages(self, prefix: str, node: Node) -> AsyncIterator[list[tuple[str, bytes]]]:
        """Targets of a kind of this program with their records: by an index at least those that match, if it is ready and that is little;
        else all of them."""
        known = self._registry.get(prefix[1:-1])
        assert known is not None, "its class is known"
        asked = AskedQuery(known.canonical, node)
        reading = await self.begin(QuerySubject(known.name, known.canonical, known), asked)
        try:
            keys = await reading.few_keys()
        except IndexNotReady:
            keys = None
        if keys is None:
            async for page in self._pages(prefix, ""):
                yield page
            return
        length = self.settings.list_page_length
        for first in range(0, len(keys), length):
            yield await reading.records(keys[first : first + length])

    async def listed(self, subject: QuerySubject, after: str | None = None) -> AsyncIterator[tuple[str, bytes]]:
        """All of a kind that exist, ascending by key: keys and stored states."""
        await self.check_name(subject)
        start = f"@{subject.kind}@"
        async for page in self._pages(start, "" if after is None else start + check_key(after)):
            for target, record in page:
                try:
                    packed = decode_record(record).packed_state
                except (*UNREADABLE, SteadError) as error:
                    raise_if_keyless(error, target)
                    self.left_out.note("entities", target, error)
                    continue
                if packed is not None:
                    yield target[len(start) :], packed
