"""The Durable Functions surface: starts, waiting for the end, restarts, quick starts, the URIs of the answers, keys."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from stead.gateway import HttpSettings
from support.df_gateway import BASE, Gateway, gateway
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer

FIELDS = [
    "id",
    "statusQueryGetUri",
    "sendEventPostUri",
    "terminatePostUri",
    "purgeHistoryDeleteUri",
    "restartPostUri",
    "suspendPostUri",
    "resumePostUri",
    "rewindPostUri",
]


@pytest.fixture(scope="module")
def df(module_server: ValkeyServer) -> Generator[Gateway]:
    with gateway(module_server) as running:
        yield running


def test_a_start_is_accepted_and_says_where_to_look(df: Gateway) -> None:
    answer = df.http.post(f"{BASE}/orchestrators/E1_HelloSequence")
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["retry-after"] == "10"
    payload = answer.json()
    assert list(payload) == FIELDS
    assert re.fullmatch(r"[0-9a-f]{32}", payload["id"])
    assert answer.headers["location"] == payload["statusQueryGetUri"]
    instance = f"{df.url}{BASE}/instances/{payload['id']}"
    common = f"taskHub={df.app.name}&connection=Storage"
    assert payload == {
        "id": payload["id"],
        "statusQueryGetUri": f"{instance}?{common}",
        "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?{common}",
        "terminatePostUri": f"{instance}/terminate?reason={{text}}&{common}",
        "purgeHistoryDeleteUri": f"{instance}?{common}",
        "restartPostUri": f"{instance}/restart?{common}",
        "suspendPostUri": f"{instance}/suspend?reason={{text}}&{common}",
        "resumePostUri": f"{instance}/resume?reason={{text}}&{common}",
        "rewindPostUri": f"{instance}/rewind?reason={{text}}&{common}",
    }
    assert df.ended(payload["id"])["output"] == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]


def test_the_uris_of_a_start_can_be_followed(df: Gateway) -> None:
    payload = df.http.post(f"{BASE}/orchestrators/approval").json()
    assert df.http.get(payload["statusQueryGetUri"]).status_code == 202
    assert df.http.post(payload["suspendPostUri"].replace("{text}", "wait")).status_code == 202
    df.until(payload["id"], ["Suspended"])
    assert df.http.post(payload["resumePostUri"].replace("{text}", "go%20on")).status_code == 202
    event = payload["sendEventPostUri"].replace("{eventName}", "approvalreceived")
    assert df.http.post(event, json={"approved": True}).status_code == 202
    assert df.ended(payload["id"])["output"] == {"approved": True}
    assert df.http.post(payload["terminatePostUri"].replace("{text}", "late")).status_code == 410
    assert df.http.post(payload["rewindPostUri"].replace("{text}", "why")).status_code == 412
    again = df.http.post(payload["restartPostUri"])
    assert again.status_code == 202
    assert df.http.post(again.json()["terminatePostUri"].replace("{text}", "enough")).status_code == 202
    assert df.ended(again.json()["id"])["output"] == "enough"
    deleted = df.http.delete(payload["purgeHistoryDeleteUri"])
    assert (deleted.status_code, deleted.json()) == (200, {"instancesDeleted": 1})


@pytest.mark.parametrize("value", [None, 0, "", "text", [1, 2], {"a": {"b": [None]}}, 1.5, True])
def test_the_body_is_the_input(df: Gateway, value: Any) -> None:
    answer = df.http.post(f"{BASE}/orchestrators/echo?timeout=150", content=json.dumps(value))
    assert (answer.status_code, answer.json()) == (200, value)


def test_without_a_body_there_is_no_input(df: Gateway) -> None:
    assert df.http.post(f"{BASE}/orchestrators/echo?timeout=150").json() == "nothing"
    assert df.http.post(f"{BASE}/orchestrators/echo?timeout=150", content=b"").json() == "nothing"
    # As `curl -d` sends it, without saying that it is JSON.
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert df.http.post(f"{BASE}/orchestrators/echo?timeout=150", content=b"[5]", headers=form).json() == [5]


def test_an_instance_gets_the_id_that_is_asked_for(df: Gateway) -> None:
    for instance_id, escaped in (("mine", "mine"), ("with blank", "with%20blank"), ("übér@1", "%C3%BCb%C3%A9r%401")):
        answer = df.http.post(f"{BASE}/orchestrators/echo/{escaped}?timeout=150")
        assert answer.json() == "nothing"
        assert df.http.get(f"{BASE}/instances/{escaped}").json()["instanceId"] == instance_id
        uri: str = df.http.post(f"{BASE}/orchestrators/echo/{escaped}").json()["statusQueryGetUri"]
        assert urlsplit(uri).path.endswith(f"/instances/{escaped}")
        assert df.http.get(uri).json()["instanceId"] == instance_id


@pytest.mark.parametrize("instance_id", ["@counter@x", "a%2Fb", "a%5Cb", "a%23b", "a%3Fb", "a%0Ab", "x" * 257])
def test_ids_that_cannot_be(df: Gateway, instance_id: str) -> None:
    answer = df.http.post(f"{BASE}/orchestrators/echo/{instance_id}")
    assert answer.status_code == 400
    assert "instance ID" in answer.json()["Message"]
    assert df.http.get(f"{BASE}/instances/{instance_id}").status_code == 404


def test_bad_json_and_unknown_names(df: Gateway) -> None:
    answer = df.http.post(f"{BASE}/orchestrators/echo", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()) == (
        400,
        {"Message": "Invalid JSON content", "ExceptionMessage": "Invalid JSON content"},
    )
    answer = df.http.post(f"{BASE}/orchestrators/nobody")
    assert answer.status_code == 404
    assert "nobody" in answer.json()["Message"]
    answer = df.http.post(f"{BASE}/orchestrators/failing", json={"no": "door"})
    assert answer.status_code == 400
    assert answer.json()["Message"] == answer.json()["ExceptionMessage"]


def test_an_id_in_use_is_refused_until_its_instance_is_finished(df: Gateway) -> None:
    df.start("approval", instance_id="single")
    answer = df.http.post(f"{BASE}/orchestrators/approval/single")
    assert answer.status_code == 409
    assert "single" in answer.json()["Message"]
    df.http.post(f"{BASE}/instances/single/terminate")
    df.ended("single")
    df.start("approval", instance_id="single")


def test_names_of_routes_and_parameters_match_in_any_case(df: Gateway) -> None:
    answer = df.http.post("/Runtime/WebHooks/DurableTask/Orchestrators/ECHO/?TIMEOUT=20&PollingInterval=1", json=7)
    assert (answer.status_code, answer.json()) == (200, 7)
    answer = df.http.post("/admin/extensions/DurableTaskExtension/orchestrators/echo", params={"timeout": 20}, json=8)
    assert answer.json() == 8


def test_unknown_routes_and_wrong_verbs(df: Gateway) -> None:
    for method, path in (
        ("GET", "/orchestrators/echo"),
        ("PUT", "/orchestrators/echo"),
        ("POST", "/orchestrators"),
        ("POST", "/instances"),
        ("PUT", "/instances/x"),
        ("GET", "/instances/x/terminate"),
        ("POST", "/instances/x/other"),
        ("PUT", "/entities/counter/x"),
        ("GET", "/nothing"),
    ):
        answer = df.http.request(method, BASE + path)
        assert answer.status_code == 404, (method, path)
        assert list(answer.json()) == ["Message"]


def test_common_parameters_are_taken_and_given_back(df: Gateway) -> None:
    query = {"taskHub": "DurableFunctionsHub", "connection": "My Storage", "code": "any"}
    answer = df.http.post(f"{BASE}/orchestrators/echo", params=query)
    uri = answer.json()["statusQueryGetUri"]
    assert uri.endswith(f"?taskHub={df.app.name}&connection=My%20Storage")
    assert df.http.get(uri).status_code in (200, 202)


def test_make_primary(df: Gateway) -> None:
    answer = df.http.post(f"{BASE}/makeprimary")
    assert (answer.status_code, answer.content) == (200, b"")


# -- waiting -----------------------------------------------------------------------------------------------------------


def test_waiting_for_the_end(df: Gateway) -> None:
    waited = df.http.post(f"{BASE}/orchestrators/E1_HelloSequence?timeout=150&pollingInterval=1")
    assert waited.status_code == 200
    assert waited.content == b'["Hello Tokyo!","Hello Seattle!","Hello London!"]'
    assert waited.headers["content-type"] == "application/json; charset=utf-8"


def test_the_time_is_up_before_the_end(df: Gateway) -> None:
    for query in ("timeout=0.05&pollingInterval=0.05", "timeout=0"):
        answer = df.http.post(f"{BASE}/orchestrators/approval?{query}")
        assert answer.status_code == 202
        assert list(answer.json()) == FIELDS
        assert answer.headers["retry-after"] == "10"
        assert answer.headers["location"] == answer.json()["statusQueryGetUri"]


def test_an_end_other_than_completed_is_answered_with_the_status(df: Gateway) -> None:
    path = f"{BASE}/orchestrators/failing?timeout=150"
    answer = df.http.post(path, json="door")
    assert answer.status_code == 200
    payload = answer.json()
    assert list(payload)[:3] == ["name", "instanceId", "runtimeStatus"]
    assert payload["runtimeStatus"] == "Failed"
    assert "door is closed" in payload["output"]
    answer = df.http.post(f"{path}&returnInternalServerErrorOnFailure=true", json="door")
    assert answer.status_code == 500
    assert answer.json()["runtimeStatus"] == "Failed"


def test_asking_for_500_goes_into_the_uri(df: Gateway) -> None:
    answer = df.http.post(f"{BASE}/orchestrators/failing?returnInternalServerErrorOnFailure=true", json="door")
    payload = answer.json()
    assert payload["statusQueryGetUri"].endswith("&returnInternalServerErrorOnFailure=true")
    assert "returnInternal" not in payload["purgeHistoryDeleteUri"]
    df.ended(payload["id"])
    assert df.http.get(payload["statusQueryGetUri"]).status_code == 500


def test_what_cannot_be_waited_for_is_started_all_the_same(module_server: ValkeyServer) -> None:
    with gateway(module_server, settings=HttpSettings(streams_max=1)) as df:
        start = f"{BASE}/orchestrators/approval"
        with ThreadPoolExecutor() as threads:
            first = threads.submit(httpx.post, f"{df.url}{start}/first?timeout=150", timeout=HANGS_S)
            df.appears("first")
            second = df.http.post(f"{start}/second?timeout=150")
            assert (second.status_code, second.json()["id"]) == (202, "second")
            df.http.post(f"{BASE}/instances/first/raiseEvent/ApprovalReceived", json=1)
            assert (first.result().status_code, first.result().json()) == (200, 1)


def test_a_server_that_stops_answers_who_waits(module_server: ValkeyServer) -> None:
    with ThreadPoolExecutor() as threads:
        with gateway(module_server) as df:
            waiting = threads.submit(
                httpx.post, f"{df.url}{BASE}/orchestrators/approval/waiting?timeout=150", timeout=HANGS_S
            )
            df.appears("waiting")
        answer = waiting.result()
        assert (answer.status_code, answer.json()["id"]) == (202, "waiting")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("timeout=1&pollingInterval=2", "pollingInterval"),
        ("timeout=soon", "timeout"),
        ("timeout=-1", "timeout"),
        ("timeout=inf", "timeout"),
        ("timeout=5&returnInternalServerErrorOnFailure=perhaps", "returnInternalServerErrorOnFailure"),
    ],
)
def test_parameters_of_waiting_that_are_wrong_start_nothing(df: Gateway, query: str, name: str) -> None:
    answer = df.http.post(f"{BASE}/orchestrators/echo/never?{query}")
    assert answer.status_code == 400
    assert name in answer.json()["Message"]
    assert df.http.get(f"{BASE}/instances/never").status_code == 404


# -- restart -----------------------------------------------------------------------------------------------------------


def test_restart_under_a_new_id(df: Gateway) -> None:
    old = df.run("echo", {"n": 1})
    answer = df.http.post(f"{BASE}/instances/{old}/restart")
    assert answer.status_code == 202
    assert list(answer.json()) == FIELDS
    new = answer.json()["id"]
    assert new != old
    assert df.ended(new)["output"] == {"n": 1}
    answer = df.http.post(f"{BASE}/instances/{old}/restart?timeout=150&pollingInterval=1")
    assert (answer.status_code, answer.json()) == (200, {"n": 1})


def test_restart_under_the_same_id(df: Gateway) -> None:
    old = df.run("echo", "again", "again")
    answer = df.http.post(f"{BASE}/instances/{old}/restart?restartWithNewInstanceId=false")
    assert (answer.status_code, answer.json()["id"]) == (202, old)
    assert df.ended(old)["output"] == "again"


def test_restarts_that_cannot_be(df: Gateway) -> None:
    for missing in ("missing", "@counter@x"):
        answer = df.http.post(f"{BASE}/instances/{missing}/restart")
        assert answer.status_code == 400
        said = "InstanceId does not match a valid orchestration instance."
        assert answer.json() == {"Message": said, "ExceptionMessage": said}
    running = df.start("approval")
    answer = df.http.post(f"{BASE}/instances/{running}/restart?restartWithNewInstanceId=false")
    assert answer.status_code == 409
    assert answer.json() == {"Message": "A non-terminal instance with this instance ID already exists."}
    answer = df.http.post(f"{BASE}/instances/{running}/restart?restartWithNewInstanceId=maybe")
    assert answer.status_code == 400


# -- quick starts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_routes_of_quick_starts(df: Gateway, prefix: str, method: str) -> None:
    answer = df.http.request(method, f"{prefix}/orchestrators/E1_HelloSequence")
    assert answer.status_code == 202
    assert list(answer.json()) == FIELDS
    assert answer.headers["location"].startswith(f"{df.url}{BASE}/instances/")
    assert df.ended(answer.json()["id"])["runtimeStatus"] == "Completed"
    instance_id = f"quick-{prefix[1:]}-{method}"
    answer = df.http.request(method, f"{prefix}/orchestrators/echo/{instance_id}?timeout=150")
    assert answer.json() == "nothing"
    assert df.http.get(f"{BASE}/instances/{instance_id}").status_code == 200


def test_a_browser_starts_nothing_for_another_site(df: Gateway) -> None:
    path = "/api/orchestrators/echo/by-a-page"
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://example.com"}):
        assert df.http.get(path, headers=headers).status_code == 403
    assert df.http.head(path).status_code == 404
    assert df.http.get(f"{BASE}/instances/by-a-page").status_code == 404
    assert df.http.get(path, headers={"sec-fetch-site": "none"}).status_code == 202


# -- keys and addresses ------------------------------------------------------------------------------------------------


def test_the_uris_carry_a_token_for_the_instance_alone(module_server: ValkeyServer) -> None:
    keys = {"the-key": ["read", "signal", "manage"], "starter": ["signal"]}
    with gateway(module_server, keys) as df:
        start = f"{BASE}/orchestrators/approval"
        refused = df.http.post(start)
        assert (refused.status_code, list(refused.json())) == (401, ["Message"])
        payload: dict[str, str] = df.http.post(f"{start}?code=the-key").json()
        other = df.http.post(start, headers={"x-functions-key": "the-key"}).json()
        assert "the-key" not in json.dumps(payload)
        tokens = {parse_qs(urlsplit(uri).query)["code"][0] for name, uri in payload.items() if name != "id"}
        assert len(tokens) == 1
        assert httpx.get(payload["statusQueryGetUri"], timeout=HANGS_S).status_code == 202
        assert df.http.get(f"{BASE}/instances/{other['id']}", params={"code": tokens.pop()}).status_code == 401
        assert df.http.get(f"{BASE}/instances/{payload['id']}").status_code == 401
        # Whoever may only start can look after the instance, and no more.
        limited = df.http.post(f"{start}?code=starter").json()
        assert df.http.get(limited["statusQueryGetUri"]).status_code == 202
        assert df.http.post(limited["terminatePostUri"]).status_code == 403
        restarted = df.http.post(payload["restartPostUri"]).json()
        assert df.http.post(restarted["terminatePostUri"]).status_code == 202


def test_uris_begin_as_the_settings_say(module_server: ValkeyServer) -> None:
    settings = HttpSettings(public_url="https://example.com/hub/")
    with gateway(module_server, settings=settings) as df:
        answer = df.http.post(f"{BASE}/orchestrators/approval")
        location = answer.headers["location"]
        assert location.startswith(f"https://example.com/hub{BASE}/instances/")
        answer = df.http.get(urlsplit(location).path.removeprefix("/hub"), params={"showInput": "false"})
        assert answer.headers["location"].startswith(f"https://example.com/hub{BASE}/instances/")
        assert answer.headers["location"].endswith("?showInput=false")


def test_what_no_worker_has_taken_up_is_pending(module_server: ValkeyServer) -> None:
    with gateway(module_server, worker=False) as df:
        instance_id = df.start("whatever", {"n": 1})
        answer = df.http.get(f"{BASE}/instances/{instance_id}?showHistory=true")
        assert answer.status_code == 202
        payload = answer.json()
        assert (payload["runtimeStatus"], payload["input"]) == ("Pending", {"n": 1})
        assert "historyEvents" not in payload
        assert df.http.delete(f"{BASE}/instances/{instance_id}").status_code == 412
