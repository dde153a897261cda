"""The part of the client that follows what changes, alone or as one of a group of readers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, TypeVar, overload

from stead.entities._definition.entity import Entity
from stead.entities._definition.registry import Registry
from stead.entities._index.feeds import kind_of_feed
from stead.entities._message.ids import EntityId, canonical_name
from stead.transport import Dropped, InvalidInput, Settings, Store, unpack

from .change_groups import GroupReader, check_group, mark_receipt
from .changes import Change, ChangeReader, FeedReader
from .group_progress import ChangesGroup, group_progress
from .reader import EntityReader

E = TypeVar("E", bound=Entity)


class Following(EntityReader):
    """The part of a client that follows what changes."""

    def __init__(self, store: Store, registry: Registry, settings: Settings) -> None:
        super().__init__(store, registry, settings)
        self._group_readers: set[GroupReader] = set()

    @overload
    def changes(
        self, entity: type[E], /, *, after: str | None = None, group: str | None = None, start: str | None = None
    ) -> AsyncIterator[Change[E]]: ...

    @overload
    def changes(
        self, entity: str, /, *, after: str | None = None, group: str | None = None, start: str | None = None
    ) -> AsyncIterator[Change[Any]]: ...

    async def changes(
        self, entity: Any, /, *, after: str | None = None, group: str | None = None, start: str | None = None
    ) -> AsyncIterator[Change[Any]]:
        """What changes of the entities of a class or name that keeps its changes (`@app.entity(changes=…)`), on and on: one change for
        each commit in which an entity's state became another one, in order for each entity.

        `after`: a change's `cursor`, or that of `changes_position`: nothing is skipped or repeated from there on. "oldest" begins with
        what is kept, None now.

        `group`: the position is kept in the hub under this name, and all who read with it share the partitions. What was not marked by
        `await change.done()` comes again: at least once. `start`: where a group that is new begins, as with `after`. Nobody reads a
        group for `STEAD_CHANGES_GROUP_KEEP`: it is forgotten.

        Raises `ChangesLost`, once for what is lost; `InvalidInput`, `UnknownEntity`, `StoreUnavailable`.
        """
        changes = await self.begin_changes(entity, after=after, group=group, start=start)
        try:
            async for change in changes:
                yield change
        finally:
            await changes.aclose()

    async def begin_changes(
        self,
        entity: type[Entity] | str,
        /,
        *,
        after: str | None = None,
        group: str | None = None,
        start: str | None = None,
    ) -> AsyncGenerator[Change[Any]]:
        """`changes`, begun: what is wrong is raised here, and "now" is now. For servers, which answer before they give anything."""
        if group is None and start is not None:
            raise InvalidInput("start", "it says where a new group begins; without group=… write after=…")
        if group is None:
            return self._checked(await ChangeReader(await self._feed(entity)).begin(after))
        if after is not None:
            raise InvalidInput(
                "after", "the position of a group is kept in the hub; where a new one begins says start=…"
            )
        check_group(group)
        reader = GroupReader(await self._feed(entity), group)
        return self._checked(await reader.begin(start), reader)

    async def begin_entity_changes(self, entity_id: EntityId, after: str | None = None) -> AsyncGenerator[Change[Any]]:
        """The changes of one entity, with cursors of their own: for servers that show it as it changes."""
        return self._checked(await ChangeReader(await self._feed(entity_id.name, entity_id.key)).begin(after))

    async def _checked(
        self, changes: AsyncGenerator[Change[Any]], reader: GroupReader | None = None
    ) -> AsyncGenerator[Change[Any]]:
        """What is read, for as long as this client is open."""
        if reader is not None:
            self._group_readers.add(reader)
        try:
            async for change in changes:
                self._check_open()
                yield change
        finally:
            await changes.aclose()
            if reader is not None:
                self._group_readers.discard(reader)

    async def _leave_groups(self) -> None:
        """End the reading of groups that somebody has begun and dropped, or not ended yet."""
        for reader in list(self._group_readers):
            await reader.leave()

    async def changes_position(self, entity: type[Entity] | str, /) -> str:
        """A cursor for "list, then follow": the changes after it are those that a listing begun now may not have seen."""
        feed = await self._feed(entity)
        return feed.write(await feed.ends())

    async def changes_groups(self, entity: type[Entity] | str | None = None, /) -> list[ChangesGroup]:
        """The groups that read changes, of one class or name or of all: how many readers each has, and how far it is behind."""
        self._check_open()
        kind = None if entity is None else (await self._feed(entity)).kind
        found = await self._read(lambda: group_progress(self._store))
        return [group for group in found if kind in (None, group.entity)]

    async def delete_changes_group(self, entity: type[Entity] | str, group: str, /) -> bool:
        """Forget a group's position. False if there is none of that name. Raises `InvalidInput` while it has readers."""
        self._check_open()
        kind = canonical_name(entity) if isinstance(entity, str) else self._kind(entity).canonical
        check_group(group)
        dropped = await self._read(lambda: self._store.drop_group(kind, group))
        if dropped is Dropped.READ:
            raise InvalidInput(
                f"group={group!r}", "it has readers; end them first (one that died counts for a while yet)"
            )
        return dropped is Dropped.GONE

    async def mark_change_done(self, entity: type[Entity] | str, group: str, receipt: str, /) -> bool:
        """`change.done()` from elsewhere, by the change's `receipt`: for servers that hand changes on."""
        return await mark_receipt(await self._feed(entity), group, receipt)

    async def entity_position(self, entity_id: EntityId) -> str:
        """`changes_position` for `begin_entity_changes`."""
        feed = await self._feed(entity_id.name, entity_id.key)
        return feed.write(await feed.ends())

    async def keeps_changes(self, entity: type[Entity] | str, /) -> bool:
        """Whether the changes of a class or name can be followed. Raises `UnknownEntity`."""
        return (await self._subject(entity))[3]

    async def _feed(self, entity: Any, key: str | None = None) -> FeedReader:
        name, kind, read, keeps = await self._subject(entity)
        if not keeps:
            raise InvalidInput(
                f"changes of {name}", "it keeps none: write @app.entity(changes=timedelta(…)), and run a worker with it"
            )
        return FeedReader(self._store, self._settings, name, kind, read, self._pause, key)

    async def _subject(self, entity: Any) -> tuple[str, str, Callable[[bytes], Any], bool]:
        """What is followed: its name, its canonical name, how a state is read, and whether it keeps its changes."""
        self._check_open()
        if not isinstance(entity, str):
            known = self._kind(entity)
            return known.name, known.canonical, known.read, known.feed is not None
        kind = canonical_name(entity)
        registered = self._registry.get(kind)
        if registered is None:
            await self._check_name(kind)
        keeps = registered is not None and registered.feed is not None
        if not keeps:
            view = await self._read(self._store.catalogue)
            keeps = any(kind_of_feed(index) == kind for index in view.indexes)
        return entity, kind, unpack, keeps
