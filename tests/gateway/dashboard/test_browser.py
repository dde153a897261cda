"""The dashboard in a real browser over a real hub: every page, every action by clicking, changes seen without reload."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from support.gateway_tools import Served

from .conftest import Visitor
from .steps import die, end, fresh, operate, settled, start, usable

pytestmark = pytest.mark.slow

# -- all pages ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def addresses(served: Served) -> list[str]:
    """One of each page, with something on it."""
    operate(served, "oslo", "record", 3.5)
    done, failed, waiting, blocked = (
        start(served, "hello"),
        start(served, "failing", "<b>no</b>"),
        start(served, "approval", {"n": 1}),
        start(served, "versioned", version="9.9"),
    )
    end(served, done)
    end(served, failed)
    letter = die(served, fresh("broken"))
    return [
        "#/",
        "#/entities",
        "#/entities/Station",
        "#/entities/Station/oslo",
        "#/instances",
        f"#/instances/{done}",
        f"#/instances/{done}?view=History",
        f"#/instances/{done}?view=Sequence",
        f"#/instances/{failed}",
        f"#/instances/{waiting}",
        f"#/instances/{blocked}",
        "#/dead-letters",
        f"#/dead-letters/{letter.replace('/', '%2F')}",
        "#/workers",
        "#/nowhere",
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_can_be_used_by_everybody(dark: bool, visitor: Visitor, addresses: list[str]) -> None:
    """axe finds nothing: names for all controls, contrast, order of headings, regions."""
    with visitor.visit(dark=dark) as page:
        for address in addresses:
            page.evaluate("address => { location.hash = address }", address)
            settled(page)
            assert (address, usable(page)) == (address, [])


def test_no_page_is_wider_than_a_phone(visitor: Visitor, addresses: list[str]) -> None:
    with visitor.visit(size=(360, 740)) as page:
        for address in addresses:
            page.evaluate("address => { location.hash = address }", address)
            settled(page)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 360, address


def test_every_page_has_an_address_that_can_be_shared(visitor: Visitor, addresses: list[str]) -> None:
    for address in addresses:
        with visitor.visit(address) as page:
            settled(page)
            expect(page).not_to_have_title("stead")  # the title follows when the page is drawn


def test_by_keyboard_alone(visitor: Visitor, served: Served) -> None:
    instance_id = start(served, "approval")
    with visitor.visit(f"#/instances?prefix={instance_id}") as page:
        settled(page)
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        link = page.get_by_role("link", name=instance_id)
        for _ in range(60):
            page.keyboard.press("Tab")
            if link.evaluate("one => one === document.activeElement"):
                break
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(instance_id)
        tab = page.get_by_role("tab", name="Timeline")
        tab.focus()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="History")).to_be_focused()
        expect(page.get_by_role("region", name="History")).to_be_visible()


# -- entities ----------------------------------------------------------------------------------------------------------


def test_a_state_changes_while_one_looks(visitor: Visitor, served: Served) -> None:
    key = fresh("live")
    with visitor.visit(f"#/entities/Station/{key}") as page:
        expect(page.get_by_text("It does not exist")).to_be_visible()
        operate(served, key, "record", 4.5)
        expect(page.locator(".tree-leaf", has_text="count")).to_contain_text("1")
        operate(served, key, "record", 4.5)
        expect(page.locator(".tree-leaf", has_text="count")).to_contain_text("2")
        expect(page.locator(".tree-leaf", has_text="total")).to_contain_text("9")
        operate(served, key, "delete")
        expect(page.get_by_text("It does not exist")).to_be_visible()


def test_operations_are_called_and_signalled_by_a_form(visitor: Visitor, served: Served) -> None:
    key = fresh("form")
    with visitor.visit(f"#/entities/Station/{key}") as page:
        page.get_by_label("Operation").select_option("record")
        page.get_by_label("celsius").fill("2.5")
        page.get_by_role("button", name="Call").click()
        expect(page.locator(".tree-leaf", has_text="total")).to_contain_text("2.5")
        page.get_by_role("button", name="as JSON").click()
        page.get_by_label("Arguments").fill("[1.5]")
        page.get_by_role("button", name="Signal").click()
        expect(page.locator(".tree-leaf", has_text="total")).to_contain_text("4")
        page.get_by_role("button", name="as a form").click()
        page.get_by_label("Operation").select_option("mean")
        expect(page.get_by_text("It takes no arguments.")).to_be_visible()
        page.get_by_role("button", name="Call").click()
        expect(page.locator(".result")).to_contain_text("2")
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_text("It does not exist")).to_be_visible()


def test_what_an_operation_raises_is_said(visitor: Visitor) -> None:
    with visitor.visit("#/entities/Station/x") as page:
        page.get_by_label("Operation").select_option("fail")
        page.get_by_label("message").fill("<i>not</i> today")
        page.get_by_role("button", name="Call").click()
        expect(page.locator(".toast")).to_contain_text("<i>not</i> today")
    visitor.faults = [fault for fault in visitor.faults if " 422 " not in fault]


def test_keys_of_all_kinds_have_pages(visitor: Visitor, served: Served) -> None:
    for key in ("a/b", "ä ö?#%", "<script>alert(1)</script>", ""):
        served.http.post(
            "/api/v1/signals",
            content=json.dumps({"entity": "Station", "key": key, "operation": "record", "args": [7.0]}),
        )
        with visitor.visit("#/entities/Station") as page:
            page.get_by_label("Keys that begin with").fill(key)
            page.get_by_role("link", name=key or "(empty)", exact=True).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(f"Station / {key or '(empty)'}")
            expect(page.locator(".tree-leaf", has_text="total")).to_contain_text("7")


def test_pages_of_entities(visitor: Visitor, served: Served) -> None:
    mark = fresh("page")
    lines = [
        json.dumps({"entity": "Station", "key": f"{mark}-{n:03}", "operation": "record", "args": [1.0]})
        for n in range(120)
    ]
    assert served.http.post("/api/v1/signals", content="\n".join(lines)).json()["accepted"] == 120
    operate(served, f"{mark}-119", "mean")
    with visitor.visit(f"#/entities/Station?prefix={mark}") as page:
        expect(page.get_by_role("link", name=f"{mark}-000")).to_be_visible()
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_role("link", name=f"{mark}-050")).to_be_visible()
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_role("link", name=f"{mark}-119")).to_be_visible()
        expect(page.get_by_role("button", name="Next")).to_be_disabled()
        page.get_by_role("button", name="Previous").click()
        expect(page.get_by_role("link", name=f"{mark}-050")).to_be_visible()


# -- instances ---------------------------------------------------------------------------------------------------------


def test_an_instance_is_started_told_and_seen_to_its_end(visitor: Visitor) -> None:
    instance_id = fresh("typed")
    with visitor.visit("#/instances") as page:
        page.get_by_role("button", name="Start…").click()
        dialog = page.get_by_role("dialog", name="Start")
        dialog.get_by_label("Orchestration").select_option("approval")
        dialog.get_by_label("Input").fill('{"amount": 12}')
        dialog.get_by_label("Instance ID").fill(instance_id)
        dialog.get_by_role("button", name="Start").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(instance_id)
        expect(page.locator(".badge").first).to_have_text("Running")
        expect(page.get_by_text("waits for", exact=True)).to_be_visible()  # its custom status
        page.get_by_role("button", name="Raise event…").click()
        dialog = page.get_by_role("dialog", name="Raise event")
        dialog.get_by_label("Event").fill("approval")
        dialog.get_by_label("Data").fill('"yes <b>"')
        dialog.get_by_role("button", name="Raise event").click()
        expect(page.locator(".badge").first).to_have_text("Completed")
        expect(page.get_by_text('"yes <b>"').first).to_be_visible()


def test_a_history_as_table_timeline_and_diagram(visitor: Visitor, served: Served) -> None:
    instance_id = start(served, "hello", ["Oslo", "Rome"])
    end(served, instance_id)
    with visitor.visit(f"#/instances/{instance_id}") as page:
        expect(page.locator("svg.gantt .bar")).to_have_count(2)
        page.get_by_role("tab", name="History").click()
        expect(page.get_by_role("cell", name="TaskScheduled")).to_have_count(2)
        expect(page.get_by_role("cell", name="ExecutionCompleted")).to_have_count(1)
        page.get_by_role("tab", name="Sequence").click()
        expect(page.locator("svg.sequence .message")).to_have_count(4)
        page.get_by_role("button", name="Copy as Mermaid").click()
        expect(page.locator(".toast")).to_contain_text("clipboard")
        text: str = page.evaluate("() => navigator.clipboard.readText()")
        assert text.splitlines()[0] == "sequenceDiagram"
        assert text.count("->>") == 4


def test_a_failure_is_shown_with_its_cause(visitor: Visitor, served: Served) -> None:
    instance_id = start(served, "failing", "<img src=x onerror=alert(1)>")
    end(served, instance_id)
    with visitor.visit(f"#/instances/{instance_id}") as page:
        card = page.locator(".card", has_text="Failure")
        expect(card).to_contain_text("ValueError")
        expect(card).to_contain_text("<img src=x onerror=alert(1)>")
        expect(card.locator("pre")).to_contain_text("raise ValueError(message)")
        page.get_by_role("button", name="Rewind").click()
        page.get_by_role("dialog", name="Rewind").get_by_role("button", name="Rewind").click()
        expect(page.locator(".toast")).to_contain_text("accepted")


def test_filters_are_in_the_address(visitor: Visitor, served: Served) -> None:
    mark = fresh("filter")
    for n, name in enumerate(["hello", "approval", "failing"]):
        body = {"name": name, "instance_id": f"{mark}-{n}", "tags": {"team": mark}}
        served.http.post("/api/v1/instances", json=body)
    end(served, f"{mark}-0")
    end(served, f"{mark}-2")
    with visitor.visit(f"#/instances?prefix={mark}") as page:
        links = page.get_by_role("link", name=mark)
        expect(links).to_have_count(3)
        page.get_by_label("Status").select_option("Failed")
        expect(links).to_have_count(1)
        expect(links).to_have_text(f"{mark}-2")
        assert "status=Failed" in page.url
        page.get_by_label("Status").select_option("")
        page.get_by_label("Orchestration").fill("approval")
        expect(links).to_have_text([f"{mark}-1"])
        page.get_by_label("Orchestration").fill("")
        page.get_by_label("IDs that begin with").fill("")
        page.get_by_label("Tag").fill(f"team={mark}")
        expect(links).to_have_count(3)
        page.get_by_label("Created").select_option("3600")
        expect(links).to_have_count(3)
        page.get_by_label("Version").fill("1.0")
        expect(page.get_by_text("There is none.")).to_be_visible()
        assert "version=1.0" in page.url and "since=3600" in page.url
        body = {"name": "versioned", "instance_id": f"{mark}-3", "version": "1.0", "tags": {"team": mark}}
        served.http.post("/api/v1/instances", json=body)
        expect(links).to_have_text([f"{mark}-3"])


def test_a_list_goes_on_by_itself(visitor: Visitor, served: Served) -> None:
    mark = fresh("coming")
    with visitor.visit(f"#/instances?prefix={mark}") as page:
        expect(page.get_by_text("There is none.")).to_be_visible()
        served.http.post("/api/v1/instances", json={"name": "approval", "instance_id": f"{mark}-1"})
        expect(page.get_by_role("link", name=f"{mark}-1")).to_be_visible()
        served.http.post(f"/api/v1/instances/{mark}-1/events/approval", json=1)
        expect(page.get_by_role("row", name=f"{mark}-1").locator(".badge")).to_have_text("Completed")


def test_many_at_once(visitor: Visitor, served: Served) -> None:
    mark = fresh("many")
    for n in range(3):
        served.http.post("/api/v1/instances", json={"name": "approval", "instance_id": f"{mark}-{n}"})
    with visitor.visit(f"#/instances?prefix={mark}") as page:
        expect(page.get_by_role("link", name=mark)).to_have_count(3)
        page.get_by_label(f"Choose {mark}-0").check()
        page.get_by_role("button", name="Cancel").click()
        dialog = page.get_by_role("dialog", name="Cancel")
        expect(dialog).to_contain_text("may undo")
        dialog.get_by_role("button", name="Back").click()
        page.get_by_label(f"Choose {mark}-0").uncheck()
        for verb, status in [("Suspend", "Suspended"), ("Resume", "Running"), ("Terminate", "Terminated")]:
            page.get_by_label("Choose all on this page").check()
            page.get_by_role("button", name=verb).click()
            dialog = page.get_by_role("dialog", name=verb)
            expect(dialog).to_contain_text("3 instances of 3")
            dialog.get_by_role("button", name=verb).click()
            expect(page.locator(".badge", has_text=status)).to_have_count(3)
        page.get_by_label("Choose all on this page").check()
        page.get_by_role("button", name="Purge").click()
        page.get_by_role("dialog", name="Purge").get_by_role("button", name="Purge").click()
        expect(page.get_by_text("There is none.")).to_be_visible()


def test_one_is_asked_to_end(visitor: Visitor, served: Served) -> None:
    instance_id = start(served, "approval")
    with visitor.visit(f"#/instances/{instance_id}") as page:
        expect(page.locator(".badge").first).to_have_text("Running")
        page.get_by_role("button", name="Cancel").click()
        dialog = page.get_by_role("dialog", name="Cancel")
        dialog.get_by_label("Reason").fill("not wanted")
        dialog.get_by_role("button", name="Cancel").click()
        expect(page.locator(".badge").first).to_have_text("Canceled")
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        expect(page.locator(".card", has_text="Output")).to_contain_text("not wanted")


# -- dead letters ------------------------------------------------------------------------------------------------------


def test_dead_letters_are_shown_sent_again_and_dropped(visitor: Visitor, served: Served) -> None:
    message = fresh("dead")
    letter = die(served, message)
    with visitor.visit("#/dead-letters") as page:
        page.get_by_role("link", name=letter).click()
        expect(page.get_by_text(f"{message}").first).to_be_visible()
        expect(page.locator("pre")).to_contain_text("raise ValueError(message)")
        page.get_by_role("button", name="Send again").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Dead letters")
        expect(page.get_by_role("link", name=letter)).to_have_count(0)
        row = page.get_by_role("row", name=message)
        expect(row).to_have_count(1)  # it has failed again, and is another letter now
        row.get_by_role("checkbox").check()
        page.get_by_role("button", name="Drop").click()
        dialog = page.get_by_role("dialog", name="Drop")
        expect(dialog).to_contain_text("1 chosen letter")
        dialog.get_by_role("button", name="Drop").click()
        expect(row).to_have_count(0)


def test_all_letters_that_match_by_reason_and_kind(visitor: Visitor, served: Served) -> None:
    key, gone = fresh("letters"), fresh("gone")
    for _ in range(3):
        served.http.post(f"/api/v1/entities/Station/{key}/fail", json={"args": [gone]})
    operate(served, key, "mean")
    with visitor.visit("#/dead-letters") as page:
        page.get_by_label("Reason").select_option("ValueError")
        page.get_by_label("Kind").select_option("station")
        expect(page.get_by_role("row", name=gone)).to_have_count(3)
        before = served.http.get("/api/v1/dead-letters?error_type=ValueError&kind=Station&limit=1000").json()
        for other in ({"kind": "(instances)"}, {"error_type": "KeyError"}, {"kind": "nowhere"}):
            assert served.http.post("/api/v1/dead-letters/drop", json={"all": True, **other}).json()["count"] == 0
            assert served.http.get("/api/v1/dead-letters", params=other).json()["dead_letters"] == []
        page.get_by_role("button", name="Drop").click()
        dialog = page.get_by_role("dialog", name="Drop")
        expect(dialog).to_contain_text(f"all {len(before['dead_letters'])} letters that match")
        dialog.get_by_role("button", name="Drop").click()
        expect(page.get_by_role("row", name=gone)).to_have_count(0)
    refused = served.http.post("/api/v1/dead-letters/drop", json={"ids": ["0/1-0"], "kind": "station"})
    assert refused.status_code == 400


# -- rights ------------------------------------------------------------------------------------------------------------


def test_the_key_is_asked_for_once_and_kept_in_the_session(guest: Visitor, guarded: Served) -> None:
    with guest.visit() as page:
        page.get_by_label("Key of this hub").fill("wrong")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_text("the key is not right")).to_be_visible()
        page.get_by_label("Key of this hub").fill("manage-key")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        assert "manage-key" not in page.url
        page.get_by_role("button", name="other key").click()
        expect(page.get_by_label("Key of this hub")).to_be_visible()


def test_what_a_key_may_not_do_is_not_offered_and_refused(guest: Visitor, guarded: Served) -> None:
    headers = {"x-functions-key": "manage-key"}
    operate(guarded, "oslo", "record", 1.0, headers=headers)
    body = {"name": "approval", "instance_id": "guarded"}
    guarded.http.post("/api/v1/instances", json=body, headers=headers)
    with guest.visit("#/instances/guarded", key="read-key") as page:
        expect(page.locator(".badge").first).to_have_text("Running")
        expect(page.get_by_role("button", name="Terminate")).to_have_count(0)
        expect(page.get_by_role("button", name="Raise event…")).to_have_count(0)
        page.goto(f"{guarded.url}/#/entities/Station/oslo")
        expect(page.locator(".tree-leaf", has_text="count")).to_contain_text("1")
        expect(page.get_by_role("button", name="Call")).to_have_count(0)
        status = page.evaluate(
            """() => fetch('api/v1/instances/guarded/terminate', {method: 'POST', headers: {'x-functions-key': 'read-key'}})
            .then(answer => answer.status)"""
        )
        assert status == 403
    with guest.visit("#/instances/guarded", key="signal-key") as page:
        expect(page.get_by_role("button", name="Raise event…")).to_be_visible()
        expect(page.get_by_role("button", name="Terminate")).to_have_count(0)
