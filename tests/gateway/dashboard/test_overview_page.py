"""The overview in the browser: what is wrong and what to do, how often and how long, what is hottest."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from support.gateway_tools import Served, serve
from support.valkey_server import ValkeyServer

from .conftest import Visitor
from .hub_app import make_hub_app
from .steps import die, end, fresh, operate, start, usable

pytestmark = pytest.mark.slow


def test_what_is_wrong_is_said_with_what_to_do(visitor: Visitor, served: Served) -> None:
    blocked = start(served, "versioned", version="9.9")
    die(served, fresh("wrong"))
    with visitor.visit() as page:
        verdict = page.locator(".verdict")
        expect(verdict.get_by_role("heading")).to_contain_text("to look at")
        answer = served.http.get("/api/v1/doctor").json()
        for finding in answer["findings"]:
            if finding["check"] in ("blocked", "dead_letters"):
                expect(verdict).to_contain_text(finding["advice"])
        expect(verdict).to_contain_text("waits for other code: no orchestration named 'versioned'")
        expect(verdict).to_contain_text("1 dead letter, the last one died")
        verdict.get_by_role("link", name=blocked).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(blocked)
        page.go_back()
        verdict.get_by_role("link", name="dead letters").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Dead letters")


def test_a_hub_without_a_worker_says_so(browser: Browser, module_server: ValkeyServer) -> None:
    with serve(make_hub_app(), module_server.url, worker=False) as idle:
        one = Visitor(browser, idle)
        with one.visit() as page:
            verdict = page.locator(".verdict")
            expect(verdict).to_contain_text("no worker runs")
            expect(verdict).to_contain_text("start one: stead worker")
            expect(page.get_by_role("heading", name="Operations")).to_have_count(0)
        assert one.faults == []


def test_rates_latencies_and_what_is_hottest(visitor: Visitor, served: Served) -> None:
    key = fresh("hot")
    for _ in range(20):
        operate(served, key, "record", 1.0)
    end(served, start(served, "hello"))
    end(served, start(served, "failing", "x"))
    with visitor.visit() as page:
        operations = page.locator(".card", has=page.get_by_role("heading", name="Operations"))
        row = operations.get_by_role("row", name="record")
        expect(row.get_by_role("img")).to_have_count(2)  # how often, and how long
        expect(row.locator("path").first).to_have_attribute("d", re.compile("^M.*L"))
        activities = page.locator(".card", has=page.get_by_role("heading", name="Activities"))
        expect(activities).to_contain_text("say_hello")
        orchestrations = page.locator(".card", has=page.get_by_role("heading", name="Orchestrations"))
        expect(orchestrations).to_contain_text("failing: Failed")
        expect(orchestrations.get_by_role("row", name="hello: Completed")).to_be_visible()
        hottest = page.locator(".card", has=page.get_by_role("heading", name="Hottest"))
        hottest.get_by_role("link", name=f"@{key}").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"station / {key}")
        expect(page.locator(".tree-leaf", has_text="total")).to_contain_text("20")


def test_a_schedule_among_the_hottest_has_its_own_page(visitor: Visitor, served: Served) -> None:
    name = fresh("hourly")
    body = {"cron": "0 3 1 1 *", "start_new": {"name": "hello"}}
    assert served.http.put(f"/api/v1/schedules/{name}", json=body).status_code == 200
    for _ in range(5):
        served.http.post(f"/api/v1/schedules/{name}/trigger")
    with visitor.visit() as page:
        row = page.get_by_role("row", name="(schedule).trigger")
        expect(row.get_by_role("link")).to_have_attribute("href", "#/schedules")  # it is none of the user's kinds
        page.get_by_role("link", name=f"(schedule)@{name}").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.get_by_role("heading", name="Next times")).to_be_visible()


def test_what_happens_is_counted_while_one_looks(visitor: Visitor, served: Served) -> None:
    key = fresh("counted")
    with visitor.visit() as page:
        expect(page.locator(".verdict")).not_to_contain_text("Asking")
        for _ in range(7):
            operate(served, key, "keep", "")
        row = page.get_by_role("row", name="keep")
        expect(row.get_by_role("cell", name="7", exact=True)).to_be_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_overview_can_be_used_by_everybody(dark: bool, visitor: Visitor, served: Served) -> None:
    operate(served, fresh("seen"), "record", 1.0)
    end(served, start(served, "hello"))
    for size in ((1280, 900), (360, 740)):
        with visitor.visit(dark=dark, size=size) as page:
            expect(page.locator(".verdict")).not_to_contain_text("Asking")
            expect(page.locator("svg.line").first).to_be_visible()
            expect(page.get_by_role("heading", name="Hottest")).to_be_visible()
            assert usable(page) == []
            assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]
