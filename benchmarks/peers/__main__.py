"""`python -m benchmarks.peers`: stead beside what one could use instead, on the same machine in the same minutes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.measuring import progress
from benchmarks.report import machine

from .contest import LEFT_OUT, PEERS, Column, as_objects, compete, installed, measurements
from .environments import default_home
from .table import table
from .workloads import WORKLOADS

out = Console()
err = Console(stderr=True)


def main(
    workloads: Annotated[
        list[str] | None, typer.Argument(metavar="[WORKLOAD]…", help="Which ones; all of them if none is named.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="This peer beside stead; may be given several times.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object a line, for each cell of the table.")] = False,
    runs: Annotated[int, typer.Option(min=1, help="How often; the median counts.")] = 3,
    size: Annotated[float, typer.Option(min=0.001, help="How much is measured, as a part of the usual.")] = 1.0,
    home: Annotated[
        Path | None, typer.Option(help="Where the peers' environments are; .venv/peers by default.")
    ] = None,
) -> None:
    """Install what one could use instead, from PyPI and npm, and measure it interleaved with stead."""
    _check("workload", workloads or [], [workload.name for workload in WORKLOADS])
    _check("peer", only or [], [peer.name for peer in PEERS])
    rows = [workload for workload in WORKLOADS if not workloads or workload.name in workloads]
    peers = [peer for peer in PEERS if not only or peer.name in (*only, "stead")]
    folder = home or default_home()
    with progress(err, 64) as bars:
        task = bars.add_task("", total=len(peers))
        columns: list[Column] = []
        for peer in peers:
            bars.update(task, description=f"{peer.title}: installing")
            columns.append(installed(peer, folder, rows))
            bars.advance(task)
        bars.reset(task, total=measurements(columns, rows, runs))
        for number, text in enumerate(compete(columns, rows, runs, size, folder)):
            bars.update(task, description=text, completed=number)
        bars.update(task, description="done", completed=measurements(columns, rows, runs))
    cells = as_objects(columns, rows)
    if as_json:
        for cell in cells:
            sys.stdout.write(json.dumps({**cell, "left_out": LEFT_OUT, "size": size, "machine": machine()}) + "\n")
    else:
        out.print(table(cells))
    if any(reason.startswith("failed") for column in columns for reason in column.reasons.values()):
        raise typer.Exit(1)


def _check(what: str, given: list[str], known: list[str]) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        raise typer.BadParameter(f"no {what} {', '.join(unknown)}; there are {', '.join(known)}")


if __name__ == "__main__":
    typer.run(main)
