"""Which measurements of orchestrations there are. One worker process each.

The raw sides are the same as those of signals and calls: what moving a message, or asking and being answered, costs
with no framework. So a ratio says how many orchestrations one gets for the price of a message or a round trip.
"""

from __future__ import annotations

from . import orchestrating, raw
from .calls import Calls
from .measures import Benchmark, Sample

HELLO = (
    "orchestrations of 5 activities in sequence, by number that run at once (raw: calls/s); x1: p50 (raw: of a call)"
)


RAW_CALLERS = 64
"""Enough for the raw loop to be as fast as it gets; each holds a connection."""


def _count(usual: int, size: float, least: int = 10) -> int:
    return max(least, round(usual * size))


def _hello(running: int, usual: int) -> Benchmark:
    def stead(calls: Calls) -> Sample:
        return Sample(calls.rate, {f"p{percent}_ms": calls.percentile_ms(percent) for percent in (50, 99)})

    return Benchmark(
        "hello",
        HELLO,
        "orch./s",
        "more",
        lambda address, size: stead(orchestrating.hellos(address, _count(usual, size, running), running)),
        lambda address, size: Sample(raw.calls(address, _count(20_000, size), RAW_CALLERS, 1_000).rate),
        variant=f"x{running}",
    )


HELLO_ONE = Benchmark(
    "hello",
    HELLO,
    "ms",
    "less",
    lambda address, size: _latency(orchestrating.hellos(address, _count(1_000, size, 50), 1)),
    lambda address, size: _latency(raw.calls(address, _count(5_000, size, 50), 1, 1)),
    variant="x1",
)


def _latency(calls: Calls) -> Sample:
    return Sample(calls.percentile_ms(50), {"p99_ms": calls.percentile_ms(99)})


SEQUENCE = Benchmark(
    "sequence",
    "1,000 activities in sequence in one orchestration (raw: calls of one caller)",
    "activities/s",
    "more",
    lambda address, size: Sample(orchestrating.steps(address, _count(1_000, size), at_once=False)),
    lambda address, size: Sample(raw.calls(address, _count(5_000, size), 1, 1).rate),
)


def _fan_out(count: int) -> Benchmark:
    return Benchmark(
        "fanout",
        "activities at once in one orchestration (raw: messages/s)",
        "activities/s",
        "more",
        lambda address, size: Sample(orchestrating.steps(address, _count(count, size), at_once=True)),
        lambda address, size: Sample(raw.signals(address, _count(100, size) * 1_000, 1_000)),
        variant=f"x{count}",
    )


BANK = Benchmark(
    "bank",
    "transfers between two locked accounts of 100, 32 at once (raw: calls/s)",
    "transfers/s",
    "more",
    lambda address, size: _rate(orchestrating.transfers(address, _count(3_000, size, 50), 100, 32)),
    lambda address, size: _rate(raw.calls(address, _count(20_000, size), 32, 100)),
)


def _rate(calls: Calls) -> Sample:
    return Sample(calls.rate, {f"p{percent}_ms": calls.percentile_ms(percent) for percent in (50, 99)})


EVENTS = Benchmark(
    "events",
    "external events to 100 waiting orchestrations, 64 raised at once (raw: messages/s)",
    "events/s",
    "more",
    lambda address, size: Sample(orchestrating.events(address, _count(200, size, 2), 100, 64)),
    lambda address, size: Sample(raw.signals(address, _count(100, size) * 1_000, 1_000)),
)

TIMERS = Benchmark(
    "timers",
    "lateness of 100,000 timers that are due within a minute: p99",
    "ms",
    "less",
    lambda address, size: _lateness(
        orchestrating.lateness(address, _count(100_000, size, 1_000), max(1.0, 60 * size), 100)
    ),
    None,
)


def _lateness(calls: Calls) -> Sample:
    return Sample(calls.percentile_ms(99), {"p50_ms": calls.percentile_ms(50), "max_ms": calls.percentile_ms(100)})


REPLAY = Benchmark(
    "replay",
    "a history of 10,000 events is read and replayed by a new worker",
    "events/s",
    "more",
    lambda address, size: Sample(orchestrating.replays(address, _count(10_000, size, 100) // 2 * 2)),
    None,
)

ORCHESTRATIONS = (
    _hello(100, 3_000),
    _hello(1_000, 6_000),
    HELLO_ONE,
    SEQUENCE,
    _fan_out(1_000),
    _fan_out(10_000),
    BANK,
    EVENTS,
    TIMERS,
    REPLAY,
)
