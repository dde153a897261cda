"""All peers on all workloads, interleaved: in every run each workload goes once through all of them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.cpu import Cpu
from benchmarks.measures import Sample
from benchmarks.parts import PartFailed
from benchmarks.raw import WrongResult
from benchmarks.report import Spread

from .dbos import DBOS
from .durable_objects import DURABLE_OBJECTS
from .environments import NotInstalled, install
from .peer import Peer
from .restate import RESTATE
from .services import ServiceFailed
from .stead_peer import STEAD
from .workloads import Workload

PEERS = (STEAD, RESTATE, DURABLE_OBJECTS, DBOS)

LEFT_OUT = {
    "Temporal": "its server is neither on PyPI nor on npm",
    "Celery, Dramatiq, ARQ, TaskIQ": "task queues: no state with an address, nothing that goes on after a crash where it was",
}
"""What is not measured, and why."""


@dataclass
class Column:
    """What one peer gave, by workload."""

    peer: Peer
    samples: dict[str, list[Sample]] = field(default_factory=dict[str, list[Sample]])
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    """Why there is no figure."""

    def value(self, workload: Workload) -> Spread | None:
        """Its figures."""
        samples = self.samples.get(workload.name)
        return Spread.of([sample.value for sample in samples]) if samples else None

    def cpu(self, workload: Workload) -> Cpu | None:
        """Processor time in microseconds an operation."""
        several = [sample.cpu for sample in self.samples.get(workload.name, []) if sample.cpu is not None]
        return Cpu.median_of(several) if several else None

    def reason(self, workload: Workload) -> str | None:
        """Why there is no figure, or what it does not say."""
        return self.reasons.get(workload.name) or self.peer.notes.get(workload.name)


def better_by(workload: Workload, ours: Sequence[Sample], theirs: Sequence[Sample]) -> Spread:
    """How many times better stead is, run by run: what the machine does to both of a run drops out."""
    pairs = zip(ours, theirs, strict=False)
    return Spread.of(
        [own.value / other.value if workload.better == "more" else other.value / own.value for own, other in pairs]
    )


def installed(peer: Peer, home: Path, workloads: Sequence[Workload]) -> Column:
    """A column with the peer's environment; if that cannot be made, the reason is in all its rows."""
    column = Column(peer)
    try:
        install(peer.recipe, home / peer.name)
    except NotInstalled as error:
        column.reasons = {workload.name: f"not installed: {error}" for workload in workloads}
    return column


def compete(
    columns: Sequence[Column], workloads: Sequence[Workload], runs: int, size: float, home: Path
) -> Generator[str]:
    """Measure; says each time what comes next. Who begins changes from run to run. What fails once is not tried again."""
    for run in range(runs):
        for workload in workloads:
            for column in columns if run % 2 == 0 else reversed(columns):
                measure = column.peer.measures.get(workload.name)
                if measure is None or workload.name in column.reasons:
                    continue
                yield f"{workload.name}: {column.peer.title}, run {run + 1} of {runs}"
                try:
                    sample = measure(home / column.peer.name, column.peer.count(workload, size))
                except (ServiceFailed, PartFailed, WrongResult) as error:
                    column.samples.pop(workload.name, None)
                    column.reasons[workload.name] = f"failed: {error}"
                else:
                    column.samples.setdefault(workload.name, []).append(sample)


def measurements(columns: Sequence[Column], workloads: Sequence[Workload], runs: int) -> int:
    """How many there will be at most."""
    return runs * sum(
        workload.name in column.peer.measures and workload.name not in column.reasons
        for column in columns
        for workload in workloads
    )


def as_objects(columns: Sequence[Column], workloads: Sequence[Workload]) -> list[dict[str, object]]:
    """One for each cell of the table."""
    ours = next((column.samples for column in columns if column.peer is STEAD), None)
    return [
        _cell(column, workload, ours.get(workload.name) if ours else None)
        for workload in workloads
        for column in columns
    ]


def _cell(column: Column, workload: Workload, ours: Sequence[Sample] | None) -> dict[str, object]:
    samples = column.samples.get(workload.name, [])
    value, cpu = column.value(workload), column.cpu(workload)
    better = better_by(workload, ours, samples) if ours and samples and column.peer is not STEAD else None
    return {
        "workload": workload.name,
        "question": workload.question,
        "peer": column.peer.name,
        "title": column.peer.title,
        "versions": [*column.peer.recipe.npm, *column.peer.recipe.pip],
        "durability": column.peer.durability,
        "unit": workload.unit,
        "better": workload.better,
        "value": value and value.median,
        "spread": value and [value.low, value.high],
        "stead_better_by": better and better.median,
        "stead_better_by_spread": better and [better.low, better.high],
        "details": _details(samples),
        "cpu_us": cpu and {"worker": cpu.worker, "server": cpu.server, "client": cpu.client},
        "note": column.reason(workload),
        "runs": len(samples),
    }


def _details(samples: Sequence[Sample]) -> Mapping[str, float]:
    if not samples:
        return {}
    return {name: median(sample.details[name] for sample in samples) for name in samples[0].details}
