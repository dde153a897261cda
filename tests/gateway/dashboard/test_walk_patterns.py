"""A walk through the patterns in the dashboard: each is started by its form, sent on, changed and ended by clicking."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from support.walking import Walked

from .conftest import Visitor
from .steps import connected, fresh, usable
from .walk_steps import begin, card, confirm, field, go, status, titled

pytestmark = pytest.mark.slow


def test_an_approval_is_begun_by_its_form_and_sent_on_by_its_event(walker: Visitor) -> None:
    first = fresh("expense")
    with walker.visit() as page:
        begin(page, "approval", {"amount": "12", "what": "train"}, first)
        status(page, "Running")
        waits = card(page, "Waits for")
        expect(waits).to_contain_text("event ApprovalEvent")
        assert usable(page) == []
        waits.get_by_role("button", name="Raise ApprovalEvent…").click()
        dialog = page.get_by_role("dialog", name="Raise ApprovalEvent")
        dialog.get_by_label("Data").select_option("true")
        dialog.get_by_role("button", name="Raise ApprovalEvent").click()
        status(page, "Completed")
        expect(card(page, "Output")).to_contain_text('"paid"')
        expect(page.locator("svg.gantt .bar")).to_have_count(4)  # a timer, an event, two activities
        page.get_by_role("tab", name="History").click()
        expect(page.get_by_role("row", name="EventRaised")).to_contain_text("ApprovalEvent")
        page.get_by_role("tab", name="Sequence").click()
        page.get_by_role("button", name="Copy as Mermaid").click()
        expect(page.locator(".toast")).to_contain_text("clipboard")
        confirm(page, "Restart")
        status(page, "Running")
        expect(page.get_by_role("heading", level=1)).not_to_have_text(first)
        expect(card(page, "Input")).to_contain_text('"train"')
        confirm(page, "Suspend")
        status(page, "Suspended")
        confirm(page, "Resume")
        status(page, "Running")
        confirm(page, "Cancel")
        status(page, "Canceled")
        confirm(page, "Purge")
        expect(page.get_by_text("It has been purged.")).to_be_visible()


def test_a_counter_takes_one_event_after_the_other(walker: Visitor) -> None:
    name = fresh("count")
    with walker.visit() as page:
        begin(page, "counter", {"Input": "3"}, name)
        for total in (5, 7):
            page.get_by_role("button", name="Raise add…").click()
            dialog = page.get_by_role("dialog", name="Raise add")
            dialog.get_by_label("Data").fill("2")
            dialog.get_by_role("button", name="Raise add").click()
            expect(card(page, "Custom status").locator(".tree-value")).to_have_text(str(total))
        page.get_by_role("button", name="Raise event…").click()  # by its name, as any event
        dialog = page.get_by_role("dialog", name="Raise event")
        dialog.get_by_label("Event").fill("stop")
        dialog.get_by_role("button", name="Raise event").click()
        status(page, "Completed")
        expect(card(page, "Output")).to_contain_text("7")


def test_a_trip_that_is_too_dear_is_undone_and_one_that_fails_is_rewound(walker: Visitor) -> None:
    with walker.visit() as page:
        begin(page, "book", {"city": "Oslo", "nights": "2", "budget": "500"}, fresh("dear"))
        status(page, "Completed")
        expect(card(page, "Output")).to_contain_text('"540 is more than 500"')
        page.get_by_role("tab", name="Sequence").click()
        expect(page.locator("svg.sequence")).to_contain_text("cancel_hotel")
        begin(page, "most_frequent", {"Input": "[]"}, fresh("wordless"))
        status(page, "Failed")
        expect(card(page, "Failure").locator("pre")).to_contain_text("fan_out.py")
        confirm(page, "Rewind")
        expect(page.locator(".toast")).to_contain_text("rewind: accepted")
        go(page, "Instances")
        page.get_by_label("Status").select_option("Failed")
        expect(page.get_by_role("row", name="most_frequent")).not_to_have_count(0)


def test_a_transfer_leads_to_the_accounts_that_it_locked(walker: Visitor, walked: Walked) -> None:
    with walker.visit() as page:
        begin(page, "transfer", {"source": "ann", "destination": "bob", "amount": "1"}, fresh("transfer"))
        status(page, "Completed")
        card(page, "Relatives").get_by_role("link", name="@account@ann").click()
        titled(page, "account / ann")
        expect(field(page, "balance")).to_have_text(str(walked.state("Account", "ann")["balance"]))


def test_a_shelf_starts_an_instance_that_is_found_by_its_text(walker: Visitor) -> None:
    with walker.visit() as page:
        go(page, "Entities")
        page.get_by_role("link", name="Shelf", exact=True).click()
        page.get_by_label("Go to a key").fill("umbrellas")
        page.get_by_role("button", name="Open").click()
        page.get_by_label("Operation").select_option("sell")
        page.get_by_label("count").fill("120")
        page.get_by_role("button", name="Call").click()
        expect(field(page, "covered")).to_have_text("120")
        go(page, "Instances")
        page.get_by_label("Text").fill("order of 120 umbrellas")
        page.get_by_role("button", name="Search").click()
        page.locator("tbody").get_by_role("link").click()
        status(page, "Completed")
        expect(card(page, "Status")).to_contain_text("restock")


def test_many_are_watched_suspended_and_ended_at_once(walker: Visitor, walked: Walked) -> None:
    ids = [walked.start("watch", fresh("watching"), {"job": "x"}) for _ in range(3)]
    with walker.visit() as page:
        go(page, "Instances")
        page.get_by_label("IDs that begin with").fill("watching-")
        expect(page.locator("tbody tr")).to_have_count(len(ids))
        page.get_by_label("Choose all on this page").check()
        confirm(page, "Suspend")
        expect(page.locator("tbody .badge", has_text="Suspended")).to_have_count(3)
        page.get_by_role("button", name="Terminate").click()
        dialog = page.get_by_role("dialog", name="Terminate")
        dialog.get_by_role("button", name="Dry run").click()
        expect(dialog).to_contain_text("3 instances of 3")
        dialog.get_by_role("button", name="Terminate").click()
        expect(page.locator("tbody .badge", has_text="Terminated")).to_have_count(3)
        page.get_by_role("button", name="Purge").click()
        dialog = page.get_by_role("dialog", name="Purge")
        dialog.get_by_role("button", name="Dry run").click()
        dialog.get_by_role("button", name="Purge").click()
        expect(page.get_by_text("There is none.")).to_be_visible()


def test_an_instance_is_sent_on_by_keyboard_alone(walker: Visitor, walked: Walked) -> None:
    name = walked.start("approval", fresh("keyed"), {"amount": 3})
    with walker.visit() as page:
        connected(page)

        def reach(wanted: Locator) -> None:
            expect(wanted).to_be_visible()
            for _ in range(120):
                if wanted.evaluate("one => one === document.activeElement"):
                    return
                page.keyboard.press("Tab")
            raise AssertionError(f"{wanted} is not reached by Tab")

        reach(page.get_by_role("navigation").get_by_role("link", name="Instances"))
        page.keyboard.press("Enter")
        reach(page.get_by_role("link", name=name))
        page.keyboard.press("Enter")
        reach(page.get_by_role("button", name="Raise ApprovalEvent…"))
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Raise ApprovalEvent")
        reach(dialog.get_by_label("Data"))
        page.keyboard.press("ArrowDown")
        reach(dialog.get_by_role("button", name="Raise ApprovalEvent"))
        page.keyboard.press("Enter")
        status(page, "Completed")
        expect(card(page, "Output")).to_contain_text('"paid"')
