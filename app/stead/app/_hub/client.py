"""The asynchronous client of an app, and the way to open one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from types import TracebackType
from typing import Any

from stead.app._tables.answers import answered, check_form, has_sql
from stead.app._tables.files import check_path, write_file
from stead.app._tables.libraries import ArrowTable, arrow
from stead.app._tables.reading import Progress, TableReading
from stead.app._tables.sql import Database
from stead.app._tables.table import Rows, Table
from stead.entities import Entity
from stead.entities.extending import ConditionNode, canonical_name
from stead.orchestrations import OrchestrationClient
from stead.transport import Collected, Store, collect, parse_url

from .definitions import Definitions
from .info import gather_info
from .opening import open_hub, payloads_place


class Client(OrchestrationClient):
    """Talks to the entities and orchestrations of a task hub. Made by `app.connect()`, for one event loop."""

    url = ""
    """Where the store is, without a password."""

    @property
    def store(self) -> Store:
        """The hub's store, for tools that show what is in it."""
        return self._store

    async def info(self) -> dict[str, Any]:
        """The hub at this moment: its server, workers, names and partitions, as `stead info --json` shows them."""
        self._check_open()
        return (await gather_info(self._store, self.url)).as_data()

    async def to_arrow(self, entity: type[Entity] | str, *, progress: Progress | None = None) -> ArrowTable:
        """The entities of a class or name as a table of Apache Arrow, ascending by key: the column `_key`, then one for each
        field. The reference says which type has which column. What cannot be read is left out, and the log names it.

        `progress` is told how many have been read so far, in a thread. Raises `SqlMissing` without the extra `stead[sql]`,
        `UnknownEntity`, `CallTimeout` (`STEAD_SQL_TIMEOUT_MS`), `StoreUnavailable`.
        """
        self._check_open()
        table = await self._table(entity)
        reading = self._reading(progress)

        def work() -> Any:
            batches = list(reading.batches(table))
            return arrow().Table.from_batches(batches, schema=table.schema)

        return await reading.run(work, f"reading all of {table.name}")

    async def export(self, entity: type[Entity] | str, path: str | Path, *, progress: Progress | None = None) -> int:
        """Write that table into a file: `.parquet`, `.csv` or `.jsonl`; gives the number of rows. Memory holds a part of it at a
        time. A file of that name is replaced when the new one is whole.

        Raises what `to_arrow` raises, `InvalidInput` for another name, and `OSError`.
        """
        self._check_open()
        place = Path(path)
        check_path(place)
        table = await self._table(entity)
        reading = self._reading(progress)
        return await reading.run(
            lambda: write_file(place, table, reading.batches(table)), f"writing all of {table.name}"
        )

    async def sql(self, query: str, *, progress: Progress | None = None) -> ArrowTable:
        """The answer to one SELECT over the committed states, by DuckDB, as a table of Apache Arrow:

            await client.sql("select country, count(*), avg(score) from Player group by 1")

        Each kind of entities is a table, as `to_arrow` gives it. Its rows pass through, read when the query runs: they have
        no common moment, and a table named twice is read twice. Nothing can be changed, and no file or address be opened.

        Raises what `to_arrow` raises, and `InvalidInput` for a query that cannot be answered.
        """
        return await self._sql(query, lambda table: table, progress)

    @property
    def has_sql(self) -> bool:
        """Whether the extra `stead[sql]` is installed."""
        return has_sql()

    async def answer_sql(self, query: str, form: str, rows: int) -> bytes:
        """What `sql` gives, for others: as "json", "jsonl", "csv" or "parquet", with so many rows at most."""
        check_form(form)
        answer: bytes = await self._sql(query, lambda table: answered(table, form), None, rows)
        return answer

    async def _sql(
        self, query: str, then: Callable[[Any], Any], progress: Progress | None, rows: int | None = None
    ) -> Any:
        self._check_open()
        tables = [await self._table(name) for name in await self._kinds()]
        reading = self._reading(progress)
        database = Database(tables, reading, self._settings.sql_memory_bytes_max)
        return await reading.run(lambda: then(database.run(query, rows)), "the query", database.interrupt)

    async def collect_payloads(self, *, dry_run: bool = False) -> Collected:
        """Remove large payloads that nothing in the hub names, and that were not touched for `large_payloads_keep_ms`. It reads all that the hub
        holds. `dry_run`: only look. What is stored meanwhile is safe, and so is a second collection at the same time.

        Raises `InvalidInput` if the settings name no place for large payloads, `StoreUnavailable`, and `OSError`.
        """
        self._check_open()
        grace_ms = self._settings.large_payloads_keep_ms
        blobs = payloads_place(self._store)
        return await self._read(lambda: collect(blobs, self._store.values, grace_ms, dry_run=dry_run))

    async def _kinds(self) -> list[str]:
        """The names of all kinds that this program defines, or that workers have published."""
        names = {kind.canonical: kind.name for kind in self._registry.types()}
        for canonical, published in (await self._read(self._store.published)).items():
            if "/" not in canonical:  # the others are no entities
                names.setdefault(canonical, str(published.get("name", canonical)))
        return list(names.values())

    async def _table(self, entity: type[Entity] | str) -> Table:
        arrow()
        if not isinstance(entity, str):
            kind = self._kind(entity)
            return Table(kind.name, kind.canonical, kind)
        canonical = canonical_name(entity)
        known = self._registry.get(canonical)
        if known is None:
            await self._check_name(canonical)
        return Table(entity if known is None else known.name, canonical, known)

    def _reading(self, progress: Progress | None) -> TableReading:
        def pages(prefix: str) -> AsyncIterator[Rows]:
            return self.entity_pages(prefix)

        def narrowed(prefix: str, node: ConditionNode) -> AsyncIterator[Rows]:
            return self._queries.narrowed_pages(prefix, node)

        return TableReading(pages, self._store.left_out, progress, self._settings.sql_timeout_ms / 1000, narrowed)

    async def _close(self) -> None:
        try:
            await super()._close()
        finally:
            await self._store.close()


class Connecting:
    """A client about to be opened.

    `async with app.connect() as client:` closes it at the end of the block. `client = await app.connect()` leaves that
    to you (`await client.aclose()`), for frameworks with a start-up and a shutdown hook.
    """

    def __init__(self, definitions: Definitions, url: str | None) -> None:
        self._definitions = definitions
        self._url = url
        self._client: Client | None = None

    async def _open(self) -> Client:
        of = self._definitions
        store = await open_hub(self._url, of.name, of.settings)
        client = Client(store, of.registry, of.settings, of.orchestrations)
        client.url = parse_url(self._url).public
        return client

    def __await__(self) -> Generator[Any, None, Client]:
        return self._open().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self._open()
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
