"""Schedules in the browser: listed, shown, paused, resumed, triggered, deleted, each by clicking."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from support.gateway_tools import Served

from .conftest import Visitor
from .steps import connected, fresh, settled, usable

pytestmark = pytest.mark.slow
MANAGE = {"x-functions-key": "manage-key"}


def make(served: Served, headers: dict[str, str] | None = None, **spec: Any) -> str:
    """Make a schedule; gives its name."""
    name = fresh("nightly")
    answer = served.http.put(f"/api/v1/schedules/{name}", json=spec, headers=headers)
    assert answer.status_code == 200, answer.text
    return name


def hello(served: Served, headers: dict[str, str] | None = None) -> str:
    """Make a schedule that does not run by itself while a test looks."""
    return make(
        served, headers, cron="0 3 1 1 *", timezone="Europe/Oslo", start_new={"name": "hello", "input": ["Rome"]}
    )


def test_a_hub_without_schedules_has_no_page_of_them(player: Visitor, played: Served) -> None:
    with player.visit() as page:
        link = page.get_by_role("link", name="Schedules")
        with page.expect_response("**/api/v1/schedules?limit=1"):
            page.reload()
        connected(page)
        expect(link).to_have_count(0)
        name = hello(played)
        expect(link).to_be_visible()
        link.click()
        row = page.get_by_role("row", name=name)
        expect(row).to_contain_text("0 3 1 1 * (Europe/Oslo)")
        expect(row).to_contain_text("start hello")
        row.get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_a_schedule_is_triggered_paused_resumed_and_deleted(visitor: Visitor, served: Served) -> None:
    name = hello(served)
    with visitor.visit(f"#/schedules/{name}") as page:
        times = page.locator(".card", has_text="Next times").locator("li")
        expect(times).to_have_count(5)
        expect(times.first).to_contain_text("-01-01 02:00:00")
        page.get_by_role("button", name="Trigger").click()
        run = page.get_by_role("link", name=f"{name}:")
        expect(run).to_be_visible()
        expect(page.get_by_role("row", name=name).locator(".badge")).to_have_text("Completed")
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("It rests until")).to_be_visible()
        assert served.http.get(f"/api/v1/schedules/{name}").json()["paused"]
        page.get_by_role("button", name="Resume").click()
        expect(times).to_have_count(5)
        assert not served.http.get(f"/api/v1/schedules/{name}").json()["paused"]
        run.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(f"{name}:")
        page.go_back()
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog", name="Delete").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Schedules")
        expect(page.get_by_role("link", name=name)).to_have_count(0)
        assert served.http.get(f"/api/v1/schedules/{name}").status_code == 404


def test_a_schedule_of_signals_has_its_entity(visitor: Visitor, served: Served) -> None:
    key = fresh("a/b")
    signal = {"entity": "Station", "key": key, "operation": "record", "args": [2.0]}
    name = make(served, every_ms=86_400_000, signal_entity=signal)
    with visitor.visit(f"#/schedules/{name}") as page:
        page.get_by_role("button", name="Trigger").click()
        expect(page.locator(".toast")).to_contain_text("The signal is sent")
        page.get_by_role("link", name=f"station / {key}").click()
        expect(page.locator(".tree-leaf", has_text="total")).to_contain_text("2")


def test_a_schedule_that_is_not_there_is_said(visitor: Visitor) -> None:
    with visitor.visit("#/schedules/nowhere") as page:
        expect(page.get_by_role("alert")).to_contain_text("nowhere")
    visitor.faults = [fault for fault in visitor.faults if " 404 " not in fault]


def test_who_may_only_read_is_offered_nothing(guest: Visitor, guarded: Served) -> None:
    name = hello(guarded, MANAGE)
    for key, there in (("read-key", 0), ("signal-key", 0), ("manage-key", 1)):
        with guest.visit(f"#/schedules/{name}", key=key) as page:
            expect(page.get_by_text("0 3 1 1 * (Europe/Oslo)")).to_be_visible()
            for verb in ("Pause", "Trigger", "Delete"):
                expect(page.get_by_role("button", name=verb)).to_have_count(there)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_of_schedules_can_be_used_by_everybody(dark: bool, visitor: Visitor, served: Served) -> None:
    name = hello(served)
    served.http.post(f"/api/v1/schedules/{name}/trigger")
    for size in ((1280, 900), (360, 740)):
        for address in ("#/schedules", f"#/schedules/{name}"):
            with visitor.visit(address, dark=dark, size=size) as page:
                settled(page)
                expect(page.get_by_role("link", name=name).first).to_be_visible()
                assert (address, usable(page)) == (address, [])
                assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]
