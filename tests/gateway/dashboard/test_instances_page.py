"""Instances in the browser: found by text and time, many at once, and one among its parents and children."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from support.gateway_tools import Served

from .conftest import Visitor
from .steps import end, fresh, settled, start, usable

pytestmark = pytest.mark.slow


def begin(served: Served, mark: str, count: int, name: str = "approval") -> None:
    """Start so many, whose IDs begin with a mark."""
    for number in range(count):
        body = {"name": name, "instance_id": f"{mark}-{number:03}"}
        assert served.http.post("/api/v1/instances", json=body).status_code == 202


def links(page: Page, mark: str) -> object:
    return page.get_by_role("link", name=mark)


def test_text_is_searched_for_in_what_instances_say(visitor: Visitor, served: Served) -> None:
    mark = fresh("said")
    end(served, start(served, "failing", f"no {mark}a today"))
    end(served, start(served, "failing", f"no {mark}b today"))
    with visitor.visit("#/instances") as page:
        page.get_by_label("Text").fill(f"NO {mark}A")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("row", name=f"no {mark}a today")).to_have_count(1)
        expect(page.get_by_role("row", name=f"no {mark}b today")).to_have_count(0)
        assert "text=NO" in page.url
        address = page.url
        page.goto("about:blank")
        page.goto(address)
        expect(page.get_by_label("Text")).to_have_value(f"NO {mark}A")
        expect(page.get_by_role("row", name=f"no {mark}a today")).to_have_count(1)


def test_a_time_is_chosen_by_dragging(visitor: Visitor, served: Served) -> None:
    mark = fresh("dragged")
    begin(served, mark, 6)
    shown = served.http.get(f"/api/v1/instance-histogram?prefix={mark}").json()
    assert shown["total"] == 6
    with visitor.visit(f"#/instances?prefix={mark}") as page:
        rows = page.get_by_role("link", name=mark)
        expect(rows).to_have_count(6)
        bars = page.locator(".histogram > svg")
        box = bars.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 2, middle)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 3, middle)
        expect(page.locator(".histogram-chosen")).to_be_visible()
        page.mouse.move(box["x"] + 2, middle)
        page.mouse.up()
        expect(page.get_by_role("button", name="at any time")).to_be_visible()
        assert "created_from=" in page.url
        assert "created_to=" in page.url
        expect(page.get_by_role("link", name=f"{mark}-000")).to_be_visible()
        expect(page.get_by_role("link", name=f"{mark}-005")).to_have_count(0)
        page.get_by_role("button", name="at any time").click()
        expect(rows).to_have_count(6)


def test_a_time_is_chosen_by_keyboard(visitor: Visitor, served: Served) -> None:
    mark = fresh("slid")
    begin(served, mark, 6)
    with visitor.visit(f"#/instances?prefix={mark}") as page:
        rows = page.get_by_role("link", name=mark)
        expect(rows).to_have_count(6)
        page.get_by_label("to", exact=True).focus()
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="at any time")).to_be_visible()
        expect(page.get_by_role("link", name=f"{mark}-000")).to_be_visible()
        expect(page.get_by_role("link", name=f"{mark}-005")).to_have_count(0)


def test_all_that_match_after_a_dry_run(visitor: Visitor, served: Served) -> None:
    mark = fresh("all")
    begin(served, mark, 60)
    with visitor.visit(f"#/instances?prefix={mark}&status=Running") as page:
        expect(page.get_by_role("link", name=mark)).to_have_count(50)  # a page of them
        group = page.get_by_role("group", name="Many at once")
        expect(group).to_contain_text("All that match")
        group.get_by_role("button", name="Suspend").click()
        dialog = page.get_by_role("dialog", name="Suspend")
        expect(dialog).to_contain_text("nothing is done to any of them")
        expect(dialog.get_by_role("button", name="Suspend")).to_have_count(0)
        dialog.get_by_role("button", name="Dry run").click()
        expect(dialog).to_contain_text("60 instances of 60.")
        assert usable(page) == []
        assert served.http.get(f"/api/v1/instance-counts?prefix={mark}&status=Running").json()["total"] == 60
        dialog.get_by_role("button", name="Suspend").click()
        expect(page.locator(".toast")).to_contain_text("suspend: 60 instances")
        expect(page.get_by_text("There is none.")).to_be_visible()
        assert served.http.get(f"/api/v1/instance-counts?prefix={mark}&status=Suspended").json()["total"] == 60


def test_how_far_it_is_and_what_failed(visitor: Visitor, served: Served) -> None:
    mark = fresh("far")
    begin(served, mark, 3)
    with visitor.visit(f"#/instances?prefix={mark}") as page:
        expect(page.get_by_role("link", name=mark)).to_have_count(3)
        page.get_by_role("group", name="Many at once").get_by_role("button", name="Terminate").click()
        dialog = page.get_by_role("dialog", name="Terminate")
        dialog.get_by_role("button", name="Dry run").click()
        expect(dialog).to_contain_text("3 instances of 3")
        answer = {"matched": 3, "done": 1, "passed_over": 1, "failed": {f"{mark}-001": "<b>as asked</b>"}}
        page.route("**/api/v1/instance-bundles", lambda route: route.fulfill(json=answer))
        dialog.get_by_role("button", name="Terminate").click()
        expect(dialog.get_by_role("progressbar")).to_have_attribute("value", "3")
        expect(dialog.get_by_role("status")).to_contain_text("3 of 3, 1 passed over, 1 failed")
        expect(dialog).to_contain_text(f"{mark}-001: <b>as asked</b>")
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_have_count(0)


def test_parents_and_children_are_a_tree(player: Visitor, played: Served) -> None:
    top = fresh("family")
    body = {"name": "family", "instance_id": top, "input": 2}
    assert played.http.post("/api/v1/instances", json=body).status_code == 202
    assert end(played, top)["runtime_status"] == "Completed"
    with player.visit(f"#/instances/{top}") as page:
        tree = page.get_by_role("list", name="Parents and children")
        children = tree.get_by_role("link", name="family")
        expect(children).to_have_count(2)
        expect(tree.locator(".badge")).to_have_text(["Completed"] * 3)
        tree.get_by_role("button", name="Children of").first.click()
        expect(children).to_have_count(4)
        assert usable(page) == []
        children.nth(1).click()  # a grandchild
        expect(page.get_by_role("heading", level=1)).not_to_have_text(top)
        expect(tree.get_by_role("link", name=top, exact=False).first).to_be_visible()
        expect(tree.get_by_role("link")).to_have_count(2)  # its parents
        tree.get_by_role("link", name=top, exact=False).first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(top)


def test_who_may_not_manage_is_offered_nothing_for_many(guest: Visitor) -> None:
    with guest.visit("#/instances", key="signal-key") as page:
        settled(page)
        expect(page.get_by_role("group", name="Many at once")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_can_be_used_by_everybody(dark: bool, visitor: Visitor, served: Served) -> None:
    mark = fresh("used")
    begin(served, mark, 3)
    for size in ((1280, 900), (360, 740)):
        with visitor.visit(f"#/instances?prefix={mark}", dark=dark, size=size) as page:
            expect(page.locator(".histogram > svg")).to_be_visible()
            settled(page)
            assert usable(page) == []
            assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]


def test_why_an_instance_stands_still_and_what_to_do(visitor: Visitor, served: Served) -> None:
    instance_id = start(served, "versioned", version="9.9")
    with visitor.visit(f"#/instances/{instance_id}") as page:
        card = page.locator(".card", has=page.get_by_role("heading", name="Blocked"))
        expect(card).to_contain_text("no orchestration named 'versioned' that may run version '9.9'")
        expect(card).to_contain_text("start workers with code that fits")
        assert usable(page) == []
        page.get_by_role("button", name="Terminate").click()
        page.get_by_role("dialog", name="Terminate").get_by_role("button", name="Terminate").click()
        expect(page.locator(".badge").first).to_have_text("Terminated")
        expect(card).to_have_count(0)
