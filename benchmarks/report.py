"""What a benchmark gave, as a table for people or as one JSON object a line."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version as distribution_version
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from . import server
from .cpu import Cpu
from .measures import Benchmark, Sample


@dataclass(frozen=True, slots=True)
class Spread:
    """Several runs of one thing."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(median(values), min(values), max(values))

    def scaled(self, value: float) -> float:
        """Half the distance of the extremes, as a part of `value`."""
        return (self.high - self.low) / 2 / value if value else 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """All runs of one benchmark. Both sides of a run were measured one right after the other."""

    benchmark: Benchmark
    stead: Sequence[Sample]
    raw: Sequence[Sample]
    fsync: str
    size: float

    @property
    def stead_spread(self) -> Spread:
        """stead's values."""
        return Spread.of([sample.value for sample in self.stead])

    @property
    def raw_spread(self) -> Spread | None:
        """The raw loop's values; None if there is no such loop."""
        return Spread.of([sample.value for sample in self.raw]) if self.raw else None

    @property
    def ratio_spread(self) -> Spread | None:
        """stead's value divided by the raw one of the same run: what the machine does to both drops out."""
        if not self.raw:
            return None
        return Spread.of([ours.value / raw.value for ours, raw in zip(self.stead, self.raw, strict=True)])

    @property
    def stead_cpu(self) -> Cpu | None:
        """stead's processor time, in microseconds an operation."""
        return _cpu(self.stead)

    @property
    def raw_cpu(self) -> Cpu | None:
        """The raw loop's."""
        return _cpu(self.raw)

    @property
    def cpu_ratio_spread(self) -> Spread | None:
        """stead's processor time divided by the raw loop's in the same run, all processes together."""
        pairs = [(ours.cpu, raw.cpu) for ours, raw in zip(self.stead, self.raw, strict=True)] if self.raw else []
        ratios = [ours.total / raw.total for ours, raw in pairs if ours is not None and raw is not None]
        return Spread.of(ratios) if ratios else None

    @property
    def passed(self) -> bool | None:
        """Whether the ratio is within the bound; None without one."""
        ratio = self.ratio_spread
        if ratio is None or self.benchmark.required is None:
            return None
        return self.benchmark.passes(ratio.median)

    def as_json(self) -> str:
        """One line."""
        return json.dumps(
            {
                "benchmark": self.benchmark.name,
                "variant": self.benchmark.variant or None,
                "unit": self.benchmark.unit,
                "better": self.benchmark.better,
                "stead": _rounded(self.stead_spread.median),
                "raw": _rounded(self.raw_spread.median) if self.raw_spread else None,
                "ratio": _rounded(self.ratio_spread.median) if self.ratio_spread else None,
                "required": self.benchmark.required,
                "passed": self.passed,
                "stead_spread": _extremes(self.stead_spread),
                "raw_spread": _extremes(self.raw_spread),
                "ratio_spread": _extremes(self.ratio_spread),
                "stead_cpu_us": _cpu_parts(self.stead_cpu),
                "raw_cpu_us": _cpu_parts(self.raw_cpu),
                "cpu_ratio": _rounded(self.cpu_ratio_spread.median) if self.cpu_ratio_spread else None,
                "cpu_ratio_spread": _extremes(self.cpu_ratio_spread),
                "stead_details": _details(self.stead),
                "raw_details": _details(self.raw),
                "runs": len(self.stead),
                "size": self.size,
                "fsync": self.fsync,
                "machine": machine(),
            }
        )


def machine() -> dict[str, Any]:
    """Where it ran."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "valkey": server.version(),
        **{name: distribution_version(name) for name in ("redis", "hiredis", "pydantic", "msgpack", "uvloop")},
    }


def table(reports: Sequence[Report]) -> Table:
    """All results in one, which fits a terminal of 80 columns: below a rate is what it costs, below a ratio what it must reach."""
    result = Table(title="stead beside the raw loop", caption=_caption(reports), caption_justify="left", box=SIMPLE)
    result.add_column("benchmark\n[dim]unit[/dim]", overflow="fold")
    for heading in ("stead", "raw"):
        result.add_column(f"{heading}\n[dim]CPU[/dim]", justify="right", no_wrap=True)
    result.add_column("ratio\n[dim]must[/dim]", justify="right", no_wrap=True)
    details = [
        " ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in _details(report.stead).items())
        for report in reports
    ]
    if any(details):
        result.add_column("also", overflow="fold")
    for report, also in zip(reports, details, strict=True):
        result.add_row(
            f"{report.benchmark.label}\n[dim]{report.benchmark.unit}[/dim]",
            f"{_shown(report.stead_spread)}\n{_cpu_shown(report.stead_cpu)}",
            f"{_shown(report.raw_spread)}\n{_cpu_shown(report.raw_cpu)}",
            f"{f'{report.ratio_spread.median:.2f}' if report.ratio_spread else '-'}\n{_bound(report)}",
            *([also] if any(details) else []),
        )
    return result


def show_list(console: Console, benchmarks: Sequence[Benchmark]) -> None:
    """Names and what they measure."""
    grid = Table.grid(padding=(0, 2))
    for name, question in {benchmark.name: benchmark.question for benchmark in benchmarks}.items():
        grid.add_row(f"[bold]{name}[/bold]", question)
    console.print(grid)


def _caption(reports: Sequence[Report]) -> str:
    facts = " · ".join(f"{name} {value}" for name, value in machine().items())
    runs = {len(report.stead) for report in reports}
    fsync = {report.fsync for report in reports}
    return (
        f"median of {'/'.join(map(str, sorted(runs)))} runs, ± half their spread; appendfsync {'/'.join(sorted(fsync))}"
        "\nCPU: µs an operation of worker + server + client, from the processes' own accounting"
        f"\n{facts}"
    )


def _shown(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    value = f"{spread.median:,.0f}" if spread.median >= 100 else f"{spread.median:.3g}"
    return f"{value} [dim]±{spread.scaled(spread.median):>3.0%}[/dim]"


def _cpu(samples: Sequence[Sample]) -> Cpu | None:
    several = [sample.cpu for sample in samples if sample.cpu is not None]
    return Cpu.median_of(several) if several else None


def _cpu_parts(cpu: Cpu | None) -> dict[str, float] | None:
    return None if cpu is None else {name: _rounded(value) for name, value in asdict(cpu).items()}


def _cpu_shown(cpu: Cpu | None) -> str:
    return (
        "-"
        if cpu is None
        else " + ".join(f"{value:,.0f}" if value >= 10 else f"{value:.1f}" for value in asdict(cpu).values())
    )


def _bound(report: Report) -> str:
    if report.benchmark.required is None:
        return ""
    sign = "≥" if report.benchmark.better == "more" else "≤"
    mark = "[green]✓[/green]" if report.passed else "[bold red]✗[/bold red]"
    return f"{sign} {report.benchmark.required:g} {mark}"


def _details(samples: Sequence[Sample]) -> dict[str, float]:
    if not samples:
        return {}
    return {name: _rounded(median(sample.details[name] for sample in samples)) for name in samples[0].details}


def _extremes(spread: Spread | None) -> list[float] | None:
    return None if spread is None else [_rounded(spread.low), _rounded(spread.high)]


def _rounded(value: float) -> float:
    return float(f"{value:.4g}") if value < 1_000 else float(round(value))
