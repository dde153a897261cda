"""Whether something has become slower: figures that a noisy machine changes little, beside those of a baseline.

A figure is a ratio of the two sides of one run: stead's rate or time by the raw loop's, and the processor time of an operation
in worker, server and client, each by all that the raw loop takes. Its tolerance comes from how much it differed from run to run
when the baseline was made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from .measures import Sample
from .report import Report, machine

BASELINE = Path(__file__).parent / "baseline.json"
DEVIATIONS = 4.0
"""So many standard deviations of a single run a median may be off: by chance it is once in thousands of checks."""
LEAST = 0.05
"""Never less than this part of the figure: the spread of a few runs may be small by chance."""
NORMAL = 1.4826
"""A standard deviation in median absolute deviations, for what is distributed normally."""

Better = Literal["more", "less"]


class NoBaseline(RuntimeError):
    """There is nothing to compare with; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Level:
    """A figure of the baseline."""

    better: Better
    median: float
    deviation: float
    """Median absolute deviation of single runs."""

    @property
    def tolerance(self) -> float:
        """By how much a median may be worse."""
        return max(DEVIATIONS * NORMAL * self.deviation, LEAST * self.median)

    @property
    def tells(self) -> bool:
        """Whether single runs were near enough to each other: a tolerance of half the figure forgives everything."""
        return self.tolerance <= self.median / 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure now and then; None for what one of them does not have."""

    figure: str
    level: Level | None
    now: float | None

    @property
    def said(self) -> Literal["regressed", "improved", "as before", "not in the baseline", "not measured"]:
        """What it comes to."""
        if self.level is None:
            return "not in the baseline"
        if self.now is None:
            return "not measured"
        worse = (self.level.median - self.now) * (1 if self.level.better == "more" else -1)
        if worse > self.level.tolerance:
            return "regressed"
        return "improved" if -worse > self.level.tolerance else "as before"

    @property
    def passed(self) -> bool:
        """What cannot be told does not pass."""
        return self.said in ("as before", "improved")


def figures(report: Report) -> dict[str, tuple[Better, list[float]]]:
    """The values of each run, by the figure's name."""
    label = report.benchmark.label
    if report.benchmark.unit == "bytes":  # no machine makes them more
        return {f"{label}: bytes": ("less", [sample.value for sample in report.stead])}
    pairs = list(zip(report.stead, report.raw, strict=True))
    found: dict[str, tuple[Better, list[float]]] = {
        f"{label}: ratio": (report.benchmark.better, [ours.value / raw.value for ours, raw in pairs])
    }
    for part in ("worker", "server", "client"):
        found[f"{label}: CPU of the {part}"] = ("less", [_cpu_part(part, ours, raw) for ours, raw in pairs])
    return found


def _cpu_part(part: str, ours: Sample, raw: Sample) -> float:
    assert ours.cpu is not None
    assert raw.cpu is not None
    value: float = getattr(ours.cpu, part)
    return value / raw.cpu.total


def level(better: Better, values: Sequence[float]) -> Level:
    """What a baseline keeps of the values of several runs."""
    middle = median(values)
    return Level(better, float(f"{middle:.4g}"), float(f"{median(abs(value - middle) for value in values):.3g}"))


def compare(reports: Sequence[Report], levels: Mapping[str, Level]) -> list[Verdict]:
    """Every figure that either has."""
    now = {name: median(values) for report in reports for name, (_, values) in figures(report).items()}
    return [Verdict(name, levels.get(name), now.get(name)) for name in dict.fromkeys([*levels, *now])]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a check is compared with, and how that was measured."""

    size: float
    runs: int
    machine: Mapping[str, object]
    levels: Mapping[str, Level]

    @classmethod
    def of(cls, reports: Sequence[Report]) -> Baseline:
        """From measurements."""
        levels = {
            name: level(better, values) for report in reports for name, (better, values) in figures(report).items()
        }
        return cls(reports[0].size, len(reports[0].stead), machine(), levels)

    @classmethod
    def read(cls, path: Path) -> Baseline:
        """From a file; raises `NoBaseline`."""
        try:
            said = json.loads(path.read_text())
            levels = {name: Level(**fields) for name, fields in said["levels"].items()}
            return cls(said["size"], said["runs"], said["machine"], levels)
        except FileNotFoundError:
            raise NoBaseline(f"there is no baseline at {path}; `make bench-baseline` makes it") from None
        except (ValueError, KeyError, TypeError) as error:
            raise NoBaseline(f"{path} is no baseline ({error!r}); `make bench-baseline` makes it anew") from None

    def write(self, path: Path) -> None:
        """Into a file, a line a figure, so that a change of it can be read."""
        head = "".join(
            f"{json.dumps(name)}: {json.dumps(value)},\n" for name, value in asdict(self).items() if name != "levels"
        )
        levels = ",\n".join(f"{json.dumps(name)}: {json.dumps(asdict(level))}" for name, level in self.levels.items())
        path.write_text(f'{{{head}"levels": {{\n{levels}\n}}}}\n')
