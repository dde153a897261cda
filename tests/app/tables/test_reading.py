"""How a reading goes on and ends, and the files that come of one."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pyarrow import parquet

from stead.app._tables.libraries import SqlMissing
from stead.app._tables.reading import TableReading
from stead.app._tables.sql import Database
from stead.app._tables.table import BATCH_ROWS, Rows, Table
from stead.entities import (
    CallTimeout,
    Entity,
    InvalidInput,
    UnknownEntity,
)
from stead.entities.extending import encode_record
from stead.transport import LeftOut, pack_exact
from support.tables_app import Odd, Thing, app, hub_of
from support.user_folder import WorkerThread

PARQUET: Any = parquet


def test_memory_holds_a_batch_at_a_time() -> None:
    record = encode_record(pack_exact({"on": 1}), 0)
    read = 0

    def pages() -> Iterator[Rows]:
        nonlocal read
        for _ in range(1_000):
            read += 500
            yield [("@switch@x", record)] * 500

    batches = Table("Switch", "switch", None).batches(pages(), LeftOut())
    assert next(batches).num_rows < BATCH_ROWS + 500
    assert read < BATCH_ROWS + 500
    large = encode_record(pack_exact("x" * 1_000_000), 0)
    batches = Table("Switch", "switch", None).batches(iter([[("@switch@x", large)]] * 100), LeftOut())
    assert next(batches).num_rows < 20


class Slow:
    """Pages of which the third one never comes."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()
        self.closed = True  # until it is read: on a slow machine time may be up before that

    async def pages(self, _: str) -> AsyncIterator[Rows]:
        self.closed = False
        try:
            for _page in range(2):
                yield [("@switch@x", encode_record(pack_exact(1), 0))]
            self.waits.set()
            await asyncio.Event().wait()
        finally:
            self.closed = True


def sql_over(slow: Slow, seconds: float, query: str = "select * from Switch") -> Any:
    reading = TableReading(slow.pages, LeftOut(), None, seconds)
    database = Database([Table("Switch", "switch", None)], reading, 2**28)
    return reading.run(lambda: database.run(query), "the query", database.interrupt)


async def test_a_reading_that_is_cancelled_leaves_no_thread_and_no_listing() -> None:
    slow = Slow()
    task = asyncio.ensure_future(sql_over(slow, 60))
    await slow.waits.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.closed


async def test_a_reading_has_a_time_out() -> None:
    slow = Slow()
    with pytest.raises(CallTimeout, match="STEAD_SQL_TIMEOUT_MS"):
        await sql_over(slow, 0.2)
    assert slow.closed
    with pytest.raises(CallTimeout):  # and what computes is interrupted
        await sql_over(
            Slow(), 0.2, "select count(*) from range(10000000) a, range(10000000) b where (a.range + b.range) % 7 = 1"
        )


async def test_what_the_store_raises_is_raised() -> None:
    async def pages(_: str) -> AsyncIterator[Rows]:
        yield [("@switch@x", encode_record(pack_exact(1), 0))]
        raise LookupError("the store")

    reading = TableReading(pages, LeftOut(), None, 60)
    database = Database([Table("Switch", "switch", None)], reading, 2**28)
    with pytest.raises(LookupError, match="the store"):
        await reading.run(lambda: database.run("select * from Switch"), "the query", database.interrupt)


async def test_progress_is_told_and_no_more_is_read_than_is_asked_for() -> None:
    seen: list[int] = []
    async with hub_of(*[(Odd.poke, f"{number}") for number in range(30)]) as client:
        assert (await client.to_arrow(Odd, progress=seen.append)).num_rows == 30
        assert seen == sorted(seen) and seen[-1] == 30 and len(seen) >= 30 // 7


@pytest.mark.parametrize("library", ["duckdb", "pyarrow"])
async def test_what_is_not_installed_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    async with hub_of() as client:
        with pytest.raises(SqlMissing, match=rf"{library} .*pip install 'stead\[sql\]'"):
            await client.sql("select 1")


# -- files, and clients without await --------------------------------------------------------------------------------------


async def test_files_hold_the_table(tmp_path: Path) -> None:
    async with hub_of(
        (Thing.put, "a", {"note": 'x,"y"\n', "at": datetime(2026, 1, 1, tzinfo=UTC), "tags": {"t"}}),
        (Thing.put, "b", {"anything": [1]}),
    ) as client:
        table = await client.to_arrow(Thing)
        for suffix in ("parquet", "csv", "jsonl"):
            assert await client.export("thing", tmp_path / f"things.{suffix}") == 2
    assert PARQUET.read_table(tmp_path / "things.parquet").equals(table)
    first, second = map(json.loads, (tmp_path / "things.jsonl").read_text().splitlines())
    assert (first["note"], first["at"], first["tags"], first["spot"]) == (
        'x,"y"\n',
        "2026-01-01T00:00:00Z",
        ["t"],
        {"x": 0},
    )
    assert second["anything"] == [1] and list(first) == table.schema.names
    text = (tmp_path / "things.csv").read_text()
    assert (
        text.startswith("_key,count,")
        and '"x,""y""\n"' in text
        and '"[""t""]"' in text
        and ",2026-01-01T00:00:00Z," in text
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["things.csv", "things.jsonl", "things.parquet"]


async def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "x.jsonl"
    place.write_text("before")
    stop = threading.Event()

    def fail(count: int) -> None:
        stop.set()
        raise OSError("the disk")

    async with hub_of(*[(Odd.poke, f"{number}") for number in range(30)]) as client:
        with pytest.raises(OSError, match="the disk"):
            await client.export(Odd, place, progress=fail)
        assert stop.is_set() and place.read_text() == "before" and list(tmp_path.iterdir()) == [place]
        for wrong in ("x.xls", "x", "nowhere/x.csv"):
            with pytest.raises(InvalidInput, match="file"):
                await client.export(Odd, tmp_path / wrong)


def test_the_client_without_await_over_a_server(server_url: str, tmp_path: Path) -> None:
    thread = WorkerThread(app, server_url)
    with app.connect_sync(server_url) as client:
        for number in range(30):
            client.call_entity(Odd.poke, f"{number}")
        assert client.to_arrow(Odd).num_rows == 30
        assert client.sql('select count(*) n from "odd-names" where name = 1').to_pylist() == [{"n": 30}]
        assert client.export("odd-names", tmp_path / "x.csv") == 30
        with pytest.raises(CallTimeout):
            client.with_timeout(0.2).sql(
                "select count(*) from range(10000000) a, range(10000000) b where (a.range * b.range) % 7 = 1"
            )
    thread.end()


class Unregistered(Entity):
    nothing: ClassVar[int] = 0


async def test_a_class_that_is_no_kind_is_refused() -> None:
    async with hub_of() as client:
        with pytest.raises(UnknownEntity):
            await client.to_arrow(Unregistered)
