"""The pictures in the documentation: each is of a page that there is, small, and shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.pictures import PAGES

from .conftest import Visitor

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docs" / "pictures"


def test_there_is_a_small_picture_of_each_page_and_no_other() -> None:
    sizes = {file.stem: file.stat().st_size for file in FOLDER.iterdir()}
    assert sizes.keys() == PAGES.keys()
    assert max(sizes.values()) < 200_000
    assert all((FOLDER / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in sizes)


def test_each_is_shown_with_words_for_who_does_not_see_it() -> None:
    text = (ROOT / "docs" / "how-to" / "dashboard.md").read_text("utf-8")
    for name in PAGES:
        before, shown, _ = text.partition(f"](../pictures/{name}.png)")
        assert shown, name
        assert len(before.rpartition("![")[2]) > 10, name


def test_each_is_of_a_page_that_there_is(visitor: Visitor) -> None:
    with visitor.visit() as page:
        for name, picture in PAGES.items():
            page.evaluate("address => { location.hash = address }", picture.address)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.get_by_role("heading", level=1), name).not_to_have_text("No such page")
    visitor.faults = [fault for fault in visitor.faults if " 404 " not in fault and " 400 " not in fault]
