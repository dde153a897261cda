"""Forms for operations in the browser: a field for each argument, by its type; what is sent of what was typed, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import Enum
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import BaseModel

from stead.app import App, Settings
from stead.entities import Entity, batched
from support.gateway_tools import Served, serve
from support.v1_gateway import eventually
from support.valkey_server import ValkeyServer

from .conftest import Visitor
from .steps import fresh, usable

pytestmark = pytest.mark.slow


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Spot(BaseModel):
    x: int


def make_form_app() -> App:
    app = App("forms", settings=Settings(partitions=4, slot_groups=2))

    @app.entity
    class Form(Entity):
        told: list[Any] = []

        def everything(
            self,
            count: int,
            share: float,
            on: bool,
            name: str,
            size: Literal["s", "m"],
            spot: Spot,
            colour: Colour = Colour.RED,
            at: datetime | None = None,
        ) -> str:
            self.told = [count, share, on, name, size, spot.x, colour.value, None if at is None else at.isoformat()]
            return name

        def maybe(self, text: str | None, number: int = 7, /) -> None:
            self.told = [text, number]

        def any(self, *values: int) -> None:
            self.told = list(values)

        @batched
        def item(self, items: list[float]) -> None:
            self.told = list(items)

    return app


@pytest.fixture(scope="module")
def formed(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(make_form_app(), module_server.url) as running:
        eventually(lambda: running.http.get("/api/v1/entity-kinds/Form").is_success or None)
        yield running


@pytest.fixture
def filler(browser: Browser, formed: Served) -> Iterator[Visitor]:
    one = Visitor(browser, formed)
    yield one
    assert one.faults == []


def told(served: Served, key: str) -> Any:
    return served.http.get(f"/api/v1/entities/Form/{key}").json()["state"]["told"]


def call(page: Page, said: str) -> None:
    page.get_by_role("button", name="Call").click()
    expect(page.locator(".toast")).to_contain_text(said)


def test_each_argument_has_a_field_of_its_type(filler: Visitor, formed: Served) -> None:
    key = fresh("form")
    with filler.visit(f"#/entities/Form/{key}") as page:
        page.get_by_label("Operation").select_option("everything")
        call(page, "count: write a number")
        page.get_by_label("count").fill("1.5")
        call(page, "count: write a whole number")
        page.get_by_label("count").fill("3")
        page.get_by_label("share").fill("0.5")
        page.get_by_label("on", exact=False).and_(page.locator("select")).last.select_option("true")
        page.get_by_label("name").fill('<b>"x"</b>')
        page.get_by_label("size").select_option("m")
        page.get_by_label("spot").fill("{x: 1}")
        call(page, "spot: ")
        page.get_by_label("spot").fill('{"x": 4}')
        assert usable(page) == []
        call(page, "everything was carried out")
        expect(page.locator(".result")).to_contain_text('<b>\\"x\\"</b>')
        assert told(formed, key) == [3, 0.5, True, '<b>"x"</b>', "m", 4, "red", None]
        page.get_by_label("colour").select_option("blue")
        page.get_by_label("at", exact=False).and_(page.locator("input")).last.fill("2026-01-02T03:04:05Z")
        page.get_by_role("button", name="Signal").click()
        expect(page.locator(".toast")).to_contain_text("durable")
        eventually(lambda: told(formed, key)[6:] == ["blue", "2026-01-02T03:04:05+00:00"] or None)


def test_what_has_no_name_goes_by_its_place_and_nothing_is_null(filler: Visitor, formed: Served) -> None:
    key = fresh("place")
    with filler.visit(f"#/entities/Form/{key}") as page:
        page.get_by_label("Operation").select_option("maybe")
        call(page, "maybe was carried out")
        assert told(formed, key) == [None, 7]
        page.get_by_label("text").fill("x")
        page.get_by_label("number").fill("8")
        page.get_by_role("button", name="Call").click()
        eventually(lambda: told(formed, key) == ["x", 8] or None)
        page.get_by_label("Operation").select_option("item")
        page.get_by_role("spinbutton").fill("2.5")
        call(page, "item was carried out")
        assert told(formed, key) == [2.5]


def test_what_takes_any_number_is_written_as_json(filler: Visitor, formed: Served) -> None:
    key = fresh("any")
    with filler.visit(f"#/entities/Form/{key}") as page:
        page.get_by_label("Operation").select_option("any")
        page.get_by_label("Arguments").fill("[1, 2]")
        call(page, "any was carried out")
        assert told(formed, key) == [1, 2]
        expect(page.get_by_role("button", name="as JSON")).to_have_count(0)


def test_what_a_worker_of_before_published_is_written_as_json(filler: Visitor, formed: Served) -> None:
    async def publish() -> None:
        async with formed.app.connect(formed.store_url) as client:
            await client.store.publish({"older": {"name": "Older", "form": "class", "operations": ["go"]}}, 600_000)

    with ThreadPoolExecutor() as threads:  # this one has the browser's event loop
        threads.submit(lambda: asyncio.run(publish())).result()
    with filler.visit("#/entities/Older/x") as page:
        expect(page.get_by_label("Operation")).to_have_value("go")
        expect(page.get_by_label("Arguments")).to_be_visible()


def test_on_a_phone(filler: Visitor) -> None:
    with filler.visit("#/entities/Form/x", size=(360, 740)) as page:
        page.get_by_label("Operation").select_option("everything")
        expect(page.get_by_label("spot")).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
