"""Both surfaces list and count instances that no worker has taken up yet: newcomers start one before they start a worker."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from support.df_gateway import BASE
from support.gateway_tools import Served, serve
from support.v1_gateway import fresh, make_v1_app, work
from support.valkey_server import ValkeyServer

PATH = "/api/v1/instances"


@pytest.fixture(scope="module")
def idle(module_server: ValkeyServer) -> Generator[Served]:
    """A gateway whose hub has no worker."""
    with serve(make_v1_app(), module_server.url, worker=False) as running:
        yield running


def start(idle: Served, count: int) -> str:
    """Start instances; gives what their IDs begin with."""
    prefix = fresh()
    for number in range(count):
        version = "2" if number % 2 else None
        body = {"name": "hello", "instance_id": f"{prefix}{number}", "input": [str(number)], "version": version}
        assert idle.http.post(PATH, json={**body, "tags": {"number": str(number)}}).status_code == 202
    return prefix


def test_lists_and_counts(idle: Served) -> None:
    prefix = start(idle, 4)

    def listed(**query: Any) -> list[dict[str, Any]]:
        answer = idle.http.get(PATH, params={"prefix": prefix, **query})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["instances"]
        return found

    found = listed(input="true")
    assert found == [idle.http.get(f"{PATH}/{prefix}{number}").json() for number in range(4)]
    assert [one["runtime_status"] for one in found] == ["Pending"] * 4
    assert [one["input"] for one in found] == [[str(number)] for number in range(4)]
    assert [one["input"] for one in listed()] == [None] * 4
    expected: list[tuple[dict[str, Any], int]] = [
        ({"status": "pending"}, 4),
        ({"status": "Running,Completed"}, 0),
        ({"name": "HELLO"}, 4),
        ({"name": "approval"}, 0),
        ({"tag": "number=3"}, 1),
        ({"version": "2"}, 2),
        ({"parent": "nobody"}, 0),
        ({"created_from": "2020-01-01"}, 4),
        ({"created_to": "2020-01-01T00:00:00Z"}, 0),
    ]
    for query, count in expected:
        total = idle.http.get("/api/v1/instance-counts", params={"prefix": prefix, **query}).json()["total"]
        assert (len(listed(**query)), total) == (count, count), query
    counts = idle.http.get("/api/v1/instance-counts", params={"prefix": prefix}).json()["counts"]
    assert [(one["version"], one["runtime_status"], one["count"]) for one in counts] == [
        (None, "Pending", 2),
        ("2", "Pending", 2),
    ]


def test_purges_leave_them_alone(idle: Served) -> None:
    prefix = start(idle, 2)
    assert idle.http.post("/api/v1/instance-purges", json={"prefix": prefix}).json() == {"deleted": 0}
    assert (
        idle.http.post("/api/v1/instance-purges", json={"prefix": prefix, "statuses": ["Pending"]}).status_code == 400
    )
    assert idle.http.delete(f"{PATH}/{prefix}0").status_code == 409
    query = {"createdTimeFrom": "2020-01-01", "instanceIdPrefix": prefix}
    assert idle.http.delete(f"{BASE}/instances", params=query).status_code == 404
    assert idle.http.delete(f"{BASE}/instances/{prefix}0").status_code == 412
    assert len(idle.http.get(PATH, params={"prefix": prefix}).json()["instances"]) == 2


def test_the_list_of_durable_functions(idle: Served) -> None:
    prefix = start(idle, 3)
    query = {"instanceIdPrefix": prefix, "runtimeStatus": "Pending"}
    found = idle.http.get(f"{BASE}/instances", params=query).json()
    assert found == [idle.http.get(f"{BASE}/instances/{prefix}{number}").json() for number in range(3)]
    assert [(one["runtimeStatus"], one["input"]) for one in found] == [("Pending", [str(n)]) for n in range(3)]
    without = idle.http.get(f"{BASE}/instances", params={**query, "showInput": "false"}).json()
    assert [one["input"] for one in without] == [None] * 3
    assert idle.http.get(f"{BASE}/instances", params={**query, "runtimeStatus": "Running"}).json() == []


def test_what_a_worker_takes_up_between_two_pages_is_given_once(idle: Served) -> None:
    prefix = start(idle, 7)
    names = [f"{prefix}{number}" for number in range(7)]
    first = idle.http.get(PATH, params={"prefix": prefix, "limit": 3}).json()
    answer = idle.http.get(f"{BASE}/instances", params={"instanceIdPrefix": prefix, "top": 3})
    with work(idle.app, idle.store_url):
        for name in names:
            finished = idle.http.get(f"{PATH}/{name}", params={"wait_ms": 10_000}).json()
            assert finished["runtime_status"] == "Completed"
    rest = idle.http.get(PATH, params={"prefix": prefix, "limit": 9, "continuation": first["continuation"]}).json()
    found = [*first["instances"], *rest["instances"]]
    assert [one["instance_id"] for one in found] == names
    assert [one["runtime_status"] for one in found] == ["Pending"] * 3 + ["Completed"] * 4
    headers = {"x-ms-continuation-token": answer.headers["x-ms-continuation-token"]}
    others = idle.http.get(f"{BASE}/instances", params={"instanceIdPrefix": prefix}, headers=headers).json()
    assert [one["instanceId"] for one in (*answer.json(), *others)] == names
