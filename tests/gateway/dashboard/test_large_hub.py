"""What pages ask for costs the same in a large hub as in a small one: so many commands, and so many bytes that the server gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from support.gateway_app import make_app
from support.gateway_tools import Served, serve
from support.large_hub import PAGES, connection, grow
from support.valkey_server import ValkeyServer

from .conftest import Visitor
from .steps import connected, settled

pytestmark = pytest.mark.slow

# Nothing changes on its own meanwhile: no worker runs, and one page asks once.
PATHS = (
    "hub",
    "entities?counts=true",
    "entities/Station?limit=50",
    "entities/Station?limit=50&prefix=copy-00003",
    "instances?limit=50",
    "instances?limit=50&prefix=copy-0003",
    "metrics?minutes=60",
    "entity-counts/Station",
    "instance-histogram?most=500",
    "dead-letter-counts",
    "dead-letters?limit=100",
    "schedules?limit=1",
    "access",
    "instances?id=copy-000001",
    "instances/copy-000001?history=true",
    "entities/Station/copy-0000001/doing",
    "entity-kinds/Station",
)
# What looks at everything, or at much of it: found once for all pages, seldom if it takes long, and no row of a page waits for it.
DEAR = {"doctor", "instance-statuses"}
STREAMS = {"hub/events", "entities/station/copy-0000001/events"}


@pytest.fixture(scope="module")
def small_and_large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Served, Any]]]:
    """A hub of a thousand entities and instances, and one of twenty times as many, each on a server of its own, without a worker."""
    servers: list[ValkeyServer] = []
    for size in (1_000, 20_000):
        server = ValkeyServer(Path(tmp_path_factory.mktemp("s")))
        server.start()
        servers.append(server)
        app = make_app("sized")
        with serve(app, server.url) as working:
            grow(working, connection(server), size, size)
    try:
        with (
            serve(make_app("sized"), servers[0].url, worker=False) as small,
            serve(make_app("sized"), servers[1].url, worker=False) as large,
        ):
            yield [(small, connection(servers[0])), (large, connection(servers[1]))]
    finally:
        for server in servers:
            server.kill()


def cost(served: Served, redis: Any, path: str) -> tuple[int, int]:
    """The commands that one request takes, scripts' own included, and the bytes that the server gives."""

    def now() -> tuple[int, int]:
        info = redis.info("everything")
        calls = sum(
            one["calls"] for name, one in info.items() if name.startswith("cmdstat_") and name != "cmdstat_info"
        )
        return calls, info["total_net_output_bytes"]

    served.http.get(f"/api/v1/{path}")  # what is asked for once is known by then
    idle = now()
    between = now()
    assert served.http.get(f"/api/v1/{path}").is_success
    after = now()
    own = between[1] - idle[1]  # of asking for it
    return after[0] - between[0], max(0, after[1] - between[1] - own)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_costs_the_same_however_large_the_hub(path: str, small_and_large: list[tuple[Served, Any]]) -> None:
    (commands, given), (more_commands, more_given) = (cost(served, redis, path) for served, redis in small_and_large)
    assert more_commands <= commands + 2, f"{commands} commands became {more_commands}"
    assert more_given <= given * 1.1 + 2_000, f"{given} bytes became {more_given}"


def test_pages_ask_for_nothing_else(browser: Browser, small_and_large: list[tuple[Served, Any]]) -> None:
    served = small_and_large[0][0]
    one = Visitor(browser, served)
    asked: set[str] = set()
    for address, seen in PAGES:
        with one.visit("about:blank") as page:
            page.on("request", lambda request: asked.add(urlsplit(request.url).path.lower().partition("/api/v1/")[2]))
            page.goto(f"{served.url}/{address}")
            expect(page.locator(seen).first).to_be_visible()
            connected(page)
            settled(page)
    assert asked - {""} - {path.lower().partition("?")[0] for path in PATHS} == DEAR | STREAMS
    assert one.faults == []


def test_pages_of_a_large_hub(browser: Browser, small_and_large: list[tuple[Served, Any]]) -> None:
    one = Visitor(browser, small_and_large[1][0])
    for address in ("#/entities/Station", "#/instances"):
        with one.visit(address) as page:
            expect(page.get_by_role("link", name="copy-0")).to_have_count(50)
            page.get_by_role("button", name="Next").click()
            expect(page.locator("tbody").get_by_role("link", name="copy-0").first).to_be_visible()
    assert one.faults == []
