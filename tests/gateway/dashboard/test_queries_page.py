"""Queries in the browser: by conditions and by SQL, counted, paged, saved, stopped, and why one cannot be answered."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from support.gateway_tools import Served, serve
from support.v1_gateway import eventually
from support.valkey_server import ValkeyServer

from .conftest import Visitor
from .hub_app import make_hub_app
from .steps import usable

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def queried(module_server: ValkeyServer) -> Iterator[Served]:
    """A hub with sixty players, of two countries."""
    with serve(make_hub_app(), module_server.url) as running:
        lines = [
            json.dumps(
                {"entity": "Player", "key": f"p{n:02}", "operation": "win", "args": [n, "NO" if n % 2 else "SE"]}
            )
            for n in range(60)
        ]
        assert running.http.post("/api/v1/signals", content="\n".join(lines)).json()["accepted"] == 60
        eventually(lambda: running.http.get("/api/v1/entity-counts/Player").json().get("count") == 60 or None)
        yield running


@pytest.fixture
def asker(browser: Browser, queried: Served) -> Iterator[Visitor]:
    one = Visitor(browser, queried)
    yield one
    assert one.faults == []


def saved(page: Page, name: str, folder: Path) -> str:
    with page.expect_download() as begun:
        page.get_by_role("button", name=name).click()
    begun.value.save_as(folder / "file")
    return (folder / "file").read_text()


def test_conditions_are_counted_ordered_paged_and_saved(asker: Visitor, tmp_path: Path) -> None:
    with asker.visit("#/queries") as page:
        expect(page.get_by_label("Kind")).to_have_value("player")
        expect(page.get_by_text("Fields to ask by: country (str), score (int)")).to_be_visible()
        page.get_by_label("Order").select_option("-score")
        page.get_by_role("button", name="Find").click()
        rows = page.locator("tbody tr")
        expect(page.get_by_text("60 entities match")).to_be_visible()
        expect(rows).to_have_count(50)
        expect(rows.first).to_contain_text("p59")
        page.get_by_role("button", name="Next").click()
        expect(rows).to_have_count(10)
        page.get_by_role("button", name="Previous").click()
        expect(rows).to_have_count(50)
        page.get_by_label("Conditions").fill("score>=50 country=NO")
        page.get_by_label("Conditions").press("Enter")
        expect(page.get_by_text("5 entities match")).to_be_visible()
        expect(rows).to_have_count(5)
        found = list(csv.DictReader(saved(page, "Save as CSV", tmp_path).splitlines()))
        assert (len(found), found[0]["key"], found[0]["score"], found[0]["country"]) == (5, "p59", "59", "NO")
        rest = json.loads(saved(page, "Save as JSON", tmp_path))
        assert rest[4] == {"key": "p51", "score": 51, "country": "NO"}
        address = page.url
        page.goto("about:blank")
        page.goto(address)
        expect(page.get_by_text("5 entities match")).to_be_visible()
        page.get_by_role("link", name="p59").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("player / p59")


@pytest.mark.parametrize(("where", "fault"), [("score>", "write FIELD"), ("games=1", "it has: country, score")])
def test_what_is_no_condition_is_said(where: str, fault: str, asker: Visitor) -> None:
    with asker.visit("#/queries") as page:
        page.get_by_label("Conditions").fill(where)
        page.get_by_role("button", name="Find").click()
        expect(page.get_by_role("alert")).to_contain_text(fault)
    asker.faults = [each for each in asker.faults if " 400 " not in each]


def test_an_index_that_is_not_ready_says_how_far_it_is(asker: Visitor) -> None:
    detail = "the index of Player.score is being built: it is ready in 1 of 4 partitions"
    problem = {"type": "urn:stead-error:index-not-ready", "title": "Index not ready", "status": 503, "detail": detail}
    with asker.visit("#/queries") as page:
        page.route("**/api/v1/entities/player?*", lambda route: route.fulfill(status=503, json=problem))
        page.get_by_label("Conditions").fill("score>=1")
        page.get_by_role("button", name="Find").click()
        expect(page.get_by_role("alert")).to_contain_text(detail)
    asker.faults = [each for each in asker.faults if " 503 " not in each]


def test_sql_is_answered_saved_and_its_faults_are_said(asker: Visitor, tmp_path: Path) -> None:
    with asker.visit("#/queries") as page:
        page.get_by_role("tab", name="SQL").click()
        box = page.get_by_label("One SELECT")
        box.fill("select country, count(*) as n, null as x from Player group by 1 order by 1")
        page.get_by_role("button", name="Run").click()
        table = page.get_by_role("region", name="Answer")
        expect(table.get_by_role("columnheader")).to_have_text(["country", "n", "x"])
        expect(table.get_by_role("row", name="NO 30 null")).to_be_visible()
        assert usable(page) == []
        assert saved(page, "Save as CSV", tmp_path) == "country,n,x\nNO,30,\nSE,30,\n"
        assert json.loads(saved(page, "Save as JSON", tmp_path).splitlines()[0]) == {
            "country": "NO",
            "n": 30,
            "x": None,
        }
        with page.expect_download() as begun:
            page.get_by_role("button", name="Save as Parquet").click()
        begun.value.save_as(tmp_path / "file.parquet")
        assert (tmp_path / "file.parquet").read_bytes()[:4] == b"PAR1"
        assert "sql=select" in page.url
        box.fill("select <b> from nowhere")
        page.get_by_role("button", name="Run").click()
        expect(page.get_by_role("alert")).to_contain_text("syntax error")
    asker.faults = [each for each in asker.faults if " 400 " not in each]


def test_a_query_is_stopped(asker: Visitor, queried: Served) -> None:
    with asker.visit(
        "#/queries?view=SQL&sql=select%20count(*)%20from%20range(100000000000)%20a%2C%20range(1000)%20b"
    ) as page:
        page.get_by_role("button", name="Run").click()
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("alert")).to_contain_text("It was stopped.")
        eventually(lambda: queried.http.post("/api/v1/sql", json={"query": "select 1"}).is_success or None)


def test_without_sql_it_is_said_how_to_get_it(asker: Visitor) -> None:
    access = {"hub": "x", "rights": ["read"], "keys": False, "sql": False}
    with asker.visit("about:blank") as page:
        page.route("**/api/v1/access", lambda route: route.fulfill(json=access))
        page.goto(f"{asker.url}/#/queries?view=SQL")
        expect(page.get_by_text("pip install 'stead[sql]'")).to_be_visible()
        expect(page.get_by_role("button", name="Run")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_can_be_used_by_everybody(dark: bool, asker: Visitor) -> None:
    for size in ((1280, 900), (360, 740)):
        with asker.visit("#/queries?kind=player&where=score%3E5&order=-score&asked=1", dark=dark, size=size) as page:
            expect(page.get_by_text("54 entities match")).to_be_visible()
            expect(page.get_by_text("Asking", exact=False)).to_have_count(0)
            assert usable(page) == []
            assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]
            page.get_by_role("tab", name="SQL").click()
            expect(page.get_by_label("One SELECT")).to_be_visible()
            assert usable(page) == []
            assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]
