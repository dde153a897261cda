"""Which measurements of orchestrations there are. One worker process each.

The raw sides are the same as those of signals and calls: what moving a message, or asking and being answered, costs
with no framework. So a ratio says how many orchestrations one gets for the price of a message or a round trip.
"""

from __future__ import annotations

from . import orchestrating, raw
from .calls import Calls
from .cpu import Cpu
from .measures import Benchmark, Sample

HELLO = (
    "orchestrations of 5 activities in sequence, by number that run at once (raw: calls/s); x1: p50 (raw: of a call)"
)

HELLO_LOCAL = "the same with local activities, which begin before they are stored: one commit an orchestration"


RAW_CALLERS = 64
"""Enough for the raw loop to be as fast as it gets; each holds a connection."""


def _count(usual: int, size: float, least: int = 10) -> int:
    return max(least, round(usual * size))


def _hello(running: int, usual: int, required: float | None, *, local: bool = False) -> Benchmark:
    return Benchmark(
        "hello-local" if local else "hello",
        HELLO_LOCAL if local else HELLO,
        "orch./s",
        "more",
        lambda address, size: _rate(*orchestrating.hellos(address, _count(usual, size, running), running, local=local)),
        lambda address, size: _rate(*raw.calls(address, _count(20_000, size), RAW_CALLERS, 1_000)),
        variant=f"x{running}",
        required=required,
    )


def _hello_one(*, local: bool = False) -> Benchmark:
    return Benchmark(
        "hello-local" if local else "hello",
        HELLO_LOCAL if local else HELLO,
        "ms",
        "less",
        lambda address, size: _latency(*orchestrating.hellos(address, _count(1_000, size, 50), 1, local=local)),
        lambda address, size: _latency(*raw.calls(address, _count(5_000, size, 50), 1, 1)),
        variant="x1",
    )


def _latency(calls: Calls, cpu: Cpu) -> Sample:
    return Sample(calls.percentile_ms(50), {"p99_ms": calls.percentile_ms(99)}, cpu)


SEQUENCE = Benchmark(
    "sequence",
    "1,000 activities in sequence in one orchestration (raw: calls of one caller)",
    "activities/s",
    "more",
    lambda address, size: _sent(*orchestrating.steps(address, _count(1_000, size), at_once=False)),
    lambda address, size: _rate(*raw.calls(address, _count(5_000, size), 1, 1)),
)


def _fan_out(count: int) -> Benchmark:
    return Benchmark(
        "fanout",
        "activities at once in one orchestration (raw: messages/s)",
        "activities/s",
        "more",
        lambda address, size: _sent(*orchestrating.steps(address, _count(count, size), at_once=True)),
        lambda address, size: _sent(*raw.signals(address, _count(100, size) * 1_000, 1_000)),
        variant=f"x{count}",
    )


BANK = Benchmark(
    "bank",
    "transfers between two locked accounts of 100, 32 at once (raw: calls/s)",
    "transfers/s",
    "more",
    lambda address, size: _rate(*orchestrating.transfers(address, _count(3_000, size, 50), 100, 32)),
    lambda address, size: _rate(*raw.calls(address, _count(20_000, size), 32, 100)),
    required=0.25,
)


def _rate(calls: Calls, cpu: Cpu) -> Sample:
    return Sample(calls.rate, {f"p{percent}_ms": calls.percentile_ms(percent) for percent in (50, 99)}, cpu)


def _sent(rate: float, cpu: Cpu) -> Sample:
    return Sample(rate, cpu=cpu)


EVENTS = Benchmark(
    "events",
    "external events to 100 waiting orchestrations, 64 raised at once (raw: messages/s)",
    "events/s",
    "more",
    lambda address, size: _sent(*orchestrating.events(address, _count(200, size, 2), 100, 64)),
    lambda address, size: _sent(*raw.signals(address, _count(100, size) * 1_000, 1_000)),
    required=0.35,
)

EVENTS_PRODUCED = Benchmark(
    "events-produced",
    "external events to 100 waiting orchestrations, from one producer (raw: messages/s)",
    "events/s",
    "more",
    lambda address, size: _sent(*orchestrating.produced_events(address, _count(1_000, size, 2), 100)),
    lambda address, size: _sent(*raw.signals(address, _count(100, size) * 1_000, 1_000)),
    required=0.35,
)

TIMERS = Benchmark(
    "timers",
    "lateness of 100,000 timers that are due within a minute: p99",
    "ms",
    "less",
    lambda address, size: _lateness(
        *orchestrating.lateness(address, _count(100_000, size, 1_000), max(1.0, 60 * size), 100)
    ),
    None,
)


def _lateness(calls: Calls, cpu: Cpu) -> Sample:
    details = {"p50_ms": calls.percentile_ms(50), "max_ms": calls.percentile_ms(100)}
    return Sample(calls.percentile_ms(99), details, cpu)


REPLAY = Benchmark(
    "replay",
    "a history of 10,000 events is read and replayed by a new worker",
    "events/s",
    "more",
    lambda address, size: _sent(*orchestrating.replays(address, _count(10_000, size, 100) // 2 * 2)),
    None,
)

ORCHESTRATIONS = (
    _hello(100, 3_000, 0.3),
    _hello(1_000, 6_000, 0.35),
    _hello_one(),
    _hello(100, 3_000, None, local=True),
    _hello(1_000, 6_000, None, local=True),
    _hello_one(local=True),
    SEQUENCE,
    _fan_out(1_000),
    _fan_out(10_000),
    BANK,
    EVENTS,
    EVENTS_PRODUCED,
    TIMERS,
    REPLAY,
)
