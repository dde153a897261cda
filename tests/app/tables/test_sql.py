"""SQL says what Python says, and can do nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stead.app import App, Settings
from stead.app._tables.reading import TableReading
from stead.app._tables.sql import Database
from stead.app._tables.table import Rows, Table
from stead.entities import (
    ClassEntityType,
    Entity,
    InvalidInput,
)
from stead.entities.extending import encode_record
from stead.transport import LeftOut
from support.tables_app import hub_of

PA: Any = pyarrow


class Sample(Entity):
    a: int | None = None
    b: float = 0.0
    c: str | None = None
    d: bool = False
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


KIND = ClassEntityType(Sample)
SAMPLES = st.lists(
    st.builds(
        Sample,
        a=st.none() | st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1),
        b=st.integers(-4, 4).map(lambda half: half / 2),
        c=st.none() | st.sampled_from(["", "a", "A", "ä", "a'b", "%"]),
        d=st.booleans(),
        at=st.datetimes(timezones=st.just(UTC)),
    ),
    max_size=30,
)
Test = Callable[[Sample], bool | None]


def sql_and(left: bool | None, right: bool | None) -> bool | None:
    return False if left is False or right is False else None if left is None or right is None else True


def sql_or(left: bool | None, right: bool | None) -> bool | None:
    return True if left is True or right is True else None if left is None or right is None else False


def null_or(value: Any, test: Callable[[Any], bool]) -> bool | None:
    return None if value is None else test(value)


LEAVES: list[tuple[str, Test]] = [
    ("a >= 1", lambda s: null_or(s.a, lambda a: a >= 1)),
    ("a != 2", lambda s: null_or(s.a, lambda a: a != 2)),
    ("a is null", lambda s: s.a is None),
    ("a between -2 and 2", lambda s: null_or(s.a, lambda a: -2 <= a <= 2)),
    ("b < 0.5", lambda s: s.b < 0.5),
    ("c = 'a''b'", lambda s: null_or(s.c, lambda c: c == "a'b")),
    ("c > 'a'", lambda s: null_or(s.c, lambda c: c.encode() > b"a")),
    ("c in ('A', 'ä')", lambda s: null_or(s.c, lambda c: c in ("A", "ä"))),
    ("d", lambda s: s.d),
    ("\"at\" < timestamptz '2000-01-01 00:00:00+00'", lambda s: s.at < datetime(2000, 1, 1, tzinfo=UTC)),
]
Condition = tuple[str, Test]


def joined(of: tuple[Condition, Condition, bool]) -> Condition:
    (left, is_left), (right, is_right), both = of
    join = sql_and if both else sql_or
    return f"({left} {'and' if both else 'or'} {right})", lambda s: join(is_left(s), is_right(s))


def negated(of: Condition) -> Condition:
    text, test = of
    return f"(not {text})", lambda s: null_or(test(s), lambda found: not found)


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.tuples(inner, inner, st.booleans()).map(joined) | inner.map(negated),
    max_leaves=5,
)


def asked(samples: Sequence[Sample], query: str) -> list[dict[str, Any]]:
    """What a query says of entities, through all but the store."""
    records = [(f"@sample@{number:02}", encode_record(KIND.form.pack(one), 0)) for number, one in enumerate(samples)]

    async def pages(_: str) -> AsyncIterator[Rows]:
        for start in range(0, len(records), 7):
            yield records[start : start + 7]

    async def ask() -> Any:
        reading = TableReading(pages, LeftOut(), None, 60)
        database = Database([Table("Sample", "sample", KIND)], reading, 2**28)
        return await reading.run(lambda: database.run(query), "the query")

    found: list[dict[str, Any]] = asyncio.run(ask()).to_pylist()
    return found


@hypothesis_settings(max_examples=40)
@given(SAMPLES, CONDITIONS)
def test_sql_says_what_python_says(samples: list[Sample], condition: Condition) -> None:
    text, test = condition
    chosen = [(f"{number:02}", one) for number, one in enumerate(samples) if test(one)]
    found = asked(samples, f"select * from Sample where {text} order by _key")
    assert found == [{"_key": key, **one.model_dump()} for key, one in chosen]
    groups = asked(
        samples, f"select d, count(*) n, count(a) a, sum(a) s, min(b) b, max(c) c from sample where {text} group by d"
    )
    for row in groups:
        members = [one for _, one in chosen if one.d == row["d"]]
        numbers = [one.a for one in members if one.a is not None]
        texts = [one.c for one in members if one.c is not None]
        assert (row["n"], row["a"], row["s"]) == (len(members), len(numbers), sum(numbers) if numbers else None)
        assert (row["b"], row["c"]) == (min(one.b for one in members), max(texts, key=str.encode, default=None))
    assert sum(row["n"] for row in groups) == len(chosen)


@pytest.mark.hazard(93)
@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from glob('/*')",
        "copy (select 1) to '{place}'",
        "attach '{place}'",
        "export database '{place}'",
        "install httpfs",
        "load httpfs",
        "set threads = 1",
        "pragma enable_profiling",
        "create table a (b int)",
        "select 1; select 2",
        "select 1; copy (select 1) to '{place}'",
        "select * from arrow_scan(1::pointer, 2::pointer, 3::pointer)",
        "with a as (select * from pandas_scan(1::pointer)) select * from a",
        "select (select count(*) from arrow_scan(1::pointer, 2::pointer, 3::pointer))",
        "describe select * from arrow_scan(1::pointer, 2::pointer, 3::pointer)",
        "select * from query('select 1')",
        "select * from secrets_of_this_program",
        "select * from Nothing",
        "selec",
        "",
        "select no_column from Thing",
        "select 'x'::int",
        f"select {'(' * 3_000}1{')' * 3_000}",
    ],
)
async def test_a_query_only_reads_the_hub(query: str, tmp_path: Path) -> None:
    secrets_of_this_program = PA.table({"secret": [1]})
    assert secrets_of_this_program.num_rows == 1
    place = tmp_path / "made.db"
    async with hub_of() as client:
        with pytest.raises(InvalidInput, match="query"):
            await client.sql(query.format(place=place) if "{place}" in query else query)
    assert list(tmp_path.iterdir()) == []


async def test_a_query_has_the_memory_that_it_is_given() -> None:
    small = App("small", settings=Settings(partitions=4, slot_groups=2, sql_memory_bytes_max=16 * 1_048_576))
    async with hub_of(of=small) as client:
        with pytest.raises(InvalidInput, match="Out of Memory"):
            await client.sql("select list(range) from range(100000000)")
