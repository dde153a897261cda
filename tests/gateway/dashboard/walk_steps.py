"""What a walk through the dashboard does on every page: it clicks, and looks where that has led."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from .steps import settled


def go(page: Page, name: str) -> None:
    """Click a page of the navigation."""
    page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    settled(page)


def titled(page: Page, title: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def card(page: Page, title: str) -> Locator:
    return page.locator(".card", has=page.get_by_role("heading", name=title, exact=True))


def field(page: Page, name: str) -> Locator:
    """A field of a state's tree."""
    return card(page, "State").locator(".tree-leaf", has=page.get_by_text(name, exact=True)).locator(".tree-value")


def begin(page: Page, name: str, fields: dict[str, str], instance_id: str) -> None:
    """Start an instance by its form."""
    go(page, "Instances")
    page.get_by_role("button", name="Start…").click()
    dialog = page.get_by_role("dialog", name="Start")
    dialog.get_by_label("Orchestration").select_option(name)
    for label, text in fields.items():
        dialog.get_by_label(label).fill(text)
    dialog.get_by_label("Instance ID").fill(instance_id)
    dialog.get_by_role("button", name="Start").click()
    titled(page, instance_id)


def confirm(page: Page, name: str) -> None:
    """Click a button, and the one of its dialog."""
    page.get_by_role("button", name=name).click()
    page.get_by_role("dialog", name=name).get_by_role("button", name=name).click()


def status(page: Page, expected: str) -> None:
    expect(card(page, "Status").locator(".badge")).to_have_text(expected)
