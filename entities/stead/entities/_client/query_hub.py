"""What all queries of a client share: the reader, the lookup of what is queried, and the way out for signals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from stead.entities._definition.class_rules import OperationMark
from stead.entities._definition.registry import Registry
from stead.entities._index.conditions import checked
from stead.entities._index.plan import AskedQuery
from stead.entities._index.syntax import read_words
from stead.entities._index.types import IndexType
from stead.entities._message.errors import IndexNotReady, PartlySent, UnknownEntity
from stead.entities._message.ids import EntityId, canonical_name, check_key
from stead.entities._message.record import decode_record
from stead.transport import (
    UNREADABLE,
    InvalidInput,
    LeftOut,
    Settings,
    SteadError,
    Store,
    Tries,
    pack,
    unpack,
    until_answered,
)
from stead.transport.describing import text_of_error

from .producer import Producer, SourceProducer, check_source
from .published import Names
from .query_reader import QueryReader, QueryReading
from .query_subject import QuerySubject, indexes_for
from .sharding import HubShards

_CHUNK_LENGTH = 500  # signals that are sent before it is known that they are in the store
_KEEP_KEYS_MS = 86_400_000  # of a `signal_once`

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
        self._store = store
        self._registry = registry
        self._names = names
        self._shards = shards
        self._pages = pages
        self._producer = producer
        self._reader = QueryReader(store, settings, check_open)
        self.indexes = self._reader.indexes

    @property
    def left_out(self) -> LeftOut:
        """What could not be read."""
        return self._store.left_out

    @property
    def hub_id(self) -> str:
        """The hub's ID."""
        return self._store.layout.hub_id

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
        if subject.entity_type is None:
            await self.check_name(subject)
            known = await self.indexes.of_kind(subject.kind)
            ready = await self.indexes.built() if any(len(each) > 1 for each in known.values()) else {}
        indexes = indexes_for(subject, asked, known, ready)
        if subject.entity_type is None and asked.node is not None:
            types = {index.field: IndexType(index.code, True) for index in indexes.values()}
            asked = replace(asked, node=read_words(asked.node, types))
            assert asked.node is not None, "it had a condition"
            checked(asked.node, types, subject.name)
        return self._reader.begin(asked, indexes)

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
            return await (await self.begin(subject, AskedQuery(subject.kind))).count()
        except IndexNotReady:
            return None

    async def listed(self, subject: QuerySubject, after: str = "") -> AsyncIterator[tuple[str, bytes]]:
        """All of a kind that exist, ascending by key: keys and stored states."""
        await self.check_name(subject)
        start = f"@{subject.kind}@"
        async for page in self._pages(start, start + check_key(after) if after else ""):
            for target, record in page:
                try:
                    packed = decode_record(record).packed_state
                except (*UNREADABLE, SteadError) as error:
                    self.left_out.note("entities", target, error)
                    continue
                if packed is not None:
                    yield target[len(start) :], packed

    # -- signals -------------------------------------------------------------------------------------------------------

    def _operation(self, subject: QuerySubject, operation: object) -> str:
        """The name of an operation of what is queried. One that a base class defines is that of the queried class."""
        if subject.entity_type is None:
            if not isinstance(operation, str):
                raise InvalidInput(f"operation {operation!r}", "the query is by name: give the operation's name")
            return operation
        mark = getattr(operation, "__stead_operation__", None)
        if mark is None or hasattr(operation, "__self__"):
            raise InvalidInput(
                f"operation {operation!r}", f"give an operation of {subject.name}, such as {subject.name}.delete"
            )
        owner, name = cast("OperationMark", mark)
        cls = subject.entity_type.entity_class
        if cls is None or owner not in cls.__mro__:
            raise InvalidInput(
                f"operation {owner.__name__}.{name}",
                f"the query is over {subject.name}: give an operation of that class",
            )
        return subject.entity_type.operation(name).name

    async def signal(
        self,
        subject: QuerySubject,
        keys: Callable[[], Awaitable[Sequence[str]]],
        operation: object,
        args: Any,
        kwargs: Any,
    ) -> int:
        """Signal entities of a kind, keys first (HAZARDS 84); gives how many. Raises `PartlySent`."""
        name = self._operation(subject, operation)
        self._check_arguments(subject, name, args, kwargs)
        found = await keys()
        sent = 0
        try:
            async with self._producer(None) as producer:
                for first in range(0, len(found), _CHUNK_LENGTH):
                    chunk = found[first : first + _CHUNK_LENGTH]
                    for key in chunk:
                        await cast("Producer", producer).signal(EntityId(subject.name, key), name, *args, **kwargs)
                    await producer.flush()
                    sent += len(chunk)
        except SteadError as error:
            raise PartlySent(sent, len(found), text_of_error(error)) from error
        return sent

    def _check_arguments(self, subject: QuerySubject, name: str, args: Any, kwargs: Any) -> None:
        """Refuse them before anything is read. Raises `InvalidInput`."""
        if subject.entity_type is not None:
            subject.entity_type.operation(name).bind(args, kwargs)

    async def signal_once(
        self,
        subject: QuerySubject,
        name: str,
        keys: Callable[[], Awaitable[Sequence[str]]],
        operation: object,
        args: Any,
        kwargs: Any,
    ) -> int:
        """The same, however often it is repeated: the keys of the first call are kept, and numbered (HAZARDS 84)."""
        source = check_source(f"query:{subject.kind}:{name}")
        called = self._operation(subject, operation)
        self._check_arguments(subject, called, args, kwargs)
        store = self._store
        kept = await until_answered(lambda: store.read_kept(source), Tries(store.clock, self.settings))
        if kept is None:
            packed = pack(list(await keys()))
            kept = await until_answered(
                lambda: store.keep(source, packed, _KEEP_KEYS_MS), Tries(store.clock, self.settings)
            )
        found: Any = unpack(kept)
        async with self._producer(source) as producer:
            for number, key in enumerate(found):
                target = EntityId(subject.name, key)
                await cast("SourceProducer", producer).signal_once(number, target, called, *args, **kwargs)
        return len(found)
