"""`/api/v1/entities` over a real socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.gateway_tools import Served, serve
from support.v1_gateway import eventually, fresh, line, make_v1_app, post_lines, state
from support.valkey_server import ValkeyServer


@pytest.fixture(scope="module")
def served(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(make_v1_app(), module_server.url) as running:
        yield running


def operate(served: Served, path: str, args: list[object] | None = None, **query: Any) -> Any:
    body = None if args is None else {"args": args}
    return served.http.post(f"/api/v1/entities/{path}", json=body, params=query)


def test_a_signal_is_durable_when_it_is_answered(served: Served) -> None:
    key = fresh()
    answer = operate(served, f"Station/{key}/record", [3.5])
    assert (answer.status_code, answer.json()) == (202, {"entity_id": f"@station@{key}", "operation": "record"})
    assert state(served, key, 1)["total"] == 3.5


def test_an_entity_is_shown_with_its_reminders(served: Served) -> None:
    key = fresh()
    operate(served, f"Anything/{key}/remind", wait="true")
    due = {"check": "2200-01-01T00:00:00.000Z"}
    assert served.http.get(f"/api/v1/entities/Anything/{key}").json()["reminders"] == due
    [listed] = served.http.get("/api/v1/entities/Anything", params={"prefix": key}).json()["entities"]
    assert listed["reminders"] == due
    operate(served, f"Anything/{key}/other", wait="true")
    operate(served, f"Anything/{key}/delete", wait="true")


def test_a_call_gives_the_result(served: Served) -> None:
    key = fresh()
    operate(served, f"station/{key}/RECORD", [3.0])
    answer = operate(served, f"station/{key}/mean", wait="true")
    assert (answer.status_code, answer.json()) == (200, {"result": 3.0})


def test_arguments_by_name(served: Served) -> None:
    key = fresh()
    answer = served.http.post(f"/api/v1/entities/Station/{key}/record?wait=true", json={"kwargs": {"celsius": "4"}})
    assert (answer.status_code, answer.json()) == (200, {"result": None})
    assert state(served, key, 1)["total"] == 4


def test_what_an_operation_raised_is_told_without_its_stack(served: Served) -> None:
    answer = operate(served, f"Station/{fresh()}/fail", ["too hot"], wait="true")
    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["error_type"], problem["message"]) == ("ValueError", "too hot")
    assert "Traceback" not in answer.text and ".py" not in answer.text


def test_a_call_that_takes_too_long(served: Served) -> None:
    answer = operate(served, f"Station/{fresh()}/nap", [2.0], wait="true", timeout_ms=50)
    assert answer.status_code == 504
    assert "an operation of it takes long" in answer.text, "what the client would say"


@pytest.mark.parametrize(
    ("path", "body", "query", "status", "said"),
    [
        ("Station/x/record", {"args": ["warm"]}, {}, 400, "celsius"),
        ("Station/x/record", {"args": []}, {}, 400, "celsius"),
        ("Station/x/record", {"args": {}}, {}, 400, "body/args"),
        ("Station/x/record", {"arguments": []}, {}, 400, "body/arguments"),
        ("Station/x/record", [1], {}, 400, "body"),
        ("Station/x/rekord", {}, {}, 404, "rekord"),
        ("Statoin/x/record", {}, {}, 404, "statoin"),
        ("9/x/record", {}, {}, 400, "name"),
        (f"Station/{'x' * 300}/record", {"args": [1]}, {}, 400, "256"),
        ("Station/x/record", {"args": [1]}, {"wiat": "true"}, 400, "wiat"),
        ("Station/x/record", {"args": [1]}, {"wait": "maybe"}, 400, "wait"),
        ("Station/x/record", {"args": [1]}, {"wait": "true", "after_ms": "5"}, 400, "exclude"),
        ("Station/x/record", {"args": [1]}, {"timeout_ms": "5"}, 400, "wait=true"),
        ("Station/x/record", {"args": [1]}, {"at": "noon"}, 400, "at"),
    ],
)
def test_wrong_requests(served: Served, path: str, body: object, query: dict[str, str], status: int, said: str) -> None:
    answer = served.http.post(f"/api/v1/entities/{path}", json=body, params=query)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status), problem
    assert said in problem["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_not_json(served: Served) -> None:
    headers = {"content-type": "application/json"}
    answer = served.http.post("/api/v1/entities/Station/x/record", content=b"{", headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (400, ["body"])
    answer = served.http.post("/api/v1/entities/Station/x/record", content=b"1", headers={"content-type": "text/csv"})
    assert answer.status_code == 400


def test_a_scheduled_signal(served: Served) -> None:
    key, began = fresh(), time.monotonic()
    assert operate(served, f"Station/{key}/record", [1.0], after_ms=200).status_code == 202
    assert operate(served, f"Station/{key}/record", [1.0], at="2020-01-01T00:00:00Z").status_code == 202
    state(served, key, 2)
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("key", ["a/b", "ü ?#&", "%41", "..", "$"])
def test_any_key(served: Served, key: str) -> None:
    from urllib.parse import quote

    name = "" if key == "$" else key + fresh()
    path = f"/api/v1/entities/Log/{quote(name, safe='') or '$'}"
    assert served.http.post(path + "/add?wait=true", json={"args": [1]}).status_code == 200
    found = served.http.get(path).json()
    assert (found["entity"], found["key"], found["state"]) == ("Log", name, {"numbers": [1]})


def test_the_state_of_what_does_not_exist(served: Served) -> None:
    assert served.http.get(f"/api/v1/entities/Station/{fresh()}").status_code == 404
    assert served.http.get(f"/api/v1/entities/Statoin/{fresh()}").status_code == 404


def test_states_are_json_whatever_they_hold(served: Served) -> None:
    key = fresh()
    answer = operate(served, f"Anything/{key}/whatever", [1, {"a": None}], wait="true")
    assert answer.json() == {"result": [1, {"a": None}]}
    answer = served.http.get(f"/api/v1/entities/anything/{key}")
    assert answer.json()["state"] == ["whatever", 1, {"a": None}]


def test_a_state_that_the_client_has_is_not_sent_again(served: Served) -> None:
    key = fresh()
    operate(served, f"Log/{key}/add", [1], wait="true")
    path = f"/api/v1/entities/Log/{key}"
    etag = served.http.get(path).headers["etag"]
    again = served.http.get(path, headers={"if-none-match": f'"other", {etag}'})
    assert (again.status_code, again.content) == (304, b"")
    operate(served, f"Log/{key}/add", [2], wait="true")
    assert served.http.get(path, headers={"if-none-match": etag}).status_code == 200


def test_waiting_for_a_change_of_a_state(served: Served) -> None:
    key = fresh()
    operate(served, f"Log/{key}/add", [1], wait="true")
    path = f"/api/v1/entities/Log/{key}"
    etag = served.http.get(path).json()["etag"]
    began = time.monotonic()
    unchanged = served.http.get(path, params={"since": etag, "wait_ms": 150}).json()
    assert unchanged["etag"] == etag and time.monotonic() - began >= 0.15
    later = threading.Timer(0.2, lambda: operate(served, f"Log/{key}/add", [2]))
    later.start()
    changed = served.http.get(path, params={"since": etag, "wait_ms": 200_000}).json()  # longer than a test may take
    later.join()
    assert changed["state"] == {"numbers": [1, 2]}


def test_pages_of_a_list(served: Served) -> None:
    prefix = fresh()
    body = b"".join(line(f"{prefix}{number:03}", 1.0) for number in range(25))
    assert post_lines(served, body).json()["accepted"] == 25
    path = "/api/v1/entities/station"

    def all_there() -> bool | None:
        found = served.http.get(path, params={"prefix": prefix}).json()
        return len(found["entities"]) == 25 or None

    eventually(all_there)
    keys: list[str] = []
    continuation: str | None = None
    while True:
        query: dict[str, Any] = {"prefix": prefix, "limit": 10} | (
            {"continuation": continuation} if continuation else {}
        )
        page = served.http.get(path, params=query).json()
        assert len(page["entities"]) <= 10
        keys += [found["key"] for found in page["entities"]]
        continuation = page["continuation"]
        if continuation is None:
            break
    assert keys == [f"{prefix}{number:03}" for number in range(25)]
    assert page["entities"][0]["state"] == {"count": 1, "total": 1.0, "raw": ""}
    assert page["entities"][0]["modified_time"].endswith("Z")
    short = served.http.get(path, params={"prefix": prefix, "state": "false", "limit": 1}).json()
    assert set(short["entities"][0]) == {"entity", "key", "modified_time"}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "x"},
        {"continuation": "€"},
        {"continuation": "a"},
        {"modified_from": "x"},
        {"top": "1"},
    ],
)
def test_wrong_queries_of_a_list(served: Served, query: dict[str, str]) -> None:
    answer = served.http.get("/api/v1/entities/Station", params=query)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["loc"] == ["query", *query]


def test_the_names_of_entities(served: Served) -> None:
    found = {kind["name"]: kind["operations"] for kind in served.http.get("/api/v1/entities").json()["entities"]}
    assert {"record", "mean", "fail", "delete"} <= set(found["Station"])
    assert found["Anything"] is None
