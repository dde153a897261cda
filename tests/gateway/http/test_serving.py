"""The server: connections that do nothing, or everything slowly; its limits; its end."""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from stead.gateway import CannotListen, HttpSettings, Hub, Keys, KeysRefused, addresses_of, bind, check_exposure
from stead.gateway._http.json_values import json_response
from stead.gateway._http.routes import Route
from stead.gateway._http.serving import connection_limit, raise_file_limit
from support.gateway_app import make_app
from support.gateway_tools import Served, hear, hear_until, serve
from support.guards import HANGS_S
from support.valkey_server import ValkeyServer

GET = b"GET /fast HTTP/1.1\r\nhost: x\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


async def fast(request: Request, hub: Hub) -> Response:
    return json_response("fast")


async def slow(request: Request, hub: Hub) -> Response:
    await asyncio.sleep(1)
    return json_response("slow")


async def waiting(request: Request, hub: Hub) -> Response:
    with hub.traffic.wait():
        await hub.traffic.stopping.wait()
    return json_response("stopped")


async def stuck(request: Request, hub: Hub) -> Response:
    await asyncio.sleep(60)
    return json_response("never")


async def endless(request: Request, hub: Hub) -> Response:
    async def numbers() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65_536
        finally:
            ended.append(True)

    return StreamingResponse(numbers())


async def broken(request: Request, hub: Hub) -> Response:
    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        raise ValueError("secret details")

    return StreamingResponse(half())


ended: list[bool] = []
TABLE = [
    Route("GET", "/fast", fast, None),
    Route("GET", "/slow", slow, None),
    Route("GET", "/waiting", waiting, None),
    Route("GET", "/stuck", stuck, None),
    Route("GET", "/endless", endless, None),
    Route("GET", "/broken", broken, None),
]


@pytest.fixture(scope="module")
def plain(module_server: ValkeyServer) -> Iterator[Served]:
    with serve(make_app(), module_server.url, worker=False, routes=TABLE) as running:
        yield running


def limited(server: ValkeyServer, stack: ExitStack, **limits: int) -> Served:
    return stack.enter_context(
        serve(make_app(), server.url, worker=False, routes=TABLE, settings=HttpSettings.model_validate(limits))
    )


def closed(sock: socket.socket, seconds: float = HANGS_S) -> bool:
    sock.settimeout(seconds)
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_idle_connections_do_no_harm(plain: Served) -> None:
    raise_file_limit()
    count = 1_500
    with ExitStack() as stack:
        for number in range(count):
            sock = stack.enter_context(plain.connect())
            if number % 3 == 0:
                sock.sendall(b"GET /fast HTTP/1.1\r\nhost: x\r\nx-never: ")
        for _ in range(50):
            assert plain.http.get("/fast").json() == "fast"


def test_too_many_connections_cost_the_idle_ones_first(module_server: ValkeyServer) -> None:
    with ExitStack() as stack:
        served = limited(module_server, stack, connections_max=20)
        idle = [stack.enter_context(served.connect()) for _ in range(20)]
        busy = stack.enter_context(served.connect())
        busy.sendall(SLOW)
        more = [stack.enter_context(served.connect()) for _ in range(5)]
        assert all(closed(sock) for sock in idle[:6])
        assert not any(closed(sock, 0.02) for sock in [*idle[6:], *more])
        assert b"slow" in hear_until(busy, b"slow")
        for sock in more:
            sock.sendall(GET)
            assert b"fast" in hear_until(sock, b"fast")


def test_busy_connections_stay_and_further_ones_are_turned_away(module_server: ValkeyServer) -> None:
    with ExitStack() as stack:
        served = limited(module_server, stack, connections_max=3)
        busy = [stack.enter_context(served.connect()) for _ in range(3)]
        for sock in busy:
            sock.sendall(SLOW)
        served.until_busy(3)
        with served.connect() as sock:
            assert hear(sock).startswith(b"HTTP/1.1 503")
        assert all(b"slow" in hear_until(sock, b"slow") for sock in busy)


def test_idle_connections_and_slow_headers_come_to_an_end(module_server: ValkeyServer) -> None:
    with ExitStack() as stack:
        served = limited(module_server, stack, idle_ms_max=1_500, header_ms_max=800)
        begun = time.monotonic()
        idle, used, dripping = (stack.enter_context(served.connect()) for _ in range(3))
        used.sendall(GET)
        dripping.sendall(b"GET /fast HTTP/1.1\r\n")
        busy = stack.enter_context(served.connect())
        busy.sendall(SLOW)
        assert closed(dripping)
        assert time.monotonic() - begun > 0.7, "not before its time"
        assert closed(idle)
        assert time.monotonic() - begun > 1.4, "not before its time"
        assert b"fast" in hear_until(used, b"fast")
        assert b"slow" in hear_until(busy, b"slow")


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /" + b"a" * 70_000,
        b"GET / HTTP/1.1\r\nx-long: " + b"a" * 70_000,
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 12_000,
        b"GET / HTTP/1.1\r\nx-long: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
)
def test_long_headers_are_431(plain: Served, request_text: bytes) -> None:
    with plain.connect() as sock:
        try:
            for first in range(0, len(request_text), 4_096):
                sock.sendall(request_text[first : first + 4_096])
                time.sleep(0.001)
        except OSError:
            return  # it was cut off, which is right, before we could read why
        assert hear(sock)[:12] in {b"HTTP/1.1 431", b""}


def test_what_is_not_http_is_400(plain: Served) -> None:
    for text in (b"\x16\x03\x01\x02\x00\x01\x00", b"HELLO\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        assert plain.say(text)[:12] in {b"HTTP/1.1 400", b""}
    assert plain.http.get("/fast").json() == "fast"


def test_a_client_that_does_not_read_is_cut_off(module_server: ValkeyServer) -> None:
    ended.clear()
    with ExitStack() as stack:
        served = limited(module_server, stack, silence_ms_max=500)
        sock = stack.enter_context(served.connect())
        sock.sendall(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
        deadline = time.monotonic() + HANGS_S
        while not ended:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_an_answer_that_breaks_shows_nothing(plain: Served, caplog: pytest.LogCaptureFixture) -> None:
    said = plain.say(b"GET /broken HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"half" in said
    assert b"secret" not in said
    assert b"0\r\n\r\n" not in said  # whoever reads it knows that it is not whole
    assert plain.http.get("/fast").json() == "fast"


def test_more_requests_than_may_run_are_429(module_server: ValkeyServer) -> None:
    with ExitStack() as stack:
        served = limited(module_server, stack, requests_running_max=3, streams_max=2)
        sockets = [stack.enter_context(served.connect()) for _ in range(6)]
        for sock in sockets[:3]:
            sock.sendall(SLOW)
        served.until_busy(3)
        refused = served.http.get("/fast")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert all(b"slow" in hear_until(sock, b"slow") for sock in sockets[:3])
        for sock in sockets[3:5]:
            sock.sendall(b"GET /waiting HTTP/1.1\r\nhost: x\r\n\r\n")
        served.until_busy(0, 2)
        assert served.http.get("/waiting").status_code == 429
        assert served.http.get("/fast").json() == "fast"


def test_a_server_that_stops_lets_requests_finish(module_server: ValkeyServer) -> None:
    said: dict[str, bytes] = {}

    def listen(name: str, sock: socket.socket) -> None:
        said[name] = hear(sock, 20)

    with ExitStack() as outer:
        with serve(
            make_app(), module_server.url, worker=False, routes=TABLE, settings=HttpSettings(drain_ms=3_000)
        ) as served:
            listeners: list[threading.Thread] = []
            for name in ("slow", "waiting", "stuck"):
                sock = outer.enter_context(served.connect())
                sock.sendall(f"GET /{name} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
                listeners.append(threading.Thread(target=listen, args=(name, sock)))
                listeners[-1].start()
            idle = outer.enter_context(served.connect())
            served.until_busy(2, 1)
        for listener in listeners:
            listener.join(HANGS_S)
        assert closed(idle)
    assert b'"slow"' in said["slow"]
    assert b'"stopped"' in said["waiting"]
    assert said["stuck"].startswith(b"HTTP/1.1 503")
    with pytest.raises(httpx.HTTPError):
        httpx.get(served.url + "/fast", timeout=2)


def test_a_port_that_is_taken_is_said() -> None:
    first = bind("127.0.0.1", 0)
    port = first[0].getsockname()[1]
    with pytest.raises(CannotListen, match=f"port {port} of 127.0.0.1 is in use; give another one with --port"):
        bind("127.0.0.1", port)
    with pytest.raises(CannotListen, match="--host"):
        bind("no.such.host.invalid", 0)
    with pytest.raises(CannotListen, match="--host"):
        bind("192.0.2.1", 0)
    first[0].close()


def test_without_keys_only_loopback_is_listened_at() -> None:
    for host, alone in (("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False), ("", False)):
        sockets = bind(host, 0)
        assert all(address.startswith("http://") for address in addresses_of(sockets))
        check_exposure(sockets, Keys({"key": ["read"]}))
        if alone:
            check_exposure(sockets, Keys())
        else:
            with pytest.raises(KeysRefused, match="--keys"):
                check_exposure(sockets, Keys())
        for sock in sockets:
            sock.close()


def test_connections_never_take_the_last_files() -> None:
    assert connection_limit(HttpSettings(connections_max=17)) == 17
    assert connection_limit(HttpSettings()) < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
