"""Bulk ingestion while the server dies and clients give up."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import httpx
import pytest

from support.gateway_tools import serve
from support.guards import HANGS_S
from support.v1_gateway import eventually, fresh, line, make_v1_app, post_lines, state, work
from support.valkey_server import ValkeyServer


def entries(server: ValkeyServer) -> int:
    """How many messages have been written."""
    return int(server.run("INFO", "commandstats").get("cmdstat_xadd", {"calls": 0})["calls"])


def test_a_server_that_dies_and_comes_back(start_server: Callable[..., ValkeyServer]) -> None:
    """The request waits for it; nothing is lost, nothing is doubled, whether or not it has a key."""
    server = start_server()
    app = make_v1_app()
    with serve(app, server.url, worker=False) as served:
        for headers in ({}, {"idempotency-key": fresh()}):
            key = fresh()
            lines = [line(key, number) for number in range(4_000)]

            def body(lines: list[bytes] = lines) -> Iterator[bytes]:
                for first in range(0, len(lines), 500):
                    if first == 2_000:
                        server.kill()
                        server.restart()
                    yield b"".join(lines[first : first + 500])

            answer = post_lines(served, body(), **headers)
            assert (answer.status_code, answer.json()["accepted"]) == (200, 4_000), answer.text
            with work(app, server.url):
                assert state(served, key, 4_000)["total"] == sum(range(4_000))


def test_a_server_that_stays_away_and_a_key(start_server: Callable[..., ValkeyServer]) -> None:
    server = start_server()
    app = make_v1_app()
    app.settings = app.settings.model_copy(update={"store_tries_ms": 300})
    with serve(app, server.url, worker=False) as served:
        key = fresh()
        lines = [line(key, number) for number in range(2_000)]

        def body() -> Iterator[bytes]:
            yield b"".join(lines[:1_000])
            eventually(lambda: entries(server) == 1_000 or None)
            assert (
                httpx.get(f"{served.url}/api/v1/hub", timeout=HANGS_S).status_code == 200
            )  # so it has read the answers before this one
            server.kill()
            yield b"".join(lines[1_000:])

        answer = post_lines(served, body(), **{"idempotency-key": key})
        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (503, 503)
        assert "retry-after" in answer.headers
        assert 0 < problem["accepted"] <= 1_000 and problem["read"] <= 2_000
        server.restart()
        answer = post_lines(served, b"".join(lines), **{"idempotency-key": key})
        assert (answer.status_code, answer.json()["accepted"] + answer.json()["duplicates"]) == (200, 2_000)
        assert answer.json()["duplicates"] >= problem["accepted"]
        with work(app, server.url):
            assert state(served, key, 2_000)["total"] == sum(range(2_000))


@pytest.mark.parametrize("first_unsent", ["", "Nobody"])
def test_a_server_that_stays_away_and_no_key(start_server: Callable[..., ValkeyServer], first_unsent: str) -> None:
    """Every line that was read is in the hub or named, so that a client who sends the others again loses nothing."""
    server = start_server()
    app = make_v1_app()
    app.settings = app.settings.model_copy(update={"store_tries_ms": 300})
    with serve(app, server.url, worker=False) as served:
        keys = [fresh() for _ in range(7)]
        lines = [line(keys[number % 7], number) for number in range(600)]
        if first_unsent:  # a name that has to be looked up first, which fails
            lines[300] = line(keys[0], 300, entity=first_unsent)

        def body() -> Iterator[bytes]:
            yield b"".join(lines[:300])
            eventually(lambda: entries(server) == 300 or None)
            assert httpx.get(f"{served.url}/api/v1/hub", timeout=HANGS_S).status_code == 200
            server.kill()
            yield b"".join(lines[300:])

        problem = post_lines(served, body()).json()
        assert (problem["status"], problem["accepted"]) == (503, 300)
        if first_unsent:
            assert (problem["read"], problem["not_accepted"]) == (300, [])
        else:
            assert (problem["read"], problem["not_accepted"], problem["outcome"]) == (600, [[301, 600]], "unknown")
        server.restart()
        again = post_lines(served, b"".join(lines[300:] if not first_unsent else lines[301:]))
        assert again.status_code == 200
        with work(app, server.url):
            for number, key in enumerate(keys):
                expected = [n for n in range(number, 600, 7) if not first_unsent or n != 300]
                assert state(served, key, len(expected))["total"] == sum(expected)


def test_every_line_that_was_not_accepted_is_named_however_scattered(start_server: Callable[..., ValkeyServer]) -> None:
    server = start_server()
    app = make_v1_app()
    app.settings = app.settings.model_copy(update={"store_tries_ms": 300, "backlog_length_max": 50})
    with serve(app, server.url, worker=False) as served:
        stuck, free = fresh(), [fresh() for _ in range(400)]
        lines = [line(stuck if number % 2 else free[number // 2 % 400], number) for number in range(5_000)]
        problem = post_lines(served, b"".join(lines)).json()
        missing = sum(last - first + 1 for first, last in problem["not_accepted"])
        assert problem["accepted"] + missing == problem["read"]
        assert problem["status"] == 429


def test_a_hub_that_is_no_longer_on_the_server(start_server: Callable[..., ValkeyServer]) -> None:
    """It is the hub that is at fault, and not the lines."""
    server = start_server()
    with serve(make_v1_app(), server.url, worker=False) as served:
        for headers in ({}, {"idempotency-key": fresh()}):
            assert post_lines(served, line(fresh(), 1), **headers).status_code == 200
        server.run("FLUSHALL")
        known = b"".join(line(fresh(), number) for number in range(100))
        unknown = line(fresh(), 1, entity="Nobody")  # nobody has published it, as far as an empty hub tells
        for lines, headers in ((known, {}), (unknown, {}), (known, {"idempotency-key": fresh()})):
            answer = post_lines(served, lines, **headers)
            problem = answer.json()
            assert (answer.status_code, problem["title"]) == (503, "Hub mismatch"), problem
            assert not problem.get("accepted") and not problem.get("refused"), problem
        assert not server.run("KEYS", "*")


def test_clients_that_give_up_harm_nobody(start_server: Callable[..., ValkeyServer]) -> None:
    server = start_server()
    with serve(make_v1_app(), server.url) as served:
        head = b"POST /api/v1/signals HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for _ in range(30):
            with socket.create_connection(served.address) as sock:
                sock.sendall(head + b"5000\r\n" + line(fresh(), 1) * 20)
        key = fresh()
        assert post_lines(served, line(key, 1) * 100).json()["accepted"] == 100
        state(served, key, 100)

        def idle() -> bool | None:
            return (served.gateway._hub is not None and served.gateway._hub.traffic.running <= 1) or None

        eventually(idle)
        with httpx.Client(base_url=served.url, timeout=HANGS_S) as other:
            assert other.get("/api/v1/hub").status_code == 200
