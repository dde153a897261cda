"""What the peers gave, as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from benchmarks.report import machine

from .contest import LEFT_OUT

Cell = Mapping[str, Any]


def table(cells: Sequence[Cell]) -> Group:
    """A row a workload and a column a peer, and below it what the figures do not say."""
    titles = {cell["peer"]: cell["title"] for cell in cells}
    result = Table(title="stead beside what one could use instead", title_justify="left")
    result.add_column("work", overflow="fold")
    for title in titles.values():
        result.add_column(title, justify="right")
    for workload in dict.fromkeys(cell["workload"] for cell in cells):
        row = {cell["peer"]: cell for cell in cells if cell["workload"] == workload}
        question = next(iter(row.values()))["question"]
        result.add_row(question, *(f"{figure(row[peer])}\n[dim]{cpu(row[peer])}[/dim]" for peer in titles))
    return Group(result, *(Text(line, style="dim") for line in remarks(cells)))


def figure(cell: Cell) -> str:
    """The value, and how many times better stead is."""
    if cell["value"] is None:
        return "-"
    shown = f"{shortly(cell['value'])} ms" if cell["unit"] == "ms" else f"{shortly(cell['value'])}/s"
    return shown if cell["stead_better_by"] is None else f"{shown} (x{cell['stead_better_by']:.2g})"


def cpu(cell: Cell) -> str:
    """Processor time of an operation, all processes together."""
    return "" if cell["cpu_us"] is None else f"{shortly(sum(cell['cpu_us'].values()) / 1_000)} ms CPU"


def shortly(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def notes(cells: Sequence[Cell]) -> list[str]:
    """What is said of a peer's cells, each once, with the workloads that it is said of."""
    said: dict[str, list[str]] = {}
    for cell in cells:
        if cell["note"]:
            said.setdefault(cell["note"], []).append(cell["workload"])
    return [f"{', '.join(names)}: {note}" for note, names in said.items()]


def remarks(cells: Sequence[Cell]) -> list[str]:
    """Settings, versions, and why a figure is missing."""
    lines = ["(xN): stead is better by; CPU: of all processes, the client's too, for one operation"]
    for peer in dict.fromkeys(cell["peer"] for cell in cells):
        own = [cell for cell in cells if cell["peer"] == peer]
        versions = ", ".join(own[0]["versions"])
        lines.append(f"{own[0]['title']}: {own[0]['durability']}{'; ' if versions else ''}{versions}")
        lines += [f"  {note}" for note in notes(own)]
    lines += [f"{name}: left out ({why})" for name, why in LEFT_OUT.items()]
    return [*lines, " · ".join(f"{name} {value}" for name, value in machine().items())]
