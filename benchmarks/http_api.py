"""The HTTP API beside the bare framework: the same requests, answered with the same bytes by an application that does nothing.

Server, worker and client are processes of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stead.app import Client
from stead.gateway import HttpSettings, Keys, asgi, bind, serving

from . import hub
from .calls import WARM_UP_CALLS, Calls
from .cpu import Cpu, Meter
from .entities import app
from .http_client import Answer, Http, ask_many, ask_once, get, post
from .orchestrating import work
from .orchestrations import hello
from .parts import Gate, Part, pids, watch
from .server import Address

INSTANCE = "bench"
STATUS_PATH = f"/runtime/webhooks/durabletask/instances/{INSTANCE}"
SIGNAL_PATH = "/runtime/webhooks/durabletask/entities/Counter"
BULK_PATH = "/api/v1/signals"
BULK_LINES = 5_000
CONNECTIONS = 32
KEYS = 1_000


# -- servers -----------------------------------------------------------------------------------------------------------


def serve_stead(gate: Gate, address: Address, sock: socket.socket) -> None:
    """stead's server."""

    async def live() -> None:
        settings = HttpSettings()
        async with serving(asgi(app, address.url, keys=Keys(), settings=settings), [sock], settings):
            gate.ready()
            await _stopped(gate)

    uvloop.run(live())


def serve_bare(gate: Gate, sock: socket.socket, answer: Answer) -> None:
    """The framework alone: takes the whole body, and answers with bytes that it has."""
    status, body, kind = answer

    async def respond(request: Request) -> Response:
        await request.body()
        return Response(body, status, media_type=kind)

    async def live() -> None:
        routes = [Route("/{path:path}", respond, methods=["GET", "POST"])]
        config = uvicorn.Config(
            Starlette(routes=routes),
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve([sock]))
        gate.ready()
        await _stopped(gate)
        server.should_exit = True
        await running

    uvloop.run(live())


async def _stopped(gate: Gate) -> None:
    while not gate.stopped():  # noqa: ASYNC110 - a pipe from another process
        await asyncio.sleep(0.05)


@contextmanager
def _server(main: Callable[..., None], *arguments: object) -> Generator[tuple[int, Part[None]]]:
    """A server process; the port that it listens at comes first."""
    (sock,) = bind("127.0.0.1", 0)
    with sock:
        arguments = tuple(sock if argument is ... else argument for argument in arguments)
        with Part(main, *arguments) as part:
            part.wait_ready()
            part.start()
            yield sock.getsockname()[1], part
            part.stop()
            part.result()


# -- asking -------------------------------------------------------------------------------------------------------------


def _asked(
    port: int, requests: list[bytes], count: int, status: int, framework: list[Part[None]], store: list[int]
) -> tuple[Calls, Cpu]:
    with Part(ask_many, port, requests, count, CONNECTIONS, status) as client:
        return watch(client, store, pids(framework), count)


# -- status ------------------------------------------------------------------------------------------------------------


def status(address: Address, count: int) -> tuple[Calls, Cpu, Answer]:
    """Reads of one instance's status by several connections; the answer, too."""

    async def finish(client: Client) -> None:
        await client.start_new(hello, instance_id=INSTANCE)
        await client.wait_for_completion(INSTANCE)

    with hub.workers(address, 1, work) as parts, _server(serve_stead, address, ...) as (port, server):
        hub.with_client(address, finish)
        answer = ask_once(port, get(STATUS_PATH))
        calls, cpu = _asked(port, [get(STATUS_PATH)], count, 200, [*parts, server], [address.pid])
        return calls, cpu, answer


def bare_status(answer: Answer, count: int) -> tuple[Calls, Cpu]:
    """The same from the framework alone."""
    with _server(serve_bare, ..., answer) as (port, server):
        return _asked(port, [get(STATUS_PATH)], count, answer[0], [server], [])


# -- signals -----------------------------------------------------------------------------------------------------------


def signals(address: Address, count: int) -> tuple[Calls, Cpu]:
    """Signals one by one, each durable when it is answered, by several connections; all of them must arrive."""
    with hub.workers(address) as parts, _server(serve_stead, address, ...) as (port, server):
        calls, cpu = _asked(port, _signal_requests(), count, 202, [*parts, server], [address.pid])
        hub.with_client(address, lambda client: _arrived(client, count + WARM_UP_CALLS))
        return calls, cpu


def bare_signals(count: int) -> tuple[Calls, Cpu]:
    """The same requests, answered by the framework alone."""
    with _server(serve_bare, ..., (202, b"", None)) as (port, server):
        return _asked(port, _signal_requests(), count, 202, [server], [])


def bulk(address: Address, count: int) -> tuple[float, Calls, Cpu, Answer]:
    """Signals by bulk requests, one after the other: how many a second until all are in force, and each request's time."""
    requests = _bulk_requests()
    with hub.workers(address) as parts, _server(serve_stead, address, ...) as (port, server):
        answer = ask_once(port, requests[0])
        meter = Meter([address.pid], pids([*parts, server]), [os.getpid()])
        began = time.monotonic()
        calls = _bulk_asked(port, requests, count)
        sent = (count + 1) * BULK_LINES
        ended = hub.with_client(address, lambda client: _arrived(client, sent))
        messages = count * BULK_LINES
        return messages / (ended - began), calls, meter.read().each_us(messages), answer


def bare_bulk(answer: Answer, count: int) -> tuple[float, Calls, Cpu]:
    """The same requests, read and answered by the framework alone."""
    with _server(serve_bare, ..., answer) as (port, server):
        meter = Meter([], [server.pid], [os.getpid()])
        began = time.monotonic()
        calls = _bulk_asked(port, _bulk_requests(), count)
        messages = count * BULK_LINES
        return messages / (time.monotonic() - began), calls, meter.read().each_us(messages)


def _bulk_asked(port: int, requests: list[bytes], count: int) -> Calls:
    async def measure() -> Calls:
        http = Http(port)
        took: list[float] = []
        begun = time.perf_counter()
        for _ in range(count):
            began = time.perf_counter()
            got, body, _ = await http.ask(requests[0])
            took.append(time.perf_counter() - began)
            if got != 200:
                raise RuntimeError(f"answered {got}: {body[:200]!r}")
        await http.aclose()
        return Calls(time.perf_counter() - begun, tuple(sorted(took)), 0)

    return uvloop.run(measure())


def _signal_requests() -> list[bytes]:
    return [post(f"{SIGNAL_PATH}/{key}?op=add", b"1", "application/json") for key in range(KEYS)]


def _bulk_requests() -> list[bytes]:
    lines = [
        json.dumps({"entity": "Counter", "key": str(number % KEYS), "operation": "add", "args": [1]})
        for number in range(BULK_LINES)
    ]
    return [post(BULK_PATH, "\n".join(lines).encode(), "application/x-ndjson")]


async def _arrived(client: Client, expected: int) -> float:
    """Wait until the counters add up; gives the time."""
    while True:
        total = 0
        async for _, state in client.list_entities("Counter"):
            total += state["value"]
        if total >= expected:
            break
        await asyncio.sleep(0.01)
    ended = time.monotonic()
    await hub.check_total(client, expected)
    return ended
