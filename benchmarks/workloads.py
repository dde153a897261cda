"""Which measurements there are: their sizes, units and bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import aggregating, faults, hub, memory, raw, scanning, sharding, timing
from .calls import Calls
from .cpu import Cpu
from .entities import SERIES_LENGTH
from .http_workloads import HTTP
from .measures import Benchmark, Sample
from .orchestration_workloads import ORCHESTRATIONS
from .query_workloads import QUERIES
from .server import Address

# -- signals -----------------------------------------------------------------------------------------------------------


def _sent(rate: float, cpu: Cpu) -> Sample:
    return Sample(rate, cpu=cpu)


def _signals(name: str, keys: int, required: float) -> Benchmark:
    def count(size: float) -> int:
        return max(1, round(300_000 * size / keys)) * keys

    return Benchmark(
        name,
        f"signals from one producer to {keys:,} {'entity' if keys == 1 else 'entities'}, one worker",
        "signals/s",
        "more",
        lambda address, size: _sent(*hub.signals(address, count(size), keys)),
        lambda address, size: _sent(*raw.signals(address, count(size), keys)),
        required=required,
    )


def _scale(processes: int) -> Benchmark:
    def count(size: float) -> int:
        return max(1, round(300 * size)) * 1_000

    return Benchmark(
        "scale",
        "signals over 1,000 entities, by number of worker processes",
        "signals/s",
        "more",
        lambda address, size: _sent(*hub.signals(address, count(size), 1_000, processes)),
        lambda address, size: _sent(*raw.signals(address, count(size), 1_000, processes)),
        variant=f"x{processes}",
    )


def _sharded(processes: int) -> Benchmark:
    def count(size: float) -> int:
        return max(1, round(300_000 * size / sharding.SENDERS)) * sharding.SENDERS

    return Benchmark(
        "signals-sharded",
        "signals to one entity in 16 shards, by number of worker processes (raw: one without shards, one process)",
        "signals/s",
        "more",
        lambda address, size: _sent(*sharding.signals(address, processes, count(size), sharded=True)),
        lambda address, size: _sent(*sharding.signals(address, 1, count(size), sharded=False)),
        variant=f"x{processes}",
    )


LARGE_STATE = Benchmark(
    "large-state",
    "signals to one entity whose state is 100 kB",
    "signals/s",
    "more",
    lambda address, size: _sent(*hub.series(address, max(1, round(50_000 * size)))),
    lambda address, size: _sent(*raw.series(address, max(1, round(50_000 * size)), [0.5] * SERIES_LENGTH)),
)


# -- calls -------------------------------------------------------------------------------------------------------------


def _latency(calls: Calls, cpu: Cpu) -> Sample:
    return Sample(
        calls.percentile_ms(50), {f"p{percent}_ms": calls.percentile_ms(percent) for percent in (95, 99)}, cpu
    )


def _rate(calls: Calls, cpu: Cpu) -> Sample:
    return Sample(calls.rate, {f"p{percent}_ms": calls.percentile_ms(percent) for percent in (50, 95, 99)}, cpu)


def _calls_count(size: float) -> int:
    return max(100, round(5_000 * size))


def _concurrent_count(size: float) -> int:
    return max(1_000, round(30_000 * size))


CALLS = Benchmark(
    "calls",
    "round trip of a call, one caller: p50",
    "ms",
    "less",
    lambda address, size: _latency(*hub.calls(address, _calls_count(size), 1, 1)),
    lambda address, size: _latency(*raw.calls(address, _calls_count(size), 1, 1)),
    required=1.1,
)

CALLS_CONCURRENT = Benchmark(
    "calls-concurrent",
    "calls by 64 callers over 1,000 entities",
    "calls/s",
    "more",
    lambda address, size: _rate(*hub.calls(address, _concurrent_count(size), 64, 1_000)),
    lambda address, size: _rate(*raw.calls(address, _concurrent_count(size), 64, 1_000)),
    required=1.5,
)

# -- faults ------------------------------------------------------------------------------------------------------------


def _p99(calls: Calls, cpu: Cpu) -> Sample:
    return Sample(calls.percentile_ms(99), {"p50_ms": calls.percentile_ms(50)}, cpu)


SLOW_NEIGHBOURS = Benchmark(
    "slow-neighbours",
    "round trip beside an entity that sleeps 1 s per operation, in its partition: p99 (raw: with nothing slow)",
    "ms",
    "less",
    lambda address, size: _p99(*faults.slow_neighbours(address, _calls_count(size), 1_000)),
    lambda address, size: _p99(*raw.calls(address, _calls_count(size), 1, 1)),
)

TAKEOVER = Benchmark(
    "takeover",
    f"SIGKILL of one of two workers at {faults.LOAD_PER_S:,} signals/s, until all partitions move on; exact totals",
    "s",
    "less",
    lambda address, _size: Sample(faults.take_over(address), {"lease_s": faults.lease_s()}),
    None,
)

# -- memory ------------------------------------------------------------------------------------------------------------


def _idle_count(size: float) -> int:
    return max(1, round(100 * size)) * 1_000


MEMORY = (
    "bytes of an idle entity with one number as its state, in the server (raw: an entry of a hash) and in the worker; "
    "and of an index of an entity, in the server"
)

MEMORY_SERVER = Benchmark(
    "memory",
    MEMORY,
    "bytes",
    "less",
    lambda address, size: Sample(memory.entities(address, _idle_count(size)).server),
    lambda address, size: Sample(memory.states(address, _idle_count(size))),
    variant="server",
)

MEMORY_WORKER = Benchmark(
    "memory",
    MEMORY,
    "bytes",
    "less",
    lambda address, size: Sample(memory.entities(address, _idle_count(size)).worker),
    None,
    variant="worker",
)

MEMORY_INDEX = Benchmark(
    "memory",
    MEMORY,
    "bytes",
    "less",
    lambda address, size: Sample(memory.indexes(address, _idle_count(size))),
    None,
    variant="index",
)

# -- SQL ---------------------------------------------------------------------------------------------------------------

SQL_SCAN = Benchmark(
    "sql-scan",
    "a query of SQL that reads all entities (raw: a loop that reads the entries of a hash)",
    "entities/s",
    "more",
    lambda address, size: Sample(scanning.query(address, _idle_count(size))),
    lambda address, size: Sample(scanning.entries(address, _idle_count(size))),
)

# -- time --------------------------------------------------------------------------------------------------------------


def _late(lateness: Sequence[int]) -> Sample:
    return Sample(timing.p99(lateness), {"p50_ms": timing.p50(lateness)})


REMINDERS = Benchmark(
    "reminders",
    "reminders due within a minute (100,000): how late they run, p99",
    "ms",
    "less",
    lambda address, size: _late(timing.reminders(address, max(100, round(100_000 * size)), max(1.0, 60 * size))),
    None,
)

SCHEDULES = Benchmark(
    "schedules",
    "schedules due within a minute (10,000): how late their signals arrive, p99",
    "ms",
    "less",
    lambda address, size: _late(timing.schedules(address, max(100, round(10_000 * size)), max(1.0, 60 * size))),
    None,
)


def _expired(expired: timing.Expired) -> Sample:
    idle = {"idle_worker_ms_per_s": expired.idle.worker, "idle_server_ms_per_s": expired.idle.server}
    return Sample(expired.rate, idle, expired.each)


def _expiry(processes: int) -> Benchmark:
    return Benchmark(
        "expiry",
        "entities that expire, all of them due at once (1,000,000), by number of worker processes",
        "entities/s",
        "more",
        lambda address, size: _expired(timing.expiry(address, max(1_000, round(1_000_000 * size)), processes)),
        None,
        variant=f"x{processes}",
    )


# -- many values in one entity ------------------------------------------------------------------------------------------


def _aggregating(
    name: str,
    question: str,
    kind: str,
    twin: str,
    messages: int,
    required: float | None = None,
    variant: str = "",
    measure: Callable[[Address, str, int], tuple[float, Cpu]] = aggregating.signals,
) -> Benchmark:
    def count(size: float) -> int:
        return max(1_000, round(messages * size))

    return Benchmark(
        name,
        question,
        "signals/s",
        "more",
        lambda address, size: _sent(*measure(address, kind, count(size))),
        lambda address, size: _sent(*measure(address, twin, count(size))),
        variant=variant,
        required=required,
    )


_BATCHED = "signals that wait for one entity whose operation is batched (raw: the same one by one)"

AGGREGATING = (
    _aggregating("signals-batched", _BATCHED, "batched", "one by one", 600_000, 1.5, "free", aggregating.backlog),
    _aggregating("signals-batched", _BATCHED, "numpy", "numpy one by one", 50_000, None, "numpy", aggregating.backlog),
    _aggregating(
        "windowed", "signals into 60 buckets of one entity (raw: a plain sum)", "windowed", "one by one", 200_000, 0.5
    ),
    _aggregating(
        "sketches",
        "signals into three sketches of one entity (raw: a plain sum)",
        "sketches",
        "one by one",
        200_000,
        0.3,
    ),
)

BENCHMARKS = (
    _signals("signals-hot", 1, 0.75),
    _signals("signals-spread", 1_000, 0.7),
    _signals("signals-wide", 100_000, 0.75),
    CALLS,
    CALLS_CONCURRENT,
    LARGE_STATE,
    SLOW_NEIGHBOURS,
    TAKEOVER,
    MEMORY_SERVER,
    MEMORY_WORKER,
    MEMORY_INDEX,
    SQL_SCAN,
    *QUERIES,
    REMINDERS,
    SCHEDULES,
    *(_expiry(processes) for processes in (1, 2)),
    *AGGREGATING,
    *(_scale(processes) for processes in (1, 2, 3, 4)),
    *(_sharded(processes) for processes in (1, 2, 4)),
    *ORCHESTRATIONS,
    *HTTP,
)

NAMES = tuple(dict.fromkeys(benchmark.name for benchmark in BENCHMARKS))
