"""What a client reads: one entity, many, a page of them. Nothing of it waits for an entity (invariant 8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar, cast, overload

from stead.entities._definition.entity import Entity
from stead.entities._definition.entity_type import EntityType
from stead.entities._definition.registry import Registry
from stead.entities._message.envelope import raise_if_keyless
from stead.entities._message.errors import UnknownEntity
from stead.entities._message.ids import BUILT_IN, EntityId, canonical_name, check_key
from stead.entities._message.record import LockedRecord, Record, decode_record, stored_of
from stead.entities._message.shards import BEHIND, kind_of, shard_targets
from stead.entities._message.times import instant_in_ms
from stead.transport import (
    UNANSWERED,
    UNREADABLE,
    HomeLoop,
    InvalidInput,
    ReadRecords,
    Settings,
    SteadError,
    Store,
    StoreUnavailable,
    Tries,
    unpack,
    until_answered,
)

from .listing import PAGE_READ_LENGTH, EntityStatus, Page, described, entity_status, take_page
from .merging import merged_pages, merged_record
from .outgoing import Outgoing

E = TypeVar("E", bound=Entity)
T = TypeVar("T")
V = TypeVar("V")  # what the store has of a target


_BEHIND_BUILT_IN = f"@{BUILT_IN}\U0010ffff"  # before all kinds that somebody has defined


class EntityReader:
    """The part of a client that reads."""

    def __init__(self, store: Store, registry: Registry, settings: Settings) -> None:
        self._store = store
        self._registry = registry
        self._settings = settings
        self._outgoing = Outgoing(store, registry, settings)
        self._closed = False
        self._home = HomeLoop("this client")

    def _check_open(self) -> None:
        self._home.check()
        if self._closed:
            raise StoreUnavailable("the client is closed", "refused")

    @overload
    async def read_entity(self, entity: type[E], key: str, /) -> E | None: ...

    @overload
    async def read_entity(self, entity: EntityId, /) -> Any: ...

    async def read_entity(self, entity: Any, key: str | None = None, /) -> Any:
        """The committed state of an entity, None if it does not exist. Never waits for the entity.

        By class an instance (`InvalidState` if what is stored does not validate), by `EntityId` plain data.
        """
        read: Callable[[bytes], object] = unpack
        if isinstance(entity, EntityId):
            target = str(entity)
        else:
            kind = self._kind(entity)
            target, read = f"@{kind.canonical}@{check_key(cast('str', key))}", kind.read
        record = await self._record(target)
        packed = None if record is None else record.packed_state
        if packed is None:
            await self._check_name(target[1:].partition("@")[0])
            return None
        with stored_of(target):
            return read(packed)

    async def describe_entity(self, entity_id: EntityId) -> EntityStatus | None:
        """What is committed of an entity besides its state too: when it was changed last, and when each of its reminders is
        due next. None if it does not exist and has no reminders. Never waits for the entity."""
        locked = False
        try:
            record = await self._record(str(entity_id))
        except LockedRecord as error:
            record, locked = error.record, error.exists
        with stored_of(str(entity_id)):
            status = None if record is None else described(entity_id, record, locked=locked)
        if status is None:
            await self._check_name(entity_id.canonical_name)
        return status

    async def _record(self, target: str) -> Record | None:
        """What is stored of an entity: of all its shards, if it has any. Raises `InvalidState` if that cannot be read."""
        outgoing, kind = self._outgoing, kind_of(target)
        self._check_open()
        spread = await outgoing.shards.to_read(kind)
        try:
            if spread is not None:
                found = await self._shards_of(target, spread.total)
                entity_type = self._registry.get(kind)
                with stored_of(target):
                    record = merged_record(entity_type, kind if entity_type is None else entity_type.name, found)
                    return None if record is None else decode_record(record)
            partition = outgoing.partition(target)
            records = await self._read(lambda: self._store.read_records(partition, [target]))
            with stored_of(target):
                return None if records[0] is None else decode_record(records[0])
        except LockedRecord as error:
            raise LockedRecord(error.reason, error.record, target, exists=error.exists) from error

    async def _shards_of(self, target: str, count: int) -> list[bytes]:
        """The records of an entity's shards that have one, in their order."""
        targets = shard_targets(target, count)
        by_partition: dict[int, list[str]] = {}
        for each in targets:
            by_partition.setdefault(self._outgoing.partition(each), []).append(each)
        looks = [ReadRecords(partition, names) for partition, names in by_partition.items()]
        _, answers = await self._read(lambda: self._store.look(looks))
        found = {
            name: record
            for look, records in zip(looks, answers, strict=True)
            for name, record in zip(look.targets, records, strict=True)
        }
        return [record for each in targets if (record := found[each]) is not None]

    async def entity_targets(self, entity_id: EntityId) -> list[str]:
        """For stead's own parts: the targets in which an entity is kept: more than one if it has shards."""
        target = str(entity_id)
        spread = await self._outgoing.shards.to_read(kind_of(target))
        return [target] if spread is None else shard_targets(target, spread.total)

    async def entity_pages(
        self, prefix: str, after: str = "", length: int | None = None
    ) -> AsyncIterator[list[tuple[str, bytes]]]:
        """For stead's own parts: pages of the targets of entities with their records, one for all shards of an entity."""
        self._check_open()
        sharded = await self._outgoing.shards.recent()
        beyond = after + BEHIND if after else ""
        pages = self._list_pages(self._store.list_targets, prefix, beyond, length)
        async for page in merged_pages(pages, self._registry, sharded):
            yield page

    @overload
    def list_entities(
        self, entity: type[E], /, *, prefix: str = "", after: str = ""
    ) -> AsyncIterator[tuple[EntityId, E]]: ...

    @overload
    def list_entities(
        self, entity: str, /, *, prefix: str = "", after: str = ""
    ) -> AsyncIterator[tuple[EntityId, Any]]: ...

    async def list_entities(
        self, entity: Any, /, *, prefix: str = "", after: str = ""
    ) -> AsyncIterator[tuple[EntityId, Any]]:
        """The entities of a class or name that exist, ascending by key, each with its committed state.

        With a prefix, only those whose keys begin with it; with `after`, only those whose keys come after that one. What
        exists throughout is given exactly once.
        """
        read: Callable[[bytes], object] = unpack
        if isinstance(entity, str):
            name = entity
            await self._check_name(canonical_name(name))
        else:
            kind = self._kind(entity)
            name, read = kind.name, kind.read
        start = f"@{canonical_name(name)}@"
        beyond = start + check_key(after) if after else ""
        async for page in self.entity_pages(start + check_key(prefix), beyond):
            for target, record in page:
                found = self._state_of(target, record, read)
                if found is not None:
                    yield EntityId(name, target[len(start) :]), found[0]

    def _state_of(self, target: str, record: bytes, read: Callable[[bytes], object]) -> tuple[object] | None:
        """An entity's state, for a listing; None if it does not exist (it is locked only), or cannot be read."""
        try:
            packed = decode_record(record).packed_state
            state = None if packed is None else (read(packed),)
        except (*UNREADABLE, SteadError) as error:
            raise_if_keyless(error, target)
            self._store.left_out.note("entities", target, error)
            return None
        self._store.left_out.readable("entities", target)
        return state

    async def page_entities(
        self,
        entity: str | None = None,
        *,
        prefix: str = "",
        modified_from: datetime | None = None,
        modified_to: datetime | None = None,
        with_state: bool = True,
        length: int = 100,
        after: str = "",
    ) -> Page[EntityStatus]:
        """A page of the entities that exist, ascending by ID, of one name or of all; each with the time of its last change.

        `prefix`: of the keys, if there is a name; `modified_from`, `modified_to`: both included; `after`: what the page
        before said. A name that nobody knows has no entities.
        """
        if entity is None:
            after = max(after, _BEHIND_BUILT_IN)
        start = "@" if entity is None else f"@{canonical_name(entity)}@{check_key(prefix)}"
        from_ms = None if modified_from is None else instant_in_ms(modified_from)
        to_ms = None if modified_to is None else instant_in_ms(modified_to)
        return await take_page(
            self.entity_pages(start, after, max(length + 1, PAGE_READ_LENGTH)),
            after,
            length,
            lambda target, record: entity_status(target, record, from_ms, to_ms, with_state=with_state),
            self._store.left_out,
            "entities",
        )

    async def targets_of(self, name: str) -> AsyncIterator[list[str]]:
        """For stead's own parts: pages of the targets of a canonical name, which may exist or not."""
        async for page in self._list_pages(self._store.list_targets, f"@{name}@"):
            yield [target for target, _ in page]

    async def _pause(self, seconds: float, nth: int) -> None:
        """Wait for others to do something. `nth`: how often that has been in vain."""
        self._check_open()
        await self._store.clock.sleep(seconds)

    async def _read(self, request: Callable[[], Awaitable[T]]) -> T:
        """The answer to a request that changes nothing, made again while there is none (`StoreUnavailable` in the end)."""
        self._check_open()
        return await until_answered(request, Tries(self._store.clock, self._settings))

    async def _list_pages(
        self,
        pages: Callable[[str, int, str], AsyncIterator[list[tuple[str, V]]]],
        prefix: str,
        after: str = "",
        length: int | None = None,
    ) -> AsyncIterator[list[tuple[str, V]]]:
        """The pages of a listing, from after a target on; after a lost connection it goes on where it was."""
        self._check_open()
        tries = Tries(self._store.clock, self._settings)
        most = self._settings.list_page_length
        while True:
            try:
                async for page in pages(prefix, most if length is None else min(length, most), after):
                    tries.succeeded()
                    after = page[-1][0]
                    yield page
                return
            except UNANSWERED as error:
                await tries.failed(error)

    def _kind(self, entity: Any) -> EntityType:
        if not isinstance(entity, type):
            raise InvalidInput(f"entity {entity!r}", "write a class and a key, or an EntityId")
        kind = self._registry.for_class(entity)
        if kind is None:
            raise UnknownEntity(entity.__name__, self._registry.names())
        return kind

    async def _check_name(self, name: str) -> None:
        """Raise `UnknownEntity` if nobody knows a canonical name."""
        if self._registry.get(name) is None:
            await self._outgoing.names.check(name)
