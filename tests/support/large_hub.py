"""A hub with as many entities and instances as wanted, made by copying what is stored of one of each: no worker takes part.

`python tests/support/large_hub.py ENTITIES INSTANCES` makes one on a server of its own, and tells how long pages of the dashboard take.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from redis import Redis

from stead.transport import HubLayout, partition_of
from stead.transport._redis.keys import KeyNames

if TYPE_CHECKING:
    from playwright.sync_api import Request

    from support.gateway_tools import Served
    from support.valkey_server import ValkeyServer

_AT_ONCE = 5_000

# Pages, and what is there once the first of what they show is.
PAGES = (
    ("#/", ".figure-value"),
    ("#/entities", "tbody tr"),
    ("#/entities/Station", "tbody tr"),
    ("#/entities/Station?prefix=copy-00003", "tbody tr"),
    ("#/entities/Station/copy-0000001", ".tree-leaf"),
    ("#/instances", "tbody tr"),
    ("#/instances", ".histogram rect"),
    ("#/instances?status=Completed", "tbody tr"),
    ("#/instances/copy-000001", "#tab-panel"),
    ("#/queries?kind=station&asked=1", "tbody tr"),
    ("#/dead-letters", "text=There is none."),
    ("#/workers", 'tbody tr, :text("No worker runs")'),
    ("#/schedules", "text=There is none."),
)


def connection(server: ValkeyServer) -> Any:
    """To a server, past stead."""
    return cast("Any", Redis)(unix_socket_path=str(server.socket))


def copy(server: Any, layout: HubLayout, target: str, names: Iterable[str]) -> None:
    """Store what is stored of a target once more under each of these names."""
    keys = KeyNames(layout).partitions
    record = server.hget(keys[partition_of(target, layout.partitions)].state.decode(), target)
    assert record is not None, f"{target} is stored"
    waiting: dict[int, list[str]] = defaultdict(list)
    for name in names:
        number = partition_of(name, layout.partitions)
        waiting[number].append(name)
        if len(waiting[number]) == _AT_ONCE:
            _write(server, keys[number].state, keys[number].index, record, waiting.pop(number))
    for number, left in waiting.items():
        _write(server, keys[number].state, keys[number].index, record, left)


def _write(server: Any, state: bytes, index: bytes, record: object, names: list[str]) -> None:
    pipeline = server.pipeline(transaction=False)
    pipeline.hset(state.decode(), mapping=dict.fromkeys(names, record))
    pipeline.zadd(index.decode(), dict.fromkeys(names, 0))
    pipeline.execute()


def main(entities: int, instances: int) -> None:
    """Make one, and look how long pages take."""
    from support.gateway_app import make_app
    from support.gateway_tools import serve
    from support.valkey_server import ValkeyServer

    with tempfile.TemporaryDirectory(prefix="st") as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        with serve(make_app("large-hub"), server.url) as served:
            grow(served, connection(server), entities, instances)
            for path in (
                "hub",
                "entities?counts=true",
                "entities/Station?limit=50",
                "instances?limit=50",
                "metrics?minutes=60",
                "instance-histogram",
                "entity-counts/Station",
                "dead-letter-counts",
                "doctor",
            ):
                since = time.monotonic()
                answer = served.http.get(f"/api/v1/{path}", timeout=300)
                print(f"{path}: {answer.status_code}, {time.monotonic() - since:.3f} s, {len(answer.content):,} bytes")
            look(served.url)
        server.kill()


def grow(served: Served, server: Any, entities: int, instances: int) -> None:
    """Give a hub so many."""
    http = served.http
    http.post("/api/v1/entities/Station/original/record?wait=true", json={"args": [1.0]})
    http.post("/api/v1/instances?wait_ms=60000", json={"name": "hello", "instance_id": "original"})
    found = http.get("/api/v1/hub").json()["hub"]
    layout = HubLayout(**{name: found[name] for name in HubLayout.__dataclass_fields__ if name in found})
    copy(server, layout, "@station@original", (f"@station@copy-{number:07}" for number in range(entities)))
    copy(server, layout, "original", (f"copy-{number:06}" for number in range(instances)))


def look(url: str) -> None:
    """How long it takes from asking for a page to its first row (of the instances also: to the bars), and what it has asked for then."""
    from playwright.sync_api import sync_playwright

    from support.browser import ARGUMENTS, find

    path, variables = find()

    def note(asked: list[str], request: Request) -> None:
        asked.append(request.url)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS, env=dict(variables) or None)
        for address, seen in PAGES:
            page = browser.new_page()
            page.set_default_timeout(300_000)
            asked: list[str] = []
            page.on("request", partial(note, asked))
            since = time.monotonic()
            page.goto(f"{url}/{address}")
            page.locator(seen).first.wait_for()
            print(f"{address} ({seen}): {time.monotonic() - since:.3f} s, {len(asked)} requests")
            page.close()
        browser.close()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main(*map(int, sys.argv[1:]))
