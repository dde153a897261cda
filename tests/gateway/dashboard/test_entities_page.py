"""Entities in the browser: found by what is in them, and what one is doing."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from support.gateway_tools import Served

from .conftest import Visitor
from .hub_app import RELEASED
from .steps import connected, fresh, operate, settled, usable

pytestmark = pytest.mark.slow


def do(served: Served, key: str, operation: str, *args: object, wait: bool = True) -> None:
    """Call or signal an operation of a player."""
    answer = served.http.post(
        f"/api/v1/entities/Player/{key}/{operation}", params={"wait": wait}, json={"args": list(args)}
    )
    assert answer.is_success, answer.text


@pytest.fixture(scope="module")
def players(played: Served) -> None:
    """Sixty of them, of two countries."""
    for number in range(60):
        do(played, f"p{number:02}", "win", number, "NO" if number % 2 else "SE")


def keys(page: Page) -> list[str]:
    """Those in the table, in its order."""
    return page.locator("tbody td:first-child").all_inner_texts()


@pytest.mark.usefixtures("players")
def test_entities_are_found_by_conditions_in_an_order(player: Visitor) -> None:
    with player.visit("#/entities/Player") as page:
        page.get_by_label("Conditions").fill("score>=50 country=NO")
        page.get_by_label("Order").select_option("-score")
        page.get_by_role("button", name="Find").click()
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(5)
        assert keys(page) == ["p59", "p57", "p55", "p53", "p51"]
        address = page.url
        page.get_by_label("Order").select_option("score")
        page.get_by_role("button", name="Find").click()
        expect(rows.first).to_contain_text("p51")
        page.goto(address)
        expect(rows.first).to_contain_text("p59")
        expect(page.get_by_label("Conditions")).to_have_value("score>=50 country=NO")
        page.get_by_label("Keys that begin with").fill("p0")
        expect(rows).to_have_count(10)
        expect(page.get_by_label("Conditions")).to_have_value("")


@pytest.mark.usefixtures("players")
def test_so_many_in_a_page_and_the_next(player: Visitor) -> None:
    with player.visit("#/entities/Player") as page:
        rows = page.locator("tbody tr")
        page.get_by_label("Order").select_option("-score")
        page.get_by_role("button", name="Find").click()
        expect(rows.first).to_contain_text("p59")
        expect(rows).to_have_count(50)
        page.get_by_role("button", name="Next").click()
        expect(rows).to_have_count(10)
        expect(rows.last).to_contain_text("p00")
        page.get_by_label("Limit").select_option("200")
        page.get_by_role("button", name="Find").click()
        expect(rows).to_have_count(60)


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize(
    ("where", "fault"),
    [("score>", "write FIELD"), ("score>=x", "a whole number"), ("games=1", "it has: country, score")],
)
def test_a_condition_that_is_none_is_said(where: str, fault: str, player: Visitor) -> None:
    with player.visit("#/entities/Player") as page:
        page.get_by_label("Conditions").fill(where)
        page.get_by_label("Conditions").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text(fault)
        expect(page.get_by_label("Conditions")).to_have_value(where)
    player.faults = [fault for fault in player.faults if " 400 " not in fault]


@pytest.mark.usefixtures("players")
def test_how_many_there_are_of_a_kind_and_how_its_operations_went(player: Visitor, played: Served) -> None:
    played.http.post("/api/v1/entities/Player/p00/no_such", json={"args": []})
    with player.visit("#/entities") as page:
        row = page.get_by_role("row", name="Player")
        expect(row.get_by_role("cell").nth(2)).not_to_have_text("0")  # operations in the last hour
        assert int(row.get_by_role("cell").nth(1).inner_text()) >= 60
        row.get_by_role("link").click()
        page.get_by_role("link", name="p01").click()
        card = page.locator(".card", has=page.get_by_role("heading", name="Operations of Player"))
        expect(card.get_by_role("row", name="win")).to_be_visible()
        expect(page.get_by_label("Operation")).to_have_count(1)  # the field: what was measured has another name


def test_a_kind_without_indexes_is_not_asked_for_conditions(visitor: Visitor) -> None:
    with visitor.visit("#/entities/Station") as page:
        connected(page)  # the hub has said what indexes there are
        settled(page)
        expect(page.get_by_label("Conditions")).to_have_count(0)


def test_what_is_missing_for_conditions_on_a_kind_without_indexes_is_said(visitor: Visitor, served: Served) -> None:
    operate(served, "oslo", "record", 1.0)
    with visitor.visit("#/entities/Station?where=total%3E%3D1") as page:
        card = page.locator(".card", has=page.get_by_role("heading", name="No field of Station is indexed"))
        expect(card.locator("pre")).to_contain_text("total: Indexed[int] = indexed(0)")
        assert usable(page) == []
        card.get_by_role("button", name="Show all of Station").click()
        expect(page.get_by_role("link", name="oslo")).to_be_visible()
        page.goto(f"{visitor.url}/#/queries")
        page.get_by_label("Kind").select_option("station")
        page.get_by_label("Conditions").fill("count=1")
        page.get_by_role("button", name="Find").click()
        expect(card.locator("pre")).to_contain_text("count: Indexed[int] = indexed(0)")
        card.get_by_role("button", name="Show all of Station").click()
        expect(page.get_by_role("link", name="oslo")).to_be_visible()


def test_what_an_entity_is_doing(player: Visitor, played: Served) -> None:
    key = fresh("busy")
    do(played, key, "plan")
    do(played, key, "ponder", wait=False)
    try:
        with player.visit(f"#/entities/Player/{key}") as page:
            card = page.locator(".card", has=page.get_by_role("heading", name="What it is doing"))
            expect(card).to_contain_text("ponder, for")
            expect(card).to_contain_text("party in 2 d")
            do(played, key, "win", 1, "NO", wait=False)
            # What runs is one of them; what waits behind it is parked after a while.
            expect(card).to_contain_text(re.compile("2(, 1 of them parked)?, the oldest came"))
            RELEASED.set()
            expect(card).to_contain_text("nothing")
    finally:
        RELEASED.set()


def test_what_an_entity_did_last_with_durations_and_failures(visitor: Visitor, served: Served) -> None:
    key = fresh("recent")
    operate(served, key, "record", 1.0)
    with visitor.visit(f"#/entities/Station/{key}") as page:
        card = page.locator(".card", has=page.get_by_role("heading", name="Recent operations"))
        expect(card).to_contain_text("Each is listed by itself since")
        expect(card.locator("tbody tr", has_text="record")).to_have_count(1)  # its worker had not forgotten that
        operate(served, key, "nap", 0.02)
        operate(served, key, "fail", "no")
        failed = card.locator("tbody tr", has_text="ValueError")
        expect(failed).to_contain_text("fail")
        expect(card.locator("tbody tr", has_text="nap")).to_contain_text(re.compile(r"\d ms"))
        expect(card.locator("tbody tr").first).to_contain_text("fail")  # the newest
        expect(failed).to_contain_text(re.compile(r"µs|ms"))
        assert usable(page) == []


def test_who_has_locked_an_entity(player: Visitor, played: Served) -> None:
    key, holder = fresh("held"), fresh("holder")
    played.http.post("/api/v1/instances", json={"name": "holds", "instance_id": holder, "input": key})
    with player.visit(f"#/entities/Player/{key}") as page:
        card = page.locator(".card", has=page.get_by_role("heading", name="What it is doing"))
        link = card.get_by_role("link", name=holder)
        expect(link).to_be_visible()
        assert usable(page) == []
        link.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(holder)
        played.http.post(f"/api/v1/instances/{holder}/events/over", json=None)
        expect(page.locator(".badge").first).to_have_text("Completed")
        page.go_back()
        expect(card).to_contain_text("nobody")


@pytest.mark.usefixtures("players")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_of_a_kind_with_indexes_can_be_used_by_everybody(dark: bool, player: Visitor) -> None:
    for size in ((1280, 900), (360, 740)):
        for address in ("#/entities/Player?where=score%3E5&order=-score", "#/entities/Player/p01"):
            with player.visit(address, dark=dark, size=size) as page:
                settled(page)
                expect(page.get_by_text("Asking", exact=False)).to_have_count(0)
                assert (address, usable(page)) == (address, [])
                assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]


def test_what_one_is_doing_is_for_those_who_manage(guest: Visitor, guarded: Served) -> None:
    headers = {"x-functions-key": "manage-key"}
    guarded.http.post("/api/v1/entities/Station/a/record?wait=true", json={"args": [1.0]}, headers=headers)
    for key, there in (("manage-key", 1), ("signal-key", 0)):
        with guest.visit("#/entities/Station/a", key=key) as page:
            expect(page.locator(".tree-leaf", has_text="count")).to_contain_text("1")
            expect(page.get_by_role("heading", name="What it is doing")).to_have_count(there)
