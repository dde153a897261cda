"""Workers and the flow in the browser: what each holds and runs; one is drained, and works again."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from support.gateway_tools import Served, serve
from support.valkey_server import ValkeyServer

from .conftest import Visitor
from .hub_app import RELEASED, make_hub_app
from .steps import fresh, usable

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def crewed(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(make_hub_app(), module_server.url) as running:
        yield running


@pytest.fixture
def foreman(browser: Browser, crewed: Served) -> Iterator[Visitor]:
    one = Visitor(browser, crewed)
    yield one
    assert one.faults == []


def test_what_a_worker_holds_and_runs(foreman: Visitor, crewed: Served) -> None:
    key = fresh("busy")
    RELEASED.clear()
    crewed.http.post(f"/api/v1/entities/Player/{key}/ponder", json={"args": []})
    try:
        with foreman.visit("#/workers") as page:
            (worker,) = crewed.http.get("/api/v1/hub").json()["workers"]
            row = page.get_by_role("row", name=worker["worker"])
            expect(row.locator(".badge")).to_have_text("works")
            expect(row).to_contain_text(re.compile(r"\d MB"))
            card = page.locator(".card", has=page.get_by_role("heading", name=worker["worker"]))
            expect(card).to_contain_text("ponder of")
            expect(card.get_by_role("link", name=key)).to_be_visible()
            expect(card).to_contain_text("Player")
            expect(card.locator(".strip li")).to_have_count(4)
    finally:
        RELEASED.set()


def test_a_worker_is_drained_and_works_again(foreman: Visitor, crewed: Served) -> None:
    with foreman.visit("#/workers") as page:
        page.get_by_role("button", name="Drain").click()
        dialog = page.get_by_role("dialog", name="Drain")
        expect(dialog).to_contain_text("No other worker takes its work")
        assert usable(page) == []
        dialog.get_by_role("button", name="Drain").click()
        expect(page.locator(".badge")).to_have_text("drained")
        assert all(place["owner"] is None for place in crewed.http.get("/api/v1/hub").json()["partitions"])
        page.get_by_role("button", name="Work again").click()
        expect(page.locator(".badge")).to_have_text("works")
        expect(page.locator(".card .strip li")).to_have_count(4)


def test_the_flow_goes_on_while_one_looks(foreman: Visitor, crewed: Served) -> None:
    with foreman.visit() as page:
        flow = page.get_by_role("region", name="Flow")
        expect(flow.get_by_role("img")).to_have_attribute("aria-label", re.compile("messages a second come in, 0 wait"))
        expect(flow).to_contain_text("4 partitions")
        expect(page.get_by_text("live", exact=True)).to_have_count(1)  # the hub is; a card does not claim it for itself
        for number in range(30):
            crewed.http.post(f"/api/v1/entities/Player/flow/win?wait={number == 29}", json={"args": [1, "NO"]})
        crewed.http.post("/api/v1/instances", json={"name": "hello", "instance_id": fresh("flow")})
        expect(flow.locator(".flow-link.live").first).to_be_attached()
        expect(flow).to_contain_text("say_hello")


def test_who_may_not_manage_cannot_drain(guest: Visitor) -> None:
    with guest.visit("#/workers", key="signal-key") as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("Workers")
        expect(page.locator(".badge").first).to_have_text("works")
        expect(page.get_by_role("button", name="Drain")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_pages_can_be_used_by_everybody(dark: bool, foreman: Visitor) -> None:
    for size in ((1280, 900), (360, 740)):
        for address in ("#/workers", "#/"):
            with foreman.visit(address, dark=dark, size=size) as page:
                expect(page.get_by_text("Asking", exact=False)).to_have_count(0)
                expect(page.locator("h2").first).to_be_visible()
                assert (address, usable(page)) == (address, [])
                assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]
