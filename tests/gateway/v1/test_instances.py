"""`/api/v1/instances` over a real socket."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from support.gateway_tools import Served
from support.v1_gateway import eventually, fresh

PATH = "/api/v1/instances"


def start(served: Served, name: str, input: object = None, **more: object) -> str:
    answer = served.http.post(PATH, json={"name": name, "input": input, **more})
    assert answer.status_code == 202, answer.text
    found: str = answer.json()["instance_id"]
    assert answer.headers["location"] == f"{served.url}{PATH}/{found}"
    return found


def finished(served: Served, instance_id: str) -> dict[str, Any]:
    found: dict[str, Any] = served.http.get(f"{PATH}/{instance_id}", params={"wait_ms": 10_000}).json()
    return found


def has_status(served: Served, instance_id: str, status: str) -> None:
    def look() -> bool | None:
        return served.http.get(f"{PATH}/{instance_id}").json()["runtime_status"] == status or None

    eventually(look)


def test_an_instance_from_start_to_end(served: Served) -> None:
    instance_id = start(served, "hello", ["Oslo"], tags={"team": "north"})
    found = finished(served, instance_id)
    assert found["runtime_status"] == "Completed"
    assert (found["input"], found["output"]) == (["Oslo"], ["Hello Oslo!"])
    assert (found["name"], found["instance_id"], found["tags"]) == ("hello", instance_id, {"team": "north"})
    assert found["created_time"].endswith("Z") and len(found["created_time"]) == len("2018-02-28T05:18:49.345Z")
    assert found["failure"] is None and "history" not in found
    events = served.http.get(f"{PATH}/{instance_id}", params={"history": "true", "input": "false"}).json()
    assert events["history"][0]["event_type"] == "ExecutionStarted"
    assert (events["input"], events["etag"]) == (None, found["etag"])


def test_some_are_asked_for_by_their_ids(served: Served) -> None:
    first, second = (start(served, "hello", ["x"]) for _ in range(2))
    page = served.http.get(PATH, params={"id": [second, fresh(), first, second]}).json()
    assert [one["instance_id"] for one in page["instances"]] == [second, first]
    assert (page["continuation"], page["instances"][0]["input"]) == (None, None)
    (one,) = served.http.get(PATH, params={"id": first, "input": "true"}).json()["instances"]
    assert one["input"] == ["x"]
    for refused in ({"id": first, "prefix": "x"}, {"id": [f"i{number}" for number in range(101)]}):
        assert served.http.get(PATH, params=refused).status_code == 400


def test_a_start_that_waits(served: Served) -> None:
    answer = served.http.post(PATH, params={"wait_ms": 10_000}, json={"name": "hello"})
    assert (answer.status_code, answer.json()["output"]) == (200, ["Hello Tokyo!", "Hello Seattle!"])
    answer = served.http.post(PATH, params={"wait_ms": 50}, json={"name": "approval"})
    assert (answer.status_code, list(answer.json())) == (202, ["instance_id"])


def test_what_an_instance_waits_for(served: Served) -> None:
    instance_id = start(served, "approval")

    def waits() -> list[dict[str, Any]] | None:
        found = served.http.get(f"{PATH}/{instance_id}", params={"history": "true"}).json()
        return found.get("waiting_for") or None

    (wait,) = eventually(waits)
    assert (wait["kind"], wait["name"], wait["until_time"]) == ("event", "approval", None)
    assert wait["since_time"].endswith("Z")
    assert "waiting_for" not in served.http.get(f"{PATH}/{instance_id}").json(), "nor the history"
    served.http.post(f"{PATH}/{instance_id}/events/Approval", json={"data": True})
    finished(served, instance_id)
    assert served.http.get(f"{PATH}/{instance_id}", params={"history": "true"}).json()["waiting_for"] == []


def test_an_id_is_used_once_at_a_time(served: Served) -> None:
    instance_id = start(served, "approval", instance_id=fresh())
    has_status(served, instance_id, "Running")
    answer = served.http.post(PATH, json={"name": "approval", "instance_id": instance_id})
    assert (answer.status_code, answer.json()["instance_id"]) == (409, instance_id)


def test_who_may_terminate_may_start_over_a_running_one(guarded: Served) -> None:
    body = {"name": "approval", "instance_id": fresh(), "reuse": "always"}
    for key, status in (("signal-key", 403), ("manage-key", 202), ("manage-key", 202)):
        assert guarded.http.post(PATH, json=body, headers={"x-functions-key": key}).status_code == status


def test_an_instance_token_opens_its_routes_alone(guarded: Served) -> None:
    headers = {"x-functions-key": "manage-key"}
    base = "/runtime/webhooks/durabletask/orchestrators/approval"
    uri = guarded.http.post(base, headers=headers).json()["statusQueryGetUri"]
    instance_id, code = uri.partition("?")[0].rpartition("/")[2], uri.rpartition("code=")[2].partition("&")[0]
    assert guarded.http.get(f"{PATH}/{instance_id}?code={code}").status_code in {200, 404}
    assert guarded.http.get(f"{PATH}?code={code}").status_code in {401, 403}
    assert guarded.http.get(f"{PATH}/{fresh()}?code={code}").status_code in {401, 403}


def test_a_failure_without_its_stack(served: Served) -> None:
    instance_id = start(served, "failing", "bad luck")
    found = finished(served, instance_id)
    assert found["runtime_status"] == "Failed"
    assert found["failure"] == {"error_type": "ValueError", "message": "bad luck", "cause": None}
    answer = served.http.get(f"{PATH}/{instance_id}", params={"history": "true"})
    assert "Traceback" not in answer.text


def test_a_failure_with_its_stack_is_for_those_who_manage(served: Served, guarded: Served) -> None:
    instance_id = start(served, "failing", "bad luck")
    finished(served, instance_id)
    failure = served.http.get(f"{PATH}/{instance_id}/failure").json()["failure"]
    assert (failure["error_type"], failure["message"], failure["cause"]) == ("ValueError", "bad luck", None)
    assert "raise ValueError(message)" in failure["traceback"]
    well = start(served, "hello", ["x"])
    assert served.http.get(f"{PATH}/{well}/failure").json() == {"failure": None}
    assert served.http.get(f"{PATH}/{fresh()}/failure").status_code == 404
    for key, status in (("signal-key", 403), ("manage-key", 404)):
        answer = guarded.http.get(f"{PATH}/{fresh()}/failure", headers={"x-functions-key": key})
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "body/name"),
        ({"name": 1}, 400, "body/name"),
        ({"name": "nobody"}, 404, "nobody"),
        ({"name": "hello", "input": 1}, 400, "cities"),
        ({"name": "sleeper"}, 400, "sleeper"),
        ({"name": "hello", "instance_id": "@x"}, 400, "@"),
        ({"name": "hello", "instance_id": "a/b"}, 400, "/"),
        ({"name": "hello", "reuse": "sometimes"}, 400, "body/reuse"),
        ({"name": "hello", "at": "noon"}, 400, "body/at"),
        ({"name": "hello", "at": "2030-01-01T00:00:00"}, 400, "time zone"),
        ({"name": "hello", "tags": {"a": 1}}, 400, "body/tags/a"),
        ({"name": "hello", "version": "€" * 300}, 400, "version"),
    ],
)
def test_wrong_starts(served: Served, body: object, status: int, said: str) -> None:
    answer = served.http.post(PATH, json=body)
    assert (answer.status_code, answer.json()["status"]) == (status, status), answer.text
    assert said in answer.json()["detail"]


def test_an_event_lets_it_go_on(served: Served) -> None:
    instance_id = start(served, "approval")
    has_status(served, instance_id, "Running")
    answer = served.http.post(f"{PATH}/{instance_id}/events/Approval", json={"by": "Ada"})
    assert answer.status_code == 202
    assert finished(served, instance_id)["output"] == {"by": "Ada"}
    assert served.http.post(f"{PATH}/{instance_id}/events/approval", json=1).status_code == 410
    assert served.http.post(f"{PATH}/{fresh()}/events/approval", json=1).status_code == 404


def test_what_can_be_done_to_an_instance(served: Served) -> None:
    instance_id = start(served, "approval")
    has_status(served, instance_id, "Running")
    assert served.http.delete(f"{PATH}/{instance_id}").status_code == 409
    assert served.http.post(f"{PATH}/{instance_id}/suspend", json={"reason": "lunch"}).status_code == 202
    has_status(served, instance_id, "Suspended")
    assert served.http.post(f"{PATH}/{instance_id}/resume").status_code == 202
    has_status(served, instance_id, "Running")
    assert served.http.post(f"{PATH}/{instance_id}/rewind").status_code == 409
    assert served.http.post(f"{PATH}/{instance_id}/terminate", json={"reason": "enough"}).status_code == 202
    found = finished(served, instance_id)
    assert (found["runtime_status"], found["output"]) == ("Terminated", "enough")
    assert served.http.post(f"{PATH}/{instance_id}/rewind").status_code == 410
    answer = served.http.post(f"{PATH}/{instance_id}/restart")
    assert answer.status_code == 202 and answer.json()["instance_id"] != instance_id
    assert served.http.delete(f"{PATH}/{instance_id}").json() == {"deleted": 1}
    assert served.http.delete(f"{PATH}/{instance_id}").status_code == 404
    assert served.http.get(f"{PATH}/{instance_id}").status_code == 404


def test_a_failed_one_is_rewound(served: Served) -> None:
    instance_id = start(served, "failing")
    finished(served, instance_id)
    assert served.http.post(f"{PATH}/{instance_id}/rewind", json={"reason": "again"}).status_code == 202


@pytest.mark.parametrize("action", ["terminate", "cancel", "suspend", "resume", "rewind", "restart"])
def test_what_is_not_there(served: Served, action: str) -> None:
    answer = served.http.post(f"{PATH}/{fresh()}/{action}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert served.http.post(f"{PATH}/x/{action}", json={"why": 1}).status_code == 400


def test_one_that_is_asked_to_end(served: Served) -> None:
    instance_id = start(served, "approval")
    has_status(served, instance_id, "Running")
    assert served.http.post(f"{PATH}/{instance_id}/cancel", json={"reason": "enough"}).status_code == 202
    found = finished(served, instance_id)
    assert (found["runtime_status"], found["output"]) == ("Canceled", "enough")
    assert served.http.post(f"{PATH}/{instance_id}/cancel").status_code == 202  # and nothing happens


def test_one_is_asked_and_told_things(served: Served) -> None:
    instance_id = start(served, "talks")
    path = f"{PATH}/{instance_id}"
    assert served.http.post(f"{path}/updates/Note", json={"args": ["one"]}).json() == {"result": 1}
    assert served.http.post(f"{path}/updates/note", json={"kwargs": {"text": "two"}}).json() == {"result": 2}
    assert served.http.post(f"{path}/queries/notes").json() == {"result": ["one", "two"]}
    assert served.http.post(f"{path}/queries/notes", json={"args": [1]}).json() == {"result": ["one"]}
    refused = served.http.post(f"{path}/updates/note", json={"args": [""]})
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:stead-error:update-refused"
    assert (refused.json()["error_type"], refused.json()["detail"]) == ("ValueError", "ValueError: nothing to note")
    assert "Traceback" not in refused.text
    assert served.http.post(f"{path}/queries/nosuch").status_code == 404
    assert served.http.post(f"{path}/queries/notes", json={"args": ["many"]}).status_code == 400
    assert served.http.post(f"{PATH}/{fresh()}/queries/notes").status_code == 404
    assert served.http.post(f"{path}/terminate").status_code == 202
    finished(served, instance_id)
    assert served.http.post(f"{path}/queries/notes").json() == {"result": ["one", "two"]}
    assert served.http.post(f"{path}/updates/note", json={"args": ["late"]}).status_code == 410


def test_many_at_once(served: Served) -> None:
    ids = [start(served, "approval") for _ in range(3)]
    for instance_id in ids:
        has_status(served, instance_id, "Running")
    body = {"action": "cancel", "prefix": ids[0], "reason": "enough"}
    path = "/api/v1/instance-actions"
    account: dict[str, object] = {"matched": 1, "done": 1, "passed_over": 0, "failed": {}}
    assert served.http.post(path, json={**body, "dry_run": True}).json() == account
    has_status(served, ids[0], "Running")
    assert served.http.post(path, json=body).json() == account
    assert finished(served, ids[0])["runtime_status"] == "Canceled"
    has_status(served, ids[1], "Running")
    assert served.http.post(path, json={"action": "cancel"}).status_code == 400
    assert served.http.post(path, json={**body, "action": "explode"}).status_code == 400


def test_waiting_for_a_change(served: Served) -> None:
    instance_id = start(served, "approval")

    def with_status() -> str | None:
        found = served.http.get(f"{PATH}/{instance_id}").json()
        etag: str = found["etag"]
        return etag if found["custom_status"] else None

    etag = eventually(with_status)
    later = threading.Timer(0.2, lambda: served.http.post(f"{PATH}/{instance_id}/events/approval", json="yes"))
    later.start()
    longer: dict[str, str | int] = {"since": etag, "wait_ms": 200_000}  # than a test may take
    found = served.http.get(f"{PATH}/{instance_id}", params=longer).json()
    later.join()
    assert found["etag"] != etag
    headers = {"if-none-match": f'"{finished(served, instance_id)["etag"]}"'}
    assert served.http.get(f"{PATH}/{instance_id}", headers=headers).status_code == 304


def test_lists_and_counts(served: Served) -> None:
    prefix = fresh()
    for number in range(12):
        start(served, "hello", ["x"], instance_id=f"{prefix}{number:02}", version="2" if number % 3 else None)
    start(served, "failing", instance_id=f"{prefix}zz", tags={"a": "b=c"})
    for suffix in (*(f"{number:02}" for number in range(12)), "zz"):
        finished(served, prefix + suffix)

    def listed(**query: Any) -> list[str]:
        ids: list[str] = []
        continuation: str | None = None
        while True:
            given: dict[str, Any] = {"prefix": prefix, "limit": 5, **query} | (
                {"continuation": continuation} if continuation else {}
            )
            page = served.http.get(PATH, params=given).json()
            assert len(page["instances"]) <= 5
            ids += [found["instance_id"][32:] for found in page["instances"]]
            continuation = page["continuation"]
            if continuation is None:
                return ids

    def counted(**query: Any) -> int:
        total: int = served.http.get("/api/v1/instance-counts", params={"prefix": prefix, **query}).json()["total"]
        return total

    everything = [*(f"{number:02}" for number in range(12)), "zz"]
    assert listed() == everything
    expected: list[tuple[dict[str, Any], int]] = [
        ({"name": "HELLO"}, 12),
        ({"status": "failed"}, 1),
        ({"status": "Failed,Completed"}, 13),
        ({"status": ["Failed", "Running"]}, 1),
        ({"tag": "a=b=c"}, 1),
        ({"tag": "a=b"}, 0),
        ({"version": "2"}, 8),
        ({"parent": "nobody"}, 0),
        ({"created_from": "2020-01-01"}, 13),
        ({"created_to": "2020-01-01T00:00:00Z"}, 0),
    ]
    for query, count in expected:
        assert (len(listed(**query)), counted(**query)) == (count, count), query
    found = served.http.get("/api/v1/instance-counts", params={"prefix": prefix}).json()
    assert {(one["name"], one["version"], one["runtime_status"]): one["count"] for one in found["counts"]} == {
        ("failing", None, "Failed"): 1,
        ("hello", None, "Completed"): 4,
        ("hello", "2", "Completed"): 8,
    }
    answer = served.http.post("/api/v1/instance-purges", json={"prefix": prefix, "statuses": ["Completed"]})
    assert answer.json() == {"deleted": 12}
    assert listed() == ["zz"]


@pytest.mark.parametrize(
    "query", [{"status": "Runing"}, {"tag": "a"}, {"created_from": "x"}, {"limit": "-1"}, {"nmae": "x"}, {"input": "2"}]
)
def test_wrong_queries(served: Served, query: dict[str, str]) -> None:
    answer = served.http.get(PATH, params=query)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["loc"] == ["query", *query]


@pytest.mark.parametrize(
    "body", [{}, {"recursive": True}, {"statuses": ["Running"]}, {"statuses": ["x"]}, {"all": True}]
)
def test_a_purge_of_everything_by_mistake(served: Served, body: object) -> None:
    assert served.http.post("/api/v1/instance-purges", json=body).status_code == 400


def test_why_an_instance_stands_still(served: Served) -> None:
    instance_id = start(served, "versioned", version="9.9")

    def why() -> str | None:
        found: str | None = served.http.get(f"{PATH}/{instance_id}").json()["blocked"]
        return found

    assert (
        eventually(why) == "no orchestration named 'versioned' that may run version '9.9' is registered in this worker"
    )
    etag = served.http.get(f"{PATH}/{instance_id}").json()["etag"]
    assert served.http.get(f"{PATH}/{instance_id}", params={"since": etag}).json()["etag"] == etag
    (listed,) = served.http.get(PATH, params={"prefix": instance_id}).json()["instances"]
    assert listed["blocked"] is None
    served.http.post(f"{PATH}/{instance_id}/terminate", json={"reason": "seen"})
    has_status(served, instance_id, "Terminated")
    assert served.http.get(f"{PATH}/{instance_id}").json()["blocked"] is None
