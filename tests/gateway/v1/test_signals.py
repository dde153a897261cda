"""Bulk ingestion over a real socket: order, what is refused and why, and nothing twice."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from stead.gateway import HttpSettings
from stead.gateway._v1 import ingestion as _v1_ingestion
from stead.gateway._v1 import signals as _v1_signals
from support.gateway_tools import Served, serve
from support.guards import HANGS_S
from support.v1_gateway import NDJSON, eventually, fresh, line, make_v1_app, post_lines, state, work
from support.valkey_server import ValkeyServer


@pytest.fixture(scope="module")
def served(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(make_v1_app(), module_server.url) as running:
        yield running


def test_every_line_is_carried_out_once(served: Served) -> None:
    keys = [fresh() for _ in range(7)]
    answer = post_lines(served, b"".join(line(keys[number % 7], number) for number in range(700)))
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 700, "duplicates": 0, "refused": [], "refused_count": 0}
    for first, key in enumerate(keys):
        assert state(served, key, 100)["total"] == sum(range(first, 700, 7))


def test_the_order_of_the_lines_is_kept(served: Served) -> None:
    key = fresh()
    post_lines(served, b"".join(line(key, number, entity="Log", operation="add") for number in range(3_000)))

    def look() -> list[int] | None:
        answer = served.http.get(f"/api/v1/entities/log/{key}").json()
        found: list[int] = answer.get("state", {}).get("numbers", [])
        return found if len(found) >= 3_000 else None

    assert eventually(look) == list(range(3_000))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (b"nonsense\n", "expected"),
        (b"[1, 2]\n", "JSON object"),
        (b'{"entity": "Station", "key": 7, "operation": "record"}\n', "as text"),
        (b'{"entity": "Station", "operation": "record"}\n', "as text"),
        (line("x", "warm"), "celsius"),
        (line("x"), "celsius"),
        (line("x", 1, 2), "argument"),
        (line("x", 1, operation="rekord"), "rekord"),
        (line("x", 1, entity="Statoin"), "statoin"),
        (line("x\n", 1), "control"),
        (line("x" * 300, 1), "256"),
        (line("x", 1, colour="red"), "colour"),
        (line("x", 1, after_ms=1, at="2030-01-01T00:00:00Z"), "not both"),
        (line("x", 1, after_ms=-1), "after_ms"),
        (line("x", 1, at="tomorrow"), "ISO 8601"),
        (line("x", 1, source="s"), "together"),
        (line("x", 1, source="s", sequence=-1), "sequence"),
        (line("x", 1, source="s", sequence=True), "sequence"),
        (line("x", 1, source="", sequence=1), "source"),
        (b'{"entity": "Station", "key": "x", "operation": "record", "args": {"celsius": 1}}\n', "array"),
        (b'{"entity": "Station", "key": "x", "operation": "record", "args": [NaN]}\n', ""),
        (b'{"entity": "Station", "key": "\\ud800", "operation": "record", "args": [1]}\n', ""),
        (b'{"entity": "Station", "key": "\xff", "operation": "record", "args": [1]}\n', ""),
        (b"[" * 5_000 + b"\n", ""),
    ],
)
def test_a_wrong_line_is_refused_and_the_others_are_not(served: Served, wrong: bytes, reason: str) -> None:
    key = fresh()
    answer = post_lines(served, line(key, 1) + b"\r\n" + wrong + line(key, 2).rstrip())
    found = answer.json()
    assert (answer.status_code, found["accepted"], found["refused_count"]) == (200, 2, 1), found
    assert found["refused"][0]["line"] == 3
    assert reason in found["refused"][0]["reason"]
    assert "Traceback" not in answer.text
    assert state(served, key, 2)["total"] == 3


def test_the_answer_stays_short_however_much_is_refused(served: Served) -> None:
    answer = post_lines(served, b"x\n" * 5_000)
    assert answer.json()["refused_count"] == 5_000
    assert len(answer.json()["refused"]) == 100


def test_a_body_without_lines_is_nothing(served: Served) -> None:
    for body in (b"", b"\n\n", b"  \n"):
        assert post_lines(served, body).json()["accepted"] == 0


def test_named_arguments_and_a_delay(served: Served) -> None:
    key = fresh()
    named = {"entity": "station", "key": key, "operation": "Record", "kwargs": {"celsius": 2.5}, "after_ms": 30}
    past = {"entity": "station", "key": key, "operation": "record", "args": [1], "at": "2020-01-01T00:00:00Z"}
    answer = post_lines(served, json.dumps(named).encode() + b"\n" + json.dumps(past).encode())
    assert answer.json()["accepted"] == 2
    assert state(served, key, 2)["total"] == 3.5


def test_lines_may_come_in_any_pieces(served: Served) -> None:
    key = fresh()
    body = b"".join(line(key, number) for number in range(40))

    def pieces() -> Iterator[bytes]:
        for first in range(0, len(body), 37):
            yield body[first : first + 37]

    assert post_lines(served, pieces()).json()["accepted"] == 40
    state(served, key, 40)


def test_other_content_is_refused(served: Served) -> None:
    answer = served.http.post("/api/v1/signals", content=b"a=1", headers={"content-type": "multipart/form-data"})
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"


# -- nothing twice -----------------------------------------------------------------------------------------------------


def test_a_request_with_a_key_may_be_sent_again(served: Served) -> None:
    key = fresh()
    body = b"".join(line(key, number) for number in range(300))
    first = post_lines(served, body, **{"idempotency-key": key})
    again = post_lines(served, body, **{"idempotency-key": key})
    assert (first.json()["accepted"], first.json()["duplicates"]) == (300, 0)
    assert (again.json()["accepted"], again.json()["duplicates"]) == (0, 300)
    assert state(served, key, 300)["count"] == 300


def test_another_body_under_the_same_key_is_refused(served: Served) -> None:
    key = fresh()
    assert post_lines(served, line(key, 1), **{"idempotency-key": key}).status_code == 200
    answer = post_lines(served, line(key, 2), **{"idempotency-key": key})
    assert answer.status_code == 422
    assert "another body" in answer.json()["detail"]
    state(served, key, 1)


@pytest.mark.parametrize("key", ["", "x" * 256, "\xfc"])
def test_a_key_that_is_none(served: Served, key: str) -> None:
    answer = served.http.post(
        "/api/v1/signals",
        content=b"",
        headers={b"idempotency-key": key.encode("latin-1"), b"content-type": b"application/x-ndjson"},
    )
    assert answer.status_code == 400


def test_a_request_that_is_cut_off_goes_on_when_it_is_repeated(served: Served) -> None:
    key = fresh()
    body = b"".join(line(key, number) for number in range(400))
    head = (
        f"POST /api/v1/signals HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nIdempotency-Key: {key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(served.address) as sock:
        sock.sendall(head.encode() + body[: len(body) // 2])
        time.sleep(0.1)
    answer = post_lines(served, body, **{"idempotency-key": key})
    assert answer.status_code == 200
    assert answer.json()["accepted"] + answer.json()["duplicates"] == 400
    assert state(served, key, 400)["total"] == sum(range(400))


def test_two_requests_with_one_key_at_the_same_time(served: Served) -> None:
    key = fresh()
    body = b"".join(line(key, number) for number in range(2_000))
    answers: list[httpx.Response] = []

    def send() -> None:
        with httpx.Client(base_url=served.url, timeout=HANGS_S) as http:
            answers.append(http.post("/api/v1/signals", content=body, headers=NDJSON | {"idempotency-key": key}))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert 200 in {answer.status_code for answer in answers}
    last = post_lines(served, body, **{"idempotency-key": key})
    assert last.json()["duplicates"] + last.json()["accepted"] == 2_000
    assert state(served, key, 2_000)["total"] == sum(range(2_000))


def test_numbers_of_a_source_count_once(served: Served) -> None:
    key, source = fresh(), fresh()
    body = b"".join(line(key, 1, source=source, sequence=number) for number in range(0, 100, 2))
    assert post_lines(served, body).json()["accepted"] == 50
    more = body + line(key, 1, source=source, sequence=200) + line(key, 1)
    answer = post_lines(served, more).json()
    assert (answer["accepted"], answer["duplicates"]) == (2, 50)
    state(served, key, 52)


def test_many_sources_in_one_request(served: Served) -> None:
    key = fresh()
    body = b"".join(line(key, 1, source=f"{key}{number}", sequence=1) for number in range(70))
    answer = post_lines(served, body).json()
    assert (answer["accepted"], answer["refused_count"]) == (64, 6)
    assert "sources" in answer["refused"][0]["reason"]


# -- limits ------------------------------------------------------------------------------------------------------------


def test_a_line_that_is_too_long_is_refused_alone(limited: Served) -> None:
    key = fresh()
    for length in (2_000, 200_000):
        answer = post_lines(limited, line(key, 1) + b'{"x": "' + b"a" * length + b'"}\n' + line(key, 1)).json()
        assert (answer["accepted"], answer["refused"][0]["line"]) == (2, 2)
        assert "longer than" in answer["refused"][0]["reason"]


def test_only_so_many_bulk_requests_at_a_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_v1_signals, "RUNNING_MAX", 0)
    answer = post_lines(served, line(fresh(), 1))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    monkeypatch.undo()
    assert post_lines(served, line(fresh(), 1)).status_code == 200


def test_a_full_hub_says_what_it_has_taken(full: Served) -> None:
    """Nothing is carried out, so that the backlog fills up; then a worker comes, and what was not accepted is sent again."""
    key = fresh()
    lines = [line(f"{key}{number % 5}", number) for number in range(2_000)]
    answer = post_lines(full, b"".join(lines))
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    problem = answer.json()
    missing = [number for first, last in problem["not_accepted"] for number in range(first, last + 1)]
    assert 0 < problem["accepted"] < 2_000
    assert problem["accepted"] + len(missing) == problem["read"]
    with work(full.app, full.store_url):
        rest = [lines[number - 1] for number in missing] + lines[problem["read"] :]
        until = time.monotonic() + HANGS_S
        while rest:
            again = post_lines(full, b"".join(rest))
            if again.status_code == 200:
                break
            assert again.status_code == 429 and time.monotonic() < until
            found = again.json()
            rest = [rest[n - 1] for first, last in found["not_accepted"] for n in range(first, last + 1)] + rest[
                found["read"] :
            ]
        for number in range(5):
            assert state(full, f"{key}{number}", 400)["total"] == sum(range(number, 2_000, 5))


def test_a_full_hub_and_a_key(full: Served) -> None:
    key = fresh()
    body = b"".join(line(key, number) for number in range(2_000))
    assert post_lines(full, body, **{"idempotency-key": key}).status_code == 429
    with work(full.app, full.store_url):
        until = time.monotonic() + HANGS_S
        while (answer := post_lines(full, body, **{"idempotency-key": key})).status_code == 429:
            assert time.monotonic() < until
        assert answer.status_code == 200
        assert state(full, key, 2_000)["total"] == sum(range(2_000))


@pytest.fixture(scope="module")
def limited(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(make_v1_app(), module_server.url, settings=HttpSettings(line_bytes_max=1_024)) as running:
        yield running


@pytest.fixture
def full(module_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A gateway without a worker, whose hub holds little."""
    app = make_v1_app()
    app.settings = app.settings.model_copy(update={"backlog_length_max": 200, "producer_buffer_length_max": 500})
    monkeypatch.setattr(_v1_ingestion, "FULL_WAIT_S", 0.3)
    with serve(app, module_server.url, worker=False) as running:
        yield running
