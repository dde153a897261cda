"""SQL over HTTP: rows and files, limits, who goes away, and what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import httpx
import pytest

from stead.app import App, Settings
from stead.app._tables.answers import has_sql
from stead.app._tables.libraries import parquet
from stead.entities import Entity, Indexed, indexed
from stead.gateway import HttpSettings
from support.gateway_tools import Served, serve
from support.v1_gateway import eventually
from support.valkey_server import ValkeyServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def asked(module_server: ValkeyServer) -> Iterator[Served]:
    """A hub with forty players."""
    app = App("asked", settings=Settings(partitions=4, slot_groups=2))

    @app.entity
    class Player(Entity):
        score: Indexed[int] = indexed(0)
        country: str = ""

        def set(self, score: int, country: str) -> None:
            self.score, self.country = score, country

    with serve(app, module_server.url, settings=HttpSettings(sql_rows_max=100, sql_running_max=1)) as running:
        lines = [
            json.dumps(
                {"entity": "Player", "key": f"p{n:02}", "operation": "set", "args": [n, "NO" if n % 2 else "SE"]}
            )
            for n in range(40)
        ]
        assert running.http.post("/api/v1/signals", content="\n".join(lines)).json()["accepted"] == 40
        eventually(lambda: running.http.get("/api/v1/entity-counts/Player").json().get("count") == 40 or None)
        yield running


def sql(served: Served, query: str, form: str = "json", **more: object) -> httpx.Response:
    return served.http.post(f"/api/v1/sql?format={form}", json={"query": query, **more})


def test_rows_with_the_names_and_types_of_their_columns(asked: Served) -> None:
    answer = sql(asked, "select country, count(*) as n, sum(score) as s from Player group by 1 order by 1")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [column["name"] for column in found["columns"]] == ["country", "n", "s"]
    assert found["rows"] == [["NO", 20, 400], ["SE", 20, 380]]
    assert found["columns"][0]["type"] == "string"


def test_so_many_rows_in_the_order_asked_for(asked: Served) -> None:
    found = sql(asked, "select _key from Player order by score desc", rows=3).json()
    assert found["rows"] == [["p39"], ["p38"], ["p37"]]
    answer = sql(asked, "select 1", rows=101)
    assert (answer.status_code, "STEAD_HTTP_SQL_ROWS_MAX" in answer.json()["detail"]) == (400, True)


def test_files(asked: Served) -> None:
    query = "select _key, score, null as nothing from Player order by score"
    answer = sql(asked, query, "csv", rows=2)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="answer.csv"' in answer.headers["content-disposition"]
    assert answer.text == "_key,score,nothing\np00,0,\np01,1,\n"
    assert sql(asked, query, "jsonl", rows=1).json() == {"_key": "p00", "score": 0, "nothing": None}
    table = parquet().read_table(io.BytesIO(sql(asked, query, "parquet").content))
    assert table.num_rows == 40
    assert sql(asked, query, "xlsx").status_code == 400


@pytest.mark.hazard(93)
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from nowhere", "nowhere"),
        ("select 1; select 2", "one SELECT"),
        ("copy Player to '/tmp/x.csv'", "one SELECT"),
        ("select * from read_csv('/etc/passwd')", "is no table of this hub"),
        ("select * from '/etc/passwd'", "/etc/passwd"),
        ("", "SELECT"),
    ],
)
def test_what_is_no_query_is_said_and_no_file_is_opened(query: str, said: str, asked: Served) -> None:
    answer = sql(asked, query)
    assert (answer.status_code, said in answer.json()["detail"]) == (400, True), answer.text
    assert "root:" not in answer.text


def test_who_goes_away_ends_the_query_and_no_more_than_so_many_run(asked: Served) -> None:
    forever = "select count(*) from range(100000000000) a, range(1000) b"
    with asked.connect() as sock:
        body = json.dumps({"query": forever}).encode()
        head = f"POST /api/v1/sql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        sock.sendall(head.encode() + body)
        asked.until_busy(running=0, waiting=1)
        refused = sql(asked, "select 1")
        assert (refused.status_code, "retry-after" in refused.headers) == (429, True)
    asked.until_busy(running=0, waiting=0)
    assert sql(asked, "select 1").status_code == 200


def test_without_the_extra_it_is_said_how_to_get_it(asked: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = asked.gateway._hub  # pyright: ignore[reportPrivateUsage]
    assert hub is not None
    assert asked.http.get("/api/v1/access").json()["sql"] is True
    monkeypatch.setattr(hub, "has_sql", False)
    answer = sql(asked, "select 1")
    assert (answer.status_code, "stead[sql]" in answer.json()["detail"]) == (501, True)
    assert asked.http.get("/api/v1/access").json()["sql"] is False


def test_a_count_by_conditions(asked: Served) -> None:
    count = asked.http.get("/api/v1/entity-counts/Player", params={"where": "score>=30"})
    assert count.json() == {"count": 10}
    refused = asked.http.get("/api/v1/entity-counts/Player", params={"where": "country=NO"})
    assert refused.status_code == 400


def test_it_is_for_who_may_read(guarded: Served) -> None:
    assert guarded.http.post("/api/v1/sql", json={"query": "select 1"}).status_code == 401
    answer = guarded.http.post("/api/v1/sql", json={"query": "select 1"}, headers={"x-functions-key": "read-key"})
    assert answer.json()["rows"] == [[1]]


def test_what_is_not_installed_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_sql()
    monkeypatch.setattr("stead.app._tables.answers.find_spec", dict[str, object]().get)
    assert not has_sql()
