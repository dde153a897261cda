"""`python -m benchmarks NAME…`: measure stead beside the raw loop, alternating, on a server of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from .measures import Benchmark
from .measuring import measure, progress
from .profiling import NoProfile, profiled, py_spy
from .report import Report, show_list, table
from .server import Fsync, Server
from .workloads import BENCHMARKS, NAMES

out = Console()
err = Console(stderr=True)


def take_profiles(benchmark: Benchmark, fsync: Fsync, size: float, folder: Path) -> list[Path]:
    """A run that does not count, since being looked at takes time."""
    try:
        with profiled(folder, benchmark.label) as album, Server(fsync) as address:
            benchmark.stead(address, size)
    except NoProfile as error:
        err.print(f"[red]no profile of {benchmark.label}:[/red] {error}", soft_wrap=True)
        raise typer.Exit(1) from None
    return album.files


def main(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME…", help="Which ones; `all`; or `list` to see what there is.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False,
    fsync: Annotated[
        Literal["always", "everysec"], typer.Option(help="When the server writes to the disk.")
    ] = "always",
    runs: Annotated[int, typer.Option(min=1, help="How often; the median counts.")] = 3,
    size: Annotated[float, typer.Option(min=0.001, help="How much is sent, as a part of the usual.")] = 1.0,
    profile: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="One run more, with a flame graph of each worker in here.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit status 1 if a required ratio is missed.")] = False,
) -> None:
    """Measure stead beside a raw loop over the same server."""
    if names == ["list"]:
        return show_list(out, BENCHMARKS)
    unknown = [name for name in names if name not in (*NAMES, "all")]
    if unknown:
        raise typer.BadParameter(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}, and all")
    chosen = [benchmark for benchmark in BENCHMARKS if "all" in names or benchmark.name in names]
    if profile is not None:
        try:
            py_spy()
        except NoProfile as error:
            raise typer.BadParameter(str(error)) from None
    reports: list[Report] = []
    profiles: list[Path] = []
    with progress(err) as bars:
        for benchmark in chosen:
            reports.append(measure(benchmark, runs, fsync, size, bars))
            if profile is not None:
                profiles += take_profiles(benchmark, fsync, size, profile)
            if as_json:
                sys.stdout.write(reports[-1].as_json() + "\n")
                sys.stdout.flush()
    if not as_json:
        out.print(table(reports))
    for path in profiles:
        err.print(f"profile: {path}", soft_wrap=True)
    if check and any(report.passed is False for report in reports):
        raise typer.Exit(1)
    return None


if __name__ == "__main__":
    typer.run(main)
