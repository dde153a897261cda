"""What the hub that is walked through has in it: flights as the demonstration streams them, and what the patterns are started with."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx

from support.running_hub import until

DESTINATIONS = ("ATL", "BOS", "DEN", "LAX", "MIA", "ORD", "SEA", "SFO")
CARRIERS = ("AA", "B6", "DL", "UA")
FLIGHTS = 1_200


@dataclass
class Walked:
    """The hub, with a client beside the browser: what happens in it while somebody looks."""

    http: httpx.Client
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def url(self) -> str:
        """Where the dashboard is."""
        return str(self.http.base_url).rstrip("/")

    @cached_property
    def paths(self) -> dict[str, Any]:
        """What the OpenAPI document says of each path."""
        found: dict[str, Any] = self.http.get("/openapi.json").json()["paths"]
        return found

    def fly(self, flights: int) -> None:
        """Send so many flights to their routes, carriers and airports."""
        lines: list[str] = []
        for number in itertools.islice(self._numbers, flights):
            origin = ("JFK", "LGA", "EWR")[number % 3]
            delay = None if number % 50 == 0 else number % 97 - 20
            left = f"2013-{number % 12 + 1:02}-{number % 28 + 1:02}T{number % 24:02}:30:00+00:00"
            route = f"{origin}-{DESTINATIONS[number % len(DESTINATIONS)]}"
            lines += [
                _signal("Route", route, "record", delay),
                _signal("Carrier", CARRIERS[number % len(CARRIERS)], "record", delay),
                _signal("Airport", origin, "left", [left, delay or 0]),
            ]
        answer = self.http.post("/api/v1/signals", content="\n".join(lines))
        assert answer.json()["accepted"] == 3 * flights, answer.text

    def start(self, name: str, instance_id: str, given: object) -> str:
        """Start an instance of a pattern; gives its ID."""
        body = {"name": name, "instance_id": instance_id, "input": given}
        assert self.http.post("/api/v1/instances", json=body).status_code == 202
        return instance_id

    def end(self, instance_id: str) -> dict[str, Any]:
        """The status of an instance once it is finished."""
        found: dict[str, Any] = self.http.get(f"/api/v1/instances/{instance_id}?wait_ms=60000").json()
        return found

    def state(self, name: str, key: str) -> dict[str, Any]:
        """What an entity holds."""
        found: dict[str, Any] = self.http.get(f"/api/v1/entities/{name}/{key}").json()["state"]
        return found


def fill(walked: Walked) -> None:
    """The flights, and some of each pattern."""
    walked.fly(FLIGHTS)
    for name in ("ann", "bob"):
        walked.http.post(f"/api/v1/entities/Account/{name}/deposit?wait=true", json={"args": [100]})
    for number in range(4):
        walked.start("book", f"trip-{number}", {"city": "Oslo", "nights": 2, "budget": 500 if number == 0 else 1_000})
    walked.start("watch", "watch-1", {"job": "nightly build"})
    walked.start("convert_all", "pages-1", 5)
    walked.start("transfer", "transfer-1", {"source": "ann", "destination": "bob", "amount": 30})
    nightly = {"cron": "0 3 1 1 *", "start_new": {"name": "most_frequent", "input": ["a rose is a rose"]}}
    assert walked.http.put("/api/v1/schedules/nightly", json=nightly).is_success
    for instance_id in ("trip-0", "trip-3", "pages-1", "transfer-1"):
        walked.end(instance_id)
    until(lambda: sum(walked.state("Airport", key)["delays"]["count"] for key in ("JFK", "LGA", "EWR")) == FLIGHTS)


def _signal(entity: str, key: str, operation: str, argument: object) -> str:
    return json.dumps({"entity": entity, "key": key, "operation": operation, "args": [argument]})
