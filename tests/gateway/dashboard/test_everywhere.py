"""What holds on every page: what a key may not do is not offered, what users wrote is text, and all can be reached by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from support.gateway_tools import Served

from .conftest import Visitor
from .steps import die, fresh, operate, settled

pytestmark = pytest.mark.slow

# What only those may do who manage a hub.
ACTS = {
    "Cancel", "Delete", "Drain", "Drop", "Pause", "Purge", "Restart", "Resume", "Rewind", "Send again", "Suspend", "Terminate",
    "Trigger", "Work again",
}  # fmt: skip
MANAGING = {"x-functions-key": "manage-key"}


def offered(page: Page, address: str) -> set[str]:
    """The buttons of a page."""
    page.evaluate("address => { location.hash = address }", address)
    settled(page)
    names: list[str] = page.get_by_role("button").all_inner_texts()
    return {name.rstrip("…").strip() for name in names}


def test_no_page_offers_what_a_key_may_not_do(guest: Visitor, guarded: Served) -> None:
    http = guarded.http
    http.headers.update(MANAGING)
    operate(guarded, "oslo", "record", 1.0)
    letter = die(guarded, fresh("offered"))
    http.post("/api/v1/instances", json={"name": "approval", "instance_id": "offered"})
    assert http.put("/api/v1/schedules/offered", json={"every_ms": 10**9, "start_new": {"name": "hello"}}).is_success
    addresses = [
        "#/", "#/entities", "#/entities/Station", "#/entities/Station/oslo", "#/instances", "#/instances/offered", "#/queries",
        "#/queries?view=SQL", "#/schedules", "#/schedules/offered", "#/dead-letters", f"#/dead-letters/{letter.replace('/', '%2F')}",
        "#/workers",
    ]  # fmt: skip
    seen: dict[str, set[str]] = {}
    for key in ("read-key", "manage-key"):
        with guest.visit(key=key) as page:
            seen[key] = set[str]().union(*(offered(page, address) & ACTS for address in addresses))
    assert seen["read-key"] == set()
    assert seen["manage-key"] >= {
        "Cancel",
        "Drain",
        "Drop",
        "Pause",
        "Purge",
        "Send again",
        "Suspend",
        "Terminate",
        "Trigger",
    }
    refused = {"x-functions-key": "read-key"}
    for method, path in (
        ("POST", "dead-letters/drop"),
        ("POST", "schedules/offered/trigger"),
        ("DELETE", "schedules/offered"),
        ("POST", "instance-bundles"),
        ("POST", "workers/any/drain"),
        ("POST", "entities/Station/oslo/record"),
        ("GET", "entities/Station/oslo/doing"),
    ):
        assert http.request(method, f"/api/v1/{path}", headers=refused, json={}).status_code == 403, path


def test_what_users_wrote_is_text_wherever_it_is_shown(player: Visitor, played: Served) -> None:
    wrote = "<script>alert(1)</script><b>x</b>"
    body = {"args": [7, wrote]}
    assert played.http.post("/api/v1/entities/Player/wrote/win?wait=true", json=body).is_success
    for address in (
        "#/entities/Player/wrote",
        "#/entities/Player?prefix=wrote",
        "#/queries?kind=player&where=score%3D7&asked=1",
    ):
        with player.visit(address) as page:
            expect(page.locator("main").get_by_text("<script>alert(1)</script><b>x</b>").first).to_be_visible()
            expect(page.locator("main script, main b")).to_have_count(0)


@pytest.mark.parametrize("address", ["#/entities/Player/tabbed", "#/queries?view=SQL", "#/dead-letters"])
def test_all_that_can_be_clicked_can_be_reached_by_keyboard(address: str, player: Visitor, played: Served) -> None:
    assert played.http.post("/api/v1/entities/Player/tabbed/win?wait=true", json={"args": [1, "NO"]}).is_success
    with player.visit(address) as page:
        settled(page)
        controls = "main :is(a[href], button:enabled, input:enabled, select:enabled, textarea:enabled)"
        # Of tabs one is reached by Tab, the others from there by arrows.
        wanted = page.locator(f"{controls}:not([role=tab][aria-selected=false])")
        expect(wanted.first).to_be_visible()
        reached: set[str] = set()
        for _ in range(3 * wanted.count() + 60):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("() => document.activeElement.outerHTML"))
        there: list[str] = wanted.evaluate_all(
            "all => all.filter(one => one.checkVisibility()).map(one => one.outerHTML)"
        )
        assert [one for one in there if one not in reached] == []
