"""A request says once whom it is for: HTTP/1.1 without a Host, with two, or with what is none, is 400."""

from __future__ import annotations

import pytest

from support.gateway_tools import Served

PATHS = ["/docs", "/openapi.json", "/api/v1/hub", "/runtime/webhooks/durabletask/instances/none", "/nothing"]


def status(served: Served, path: str, *hosts: str, version: str = "1.1", method: str = "GET") -> int:
    lines = [f"{method} {path} HTTP/{version}", *(f"Host: {host}" for host in hosts), "Connection: close", "", ""]
    said = served.say("\r\n".join(lines).encode("latin-1"))
    return int(said.split(b" ", 2)[1])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["127.0.0.1", "127.0.0.1"],
        ["localhost", "evil.example"],
        [""],
        ["a b"],
        ["a/b"],
        ["user@localhost"],
        ["localhost:x"],
        ["localhost:99999"],
        ["localhost:1:2"],
        ["localhost, evil.example"],
        ["[::1"],
        ["::1"],
        ["http://localhost"],
        ["l\xf6calhost"],
        ["localhost?x"],
        ["localhost#x"],
        ["localhost\\x"],
    ],
    ids=repr,
)
def test_no_host_two_hosts_and_bad_hosts(served: Served, path: str, hosts: list[str]) -> None:
    assert status(served, path, *hosts) == 400


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1:7071", "[::1]", "[::1]:7071", "localhost:", "a_b.localhost."]
)
def test_hosts_that_are_some(served: Served, host: str) -> None:
    assert status(served, "/docs", host) == 200


def test_older_requests_need_none(served: Served) -> None:
    assert status(served, "/docs", version="1.0") == 200
    assert status(served, "/docs", "localhost", version="1.0") == 200
    assert status(served, "/docs", "localhost", "localhost", version="1.0") == 400


def test_a_message_is_not_taken_without_a_host(served: Served) -> None:
    path = "/runtime/webhooks/durabletask/entities/Station/hostless?op=record"
    assert status(served, path, method="POST") == 400
    assert served.http.get("/runtime/webhooks/durabletask/entities/Station/hostless").status_code == 404
