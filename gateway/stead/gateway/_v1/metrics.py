"""`GET /api/v1/metrics`: rates and latencies over the last hour, how the workers are, what is hottest, what waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from stead.entities.extending import HubMeasures, Measured, Meter, shown_target
from stead.gateway._http.hub import Hub
from stead.gateway._http.json_values import json_response
from stead.gateway._http.query import Query
from stead.gateway._http.routes import API_V1, Answer, Parameter, Route, RouteDescription
from stead.transport import PartitionInfo, WorkerView

from .metrics_models import HubMetrics

MINUTES_MAX = 60
_HOTTEST = 30


async def get_metrics(request: Request, hub: Hub) -> Response:
    """What was measured."""
    query = Query(request)
    minutes = query.integer("minutes", MINUTES_MAX, low=1, high=MINUTES_MAX)
    query.done()
    found = await hub.measures.read(minutes)
    workers, partitions = await hub.store.workers(), await hub.store.info()
    return json_response(metrics_data(found, workers, partitions))


def metrics_data(
    found: HubMeasures, workers: Sequence[WorkerView], partitions: Sequence[PartitionInfo]
) -> dict[str, Any]:
    """What was measured, as JSON data."""
    recent = found.recent
    series = _Many(found, recent.meters)
    return {
        "time": _time(found.now_ms),
        "minutes": [_time(begin_ms) for begin_ms, _ in found.minutes],
        "operations": [
            {"entity": key.name, "operation": key.detail, **series.of(key)} for key in series.keys("operation")
        ],
        "activities": [{"name": key.name, **series.of(key)} for key in series.keys("activity")],
        "orchestrations": [
            {"name": key.name, "runtime_status": key.detail, **series.of(key)} for key in series.keys("orchestration")
        ],
        "turns": [{"name": key.name, **series.of(key)} for key in series.keys("turn")],
        "replays": [{"name": key.name, **series.of(key)} for key in series.keys("replay")],
        "commits": series.of(Measured("commit")),
        "commit_messages": series.of(Measured("commit_messages")),
        "timer_lateness": series.of(Measured("timer_lateness")),
        "loop_lag": series.of(Measured("loop_lag")),
        "hottest": [hot._asdict() for hot in recent.hot[:_HOTTEST]],
        "workers": [worker_now(view) for view in workers],
        "backlog": [
            {
                "partition": place.lease.partition,
                "backlog": place.backlog,
                "parked": place.parked,
                "oldest_age_s": None if place.oldest_ms is None else max(0, found.now_ms - place.oldest_ms) / 1000,
            }
            for place in partitions
            if place.backlog or place.parked
        ],
        "left_out": found.left_out,
    }


class _Many:
    """Series of one answer."""

    def __init__(self, found: HubMeasures, recent: Mapping[Measured, Meter]) -> None:
        self._found = found
        self._recent = recent
        begin_ms = found.minutes[0][0] if found.minutes else found.now_ms
        # A hub that is younger than that has the rate of its own time.
        since_ms = max(begin_ms, found.total.since_ms or begin_ms)
        self._seconds = max(1.0, (found.now_ms - since_ms) / 1000)

    def keys(self, family: str) -> list[Measured]:
        """What there is of a family, by name."""
        return sorted(key for key in self._found.total.meters if key.family == family)

    def of(self, key: Measured) -> dict[str, Any]:
        """One series."""
        total = self._found.total.meters.get(key) or Meter()
        recent = self._recent.get(key) or Meter()
        parts = [block.meters.get(key) or Meter() for _, block in self._found.minutes]
        return {
            "total_count": total.count,
            "total_failed": total.failed,
            "count": recent.count,
            "failed": recent.failed,
            "rate": recent.count / self._seconds,
            "mean": recent.mean,
            "p50": recent.quantile(0.5),
            "p90": recent.quantile(0.9),
            "p99": recent.quantile(0.99),
            "counts": [part.count for part in parts],
            "failures": [part.failed for part in parts],
            "p50s": [part.quantile(0.5) for part in parts],
            "p99s": [part.quantile(0.99) for part in parts],
        }


_NUMBERS: Mapping[str, type[int | float]] = {
    "memory_bytes": int,
    "cpu_s": float,
    "activations": int,
    "waiting": int,
    "operations": int,
    "activities": int,
    "activities_waiting": int,
    "loop_lag_s": float,
}


def worker_now(view: WorkerView) -> dict[str, Any]:
    """How a worker was at its last heartbeat, as far as this version can read what it said."""
    said: object = view.info.get("now")
    now = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    partitions, program = view.info.get("partitions"), view.info.get("program")
    longest = [*_rows(now.get("longest"))]
    longest += [[row[1], row[0], row[2]] for row in _rows(now.get("longest_activities"))]
    longest.sort(key=lambda row: -row[2])
    return {
        "worker": view.worker,
        "last_beat_time": _time(view.beat_ms),
        "partitions": partitions if isinstance(partitions, int) else None,
        "program": program if isinstance(program, str) else None,
        **{name: _number(now.get(name), kind) for name, kind in _NUMBERS.items()},
        "longest": [{"target": shown_target(row[0]), "operation": row[1], "seconds": row[2]} for row in longest],
    }


def _number(value: object, kind: type[int | float]) -> int | float | None:
    return kind(value) if isinstance(value, (int, float)) else None


def _rows(value: object) -> list[list[Any]]:
    rows: list[Any] = value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]
    return [row for row in rows if _is_row(row)]


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and [*map(type, row)] in ([str, str, float], [str, str, int])  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _time(instant_ms: int) -> datetime:
    return datetime.fromtimestamp(instant_ms / 1000, UTC)


_MINUTES = Parameter(
    "minutes",
    "So many minutes, the one that has begun included.",
    "integer",
    minimum=1,
    maximum=MINUTES_MAX,
    default=MINUTES_MAX,
)
ROUTES: list[Route] = [
    Route(
        "GET",
        f"{API_V1}/metrics",
        get_metrics,
        "read",
        RouteDescription(
            "getMetrics",
            "What the workers have measured",
            "Hub",
            "Rates and latencies by kind and operation over the last minutes, how the workers are, what is hottest and what "
            "waits. For Prometheus there is `/metrics`.",
            query=(_MINUTES,),
            answers={200: Answer("What was measured", HubMetrics)},
        ),
    )
]
