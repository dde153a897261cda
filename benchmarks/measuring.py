"""Running a benchmark: both sides, in turn, as often as is asked."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from .measures import Benchmark, Sample, Side
from .report import Report
from .server import Fsync, Server


def progress(console: Console, width: int = 32) -> Progress:
    """Bars that tell what is measured; on the console for errors, so that results can be redirected."""
    columns = (
        SpinnerColumn(),
        TextColumn(f"{{task.description:{width}}}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)


def measure(benchmark: Benchmark, runs: int, fsync: Fsync, size: float, bars: Progress) -> Report:
    """All runs of one benchmark. The side that begins changes from run to run, so that neither gets the warmer one."""
    sides: list[tuple[str, Side, list[Sample]]] = [("stead", benchmark.stead, [])]
    if benchmark.raw is not None:
        sides.insert(0, ("raw", benchmark.raw, []))
    task = bars.add_task(benchmark.label, total=runs * len(sides))
    for run in range(runs):
        for name, side, samples in sides if run % 2 == 0 else reversed(sides):
            bars.update(task, description=f"{benchmark.label}: {name}, run {run + 1}")
            with Server(fsync) as address:
                samples.append(side(address, size))
            bars.advance(task)
    bars.update(task, description=benchmark.label)
    by_name = {name: samples for name, _, samples in sides}
    return Report(benchmark, by_name["stead"], by_name.get("raw", []), fsync, size)
