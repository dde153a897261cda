"""What is known of kinds of entities and orchestrations over HTTP: counts, and what their operations, inputs and events are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stead.app import App
from support.gateway_tools import Served
from support.v1_gateway import eventually, fresh, line, post_lines, state

pytestmark = pytest.mark.slow


def test_the_arguments_of_operations_are_told(served: Served) -> None:
    found = eventually(lambda: served.http.get("/api/v1/entity-kinds/station").json().get("arguments"))
    assert found["record"] == [
        {"name": "celsius", "json_schema": {"type": "number"}, "required": True, "by_name": True, "default": None}
    ]
    assert found["mean"] == []
    kind = served.http.get("/api/v1/entity-kinds/STATION").json()
    assert kind["name"] == "Station"
    assert "record" in kind["operations"]
    assert served.http.get("/api/v1/entity-kinds/nowhere").status_code == 404


def test_what_an_orchestration_is_started_with_and_waits_for_is_told(served: Served) -> None:
    found = eventually(lambda: served.http.get("/api/v1/orchestrations/APPROVAL").json().get("events"))
    assert found == {"approval": {}}
    kind = served.http.get("/api/v1/orchestrations/hello").json()
    assert (kind["name"], kind["versions"], kind["events"]) == ("hello", [""], {})
    (cities,) = kind["input"]
    assert (cities["name"], cities["required"], cities["default"]) == ("cities", False, None)
    assert cities["json_schema"]["anyOf"][0] == {"type": "array", "items": {"type": "string"}}
    (seconds,) = served.http.get("/api/v1/orchestrations/sleeper").json()["input"]
    assert (seconds["json_schema"], seconds["required"]) == ({"type": "number"}, True)
    versioned = served.http.get("/api/v1/orchestrations/versioned").json()
    assert (versioned["versions"], versioned["input"]) == (["1.0"], [])
    assert served.http.get("/api/v1/orchestrations/nowhere").status_code == 404


def test_neither_heartbeats_nor_the_hub_carry_them(served: Served) -> None:
    hub = eventually(lambda: ((found := served.http.get("/api/v1/hub").json())["workers"] and found) or None)
    assert "arguments" not in hub["names"]["station"] and "arguments" not in hub["names"]["orchestration/approval"]
    assert all("arguments" not in kind for worker in hub["workers"] for kind in worker["kinds"].values())


def test_what_a_worker_of_before_or_after_publishes_leaves_a_box_for_json(served: Served) -> None:
    strange: dict[str, dict[str, Any]] = {
        "older": {"name": "Older", "form": "class", "operations": ["go"]},
        "newer": {"name": "Newer", "form": "class", "operations": ["go"], "arguments": {"go": 3, "ok": []}},
        "odd": {"name": "Odd", "form": "class", "operations": ["go"], "arguments": ["go"]},
        "orchestration/older": {"name": "older", "versions": ["1"]},
        "orchestration/newer": {"name": "newer", "versions": [""], "arguments": {"input": 3, "events": {"x": 3}}},
        "orchestration/odd": {"name": "odd", "versions": [""], "arguments": ["go"]},
    }

    async def publish() -> None:
        async with App(served.app.name, settings=served.app.settings).connect(served.store_url) as client:
            await client.store.publish(strange, 600_000)

    asyncio.run(publish())
    shown: dict[str, dict[str, Any]] = {"older": {}, "newer": {"ok": []}, "odd": {}}
    for name, arguments in shown.items():
        assert served.http.get(f"/api/v1/entity-kinds/{name}").json()["arguments"] == arguments
        kind = served.http.get(f"/api/v1/orchestrations/{name}").json()
        assert (kind["input"], kind["events"]) == (None, {})


def test_kinds_are_counted(served: Served) -> None:
    def count() -> int:
        kinds = served.http.get("/api/v1/entities?counts=true").json()["entities"]
        return int(next(one["count"] for one in kinds if one["name"] == "Station"))

    eventually(lambda: served.http.get("/api/v1/entities").json()["entities"] or None)
    before, mark = count(), fresh()
    post_lines(served, b"".join(line(f"{mark}-{n}", 1.0) for n in range(20)))
    for n in range(20):
        state(served, f"{mark}-{n}", 1)
    assert count() == before + 20
    assert served.http.get("/api/v1/entities").json()["entities"][0]["count"] is None
    assert served.http.get("/api/v1/entity-counts/Station").json() == {"count": before + 20}
    assert served.http.get("/api/v1/entity-counts/nowhere").status_code == 404
