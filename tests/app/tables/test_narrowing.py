"""What SQL asks of indexed fields is asked of their indexes, where that is plain; and the answer is the same (HAZARDS 93)."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

from stead.app import App, Settings
from stead.app._tables.narrowing import narrowed
from stead.app._tables.table import Table
from stead.app.testing import TestHub
from stead.entities import ClassEntityType, Entity, Indexed, IndexNotReady, indexed
from stead.entities._client.indexes import KnownIndexes

app = App("narrowing", settings=Settings(partitions=4, slot_groups=2, list_page_length=5))


@app.entity
class Ranked(Entity):
    score: Indexed[int] = indexed(0)
    ratio: Indexed[float | None] = indexed(None)
    name: Indexed[str] = indexed("")
    good: Indexed[bool] = indexed(False)
    note: int = 0

    def put(self, number: int) -> None:
        self.score, self.note = number, number
        self.ratio = None if number % 3 == 0 else number / 2
        self.name, self.good = f"n{number % 10}", number % 7 == 0


class Migrated(Ranked):
    @classmethod
    def migrate(cls, old: dict[str, Any]) -> dict[str, Any]:
        return old


COUNT = 60
# What is asked, and how many entities are read for it at most.
ASKED = [
    ("score >= 50", 10),
    ("score = 3", 1),
    ("Ranked.score = 3 and note = 3", 1),
    ("55 < score", 4),
    ("score between 5 and 9", 5),
    ("score in (3, 5, 900)", 2),
    ("name = 'n3'", 6),
    ("name in ('n3', 'N4') and score > 10", 6),
    ("good = true and score < 58", 9),
    ("ratio < 2.5 and note != 1", 4),
    ("ratio = 2", 1),
    ("score = -1", 0),
    ("SCORE <= 4 and (note > 2 or name = 'n1')", 5),
    # Read whole: it is not plain, or not few.
    ("score >= 3", COUNT),
    ("score = 3 or score = 4", COUNT),
    ("not score = 3", COUNT),
    ("ratio is null", COUNT),
    ("note = 3", COUNT),
    ("score = note", COUNT),
    ("score + 0 = 3", COUNT),
    ("score < 3.5", COUNT),
    ("name like 'n3%'", COUNT),
    ("name > 'n8' and score = 9007199254740993", 6),
]


@pytest.fixture
async def hub() -> Any:
    async with TestHub(app) as found:
        for number in range(COUNT):
            await found.client.call_entity(Ranked.put, f"k{number:02}", number)
        yield found


@pytest.mark.anyio
@pytest.mark.hazard(93)
async def test_what_is_plain_is_asked_of_the_indexes(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, Any] = {}
    for where, most in ASKED:
        read: list[int] = []
        query = f"select * from Ranked where {where} order by _key"
        answers[query] = (await hub.client.sql(query, progress=read.append)).to_pylist()
        assert (read or [0])[-1] == most, where
    grouped = "select name, count(*) n from ranked r where r.score >= 50 group by name order by name"
    answers[grouped] = (await hub.client.sql(grouped)).to_pylist()

    async def never(*_: object) -> None:
        raise IndexNotReady("Ranked", "score", 0, 1)

    monkeypatch.setattr(KnownIndexes, "check", never)  # then all is read
    for query, answer in answers.items():
        assert (await hub.client.sql(query)).to_pylist() == answer, query


@pytest.mark.parametrize(
    "query",
    [
        "select * from Ranked a join Ranked b on a.score = b.note where a.score = 3",
        "select * from Ranked where score = 3 union all select * from Ranked",
        "with Ranked as (select 1 score) select * from Ranked where score = 3",
        "select * from (select * from Ranked) where score = 3",
        "select note as score from Ranked where score = 3",
        "select * from Ranked r(a, b, c) where score = 3",
        "select * from Ranked, range(3) where score = 3",
        "select * from Ranked where score = (select 3)",
        "select * from Ranked where other.score = 3",
        "select * from Ranked where score = '3'",
        "select * from Ranked tablesample 10% where score = 3",
        "select * from Other where score = 3",
        "select * from Migrated where score = 3",
        "select 3",
    ],
)
def test_what_is_not_plain_is_read_whole(query: str) -> None:
    connection: Any = duckdb.connect()
    [(text,)] = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    tables = [Table(cls.__name__, cls.__name__.lower(), ClassEntityType(cls)) for cls in (Ranked, Migrated)]
    assert narrowed(json.loads(text), tables) is None
