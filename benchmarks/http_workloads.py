"""The measurements of the HTTP API: their sizes and units. "raw" is the bare framework, answering the same bytes."""

from __future__ import annotations

from collections.abc import Callable

from . import http_api
from .calls import Calls
from .cpu import Cpu
from .http_client import Answer
from .measures import Benchmark, Sample
from .server import Address


def _rate(calls: Calls, cpu: Cpu) -> Sample:
    return Sample(calls.rate, _percentiles(calls), cpu)


def _percentiles(calls: Calls) -> dict[str, float]:
    return {f"p{percent}_ms": calls.percentile_ms(percent) for percent in (50, 95, 99)}


def _count(size: float) -> int:
    return max(500, round(20_000 * size))


def _requests(size: float) -> int:
    return max(3, round(40 * size))


_answers: dict[str, Answer] = {}
"""What stead answered, for the framework to answer the same."""


def _status(address: Address, size: float) -> Sample:
    calls, cpu, _answers["status"] = http_api.status(address, _count(size))
    return _rate(calls, cpu)


def _bare_status(address: Address, size: float) -> Sample:
    return _rate(*http_api.bare_status(_answer("status", address, http_api.status), _count(size)))


def _bulk(address: Address, size: float) -> Sample:
    rate, calls, cpu, _answers["bulk"] = http_api.bulk(address, _requests(size))
    return Sample(rate, _percentiles(calls), cpu)


def _bare_bulk(address: Address, size: float) -> Sample:
    rate, calls, cpu = http_api.bare_bulk(_answer("bulk", address, http_api.bulk), _requests(size))
    return Sample(rate, _percentiles(calls), cpu)


def _answer(name: str, address: Address, ask: Callable[[Address, int], tuple[object, ...]]) -> Answer:
    """What stead answers; asked for first if this side comes first."""
    if name not in _answers:
        *_, answer = ask(address, 3)
        assert isinstance(answer, tuple)
        _answers[name] = answer
    return _answers[name]


HTTP = (
    Benchmark(
        "http-signals",
        "signals by HTTP over 1,000 entities, one a request, 32 connections (raw: the bare framework)",
        "requests/s",
        "more",
        lambda address, size: _rate(*http_api.signals(address, _count(size))),
        lambda _, size: _rate(*http_api.bare_signals(_count(size))),
        variant="one by one",
    ),
    Benchmark(
        "http-signals",
        "signals by HTTP over 1,000 entities, 5,000 a request, until in force (raw: the bare framework)",
        "signals/s",
        "more",
        _bulk,
        _bare_bulk,
        variant="bulk",
    ),
    Benchmark(
        "http-status",
        "an instance's status by HTTP, 32 connections (raw: the bare framework)",
        "requests/s",
        "more",
        _status,
        _bare_status,
    ),
)
