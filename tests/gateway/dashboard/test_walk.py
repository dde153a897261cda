"""A walk through the dashboard of the flights and the patterns: a server, two workers and `stead serve`, from the overview on by clicking.

Nobody types an address but the first one, and nothing may be said in the console.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from support.walking import Walked

from .conftest import Visitor
from .steps import connected, fresh, settled, usable
from .walk_steps import card, confirm, field, go, titled

pytestmark = pytest.mark.slow

PHONE = (390, 844)
PAGES = ("Overview", "Entities", "Instances", "Queries", "Dead letters", "Workers")

# -- the overview and the flights --------------------------------------------------------------------------------------


def test_the_overview_goes_on_and_leads_to_what_it_shows(walker: Visitor, walked: Walked) -> None:
    with walker.visit() as page:
        connected(page)
        settled(page)
        row = page.get_by_role("row", name="Route.record")
        counted = row.get_by_role("cell").nth(1)
        before = counted.inner_text()
        walked.fly(30)
        expect(counted).not_to_have_text(before)
        expect(page.locator(".flow-box", has_text="ant-")).to_be_visible()
        expect(page.locator(".flow-box", has_text="bee-")).to_be_visible()
        row.get_by_role("link").click()
        titled(page, "Route")
        go(page, "Overview")
        page.locator(".figure", has_text="instances").click()
        titled(page, "Instances")
        go(page, "Overview")
        page.get_by_role("region", name="Hottest").get_by_role("link", name="@airport@JFK").click()
        titled(page, "airport / JFK")


def test_a_route_changes_while_one_looks_and_is_operated(walker: Visitor, walked: Walked) -> None:
    with walker.visit() as page:
        go(page, "Entities")
        page.get_by_role("link", name="Route", exact=True).click()
        page.get_by_label("Keys that begin with").fill("JFK-")
        expect(page.get_by_role("link", name="LGA-", exact=False)).to_have_count(0)
        page.get_by_role("link", name="JFK-ATL").click()
        titled(page, "Route / JFK-ATL")
        flights = walked.state("Route", "JFK-ATL")["flights"]
        expect(field(page, "flights")).to_have_text(str(flights))
        walked.http.post("/api/v1/entities/Route/JFK-ATL/record", json={"args": [5]})
        expect(field(page, "flights")).to_have_text(str(flights + 1))
        page.get_by_label("Operation").select_option("record")
        page.get_by_label("delay").fill("900")
        page.get_by_role("button", name="Call").click()
        expect(field(page, "flights")).to_have_text(str(flights + 2))
        expect(field(page, "worst")).to_have_text("900")
        page.get_by_label("delay").fill("")  # nothing: it never arrived
        page.get_by_role("button", name="Signal").click()
        expect(field(page, "flights")).to_have_text(str(flights + 3))
        page.get_by_label("Operation").select_option("mean")
        page.get_by_role("button", name="Call").click()
        expect(page.locator(".result .tree-value")).to_have_text(re.compile(r"^[0-9.]+$"))
        expect(card(page, "Recent operations").get_by_role("cell", name="mean")).to_be_visible()
        page.get_by_role("link", name="all of Route").click()
        page.get_by_label("Go to a key").fill("JFK-MOON")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_text("It does not exist")).to_be_visible()
        page.get_by_label("Operation").select_option("record")
        page.get_by_label("delay").fill("1")
        page.get_by_role("button", name="Call").click()
        expect(field(page, "flights")).to_have_text("1")
        confirm(page, "Delete")
        expect(page.get_by_text("It does not exist")).to_be_visible()


def test_an_airport_takes_a_departure(walker: Visitor, walked: Walked) -> None:
    with walker.visit() as page:
        go(page, "Entities")
        page.get_by_role("link", name="Airport", exact=True).click()
        page.get_by_role("link", name="LGA").click()
        counted = field(page, "count").last
        before = walked.state("Airport", "LGA")["delays"]["count"]
        expect(counted).to_have_text(str(before))
        page.get_by_label("item").fill('["2013-07-04T12:00:00+00:00", 12]')
        page.get_by_role("button", name="Call").click()
        expect(counted).to_have_text(str(before + 1))


def test_what_is_asked_of_all_flights(walker: Visitor) -> None:
    with walker.visit() as page:
        go(page, "Queries")
        page.get_by_label("Kind").select_option("carrier")
        page.get_by_role("button", name="Find").click()
        expect(page.get_by_role("link", name="UA", exact=True)).to_be_visible()
        page.get_by_label("Conditions").fill("flights>100")
        page.get_by_role("button", name="Find").click()
        expect(page.get_by_text("flights: Indexed[int] = indexed(0)")).to_be_visible()
        page.get_by_role("tab", name="SQL").click()
        page.get_by_label("One SELECT").fill("select _key, flights from Carrier order by flights desc, _key")
        page.get_by_role("button", name="Run").click()
        expect(page.get_by_role("cell", name="UA", exact=True)).to_be_visible()


# -- what died, when, and by whom --------------------------------------------------------------------------------------


def test_letters_are_sent_again_and_dropped(walker: Visitor, walked: Walked) -> None:
    with walker.visit() as page:
        go(page, "Entities")
        page.get_by_role("link", name="Account", exact=True).click()
        page.get_by_role("link", name="bob").click()
        page.get_by_label("Operation").select_option("withdraw")
        for amount in ("5000", "6000"):
            page.get_by_label("amount").fill(amount)
            page.get_by_role("button", name="Signal").click()
        expect(page.get_by_text("Last error")).to_be_visible()
        go(page, "Dead letters")
        page.get_by_label("Kind").select_option("account")
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(2)
        rows.filter(has_text="[5000]").get_by_role("link").first.click()
        expect(page.locator("pre")).to_contain_text("raise ValueError")
        page.get_by_role("button", name="Send again").click()
        titled(page, "Dead letters")
        page.get_by_label("Kind").select_option("account")
        expect(rows).to_have_count(2)  # it has failed again
        confirm(page, "Drop")
        expect(page.get_by_text("There is none.")).to_be_visible()


def test_a_schedule_is_triggered_paused_resumed_and_deleted(walker: Visitor) -> None:
    with walker.visit() as page:
        go(page, "Schedules")
        page.get_by_role("link", name="nightly").click()
        page.get_by_role("button", name="Trigger").click()
        runs = card(page, "Last runs")
        expect(runs.locator(".badge")).to_have_text("Completed")
        page.get_by_role("button", name="Pause").click()
        expect(card(page, "When").locator(".badge")).to_have_text("paused")
        page.get_by_role("button", name="Resume").click()
        expect(card(page, "When").locator(".badge")).to_have_text("active")
        runs.get_by_role("link").click()
        expect(card(page, "Output")).to_contain_text('"a"')
        page.go_back()
        confirm(page, "Delete")
        titled(page, "Schedules")
        expect(page.get_by_text("There is none.")).to_be_visible()


def test_a_worker_is_drained_and_the_other_takes_its_work(walker: Visitor, walked: Walked) -> None:
    with walker.visit() as page:
        go(page, "Workers")
        ant = page.locator(".card", has=page.get_by_role("heading", name="ant-"))
        ant.get_by_role("button", name="Drain").click()
        page.get_by_role("dialog", name="Drain").get_by_role("button", name="Drain").click()
        row = page.get_by_role("row", name="ant-")
        expect(row.locator(".badge")).to_have_text("drained")
        expect(page.get_by_role("row", name="bee-").get_by_role("cell").nth(3)).to_have_text("16")
        assert walked.end(walked.start("convert_all", fresh("pages"), 2))["runtime_status"] == "Completed"
        ant.get_by_role("button", name="Work again").click()
        expect(row.locator(".badge")).to_have_text("works")
        page.get_by_role("link", name="transfer").first.click()
        titled(page, "Instances")
        expect(page.get_by_label("Orchestration")).to_have_value("transfer")


# -- for everybody -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_each_page_can_be_used_by_everybody(dark: bool, walker: Visitor) -> None:
    with walker.visit(dark=dark) as page:
        for name in PAGES:
            go(page, name)
            assert (name, usable(page)) == (name, [])
        go(page, "Instances")
        page.get_by_role("link", name="trip-0").click()
        for tab in ("Timeline", "History", "Sequence"):
            page.get_by_role("tab", name=tab).click()
            settled(page)
            assert (tab, usable(page)) == (tab, [])


def test_on_a_phone_the_timeline_fits_and_the_sequence_says_that_it_goes_on(walker: Visitor) -> None:
    with walker.visit(size=PHONE) as page:
        for name in PAGES:
            go(page, name)
            assert (name, wide(page)) == (name, PHONE[0])
        go(page, "Instances")
        page.get_by_role("link", name="trip-0").click()
        timeline = page.get_by_role("region", name="Timeline")
        expect(timeline.locator("svg.gantt .bar")).to_have_count(9)
        assert timeline.evaluate("one => one.scrollWidth - one.clientWidth") == 0
        bar = timeline.locator(".bar", has_text="retry of charge").first
        label, rect = bar.locator(".label").bounding_box(), bar.locator("rect").bounding_box()
        assert label is not None and rect is not None
        assert label["y"] + label["height"] <= rect["y"] + 1, "it stands above its bar"
        page.get_by_role("tab", name="Sequence").click()
        hint = page.get_by_text("it scrolls sideways")
        expect(hint).to_be_visible()
        diagram = page.get_by_role("region", name="Sequence diagram")
        expect(page.locator(".scroller.more", has=diagram)).to_be_visible()
        diagram.evaluate("one => one.scrollTo(one.scrollWidth, 0)")
        expect(page.locator(".scroller.more", has=diagram)).to_have_count(0)
        assert wide(page) == PHONE[0]
        page.set_viewport_size({"width": 1600, "height": 900})
        expect(hint).to_have_count(0)


def wide(page: Page) -> int:
    found: int = page.evaluate("() => document.documentElement.scrollWidth")
    return found
