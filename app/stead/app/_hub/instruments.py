"""What this process's workers measure, as OpenTelemetry's metrics: the same counts as at `/metrics`, named `stead.…`.

They are observed when whoever reads them asks, so that measuring costs nothing more. Nothing is done unless the program has
imported OpenTelemetry's metrics; who does so later than its worker starts is not told. A histogram that is only observed there is none:
of what is timed there are a count and a sum, of which a rate gives the mean; percentiles are at `/metrics`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from stead.entities import Worker
from stead.entities.extending import Measured, Meter

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation

_FAMILIES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "operation": ("Operations of entities", "s", ("entity", "operation")),
    "activity": ("Activities", "s", ("activity",)),
    "orchestration": ("Instances that have ended, from their creation", "s", ("orchestration", "status")),
    "turn": ("Messages to instances", "s", ("orchestration",)),
    "replay": ("Replays of instances", "{event}", ("orchestration",)),
    "commit": ("Commits", "s", ()),
    "commit_messages": ("Commits, by their messages", "{message}", ()),
    "timer_lateness": ("Timers that fired, by how late they were", "s", ()),
    "loop_lag": ("Looks at the event loop, by how late they came", "s", ()),
}
_FAILING = ("operation", "activity", "orchestration")
_NOW = {
    "memory_bytes": ("stead.worker.memory", "By", "Memory of the process"),
    "activations": ("stead.worker.activations", "{target}", "Entities and instances in memory"),
    "waiting": ("stead.worker.messages.waiting", "{message}", "Messages in memory that could run"),
    "activities": ("stead.worker.activities.running", "{activity}", "Activities that run"),
    "loop_lag_s": ("stead.worker.loop.lag", "s", "The longest that the event loop was late since the last heartbeat"),
}

_workers: WeakSet[Worker] = WeakSet()
_meter: Any = None


def observe(worker: Worker) -> None:
    """Let OpenTelemetry's metrics include what a worker measures, for as long as it is there."""
    api: Any = sys.modules.get("opentelemetry.metrics")
    if api is None:
        return
    _workers.add(worker)
    meter = api.get_meter("stead")
    global _meter
    if _meter is not None:
        return
    _meter = meter
    for family, (meaning, unit, labels) in _FAMILIES.items():
        name = f"stead.{family.replace('_', '.')}"
        meter.create_observable_counter(
            f"{name}.count", [_of(family, labels, lambda found: found.count)], "{occurrence}", f"{meaning}: how many"
        )
        meter.create_observable_counter(
            f"{name}.sum", [_of(family, labels, lambda found: found.total)], unit, f"{meaning}: all together"
        )
        if family in _FAILING:
            meter.create_observable_counter(
                f"{name}.failures",
                [_of(family, labels, lambda found: found.failed)],
                "{failure}",
                f"{meaning} that failed",
            )
    for field, (name, unit, meaning) in _NOW.items():
        meter.create_observable_gauge(name, [_now(field)], unit, meaning)


def _of(
    family: str, labels: tuple[str, ...], value: Callable[[Meter], float]
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observed(options: CallbackOptions) -> Iterator[Observation]:
        from opentelemetry.metrics import Observation

        sums: dict[tuple[str, ...], float] = {}
        for key, meter in _meters():
            if key.family == family:
                names = (key.name, key.detail)[: len(labels)]
                sums[names] = sums.get(names, 0) + value(meter)
        for names, number in sums.items():
            yield Observation(number, dict(zip(labels, names, strict=True)))

    return observed


def _meters() -> Iterator[tuple[Measured, Meter]]:
    for worker in list(_workers):
        yield from list(worker.meters.items())  # at once: the event loop's thread goes on


def _now(field: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observed(options: CallbackOptions) -> Iterator[Observation]:
        from opentelemetry.metrics import Observation

        for worker in list(_workers):
            if (number := _told(worker, field)) is not None:
                yield Observation(number, {"worker": worker.name})

    return observed


def _told(worker: Worker, field: str) -> float | None:
    """A number that the worker said of itself with its last heartbeat."""
    view = worker.view
    now: Any = {} if view is None else view.info.get("now")
    try:
        number: object = now[field]
    except (LookupError, TypeError):  # a worker of another version
        return None
    return float(number) if isinstance(number, (int, float)) else None
