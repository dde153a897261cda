"""The Durable Functions surface: status, lists with their pages, purges, events, and what is done to an instance."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.df_gateway import BASE, Gateway, gateway
from support.valkey_server import ValkeyServer

FIELDS = ["name", "instanceId", "runtimeStatus", "input", "customStatus", "output", "createdTime", "lastUpdatedTime"]
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def df(module_server: ValkeyServer) -> Generator[Gateway]:
    with gateway(module_server) as running:
        yield running


# -- status ------------------------------------------------------------------------------------------------------------


def test_the_status_of_a_completed_instance(df: Gateway) -> None:
    instance_id = df.run("echo", {"amount": 12})
    answer = df.http.get(f"{BASE}/instances/{instance_id}")
    assert answer.status_code == 200
    assert "location" not in answer.headers
    assert "retry-after" not in answer.headers
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    payload = answer.json()
    assert list(payload) == FIELDS
    for name in ("createdTime", "lastUpdatedTime"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", payload.pop(name))
    assert payload == {
        "name": "echo",
        "instanceId": instance_id,
        "runtimeStatus": "Completed",
        "input": {"amount": 12},
        "customStatus": {"nextActions": ["A", "B", "C"], "foo": 2},
        "output": {"amount": 12},
    }


def test_the_status_of_a_running_instance(df: Gateway) -> None:
    instance_id = df.start("approval", {"order": 1}, "running ü")
    path = f"{BASE}/instances/running%20%C3%BC?showInput=TRUE"
    answer = df.http.get(path)
    assert answer.status_code == 202
    assert answer.headers["location"] == df.url + path
    assert answer.headers["retry-after"] == "5"
    payload = answer.json()
    assert list(payload) == FIELDS
    assert (payload["instanceId"], payload["input"], payload["output"]) == (instance_id, {"order": 1}, None)
    assert payload["customStatus"] is None


def test_the_status_of_a_failed_instance(df: Gateway) -> None:
    instance_id = df.run("failing", "front door")
    path = f"{BASE}/instances/{instance_id}"
    answer = df.http.get(path)
    assert answer.status_code == 200
    assert answer.json()["runtimeStatus"] == "Failed"
    assert isinstance(answer.json()["output"], str)
    assert "front door is closed" in answer.json()["output"]
    assert "Traceback" not in answer.text
    same = df.http.get(f"{path}?returnInternalServerErrorOnFailure=true")
    assert (same.status_code, same.json()) == (500, answer.json())
    completed = df.run("echo", 1)
    assert df.http.get(f"{BASE}/instances/{completed}?returnInternalServerErrorOnFailure=true").status_code == 200


def test_the_status_of_a_missing_instance(df: Gateway) -> None:
    for missing in ("missing", "@counter@x", "x" * 300):
        answer = df.http.get(f"{BASE}/instances/{missing}")
        assert (answer.status_code, answer.content) == (404, b"")


def test_the_input_is_shown_unless_it_is_not_wanted(df: Gateway) -> None:
    instance_id = df.run("echo", [1])
    payload = df.http.get(f"{BASE}/instances/{instance_id}?showInput=false").json()
    assert list(payload) == FIELDS
    assert payload["input"] is None
    assert payload["output"] == [1]


@pytest.mark.parametrize(
    "name", ["showInput", "showHistory", "showHistoryOutput", "returnInternalServerErrorOnFailure"]
)
def test_what_is_neither_true_nor_false(df: Gateway, name: str) -> None:
    answer = df.http.get(f"{BASE}/instances/any?{name}=yes")
    assert answer.status_code == 400
    assert name in answer.json()["Message"]


# -- lists -------------------------------------------------------------------------------------------------------------


def listed(df: Gateway, **query: Any) -> list[str]:
    """The IDs of all pages."""
    found: list[str] = []
    headers: dict[str, str] = {}
    while True:
        answer = df.http.get(f"{BASE}/instances", params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()) <= int(query.get("top", 100))
        found += [payload["instanceId"] for payload in answer.json()]
        token = answer.headers.get("x-ms-continuation-token")
        if not token:
            return found
        headers = {"x-ms-continuation-token": token}


def test_lists_and_their_filters(df: Gateway) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    df.run("echo", 1, "list-a")
    df.run("echo", 2, "list-b")
    df.run("failing", "shut", "list-c")
    df.start("approval", 4, "list-d")
    df.until("list-d", ["Running"])
    every = ["list-a", "list-b", "list-c", "list-d"]
    mine = {"instanceIdPrefix": "list-"}
    payload = df.http.get(f"{BASE}/instances", params=mine).json()
    assert [list(one) for one in payload] == [FIELDS] * 4
    assert [one["input"] for one in payload] == [1, 2, "shut", 4]
    assert [one["input"] for one in df.http.get(f"{BASE}/instances", params={**mine, "showinput": "false"}).json()] == [
        None
    ] * 4
    assert set(listed(df)) >= set(every)
    for top in (1, 2, 3, 4, 1_000_000):
        assert listed(df, **mine, top=top) == every
    assert listed(df, **mine, runtimeStatus="Completed") == every[:2]
    assert listed(df, **mine, runtimeStatus="Completed,Failed") == every[:3]
    assert listed(df, **mine, runtimeStatus=["Running", "failed"]) == every[2:]
    assert listed(df, **mine, createdTimeFrom=before.isoformat()) == every
    assert listed(df, **mine, createdTimeFrom=before.strftime("%Y-%m-%dT%H:%M:%SZ")) == every
    assert listed(df, **mine, createdTimeTo=before.isoformat()) == []
    assert listed(df, **mine, createdTimeFrom=before.isoformat(), createdTimeTo="2999-01-01") == every
    assert listed(df, instanceIdPrefix="nothing") == []
    assert df.http.get(f"{BASE}/instances/?taskHub=H&connection=Storage&code=any").status_code == 200


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("top=0", "top"),
        ("top=many", "top"),
        ("runtimeStatus=Done", "runtimeStatus"),
        ("runtimeStatus=Completed,Done", "runtimeStatus"),
        ("createdTimeFrom=yesterday", "createdTimeFrom"),
        ("createdTimeTo=2020-13-01", "createdTimeTo"),
        ("showInput=1", "showInput"),
        ("instanceIdPrefx=x", "instanceIdPrefx"),
    ],
)
def test_parameters_of_lists_that_are_wrong(df: Gateway, query: str, name: str) -> None:
    answer = df.http.get(f"{BASE}/instances?{query}")
    assert answer.status_code == 400
    assert name in answer.json()["Message"]


@pytest.mark.parametrize("token", ["x", "%%%", "AAAA", "bm9uZQ", "é"])
def test_continuation_tokens_that_are_none(df: Gateway, token: str) -> None:
    headers = {"x-ms-continuation-token": token.encode("latin-1")}
    for path in ("instances", "entities"):
        answer = df.http.get(f"{BASE}/{path}", headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 400
        assert "x-ms-continuation-token" in answer.json()["Message"]


# -- purges ------------------------------------------------------------------------------------------------------------


def test_purging_one(df: Gateway) -> None:
    instance_id = df.run("echo", 1)
    answer = df.http.delete(f"{BASE}/instances/{instance_id}")
    assert (answer.status_code, answer.content) == (200, b'{"instancesDeleted":1}')
    answer = df.http.delete(f"{BASE}/instances/{instance_id}")
    assert (answer.status_code, answer.content) == (404, b"")
    running = df.start("approval")
    answer = df.http.delete(f"{BASE}/instances/{running}")
    assert answer.status_code == 412
    assert running in answer.json()["Message"]
    assert df.http.get(f"{BASE}/instances/{running}").status_code == 202


def test_purging_many(df: Gateway) -> None:
    df.run("echo", 1, "purge-a")
    df.run("failing", "shut", "purge-b")
    df.run("echo", 3, "purge-c")
    df.start("approval", 4, "purge-d")
    mine = {"createdTimeFrom": "2020-01-01T00:00:00Z", "instanceIdPrefix": "purge-"}

    def purged(**query: Any) -> tuple[int, Any]:
        answer = df.http.delete(f"{BASE}/instances", params={**mine, **query})
        return answer.status_code, answer.json() if answer.content else None

    assert purged(createdTimeTo="2020-01-02") == (404, None)
    assert purged(createdTimeFrom="2999-01-01") == (404, None)
    assert purged(runtimeStatus="Terminated") == (404, None)
    assert purged(runtimeStatus="Failed,Canceled") == (200, {"instancesDeleted": 1})
    assert listed(df, instanceIdPrefix="purge-") == ["purge-a", "purge-c", "purge-d"]
    assert purged() == (200, {"instancesDeleted": 2})
    assert purged() == (404, None)
    assert listed(df, instanceIdPrefix="purge-") == ["purge-d"]


@pytest.mark.parametrize(
    "query",
    [
        "runtimeStatus=Complete",
        "runtimeStatus=Completed,Fialed",
        "runtimeStatus=",
        "RUNTIMESTATUS=,",
        "runtimeStatus=Running",
        "runtimeStats=Completed",
        "createdTimeTo=tomorrow",
        "instanceIdPrefix=a&instanceIdPrefix=b",
    ],
)
def test_a_mistyped_filter_purges_nothing(df: Gateway, query: str) -> None:
    instance_id = df.run("echo", 1)
    answer = df.http.delete(f"{BASE}/instances?createdTimeFrom=2020-01-01&{query}")
    assert answer.status_code == 400
    assert re.search("runtimeSta|status|createdTimeTo|instanceIdPrefix", answer.json()["Message"])
    assert df.http.get(f"{BASE}/instances/{instance_id}").status_code == 200


@pytest.mark.parametrize("query", ["", "?createdTimeFrom=", "?createdTimeTo=2999-01-01&runtimeStatus=Completed"])
def test_purging_many_needs_a_beginning(df: Gateway, query: str) -> None:
    answer = df.http.delete(f"{BASE}/instances{query}")
    assert answer.status_code == 400
    assert answer.json() == "Please provide value for 'createdTimeFrom' parameter."


# -- events ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"true", b"null", b'"incr"', b'{"approved": [1, 2.5]}', b" 7 "])
def test_an_event_is_raised(df: Gateway, data: bytes) -> None:
    instance_id = df.start("approval")
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    answer = df.http.post(f"{BASE}/instances/{instance_id}/raiseEvent/ApprovalReceived", content=data, headers=headers)
    assert (answer.status_code, answer.content) == (202, b"")
    assert "location" not in answer.headers
    assert df.ended(instance_id)["output"] == json.loads(data)


def test_events_that_cannot_be_raised(df: Gateway) -> None:
    path = f"{BASE}/instances/{df.start('approval')}/raiseEvent/Other"
    for content, headers, message in (
        (b"true", {}, "Only application/json request content is supported"),
        (b"true", {"content-type": "text/plain"}, "Only application/json request content is supported"),
        (b"", {}, "Only application/json request content is supported"),
        (b"", JSON, "Invalid JSON content"),
        (b"{", JSON, "Invalid JSON content"),
        (b"\xff", JSON, "Invalid JSON content"),
        (b"NaN", JSON, "Invalid JSON content"),
    ):
        answer = df.http.post(path, content=content, headers=headers)
        assert (answer.status_code, answer.json()) == (400, {"Message": message, "ExceptionMessage": message})
    # The state of the instance is looked at first, whatever is sent.
    answer = df.http.post(f"{BASE}/instances/missing/raiseEvent/Any", content=b"{")
    assert (answer.status_code, answer.content) == (404, b"")
    answer = df.http.post(f"{BASE}/instances/{df.run('echo', 1)}/raiseEvent/Any", content=b"{")
    assert (answer.status_code, answer.content) == (410, b"")
    answer = df.http.post(f"{path}/more", json=1)
    assert answer.status_code == 404


# -- what is done to an instance ---------------------------------------------------------------------------------------


def test_terminate(df: Gateway) -> None:
    instance_id = df.start("approval")
    answer = df.http.post(
        f"{BASE}/instances/{instance_id}/terminate?reason=buggy%20%C3%BC&taskHub=H&connection=Storage"
    )
    assert (answer.status_code, answer.content) == (202, b"")
    payload = df.ended(instance_id)
    assert (payload["runtimeStatus"], payload["output"]) == ("Terminated", "buggy ü")
    assert df.http.get(f"{BASE}/instances/{instance_id}").status_code == 200


def test_suspend_and_resume(df: Gateway) -> None:
    instance_id = df.start("approval")
    path = f"{BASE}/instances/{instance_id}"
    answer = df.http.post(f"{path}/suspend?reason=lunch")
    assert (answer.status_code, answer.content) == (202, b"")
    df.until(instance_id, ["Suspended"])
    assert df.http.get(path).status_code == 202
    assert df.http.post(f"{path}/raiseEvent/ApprovalReceived", json=1).status_code == 202
    answer = df.http.post(f"{path}/resume")
    assert (answer.status_code, answer.content) == (202, b"")
    assert df.ended(instance_id)["output"] == 1


def test_rewind(df: Gateway) -> None:
    instance_id = df.run("failing", "back door")
    path = f"{BASE}/instances/{instance_id}"
    df.run("opening", "back door")
    answer = df.http.post(f"{path}/rewind?reason=fixed&taskHub=DurableFunctionsHub&connection=Storage&code=any")
    assert (answer.status_code, answer.content) == (202, b"")
    assert df.until(instance_id, ["Completed"])["output"] == "open"


@pytest.mark.parametrize("status", ["Running", "Suspended", "Completed", "Terminated"])
def test_a_rewind_of_what_has_not_failed_is_refused_in_a_text(df: Gateway, status: str) -> None:
    instance_id = df.run("echo", 1) if status == "Completed" else df.start("approval")
    path = f"{BASE}/instances/{instance_id}"
    if status in ("Suspended", "Terminated"):
        df.until(instance_id, ["Running"])
        df.http.post(f"{path}/{'suspend' if status == 'Suspended' else 'terminate'}?reason=test")
    df.until(instance_id, [status])
    answer = df.http.post(f"{path}/rewind?reason=early")
    assert answer.status_code == 412
    said = answer.json()
    assert (
        isinstance(said, str) and said.startswith("The rewind operation is only supported on failed") and status in said
    )


def test_a_rewind_of_what_is_missing(df: Gateway) -> None:
    for missing in ("missing", "@counter@x"):
        answer = df.http.post(f"{BASE}/instances/{missing}/rewind?reason=x")
        assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("action", ["terminate", "suspend", "resume"])
def test_what_is_missing_or_finished(df: Gateway, action: str) -> None:
    for missing in ("missing", "@counter@x"):
        answer = df.http.post(f"{BASE}/instances/{missing}/{action}?reason=x")
        assert (answer.status_code, answer.content) == (404, b"")
    answer = df.http.post(f"{BASE}/instances/{df.run('echo', 1)}/{action}?reason=x")
    assert (answer.status_code, answer.content) == (410, b"")
    answer = df.http.post(f"{BASE}/instances/{df.start('approval')}/{action}?reason=a&reason=b")
    assert answer.status_code == 400
    assert "reason" in answer.json()["Message"]
