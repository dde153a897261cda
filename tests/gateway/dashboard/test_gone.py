"""What is not there (any more) while somebody looks at it: pages say so, come back when it does, and ask for nothing that is refused."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from support.gateway_tools import Served

from .conftest import Visitor
from .steps import die, end, fresh, operate, settled

pytestmark = pytest.mark.slow


def beats(page: Page, count: int) -> None:
    """Wait until the hub's stream has told so many times how it is: pages ask again at each."""
    page.evaluate(
        """async count => {
            const reader = (await fetch('api/v1/hub/events')).body.getReader();
            for (let seen = 0; seen < count; seen++) await reader.read();
            await reader.cancel();
        }""",
        count,
    )


def begin(served: Served, instance_id: str, name: str = "approval", given: object = None) -> None:
    body = {"name": name, "instance_id": instance_id, "input": given}
    assert served.http.post("/api/v1/instances", json=body).status_code == 202


def finish(served: Served, instance_id: str) -> None:
    served.http.post(f"/api/v1/instances/{instance_id}/events/approval", json=1)
    assert end(served, instance_id)["runtime_status"] == "Completed"


def purge(served: Served, instance_id: str) -> None:
    assert served.http.delete(f"/api/v1/instances/{instance_id}").is_success


def test_an_instance_that_comes_and_goes_and_comes_again(visitor: Visitor, served: Served) -> None:
    instance_id = fresh("comes")
    with visitor.visit(f"#/instances/{instance_id}") as page:
        expect(page.get_by_text("There is no instance of this ID")).to_be_visible()
        begin(served, instance_id)
        expect(page.locator(".badge").first).to_have_text("Running")
        finish(served, instance_id)
        expect(page.locator(".badge").first).to_have_text("Completed")
        purge(served, instance_id)
        expect(page.get_by_text("It has been purged.")).to_be_visible()
        begin(served, instance_id)
        expect(page.locator(".badge").first).to_have_text("Running")
        expect(page.locator(".card", has_text="Custom status")).to_contain_text(
            "approval"
        )  # its stream is followed again


def test_purged_parents_and_children_are_shown_as_such(player: Visitor, played: Served) -> None:
    top = fresh("dynasty")
    begin(played, top, "family", 2)
    assert end(played, top)["runtime_status"] == "Completed"
    rows = played.http.get(f"/api/v1/instances?parent={top}").json()["instances"]
    gone, left = (row["instance_id"] for row in rows)
    purge(played, gone)
    with player.visit(f"#/instances/{top}") as page:
        tree = page.get_by_role("list", name="Parents and children")
        row = tree.get_by_role("listitem").filter(has_text=gone).last
        expect(row.locator(".badge")).to_have_text("purged")
        expect(row.get_by_role("link")).to_have_count(0)
        expect(tree.get_by_role("link", name=left)).to_be_visible()
        tree.get_by_role("link", name=left).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(left)
        expect(tree.get_by_role("link", name=top, exact=False).first).to_be_visible()
        purge(played, top)
        page.reload()
        expect(tree.get_by_role("listitem").first).to_contain_text(f"{top} purged")
        expect(tree).to_contain_text(f"family {left}")


def test_a_schedule_that_is_deleted_and_made_again(visitor: Visitor, served: Served) -> None:
    name = fresh("yearly")
    made = {"cron": "0 3 1 1 *", "start_new": {"name": "hello"}}
    assert served.http.put(f"/api/v1/schedules/{name}", json=made).is_success
    with visitor.visit(f"#/schedules/{name}") as page:
        expect(page.get_by_role("button", name="Trigger")).to_be_visible()
        served.http.delete(f"/api/v1/schedules/{name}")
        expect(page.get_by_role("alert")).to_contain_text(f"There is no schedule {name}")
        expect(page.get_by_role("button", name="Trigger")).to_have_count(0)
        assert served.http.put(f"/api/v1/schedules/{name}", json=made).is_success
        expect(page.get_by_role("button", name="Trigger")).to_be_visible()


def test_entities_of_a_kind_that_no_worker_knows(visitor: Visitor) -> None:
    with visitor.visit("#/entities/Nowhere") as page:
        settled(page)
        expect(page.get_by_text("There is none here.")).to_be_visible()
        page.goto(f"{visitor.url}/#/entities/Nowhere/x")
        expect(page.get_by_text("It does not exist")).to_be_visible()
        expect(page.get_by_label("Operation")).to_have_attribute("placeholder", "its name")
        beats(page, 3)


def test_a_dead_letter_that_is_gone_is_not_asked_for_by_itself(visitor: Visitor, served: Served) -> None:
    with visitor.visit("#/dead-letters/0%2F1-0") as page:
        expect(page.get_by_text("There is no such dead letter (any more)")).to_be_visible()
        beats(page, 5)
        letter = die(served, fresh("passing"))
        page.goto(f"{visitor.url}/#/dead-letters/{letter.replace('/', '%2F')}")
        expect(page.locator("pre")).to_contain_text("raise ValueError(message)")
        assert served.http.delete(f"/api/v1/dead-letters/{letter}").is_success
        expect(page.get_by_text("There is no such dead letter (any more)")).to_be_visible()
        expect(page.get_by_role("button", name="Drop")).to_have_count(0)


def test_what_is_refused_is_not_asked_again(player: Visitor) -> None:
    with player.visit("#/entities/Player?where=games%3D1") as page:
        expect(page.get_by_role("alert")).to_contain_text("it has: country, score")
        beats(page, 5)
    assert [fault.partition(" of ")[2][:3] for fault in player.faults] == ["400"], player.faults
    player.faults.clear()


def test_a_key_that_is_good_no_longer_is_asked_for_anew(guest: Visitor, guarded: Served) -> None:
    operate(guarded, "oslo", "record", 1.0, headers={"x-functions-key": "manage-key"})
    with guest.visit("#/entities/Station", key="manage-key") as page:
        expect(page.get_by_role("link", name="oslo")).to_be_visible()
        page.evaluate("() => sessionStorage.setItem('stead-key', 'withdrawn')")
        expect(page.get_by_label("Key of this hub")).to_be_visible()
        expect(page.get_by_text("the key is not right")).to_be_visible()


def test_a_key_that_may_not_read_is_told_so(guest: Visitor) -> None:
    with guest.visit("about:blank") as page:
        access = {"hub": "x", "rights": ["signal"], "keys": True, "sql": False}
        page.route("**/api/v1/access", lambda route: route.fulfill(json=access))
        page.goto(f"{guest.url}/#/")
        expect(page.get_by_role("alert")).to_contain_text("This key may not read (it may signal)")
