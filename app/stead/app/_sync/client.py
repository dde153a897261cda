"""`SyncClient`: the client of an app without `await`, for Django, Flask and scripts."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, overload

from stead.app._hub.definitions import Definitions
from stead.app._tables.libraries import ArrowTable
from stead.app._tables.reading import Progress
from stead.entities import ChangesGroup, Entity, EntityId, EntityStatus, Query
from stead.transport import Collected, InvalidInput

from .changes import SyncChange, follow
from .orchestrations import SyncOrchestrations, in_chunks
from .portal import Portal
from .producer import SyncProducer, SyncSourceProducer
from .query import SyncQuery
from .schedules import SyncSchedules

if TYPE_CHECKING:
    from stead.app._hub.client import Client

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=Entity)


class SyncClient(SyncOrchestrations):
    """Talks to the entities and orchestrations of a task hub, each method waiting for its result.

        client = app.connect_sync()
        client.signal_entity(Station.record, "oslo", 3.5)

    It may be used from many threads at once, and after a fork. It connects at first use (`with app.connect_sync() as
    client:` connects at once), and is closed by `close`, by the end of the `with` block, or with the interpreter.
    """

    def __init__(self, definitions: Definitions, url: str | None = None) -> None:
        self._portal = Portal(definitions, url)
        self._registry = definitions.registry
        definitions.orchestrations.schedules()  # none may be half made
        self._seconds: float | None = None  # the deadline of each request, None: the default

    def __enter__(self) -> Self:
        self._portal.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def schedules(self) -> SyncSchedules:
        """The hub's schedules: make, see, pause, trigger, delete them."""
        return SyncSchedules(self._portal, self._seconds, self._registry)

    def close(self) -> None:
        """Let go of the connection. Closing twice is closing once."""
        self._portal.close()

    def with_timeout(self, seconds: float | timedelta) -> Self:
        """The same client with a deadline: each of its requests raises `CallTimeout` after so many seconds.

        Producers wait for as long as it takes. It takes the place of the `asyncio.timeout` that one writes around the
        asynchronous client, and of the default for calls (`STEAD_CALL_TIMEOUT_MS`):

            mean = client.with_timeout(5).call_entity(Station.mean, "oslo")
        """
        limit = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        if not 0 < limit < float("inf"):
            raise InvalidInput(f"timeout {seconds!r}", "it is a number of seconds above 0")
        view = copy.copy(self)
        view._seconds = limit
        return view

    @overload
    def signal_entity(
        self, operation: Callable[Concatenate[E, P], object], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...
    @overload
    def signal_entity(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> None: ...
    def signal_entity(self, operation: Any, key: str, /, *args: Any, **kwargs: Any) -> None:
        """Send an operation to an entity. Durable when it returns."""
        self._portal.run(lambda client: client.signal_entity(operation, key, *args, **kwargs), self._seconds)

    @overload
    def call_entity(
        self,
        operation: Callable[Concatenate[E, P], Coroutine[Any, Any, R]],
        key: str,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R: ...
    @overload
    def call_entity(
        self, operation: Callable[Concatenate[E, P], R], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...
    @overload
    def call_entity(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> Any: ...
    def call_entity(self, operation: Any, key: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call an operation and wait for its result; what it raised is raised here as `OperationFailed`."""
        seconds = self._seconds
        if seconds is None:
            return self._portal.run(lambda client: client.call_entity(operation, key, *args, **kwargs))
        return self._portal.run(lambda client: client.call_within(seconds, operation, key, *args, **kwargs))

    @overload
    def read_entity(self, entity: type[E], key: str, /) -> E | None: ...
    @overload
    def read_entity(self, entity: EntityId, /) -> Any: ...
    def read_entity(self, entity: Any, key: Any = None, /) -> Any:
        """The committed state of an entity, without waiting for it; None if it has none."""
        if isinstance(entity, EntityId):
            return self._portal.run(lambda client: client.read_entity(entity), self._seconds)
        return self._portal.run(lambda client: client.read_entity(entity, key), self._seconds)

    def describe_entity(self, entity_id: EntityId) -> EntityStatus | None:
        """What is committed of an entity besides its state too, its reminders above all; None if there is nothing."""
        return self._portal.run(lambda client: client.describe_entity(entity_id), self._seconds)

    @overload
    def list_entities(
        self, entity: type[E], /, *, prefix: str = "", after: str = ""
    ) -> Iterator[tuple[EntityId, E]]: ...
    @overload
    def list_entities(self, entity: str, /, *, prefix: str = "", after: str = "") -> Iterator[tuple[EntityId, Any]]: ...
    def list_entities(self, entity: Any, /, *, prefix: str = "", after: str = "") -> Iterator[tuple[EntityId, Any]]:
        """The entities of a kind that have a state, by key, each with its state."""

        async def begin(client: Client) -> AsyncIterator[tuple[EntityId, Any]]:
            return client.list_entities(entity, prefix=prefix, after=after)

        yield from in_chunks(self._portal, self._portal.run(begin, self._seconds), self._seconds)

    @overload
    def query(self, entity: type[E], /) -> SyncQuery[E]: ...
    @overload
    def query(self, entity: str, /) -> SyncQuery[Any]: ...
    def query(self, entity: Any, /) -> SyncQuery[Any]:
        """A query over the entities of a class or name: `client.query(Player).where(Player.score >= 100)`."""

        async def begin(client: Client) -> Query[Any]:
            return client.query(entity)

        return SyncQuery(self._portal, self._portal.run(begin, self._seconds), self._seconds)

    @overload
    def changes(
        self, entity: type[E], /, *, after: str | None = None, group: str | None = None, start: str | None = None
    ) -> Iterator[SyncChange[E]]: ...
    @overload
    def changes(
        self, entity: str, /, *, after: str | None = None, group: str | None = None, start: str | None = None
    ) -> Iterator[SyncChange[Any]]: ...
    def changes(
        self, entity: Any, /, *, after: str | None = None, group: str | None = None, start: str | None = None
    ) -> Iterator[SyncChange[Any]]:
        """What changes of the entities of a class or name that keeps its changes, on and on; waits for the next one as long as it
        takes. With a `group` the hub keeps the position: `change.done()`."""
        return follow(
            self._portal,
            lambda client: client.changes(entity, after=after, group=group, start=start),
            self._seconds,
        )

    def changes_position(self, entity: type[Entity] | str, /) -> str:
        """A cursor for "list, then follow"."""
        return self._portal.run(lambda client: client.changes_position(entity), self._seconds)

    def changes_groups(self, entity: type[Entity] | str | None = None, /) -> list[ChangesGroup]:
        """The groups that read changes, of one class or name or of all."""
        return self._portal.run(lambda client: client.changes_groups(entity), self._seconds)

    def delete_changes_group(self, entity: type[Entity] | str, group: str, /) -> bool:
        """Forget a group's position. False if there is none of that name."""
        return self._portal.run(lambda client: client.delete_changes_group(entity, group), self._seconds)

    def to_arrow(self, entity: type[Entity] | str, *, progress: Progress | None = None) -> ArrowTable:
        """The entities of a class or name as a table of Apache Arrow."""
        return self._portal.run(lambda client: client.to_arrow(entity, progress=progress), self._seconds)

    def export(self, entity: type[Entity] | str, path: str | Path, *, progress: Progress | None = None) -> int:
        """Write that table into a file: `.parquet`, `.csv` or `.jsonl`; gives the number of rows."""
        return self._portal.run(lambda client: client.export(entity, path, progress=progress), self._seconds)

    def sql(self, query: str, *, progress: Progress | None = None) -> ArrowTable:
        """The answer to one SELECT over the committed states, by DuckDB, as a table of Apache Arrow."""
        return self._portal.run(lambda client: client.sql(query, progress=progress), self._seconds)

    def collect_payloads(self, *, dry_run: bool = False) -> Collected:
        """Remove large payloads that nothing in the hub names, and that were not touched for `large_payloads_keep_ms`."""
        return self._portal.run(lambda client: client.collect_payloads(dry_run=dry_run), self._seconds)

    def after(self, delay: timedelta) -> SyncScheduled:
        """A sender of signals that are carried out so long after they were accepted."""
        return SyncScheduled(self._portal, self._seconds, delay)

    def at(self, due: datetime) -> SyncScheduled:
        """A sender of signals that are carried out at an instant."""
        return SyncScheduled(self._portal, self._seconds, due)

    @overload
    def producer(self, source: None = None) -> SyncProducer: ...
    @overload
    def producer(self, source: str) -> SyncSourceProducer: ...
    def producer(self, source: str | None = None) -> SyncProducer | SyncSourceProducer:
        """A producer of many signals: pipelined, in order, waiting when too much is under way.

            with client.producer() as producer:
                for key, celsius in readings:
                    producer.signal(Station.record, key, celsius)
            # all are durable

        With `source` it is the producer of an at-least-once source, and has `signal_once`.
        """
        return SyncProducer(self._portal) if source is None else SyncSourceProducer(self._portal, source)


class SyncScheduled:
    """Sends signals that are delivered later."""

    def __init__(self, portal: Portal, seconds: float | None, when: timedelta | datetime) -> None:
        self._portal = portal
        self._seconds = seconds
        self._when = when

    @overload
    def signal_entity(
        self, operation: Callable[Concatenate[E, P], object], key: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> None: ...
    @overload
    def signal_entity(self, entity_id: EntityId, operation: str, /, *args: Any, **kwargs: Any) -> None: ...
    def signal_entity(self, operation: Any, key: str, /, *args: Any, **kwargs: Any) -> None:
        """Send an operation to an entity, to be delivered later. Durable when it returns."""
        when = self._when

        async def work(client: Client) -> None:
            sender = client.after(when) if isinstance(when, timedelta) else client.at(when)
            await sender.signal_entity(operation, key, *args, **kwargs)

        self._portal.run(work, self._seconds)
