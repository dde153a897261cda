"""What is measured, as Prometheus reads it: `GET /metrics`, and a worker's own port. All names begin with `stead_`.

Times are histograms in seconds, whose bounds are powers of two; what is counted never goes back, since the hub's sums survive
its workers. A worker's own port has only what that worker measured, under `stead_worker_…`, so that who reads both counts
nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from stead.entities.extending import HubMeasures, Measured, Meter
from stead.transport import LimitView, PartitionInfo, ServerFacts, WorkerView

from .metrics import worker_now

MEDIA_TYPE = "text/plain; version=1.0.0; charset=utf-8"

# Powers of two, so that each is a bound of a meter's buckets, however coarse: from 61 µs to an hour, and messages to a million.
_SECONDS = [2.0**exponent for exponent in range(-14, 13, 2)]
_NUMBERS = [2.0**exponent for exponent in range(0, 21, 2)]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A family of meters: its metric, what it means, and its labels (for name and detail)."""

    family: str
    metric: str
    meaning: str
    labels: tuple[str, ...] = ()
    bounds: Sequence[float] = tuple(_SECONDS)
    failures: str = ""


_FAMILIES = (
    _Shown("operation", "operation_seconds", "Operations of entities, as long as they ran.", ("entity", "operation"),
           failures="operation_failures"),
    _Shown("activity", "activity_seconds", "Activities, as long as they ran.", ("activity",), failures="activity_failures"),
    _Shown("orchestration", "orchestration_seconds", "Instances that have ended, by how, from their creation.",
           ("orchestration", "status")),
    _Shown("turn", "turn_seconds", "Messages to instances, as long as they took.", ("orchestration",)),
    _Shown("replay", "replayed_events", "Replays of instances, by how many events they had.", ("orchestration",), _NUMBERS),
    _Shown("commit", "commit_seconds", "Commits, until the server had answered."),
    _Shown("commit_messages", "commit_messages", "Commits, by how many messages they dealt with.", (), _NUMBERS),
    _Shown("timer_lateness", "timer_lateness_seconds", "Timers, by how late they fired."),
    _Shown("loop_lag", "loop_lag_seconds", "Looks at workers' event loops, by how late they came."),
)  # fmt: skip


def families(meters: Mapping[Measured, Meter], prefix: str) -> Iterator[Metric]:
    """The metrics of meters."""
    for shown in _FAMILIES:
        histogram = HistogramMetricFamily(prefix + shown.metric, shown.meaning, labels=shown.labels)
        failures = CounterMetricFamily(prefix + shown.failures, "Those that failed.", labels=shown.labels)
        for key, meter in sorted(meters.items()):
            if key.family != shown.family:
                continue
            labels = [key.name, key.detail][: len(shown.labels)]
            counts = zip(shown.bounds, meter.at_most(shown.bounds), strict=True)
            buckets = [(repr(bound), count) for bound, count in counts]
            histogram.add_metric(labels, [*buckets, ("+Inf", sum(meter.buckets.values()))], meter.total)
            if shown.failures:
                failures.add_metric(labels, meter.failed)
        yield histogram
        if shown.failures:
            yield failures


_WORKERS = {
    "partitions": ("worker_partitions", "Partitions that the worker holds."),
    "memory_bytes": ("worker_memory_bytes", "Memory of the worker's process."),
    "activations": ("worker_activations", "Entities and instances in the worker's memory."),
    "waiting": ("worker_waiting_messages", "Messages in the worker's memory that could run."),
    "operations": ("worker_operations_running", "Asynchronous operations that run."),
    "activities": ("worker_activities_running", "Activities that run."),
    "activities_waiting": ("worker_activities_waiting", "Activities that wait for a slot."),
    "loop_lag_s": ("worker_loop_lag_seconds", "The longest that the event loop was late since the last heartbeat."),
    "longest_s": ("worker_longest_running_seconds", "For how long the longest operation or activity has run."),
}  # fmt: skip


def of_workers(views: Sequence[WorkerView]) -> Iterator[Metric]:
    """How workers were at their last heartbeats."""
    yield GaugeMetricFamily("stead_workers", "Workers that live.", len(views))
    rows = [worker_now(view) for view in views]
    for row in rows:
        row["longest_s"] = row["longest"][0]["seconds"] if row["longest"] else 0.0
    for field, (name, meaning) in _WORKERS.items():
        gauge = GaugeMetricFamily(f"stead_{name}", meaning, labels=["worker"])
        for row in rows:
            if row[field] is not None:
                gauge.add_metric([row["worker"]], row[field])
        yield gauge
    used = CounterMetricFamily("stead_worker_cpu_seconds", "Processor time of the worker's process.", labels=["worker"])
    for row in rows:
        if row["cpu_s"] is not None:
            used.add_metric([row["worker"]], row["cpu_s"])
    yield used


def of_partitions(partitions: Sequence[PartitionInfo], now_ms: int) -> Iterator[Metric]:
    """What the store holds."""
    rows: Iterable[tuple[str, str, Callable[[PartitionInfo], float]]] = (
        ("backlog_messages", "Messages in the partition's inbox.", lambda place: place.backlog),
        ("parked_messages", "Parked messages of slow, locked or blocked targets.", lambda place: place.parked),
        ("oldest_message_age_seconds", "How long the oldest message that waits has waited.",
         lambda place: 0 if place.oldest_ms is None else max(0, now_ms - place.oldest_ms) / 1000),
        ("dead_letters", "Messages that could not be carried out.", lambda place: place.dead),
    )  # fmt: skip
    for name, meaning, value in rows:
        gauge = GaugeMetricFamily(f"stead_{name}", meaning, labels=["partition"])
        for place in partitions:
            gauge.add_metric([str(place.lease.partition)], value(place))
        yield gauge
    sums: Iterable[tuple[str, str, int]] = (
        ("entities", "Entities that exist.", sum(p.entities for p in partitions)),
        ("instances", "Instances that exist, finished ones included.", sum(p.instances for p in partitions)),
        ("timers", "Timers that are set.", sum(p.timers for p in partitions)),
        ("activities_open", "Activities whose results are not recorded yet.", sum(p.tasks for p in partitions)),
        ("blocked_targets", "Targets whose messages wait for other code.", sum(len(p.blocked) for p in partitions)),
        ("partitions", "Partitions of the hub.", len(partitions)),
        ("partitions_unowned", "Partitions that no worker holds.",
         sum(not p.lease.holder(now_ms) for p in partitions)),
        ("partitions_quarantined", "Partitions that stand still until they are mended.",
         sum(bool(p.damage or p.lease.quarantined) for p in partitions)),
    )  # fmt: skip
    for name, meaning, number in sums:
        yield GaugeMetricFamily(f"stead_{name}", meaning, number)
    dropped = sum(p.dead_trimmed for p in partitions)
    yield CounterMetricFamily(
        "stead_dead_letters_dropped", "Dead letters that went since there were too many.", dropped
    )


def of_limits(limits: Sequence[LimitView]) -> Iterator[Metric]:
    """What runs and waits within limits over the hub, by activity: all its keys together."""
    running = GaugeMetricFamily(
        "stead_limit_running", "Activities with a limit that workers have taken.", labels=["activity"]
    )
    waiting = GaugeMetricFamily("stead_limit_waiting", "Activities that wait behind a limit.", labels=["activity"])
    for activity in sorted({limit.activity for limit in limits}):
        of = [limit for limit in limits if limit.activity == activity]
        running.add_metric([activity], sum(limit.running for limit in of))
        waiting.add_metric([activity], sum(limit.waiting for limit in of))
    yield running
    yield waiting


def of_server(facts: ServerFacts) -> Iterator[Metric]:
    """What the server says of itself."""
    yield GaugeMetricFamily("stead_server_memory_bytes", "Memory that the server uses.", facts.used_memory_bytes)


def hub_exposition(
    found: HubMeasures,
    workers: Sequence[WorkerView],
    partitions: Sequence[PartitionInfo],
    facts: ServerFacts,
    limits: Sequence[LimitView] = (),
) -> bytes:
    """A whole hub, as Prometheus reads it."""
    return _text(
        families(found.total.meters, "stead_"),
        of_workers(workers),
        of_partitions(partitions, found.now_ms),
        of_limits(limits),
        of_server(facts),
    )


def worker_exposition(meters: Mapping[Measured, Meter], view: WorkerView) -> bytes:
    """One worker, as Prometheus reads it."""
    return _text(families(meters, "stead_worker_"), of_workers([view]))


class _Prepared(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _text(*parts: Iterable[Metric]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Prepared([metric for part in parts for metric in part]))
    return generate_latest(registry)
