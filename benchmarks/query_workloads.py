"""The measurements of queries and changes: their sizes, units and bounds."""

from __future__ import annotations

from . import following, querying
from .calls import Calls
from .measures import Benchmark, Sample
from .server import Address


def _asked(calls: Calls) -> Sample:
    return Sample(calls.percentile_ms(50), {f"p{percent}_ms": calls.percentile_ms(percent) for percent in (95, 99)})


def _entities(size: float) -> int:
    return max(6_000, round(100_000 * size))


def _thousands(size: float) -> int:
    return max(1, round(300 * size)) * 1_000


_TOP = "the ten best of 100,000 entities, beside the ten of each partition's sorted set; and of 1,000,000, beside that"

QUERY_TOP = Benchmark(
    "query-top",
    _TOP,
    "ms",
    "less",
    lambda address, size: _asked(querying.timed(address, _entities(size), 300, querying.top)),
    lambda address, size: _asked(querying.timed(address, _entities(size), 300, querying.top_of_sets)),
    required=3,
)

QUERY_TOP_OF_MANY = Benchmark(
    "query-top",
    _TOP,
    "ms",
    "less",
    lambda address, size: _asked(querying.timed(address, 10 * _entities(size), 300, querying.top)),
    lambda address, size: _asked(querying.timed(address, _entities(size), 300, querying.top)),
    required=1.2,
    variant="x10",
)

QUERY_FILTER = Benchmark(
    "query-filter",
    "a page of 50 of what matches two conditions, a hundredth of 100,000 entities",
    "ms",
    "less",
    lambda address, size: _asked(querying.timed(address, _entities(size), 100, querying.filtered)),
    None,
)

QUERY_COUNT = Benchmark(
    "query-count",
    "how many of 100,000 entities are in a range, beside counts of the sorted sets",
    "ms",
    "less",
    lambda address, size: _asked(querying.timed(address, _entities(size), 300, querying.counted)),
    lambda address, size: _asked(querying.timed(address, _entities(size), 300, querying.counts_of_sets)),
)

_BESIDE = "beside a process that queries 100,000 entities without a pause (raw: without it)"


def _calls_beside(address: Address, size: float, *, queries: bool) -> Sample:
    calls, asked = querying.calls_beside(address, _entities(size), max(100, round(5_000 * size)), queries=queries)
    return Sample(calls.percentile_ms(99), {"p50_ms": calls.percentile_ms(50), "queries_per_s": asked})


def _signals_beside(address: Address, size: float, *, queries: bool) -> Sample:
    rate, asked = querying.signals_beside(address, _entities(size), _thousands(size), 1_000, queries=queries)
    return Sample(rate, {"queries_per_s": asked})


QUERY_BESIDE = (
    Benchmark(
        "query-beside",
        f"calls and signals {_BESIDE}",
        "ms",
        "less",
        lambda address, size: _calls_beside(address, size, queries=True),
        lambda address, size: _calls_beside(address, size, queries=False),
        variant="calls",
    ),
    Benchmark(
        "query-beside",
        f"calls and signals {_BESIDE}",
        "signals/s",
        "more",
        lambda address, size: _signals_beside(address, size, queries=True),
        lambda address, size: _signals_beside(address, size, queries=False),
        variant="signals",
    ),
)

SIGNALS_INDEXED = Benchmark(
    "signals-indexed",
    "signals over 1,000 entities with two indexed fields, one of which changes; beside those without an index",
    "signals/s",
    "more",
    lambda address, size: Sample(querying.signals(address, _thousands(size), 1_000, indexed=True)),
    lambda address, size: Sample(querying.signals(address, _thousands(size), 1_000, indexed=False)),
    required=0.6,
)


CHANGES = (
    Benchmark(
        "changes",
        "signals over 1,000 entities whose changes are kept; beside those whose are not",
        "signals/s",
        "more",
        lambda address, size: Sample(following.signals(address, _thousands(size), 1_000, kept=True)),
        lambda address, size: Sample(following.signals(address, _thousands(size), 1_000, kept=False)),
        required=0.8,
        variant="written",
    ),
    Benchmark(
        "changes",
        "changes of 100,000 entities that are followed; beside their entries alone",
        "entities/s",
        "more",
        lambda address, size: Sample(following.read(address, _entities(size), following.followed)),
        lambda address, size: Sample(following.read(address, _entities(size), following.entries)),
        variant="read",
    ),
)

QUERIES = (
    QUERY_TOP,
    QUERY_TOP_OF_MANY,
    QUERY_FILTER,
    QUERY_COUNT,
    *QUERY_BESIDE,
    SIGNALS_INDEXED,
    *CHANGES,
)
