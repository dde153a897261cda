"""`python -m benchmarks.check`: exit status 1, and a table, if something has become slower since the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from .measuring import measure, progress
from .regression import BASELINE, Baseline, NoBaseline, Verdict, compare
from .report import Report, machine
from .workloads import BENCHMARKS

CHECKED = (
    *("signals-hot", "signals-spread", "signals-wide", "calls", "calls-concurrent"),
    *("hello x100", "hello x1000", "hello x1", "hello-local x100", "hello-local x1", "fanout x1000"),
    *("bank", "events", "events-produced", "memory server", "memory worker"),
)
"""What is quick, and together leaves nothing out that users wait for."""
SIZE = 0.2
RUNS = 5
BASELINE_RUNS = 9

out = Console()
err = Console(stderr=True)


def main(
    new: Annotated[
        bool, typer.Option("--new", help="Make the baseline anew; on a machine with nothing else to do.")
    ] = False,
    runs: Annotated[
        int | None, typer.Option(min=1, help=f"How often; {RUNS}, or {BASELINE_RUNS} for a new one.")
    ] = None,
    path: Annotated[Path, typer.Option("--baseline", help="Where the baseline is.")] = BASELINE,
    only: Annotated[list[str] | None, typer.Option(help="This benchmark alone; may be given several times.")] = None,
) -> None:
    """Compare with the baseline, or make it."""
    unknown = [label for label in only or [] if label not in CHECKED]
    if unknown:
        raise typer.BadParameter(f"no {', '.join(unknown)} is checked; there are {', '.join(CHECKED)}")
    chosen = only or CHECKED
    if new:
        Baseline.of(_measured(chosen, runs or BASELINE_RUNS, SIZE)).write(path)
        out.print(f"the baseline is in {path}", soft_wrap=True)
        return
    try:
        baseline = Baseline.read(path)
    except NoBaseline as error:
        raise typer.BadParameter(str(error)) from None
    reports = _measured(chosen, runs or RUNS, baseline.size)
    expected = {name: level for name, level in baseline.levels.items() if name.partition(":")[0] in chosen}
    verdicts = compare(reports, expected)
    out.print(table(verdicts))
    for line in (*differences(baseline), *wild(verdicts)):
        out.print(line, style="dim")
    if not all(verdict.passed for verdict in verdicts):
        raise typer.Exit(1)


def _measured(labels: Sequence[str], runs: int, size: float) -> list[Report]:
    chosen = [benchmark for benchmark in BENCHMARKS if benchmark.label in labels]
    with progress(err) as bars:
        return [measure(benchmark, runs, "always", size, bars) for benchmark in chosen]


def table(verdicts: Sequence[Verdict]) -> Table:
    """What regressed first."""
    result = Table(title="now and in the baseline")
    result.add_column("figure")
    for heading in ("baseline", "tolerance", "now"):
        result.add_column(heading, justify="right")
    result.add_column("")
    for verdict in sorted(verdicts, key=lambda verdict: verdict.passed):
        level = verdict.level
        colour = "bold red" if not verdict.passed else "green" if verdict.said == "improved" else "dim"
        result.add_row(
            verdict.figure,
            f"{level.median:.3g}" if level else "-",
            f"± {level.tolerance:.2g}" if level else "-",
            f"{verdict.now:.3g}" if verdict.now is not None else "-",
            f"[{colour}]{verdict.said}[/{colour}]",
        )
    return result


def wild(verdicts: Sequence[Verdict]) -> list[str]:
    """Which figures of the baseline forgive everything."""
    names = [verdict.figure for verdict in verdicts if verdict.level is not None and not verdict.level.tells]
    if not names:
        return []
    told = f"nothing can be told from {', '.join(names)}: they differed too much from run to run when the baseline was made"
    return [f"{told}; `make bench-baseline` on a quiet machine helps"]


def differences(baseline: Baseline) -> list[str]:
    """In what this machine is another than the baseline's: ratios bear that, but not everything."""
    return [
        f"{name}: {baseline.machine.get(name)} in the baseline, {value} now"
        for name, value in machine().items()
        if baseline.machine.get(name) != value
    ]


if __name__ == "__main__":
    typer.run(main)
