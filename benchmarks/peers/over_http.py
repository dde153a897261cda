"""Peers that are asked over HTTP, by a client that costs as little as can be."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from typing import TypeVar

import uvloop

from benchmarks.calls import Calls
from benchmarks.cpu import Cpu, family_s
from benchmarks.http_client import Http, ask_many, ask_once, post
from benchmarks.measures import Sample
from benchmarks.parts import Gate, Part, watch
from benchmarks.raw import WrongResult

from .services import Service
from .workloads import CALLERS

R = TypeVar("R")

JSON = "application/json"


def asked(
    port: int, requests: list[bytes], count: int, callers: int, server: Service, worker: Service | None = None
) -> tuple[Calls, Cpu]:
    """`count` requests by so many connections, each answered before that connection's next."""
    with Part(ask_many, port, requests, count, callers, 200) as client:
        return watched(client, count, server, worker)


def watched(client: Part[R], operations: int, server: Service, worker: Service | None) -> tuple[R, Cpu]:
    """Let a client go beside services, each with all the processes it has."""
    workers = [] if worker is None else [worker.pid]
    return watch(client, [server.pid], workers, operations, family_s)


def latency(calls: Calls, cpu: Cpu) -> Sample:
    """What one caller sees."""
    return Sample(calls.percentile_ms(50), {"p99_ms": calls.percentile_ms(99)}, cpu)


def rate(calls: Calls, cpu: Cpu) -> Sample:
    """What all callers get."""
    return Sample(calls.rate, {f"p{percent}_ms": calls.percentile_ms(percent) for percent in (50, 99)}, cpu)


def value_of(port: int, request: bytes) -> object:
    """What is answered, as a value; anything but a success raises."""
    status, body, _ = ask_once(port, request)
    if status not in (200, 201):
        raise WrongResult(f"answered {status}: {body[:300]!r}")
    return json.loads(body) if body else None


def settle(gate: Gate, port: int, signals: list[bytes], reads: list[bytes], count: int) -> tuple[float, int]:
    """Send signals, and then read every entity behind them: seconds until all are in force, and the sum of what was read."""

    async def measure() -> tuple[float, int]:
        http = Http(port)
        left = iter(range(count))
        unread = iter(reads)
        sums: list[int] = []

        async def send() -> None:
            for number in left:
                status, body, _ = await http.ask(signals[number % len(signals)])
                if status != 202:
                    raise RuntimeError(f"answered {status}: {body[:200]!r}")

        async def read() -> None:
            sums.append(sum([int((await http.ask(request))[1]) for request in unread]))

        for request in reads[:CALLERS]:
            await http.ask(request)
        gate.ready()
        began = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(CALLERS)))
        await asyncio.gather(*(read() for _ in range(CALLERS)))
        seconds = time.perf_counter() - began
        gate.done()
        await http.aclose()
        return seconds, sum(sums)

    return uvloop.run(measure())


def total(port: int, reads: Iterable[bytes]) -> int:
    """The sum of what all counters say."""

    async def ask() -> int:
        http = Http(port)
        unread = iter(reads)

        async def add_up() -> int:
            return sum([int((await http.ask(request))[1]) for request in unread])

        sums = await asyncio.gather(*(add_up() for _ in range(CALLERS)))
        await http.aclose()
        return sum(sums)

    return uvloop.run(ask())


def post_json(path: str, value: object) -> bytes:
    """A request with a value."""
    return post(path, json.dumps(value).encode(), JSON)
