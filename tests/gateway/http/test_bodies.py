"""Bodies: what is not JSON, too large, too slow, or never comes to its end; and clients that go."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response

from stead.gateway import HttpSettings, Hub
from stead.gateway._http.body import MISSING, chunks, read_body, read_json, unless_gone
from stead.gateway._http.json_values import json_response
from stead.gateway._http.routes import Route
from support.gateway_app import make_app
from support.gateway_tools import Served, hear_until, in_memory, serve
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer

LIMITS = HttpSettings(body_bytes_max=10_000, body_ms_max=1_500, silence_ms_max=700)
seen: list[str] = []


async def echo(request: Request, hub: Hub) -> Response:
    value = await read_json(request, hub)
    return json_response("missing" if value is MISSING else value)


async def strict(request: Request, hub: Hub) -> Response:
    value = await read_json(request, hub, json_only=True)
    return json_response("missing" if value is MISSING else value)


async def size(request: Request, hub: Hub) -> Response:
    return json_response(len(await read_body(request, hub)))


async def stream(request: Request, hub: Hub) -> Response:
    total = 0
    async for chunk in chunks(request, hub):
        total += len(chunk)
    return json_response(total)


async def wait(request: Request, hub: Hub) -> Response:
    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            seen.append("ended")

    await read_body(request, hub)
    with hub.traffic.wait():
        await unless_gone(request, work())
    return Response()


def ignore(request: Request, hub: Hub) -> Response:
    return json_response("ignored")


async def ignoring(request: Request, hub: Hub) -> Response:
    return ignore(request, hub)


TABLE = [
    Route("POST", "/echo", echo, None),
    Route("POST", "/api/v1/echo", echo, None),
    Route("POST", "/strict", strict, None),
    Route("POST", "/size", size, None),
    Route("POST", "/stream", stream, None),
    Route("POST", "/wait", wait, None),
    Route("POST", "/ignore", ignoring, None),
]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"", "missing"),
        (b"  \n", "missing"),
        (b"null", None),
        (b'{"a": [1, 2.5, "\xc3\xa9", null, true]}', {"a": [1, 2.5, "é", None, True]}),
        (b"\xef\xbb\xbf1", 1),
        (b"12345678901234567890", 12345678901234567890),
    ],
)
async def test_json_is_read(body: bytes, value: object) -> None:
    async with in_memory(TABLE) as http:
        assert (await http.post("/echo", content=body)).json() == value


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nope",
        b"{'a': 1}",
        b'{"a": NaN}',
        b"1 2",
        b'"\xff"',
        b'"\\ud800"',
        b"[" * 5_000,
        b"\x00",
        b"9" * 5_000,
    ],
)
async def test_what_is_not_json_is_400(body: bytes) -> None:
    async with in_memory(TABLE, settings=LIMITS) as http:
        refused = await http.post("/echo", content=body)
        assert refused.status_code == 400
        assert refused.json() == {"Message": "Invalid JSON content", "ExceptionMessage": "Invalid JSON content"}
        problem = await http.post("/api/v1/echo", content=body)
        assert problem.status_code == 400
        assert problem.headers["content-type"] == "application/problem+json"
        assert problem.json()["detail"] == "Invalid JSON content"
        assert problem.json()["errors"][0]["loc"] == ["body"]
        assert problem.json()["errors"][0]["msg"]


async def test_a_wrong_content_type_is_400_where_json_is_asked_for() -> None:
    async with in_memory(TABLE) as http:
        for kind, status in (
            ("application/json", 200),
            ("application/JSON; charset=utf-8", 200),
            ("application/cloudevents+json", 200),
            ("text/plain", 400),
            ("application/x-www-form-urlencoded", 400),
        ):
            answer = await http.post("/strict", content=b"1", headers={"content-type": kind})
            assert answer.status_code == status, kind
        said = "Only application/json request content is supported: give the header content-type: application/json"
        assert (await http.post("/strict", content=b"1")).json() == {"Message": said, "ExceptionMessage": said}
        assert (await http.post("/strict")).json() == "missing"


async def test_compressed_bodies_are_415() -> None:
    async with in_memory(TABLE) as http:
        assert (await http.post("/echo", content=b"1", headers={"content-encoding": "gzip"})).status_code == 415
        assert (await http.post("/echo", content=b"1", headers={"content-encoding": "identity"})).status_code == 200


@pytest.fixture(scope="module")
def limited(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(make_app(), module_server.url, settings=LIMITS, worker=False, routes=TABLE) as running:
        yield running


def test_a_large_body_is_413_whether_announced_or_not(limited: Served) -> None:
    assert limited.http.post("/size", content=b"x" * 10_000).json() == 10_000
    assert limited.http.post("/size", content=b"x" * 10_001).status_code == 413
    assert limited.http.post("/size", content=iter([b"x" * 9_000] * 2)).status_code == 413
    assert limited.http.post("/stream", content=iter([b"x" * 9_000] * 20)).json() == 180_000
    said = limited.say(b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413")


def test_the_connection_is_good_after_a_body_that_nobody_read(limited: Served) -> None:
    for _ in range(100):
        answer = limited.http.post("/ignore", content=b"x" * 300_000)
        assert (answer.status_code, answer.text) == (200, '"ignored"')


def test_a_silent_client_is_408(limited: Served) -> None:
    begun = time.monotonic()
    with limited.connect() as sock:
        sock.sendall(b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n123")
        said = hear_until(sock, b"connection: close")
    assert said.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in said
    assert time.monotonic() - begun > 0.5, "not before its time"


def test_a_client_that_drips_is_408(limited: Served) -> None:
    with limited.connect() as sock:
        sock.sendall(b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n")
        sock.settimeout(0.1)
        said = b""
        while not said:
            sock.sendall(b"x")
            try:
                said = sock.recv(1_000)
            except TimeoutError:
                continue
    assert said.startswith(b"HTTP/1.1 408")


def test_clients_that_go_in_the_middle_of_a_body_harm_nobody(limited: Served) -> None:
    for _ in range(50):
        with limited.connect() as sock:
            sock.sendall(b"POST /size HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc")
            # a reset, not an orderly end
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert limited.http.post("/size", content=b"x").json() == 1


def test_who_waits_for_a_client_that_has_gone_stops(limited: Served) -> None:
    seen.clear()
    with limited.connect() as sock:
        sock.sendall(b"POST /wait HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        limited.until_busy(0, 1)
        assert seen == []
    deadline = time.monotonic() + HANGS_S
    while not seen:
        assert time.monotonic() < deadline
        time.sleep(0.02)
