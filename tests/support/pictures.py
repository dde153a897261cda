"""Takes the pictures of the dashboard that are in the documentation, from the running product: `python tests/support/pictures.py`.

It starts a server, two workers and `stead serve` of `pictures_app`, gives them something to do, and writes a PNG for each of `PAGES` into
`docs/pictures`. Needs what the tests of the dashboard need: `make setup`, and a browser as `tests/support/browser.py` finds it.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import httpx

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
FOLDER = ROOT / "docs" / "pictures"
APP = "pictures_app:app"


class Picture(NamedTuple):
    """A page, and what has to be seen there before the picture is taken (a selector of Playwright)."""

    address: str
    seen: str
    dark: bool = False
    height: int = 760


PAGES: dict[str, Picture] = {
    "overview": Picture("#/", ".flow-link.live"),
    "entities": Picture("#/entities/Player?where=score>%3D100&order=-score", "tbody tr"),
    "entity": Picture("#/entities/Player/ada", ".card:has-text('Recent operations') tbody tr >> nth=4", height=960),
    "instances": Picture("#/instances", ".histogram rect"),
    "instance": Picture("#/instances/shipment-7", "svg.gantt .bar", dark=True),
    "sequence": Picture("#/instances/shipment-7?view=Sequence", "svg.sequence .message"),
    "queries": Picture(
        "#/queries?view=SQL&sql=select%20country%2C%20count(*)%20as%20players%2C%20avg(score)%20as%20score%20from%20Player%20group%20by%201%20order%20by%203%20desc",
        "textarea",
    ),
    "dead-letters": Picture("#/dead-letters", "tbody tr"),
    "workers": Picture("#/workers", ".strip li"),
    "schedules": Picture("#/schedules", "tbody tr"),
}


def fill(http: httpx.Client) -> None:
    """Give the hub something to do and to show. (The same each time, as far as it goes.)"""
    draw = random.Random(7)
    countries = ["NO", "SE", "DK", "FI", "IS"]
    names = ["ada", "ben", "cleo", "dag", "eva", *(f"player-{number:03}" for number in range(200))]
    lines = [
        {"entity": "Player", "key": name, "operation": "win", "args": [draw.randint(1, 60), draw.choice(countries)]}
        for name in names
        for _ in range(draw.randint(1, 9))
    ]
    lines += [{"entity": "Account", "key": name, "operation": "deposit", "args": [1_000]} for name in ("ann", "bob")]
    lines += [{"entity": "Player", "key": "dag", "operation": "forfeit", "args": ["it rains"]} for _ in range(3)]
    lines += [{"entity": "Player", "key": "ada", "operation": "win", "args": [40, "NO", "first of May"]}]
    http.post("/api/v1/signals", content="\n".join(map(json.dumps, lines)))
    for number in range(24):
        start(http, f"shipment-{number}", "shipment", 3 + number % 3)
    for number in range(9):
        start(http, f"expense-{number}", "approval", {"amount": 12 * number, "what": "train"})
        if number % 3:
            http.post(f"/api/v1/instances/expense-{number}/events/ApprovalEvent", json=number % 2 == 0)
    http.put(
        "/api/v1/schedules/nightly",
        json={"cron": "0 3 * * *", "timezone": "Europe/Oslo", "start_new": {"name": "shipment", "input": 3}},
    )
    http.post("/api/v1/entities/Player/cleo/ponder", json={"args": [600]})
    http.get("/api/v1/instances/shipment-23?wait_ms=60000")


def start(http: httpx.Client, instance_id: str, name: str, given: object) -> None:
    """Start an instance."""
    http.post(
        "/api/v1/instances", json={"name": name, "instance_id": instance_id, "input": given, "tags": {"team": "north"}}
    )


def take(folder: Path) -> None:
    """Take all pictures."""
    from playwright.sync_api import sync_playwright

    from support.browser import ARGUMENTS, find
    from support.running_hub import READY_S, running, until

    folder.mkdir(exist_ok=True)
    path, variables = find()
    with running(APP) as http, sync_playwright() as playwright:
        fill(http)
        until(lambda: "unowned_partitions" not in http.get("/api/v1/doctor").text)
        browser = playwright.chromium.launch(
            executable_path=path, args=ARGUMENTS, env=dict(variables) or None, timeout=0
        )
        for name, picture in PAGES.items():
            page = browser.new_page(
                viewport={"width": 1200, "height": picture.height}, color_scheme="dark" if picture.dark else "light"
            )
            page.set_default_timeout(READY_S * 1_000)
            page.goto(f"{http.base_url}/{picture.address}".replace("//#", "/#"))
            for number in range(40):  # so that there is a flow
                http.post(f"/api/v1/entities/Player/ben/win?wait={number % 10 == 0}", json={"args": [1, "SE"]})
            if name == "queries":
                page.get_by_role("button", name="Run").click()
                page.locator("tbody tr").first.wait_for()
            if name == "entity":  # whose worker tells each of its operations once it knows that somebody looks
                page.get_by_text("Each is listed by itself").wait_for()
                for number in range(4):
                    http.post("/api/v1/entities/Player/ada/win?wait=true", json={"args": [number + 1, "NO"]})
            page.locator(picture.seen).first.wait_for(state="attached")
            page.get_by_text("live", exact=True).first.wait_for()
            page.screenshot(path=folder / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(ROOT)]
    take(FOLDER)
