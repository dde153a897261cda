"""Server-sent events over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from stead.gateway import HttpSettings
from stead.gateway._v1 import events as _v1_events
from support.gateway_tools import Served, serve
from support.guards import HANGS_S
from support.v1_gateway import eventually, fresh, make_v1_app
from support.valkey_server import ValkeyServer


@pytest.fixture(scope="module")
def served(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(make_v1_app(), module_server.url, settings=HttpSettings(streams_max=5)) as running:
        yield running


def events(answer: httpx.Response) -> Iterator[tuple[str, str, Any]]:
    """Name, ID and data of each event; a comment has the name ":"."""
    found: dict[str, str] = {}
    for text in answer.iter_lines():
        if text:
            name, _, value = text.partition(": ")
            found[name or ":"] = value
        elif found:
            if "data" in found:
                yield found["event"], found["id"], json.loads(found["data"])
            elif text == "" and ":" in found:
                yield ":", "", None
            found = {}


def start(served: Served, name: str, input: object = None) -> str:
    found: str = served.http.post("/api/v1/instances", json={"name": name, "input": input}).json()["instance_id"]
    return found


def test_an_instance_until_it_is_finished(served: Served) -> None:
    instance_id = start(served, "approval")
    path = f"/api/v1/instances/{instance_id}"
    eventually(lambda: served.http.get(path).json()["custom_status"])
    statuses: list[str] = []
    with served.http.stream("GET", f"{path}/events", params={"interval_ms": 50}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for name, event_id, data in events(answer):
            assert (name, event_id) == ("status", data["etag"])
            statuses.append(data["runtime_status"])
            if len(statuses) == 1:
                threading.Thread(
                    target=lambda: httpx.post(f"{served.url}{path}/events/approval", json=1, timeout=HANGS_S)
                ).start()
    assert (statuses[0], statuses[-1]) == ("Running", "Completed")
    last = served.http.get(path).json()["etag"]
    again = served.http.get(f"{path}/events", headers={"last-event-id": last})
    assert (again.status_code, again.content) == (204, b"")


def test_an_instance_that_is_not_there(served: Served) -> None:
    answer = served.http.get(f"/api/v1/instances/{fresh()}/events")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert served.http.get(f"/api/v1/instances/{fresh()}/events?interval_ms=1").status_code == 400


def test_an_entity_that_comes_changes_and_goes(served: Served) -> None:
    path = f"/api/v1/entities/Log/{fresh()}"
    told: list[tuple[str, Any]] = []
    with served.http.stream("GET", f"{path}/events", params={"interval_ms": 50}) as answer:
        for name, _, data in events(answer):
            told.append((name, data["state"]))
            if len(told) == 4:
                break
            operation = "delete" if len(told) == 3 else "add"
            args = [] if operation == "delete" else [len(told)]
            httpx.post(f"{served.url}{path}/{operation}", json={"args": args}, params={"wait": "true"}, timeout=HANGS_S)
    assert told == [
        ("deleted", None),
        ("state", {"numbers": [1]}),
        ("state", {"numbers": [1, 2]}),
        ("deleted", None),
    ]


def test_a_quiet_stream_has_heartbeats_and_what_was_seen_is_not_sent_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_v1_events, "HEARTBEAT_S", 0.1)
    path = f"/api/v1/entities/Log/{fresh()}"
    served.http.post(f"{path}/add?wait=true", json={"args": [1]})
    headers = {"last-event-id": served.http.get(path).json()["etag"]}
    with served.http.stream("GET", f"{path}/events", params={"interval_ms": 50}, headers=headers) as answer:
        assert next(events(answer))[0] == ":"


def test_too_many_streams_are_refused_and_come_to_an_end_with_their_clients(served: Served) -> None:
    path = f"/api/v1/entities/Log/{fresh()}/events"
    clients = [httpx.Client(base_url=served.url, timeout=HANGS_S) for _ in range(5)]
    streams: list[Iterator[bytes]] = []
    for client in clients:
        answer = client.send(client.build_request("GET", path, params={"interval_ms": 50}), stream=True)
        assert answer.status_code == 200
        streams.append(answer.iter_bytes())  # kept: it would be closed with what reads it
        next(streams[-1])
    refused = served.http.get(path)
    assert refused.status_code == 429 and "retry-after" in refused.headers
    for client in clients:
        client.close()

    def free() -> bool | None:
        with served.http.stream("GET", path) as answer:
            return answer.status_code == 200 or None

    eventually(free)


def test_streams_end_when_the_server_stops(module_server: ValkeyServer) -> None:
    with serve(make_v1_app(), module_server.url, worker=False) as stopping:
        client = httpx.Client(base_url=stopping.url, timeout=HANGS_S)
        request = client.build_request("GET", "/api/v1/entities/Log/x/events", params={"interval_ms": 60_000})
        answer = client.send(request, stream=True)
        parts = answer.iter_bytes()
        next(parts)
    assert b"".join(parts).count(b"event:") <= 1
    client.close()
