"""`/api/v1/schedules` over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.gateway_tools import Served, serve
from support.v1_gateway import eventually, fresh, make_v1_app
from support.valkey_server import ValkeyServer

PATH = "/api/v1/schedules"


@pytest.fixture(scope="module")
def served(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(make_v1_app(), module_server.url) as running:
        yield running


def put(served: Served, name: str, **body: Any) -> Any:
    return served.http.put(f"{PATH}/{name}", json=body)


def test_a_schedule_of_signals_from_beginning_to_end(served: Served) -> None:
    name, key = fresh(), fresh()
    signal = {"entity": "Log", "key": key, "operation": "add", "args": [1]}
    made = put(served, name, every_ms=1_000, signal_entity=signal)
    assert made.status_code == 200, made.text
    assert (made.json()["name"], made.json()["every_ms"], len(made.json()["next_times"])) == (name, 1_000, 5)
    assert made.json()["signal_entity"] == {**signal, "entity": "log", "kwargs": {}}
    assert put(served, name, every_ms=1_000, signal_entity=signal).status_code == 200
    eventually(lambda: served.http.get(f"/api/v1/entities/Log/{key}").status_code == 200)
    eventually(lambda: served.http.get(f"{PATH}/{name}").json()["last_runs"])
    assert served.http.post(f"{PATH}/{name}/pause").json()["paused"]
    assert served.http.post(f"{PATH}/{name}/trigger").json() == {"instance_id": None}
    assert not served.http.post(f"{PATH}/{name}/resume").json()["paused"]
    assert name in [each["name"] for each in served.http.get(PATH).json()["schedules"]]
    assert served.http.delete(f"{PATH}/{name}").json() == {"deleted": True}
    assert served.http.delete(f"{PATH}/{name}").status_code == 404
    for action in ("pause", "resume", "trigger"):
        assert served.http.post(f"{PATH}/{name}/{action}").status_code == 404
    assert served.http.get(f"{PATH}/{name}").status_code == 404


def test_a_schedule_of_instances(served: Served) -> None:
    name = fresh()
    start = {"name": "hello", "input": "Oslo", "version": None, "tags": {"a": "b"}}
    made = put(served, name, cron="0 3 * * *", timezone="Europe/Oslo", overlap="buffer_one", start_new=start)
    assert made.status_code == 200, made.text
    assert made.json()["start_new"] == start
    instance_id = served.http.post(f"{PATH}/{name}/trigger").json()["instance_id"]
    assert instance_id.startswith(f"{name}:") and instance_id.endswith(":1")
    assert served.http.get(f"/api/v1/instances/{instance_id}").status_code == 200
    served.http.delete(f"{PATH}/{name}")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"every_ms": 1_000}, 400),
        ({"every_ms": 1, "start_new": {"name": "x"}}, 400),
        ({"every_ms": 1_000, "cron": "0 3 * * *", "start_new": {"name": "x"}}, 400),
        ({"cron": "0 3 30 2 *", "start_new": {"name": "x"}}, 400),
        ({"cron": "0 3 * * *", "timezone": "Nowhere", "start_new": {"name": "x"}}, 400),
        (
            {
                "every_ms": 1_000,
                "overlap": "skip",
                "signal_entity": {"entity": "Log", "key": "a", "operation": "add", "args": [1]},
            },
            400,
        ),
        ({"every_ms": 1_000, "signal_entity": {"entity": "Log", "key": "a", "operation": "add", "args": ["x"]}}, 400),
    ],
)
def test_what_makes_no_sense_is_refused(served: Served, body: dict[str, Any], status: int) -> None:
    answer = put(served, fresh(), **body)
    assert answer.status_code == status, answer.text


def test_another_one_of_the_name_is_a_conflict(served: Served) -> None:
    name = fresh()
    assert put(served, name, cron="0 3 * * *", start_new={"name": "hello"}).status_code == 200
    assert put(served, name, cron="0 4 * * *", start_new={"name": "hello"}).status_code == 409
    served.http.delete(f"{PATH}/{name}")
