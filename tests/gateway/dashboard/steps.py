"""What the tests in the browser do beside it: names, operations, instances, and whether a page can be used by everybody."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from support.gateway_tools import Served

AXE = Path(__file__).parents[3] / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
_numbers = itertools.count()


def fresh(what: str = "x") -> str:
    """A name that no other test has."""
    return f"{what}-{next(_numbers)}"


def operate(served: Served, key: str, operation: str, *args: object, headers: dict[str, str] | None = None) -> Any:
    """Call an operation of a station."""
    answer = served.http.post(
        f"/api/v1/entities/Station/{key}/{operation}?wait=true", json={"args": list(args)}, headers=headers
    )
    return answer.json().get("result")


def start(served: Served, name: str, given: object = None, **options: object) -> str:
    """Start an instance; gives its ID."""
    instance_id = fresh(name)
    body = {"name": name, "instance_id": instance_id, **({} if given is None else {"input": given}), **options}
    assert served.http.post("/api/v1/instances", json=body).status_code == 202
    return instance_id


def end(served: Served, instance_id: str) -> dict[str, Any]:
    """The status of an instance once it is finished."""
    found: dict[str, Any] = served.http.get(f"/api/v1/instances/{instance_id}?wait_ms=30000").json()
    return found


def die(served: Served, message: str) -> str:
    """Make a dead letter; gives its ID."""
    served.http.post("/api/v1/entities/Station/x/fail", json={"args": [message]})
    operate(served, "x", "mean")  # it comes behind
    letters = served.http.get("/api/v1/dead-letters?limit=1000").json()["dead_letters"]
    return str(next(one["id"] for one in letters if one["message"] == message))


def connected(page: Page) -> None:
    """The hub's stream has said what there is."""
    expect(page.get_by_role("navigation").get_by_role("status")).to_have_text("live")


def settled(page: Page) -> None:
    """The page shows what it has asked for."""
    expect(page.locator("h1")).to_be_visible()
    expect(page.get_by_text("Asking", exact=False)).to_have_count(0)


def usable(page: Page) -> list[tuple[str, str]]:
    """What axe finds on a page: names for all controls, contrast, order of headings, regions."""
    if page.evaluate("() => typeof axe === 'undefined'"):
        page.evaluate(AXE.read_text("utf-8"))
    # what is in order is neither described nor sent
    found: list[list[str]] = page.evaluate(
        "async () => (await axe.run(document, { resultTypes: ['violations'] })).violations.map(one => [one.id, one.nodes[0].html])"
    )
    return [(rule, html) for rule, html in found]
