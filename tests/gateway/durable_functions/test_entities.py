"""The Durable Functions surface: signals to entities, deletes, states, lists with their pages."""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.df_gateway import BASE, Gateway, gateway
from support.valkey_server import ValkeyServer

JSON = {"content-type": "application/json"}
TEXT = {"content-type": "text/plain; charset=utf-8"}


@pytest.fixture(scope="module")
def df(module_server: ValkeyServer) -> Generator[Gateway]:
    with gateway(module_server) as running:
        yield running


# -- signals -----------------------------------------------------------------------------------------------------------


def test_a_signal_is_accepted(df: Gateway) -> None:
    answer = df.http.post(f"{BASE}/entities/Counter/steps?op=Add", json=5)
    assert (answer.status_code, answer.content) == (202, b"")
    df.state("Counter/steps", {"value": 5})
    query = {"OP": "add", "taskHub": "H", "connection": "Storage", "code": "any"}
    assert df.http.post(f"{BASE}/entities/counter/steps", params=query, json=2).status_code == 202
    df.state("COUNTER/steps", {"value": 7})


def test_the_body_is_the_argument(df: Gateway) -> None:
    cases: list[tuple[bytes, dict[str, str], list[Any]]] = [
        (b"", {}, []),
        (b"", JSON, []),
        (b"null", JSON, [None]),
        (b'{"a": [1, "x"]}', JSON, [{"a": [1, "x"]}]),
        (b"[1, 2]", {"content-type": "application/json; charset=utf-8"}, [[1, 2]]),
        (b"5", TEXT, ["5"]),
        (b"5", {}, ["5"]),
        (b"a=b", {"content-type": "application/x-www-form-urlencoded"}, ["a=b"]),
        ("ü".encode(), TEXT, ["ü"]),
    ]
    for number, (content, headers, args) in enumerate(cases):
        answer = df.http.post(f"{BASE}/entities/device/d{number}?op=set", content=content, headers=headers)
        assert answer.status_code == 202
        df.state(f"device/d{number}", {"operation": "set", "args": args})
    # Text is an argument like any other.
    df.http.post(f"{BASE}/entities/Counter/named?op=name", content=b"four", headers=TEXT)
    df.state("counter/named", {"value": 4})


def test_without_an_operation_it_is_the_empty_one(df: Gateway) -> None:
    assert df.http.post(f"{BASE}/entities/device/none", json=1).status_code == 202
    df.state("device/none", {"operation": "", "args": [1]})
    answer = df.http.post(f"{BASE}/entities/counter/none")
    assert answer.status_code == 404
    assert "no operation ''" in answer.json()["Message"]


def test_keys(df: Gateway) -> None:
    for key, escaped in (("", "$"), ("a b", "a%20b"), ("a/b", "a%2Fb"), ("ü@", "%C3%BC%40"), ("..", "%2E%2E")):
        assert df.http.post(f"{BASE}/entities/counter/{escaped}?op=add", json=3).status_code == 202
        df.state(f"counter/{escaped}", {"value": 3})
        entities = df.http.get(f"{BASE}/entities/counter").json()
        assert {"name": "counter", "key": key} in [entity["entityId"] for entity in entities]


def test_signals_that_cannot_be(df: Gateway) -> None:
    answer = df.http.post(f"{BASE}/entities/Counter/bad?op=add", content=b"{", headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["Message"].startswith("Could not parse JSON content: ")
    for content, headers in ((b'"x"', JSON), (b"", {}), (b"\xff", TEXT)):
        answer = df.http.post(f"{BASE}/entities/Counter/bad?op=add", content=content, headers=headers)
        assert (answer.status_code, list(answer.json())) == (400, ["Message", "ExceptionMessage"])
    for path in ("Counter/" + "x" * 257, "Counter/%0A", "no%20name/x", "9/x"):
        answer = df.http.post(f"{BASE}/entities/{path}?op=add", json=1)
        assert (answer.status_code, list(answer.json())) == (400, ["Message", "ExceptionMessage"])
    for path in ("Nobody/x?op=add", "Counter/x?op=nothing"):
        answer = df.http.post(f"{BASE}/entities/{path}", json=1)
        assert (answer.status_code, list(answer.json())) == (404, ["Message"])
    assert df.http.put(f"{BASE}/entities/Counter/bad?op=add", json=1).status_code == 404
    assert df.http.get(f"{BASE}/entities/Counter/bad").status_code == 404


def test_delete(df: Gateway) -> None:
    df.http.post(f"{BASE}/entities/counter/gone?op=add", json=1)
    df.state("counter/gone", {"value": 1})
    answer = df.http.delete(f"{BASE}/entities/Counter/gone")
    assert (answer.status_code, answer.content) == (202, b"")
    df.state("counter/gone", None)
    assert df.http.delete(f"{BASE}/entities/Nobody/gone").status_code == 404


# -- states ------------------------------------------------------------------------------------------------------------


def test_the_state_is_the_body(df: Gateway) -> None:
    df.http.post(f"{BASE}/entities/counter/state?op=add", json=9)
    df.state("counter/state", {"value": 9})
    answer = df.http.get(f"{BASE}/entities/Counter/state?taskHub=H&connection=Storage&code=any")
    assert answer.content == b'{"value":9}'
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


def test_what_has_no_state(df: Gateway) -> None:
    answer = df.http.get(f"{BASE}/entities/counter/never")
    assert (answer.status_code, answer.content) == (404, b"")
    assert df.http.get(f"{BASE}/entities/nobody/never").status_code == 404


# -- lists -------------------------------------------------------------------------------------------------------------


def test_lists_and_their_filters(module_server: ValkeyServer) -> None:
    with gateway(module_server) as df:
        before = datetime.now(UTC) - timedelta(seconds=1)
        for path in ("counter/cats", "counter/dogs", "counter/mice", "device/radio"):
            df.http.post(f"{BASE}/entities/{path}?op=add", json=9)
            state = {"value": 9} if path[0] == "c" else {"operation": "add", "args": [9]}
            df.state(path, state)
        answer = df.http.get(f"{BASE}/entities")
        assert "x-ms-continuation-token" not in answer.headers
        payload = answer.json()
        assert [list(entity) for entity in payload] == [["entityId", "lastOperationTime"]] * 4
        for entity in payload:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", entity["lastOperationTime"])
        assert payload[3]["entityId"] == {"name": "device", "key": "radio"}
        payload = df.http.get(f"{BASE}/entities/Counter?fetchState=True&top=1").json()
        assert list(payload[0]) == ["entityId", "lastOperationTime", "state"]
        assert payload[0]["state"] == {"value": 9}

        def keys(name: str = "", **query: Any) -> list[str]:
            found: list[str] = []
            headers: dict[str, str] = {}
            while True:
                answer = df.http.get(f"{BASE}/entities{name}", params=query, headers=headers)
                assert answer.status_code == 200, answer.text
                assert len(answer.json()) <= int(query.get("top", 100))
                found += [entity["entityId"]["key"] for entity in answer.json()]
                if not (token := answer.headers.get("x-ms-continuation-token")):
                    return found
                headers = {"x-ms-continuation-token": token}

        every = ["cats", "dogs", "mice", "radio"]
        for top in (1, 2, 3, 4, 1_000_000):
            assert keys(top=top) == every
            assert keys("/COUNTER", top=top) == every[:3]
        assert keys("/device/") == ["radio"]
        assert keys("/nobody") == []
        assert keys(lastOperationTimeFrom=before.isoformat()) == every
        assert keys(lastOperationTimeFrom="2999-01-01") == []
        # A time as the list writes it, seven digits and all, can be given back.
        newest = df.http.get(f"{BASE}/entities/device").json()[0]["lastOperationTime"]
        assert "radio" in keys(lastOperationTimeFrom=newest)
        assert "radio" in keys(lastOperationTimeTo=newest)
        assert keys(lastOperationTimeTo=before.isoformat()) == []
        assert keys(LASTOPERATIONTIMEFROM=before.isoformat(), lastOperationTimeTo="2999-01-01T00:00:00Z") == every


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("top=0", "top"),
        ("fetchState=1", "fetchState"),
        ("lastOperationTimeFrom=noon", "lastOperationTimeFrom"),
        ("lastOperationTime=2020-01-01", "lastOperationTime"),
    ],
)
def test_parameters_of_lists_that_are_wrong(df: Gateway, query: str, name: str) -> None:
    answer = df.http.get(f"{BASE}/entities?{query}")
    assert answer.status_code == 400
    assert name in answer.json()["Message"]
