"""`python -m benchmarks.readme FILE…`: the README's figures, from what `--json` of the benchmarks and of the peers wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.peers.table import notes as said

Result = Mapping[str, Any]

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"

ENTITIES = {
    "signals-hot": "signals to one entity",
    "signals-spread": "signals over 1,000 entities",
    "scale x4": "the same, four worker processes",
    "signals-wide": "signals over 100,000 entities",
    "large-state": "signals to one entity whose state is 100 kB",
    "calls": "call round trip, p50",
    "slow-neighbours": "call round trip beside an entity that sleeps 1 s an operation, p99 (raw: without it)",
    "calls-concurrent": "64 callers over 1,000 entities",
    "takeover": "`kill -9` of one of two workers at 10,000 signals/s, until all partitions go on, with exact totals",
    "memory server": "an idle entity in the server (raw: an entry of a hash)",
    "memory worker": "an idle entity in the worker that keeps it activated",
    "memory index": "an index of an entity, in the server",
}
ORCHESTRATIONS = {
    "hello x1000": "5 activities in sequence, 1,000 instances at once",
    "hello x100": "the same, 100 at once",
    "hello x1": "the same, one alone, p50",
    "hello-local x1000": "5 local activities in sequence, 1,000 instances at once",
    "hello-local x100": "the same, 100 at once",
    "hello-local x1": "the same, one alone, p50",
    "sequence": "activities in sequence in one instance (raw: one caller)",
    "fanout x1000": "1,000 activities at once in one instance (raw: messages)",
    "fanout x10000": "10,000 activities at once in one instance (raw: messages)",
    "bank": "transfers between two locked accounts, 32 at once",
    "events": "external events to 100 instances (raw: messages)",
    "events-produced": "the same, sent by a producer (raw: messages)",
    "replay": "events of a history that is loaded anew",
    "timers": "timers: lateness, p99",
}
QUERIES = {
    "query-top": "the ten best of 100,000 entities, p50 (raw: the ten of each sorted set)",
    "query-top x10": "the same of 1,000,000 entities (raw: of 100,000)",
    "query-filter": "a page of 50 of what matches two conditions, 1 % of 100,000, p50",
    "query-count": "how many of 100,000 are in a range, p50 (raw: counts of the sets)",
    "query-beside calls": "call round trip beside a process that queries without a pause, p99 (raw: without it)",
    "query-beside signals": "signals over 1,000 entities beside that process (raw: without it)",
    "signals-indexed": "signals that change one of two indexed fields (raw: without an index)",
    "changes written": "signals to entities whose changes are kept (raw: whose are not)",
    "changes read": "changes followed, one of each of 100,000 entities (raw: their entries alone)",
    "sql-scan": "entities read by a query of SQL (raw: the entries of a hash)",
}
AGGREGATES = {
    "signals-batched free": "signals that wait for a batched operation that costs nothing (raw: one by one)",
    "signals-batched numpy": "the same, computing with numpy",
    "signals-sharded x1": "signals to one entity in 16 shards, one worker process (raw: without shards)",
    "signals-sharded x2": "the same, two worker processes (raw: one, without shards)",
    "signals-sharded x4": "the same, four worker processes (raw: one, without shards)",
    "windowed": "signals into 60 buckets of one entity (raw: a plain sum)",
    "sketches": "signals into three sketches of one entity (raw: a plain sum)",
    "reminders": "100,000 reminders due within a minute: lateness, p99",
    "schedules": "10,000 schedules due within a minute: lateness, p99",
    "expiry x1": "entities that expire, 1,000,000 due at once, one worker process",
    "expiry x2": "the same, two worker processes",
}
HTTP = {
    "http-status": "an instance's status",
    "http-signals one by one": "signals, one a request",
    "http-signals bulk": "signals, 5,000 a request",
}
GROUPS = (
    (
        "**Entities**, beside a raw Redis loop: `XADD` pipelines on one side, `XREADGROUP` + `HSET` + `XACK` + `XDEL` on the other.",
        ENTITIES,
    ),
    (
        "**Orchestrations**, beside raw calls (a message through two streams and back, and a state write) or raw messages.",
        ORCHESTRATIONS,
    ),
    ("**Queries**, beside what the server alone takes, or the same entity without indexes.", QUERIES),
    ("**Time and aggregates**, beside the same entity without them.", AGGREGATES),
    ("**HTTP**, beside the bare framework that answers the same bytes (for bulk it only reads the body).", HTTP),
)

BESIDE = (
    "**Beside what you could use instead**, in the same minutes (in brackets: how many times better stead is; CPU: of all"
    " processes together, for one operation)."
)


def main(
    files: Annotated[list[Path], typer.Argument(help="What --json wrote.")],
    readme: Annotated[Path, typer.Option(help="Where the figures go, between its two marks.")] = README,
) -> None:
    """Put figures into the README."""
    results = [json.loads(line) for file in files for line in file.read_text().splitlines() if line.strip()]
    text = readme.read_text()
    if not (text.count(BEGIN) == text.count(END) == 1):
        raise typer.BadParameter(f"{readme} has not one {BEGIN} and one {END}")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    readme.write_text(f"{before}{BEGIN}\n{section(results)}\n{END}{after}")


def section(results: Sequence[Result]) -> str:
    """All tables, of what there are results for."""
    measured = {label(result): result for result in results if "benchmark" in result}
    parts: list[str] = []
    if measured:
        parts.append(how(list(measured.values())))
        for title, rows in GROUPS:
            found = {name: text for name, text in rows.items() if name in measured}
            if found:
                parts += [title, table(found, measured)]
        parts.append("`make bench` measures them all on your machine.")
    cells = [result for result in results if "workload" in result]
    if cells:
        parts += [
            BESIDE,
            peers(cells),
            notes(cells),
            "`make peers` installs them from PyPI and npm and measures all of it again.",
        ]
    return "\n\n".join(parts)


def label(result: Result) -> str:
    """A benchmark with its variant."""
    return f"{result['benchmark']} {result['variant'] or ''}".rstrip()


def how(results: Sequence[Result]) -> str:
    """Where and how it was measured."""
    machine = results[0]["machine"]
    return (
        f"Measured with `python -m benchmarks all` (median of {_range(result['runs'] for result in results)} runs, `--size"
        f" {_range(result['size'] for result in results)}`) on {machine['cores']} shared cores: producer, worker and server"
        f" together, one worker process, `appendfsync {results[0]['fsync']}`, Valkey {machine['valkey']}, Python"
        f" {machine['python']}. What counts is the ratio to the raw side of the same run, and the processor time: microseconds"
        " an operation of worker + server + client."
    )


def _range(values: Iterable[float]) -> str:
    different = sorted(set(values))
    return f"{different[0]:g}" if len(different) == 1 else f"{different[0]:g} to {different[-1]:g}"


def table(rows: Mapping[str, str], results: Mapping[str, Result]) -> str:
    """A row a benchmark."""
    lines = [
        "| work | stead | raw | ratio (spread) | must reach | CPU of stead | CPU of raw |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, text in rows.items():
        result = results[name]
        lines.append(
            f"| {text} | {value(result, 'stead')} | {value(result, 'raw')} | {ratio(result)} | {required(result)} |"
            f" {cpu(result['stead_cpu_us'])} | {cpu(result['raw_cpu_us'])} |"
        )
    return "\n".join(lines)


def value(result: Result, side: str) -> str:
    """A figure with its unit."""
    return with_unit(result[side], result["unit"])


def with_unit(figure: float | None, unit: str) -> str:
    """A rate, a time or a size."""
    if figure is None:
        return "-"
    shown = f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"
    return f"{shown}/s" if unit.endswith("/s") else f"{shown} {unit}"


def ratio(result: Result) -> str:
    """stead's by the raw one, and its extremes."""
    if result["ratio"] is None:
        return "-"
    low, high = result["ratio_spread"]
    return f"{result['ratio']:.2f} ({low:.2f} to {high:.2f})"


def required(result: Result) -> str:
    """The bound; one that is missed is marked."""
    if result["required"] is None:
        return ""
    missed = "" if result["passed"] else ", missed"
    return f"{'≥' if result['better'] == 'more' else '≤'} {result['required']:g}{missed}"


def cpu(parts: Mapping[str, float] | None) -> str:
    """Microseconds of worker, server and client."""
    if parts is None:
        return "-"
    return " + ".join(f"{part:,.0f}" if part >= 10 else f"{part:.1f}" for part in parts.values())


# -- peers -------------------------------------------------------------------------------------------------------------


def peers(cells: Sequence[Result]) -> str:
    """A row a workload and a column a peer."""
    titles = {cell["peer"]: cell["title"] for cell in cells}
    lines = [f"| work | {' | '.join(titles.values())} |", "|---" * (len(titles) + 1) + "|"]
    for workload in dict.fromkeys(cell["workload"] for cell in cells):
        row = {cell["peer"]: cell for cell in cells if cell["workload"] == workload}
        question = next(iter(row.values()))["question"]
        lines.append(f"| {question} | {' | '.join(peer_cell(row[peer]) for peer in titles)} |")
    return "\n".join(lines)


def peer_cell(cell: Result) -> str:
    """A figure, how many times better stead is, and the processor time."""
    if cell["value"] is None:
        return "-"
    better = "" if cell["stead_better_by"] is None else f" ({cell['stead_better_by']:.2g})"
    used = "" if cell["cpu_us"] is None else f", CPU {sum(cell['cpu_us'].values()) / 1_000:.2g} ms"
    return f"{with_unit(cell['value'], cell['unit'])}{better}{used}"


def notes(cells: Sequence[Result]) -> str:
    """With which settings, and why a figure is missing."""
    lines: list[str] = []
    for peer in dict.fromkeys(cell["peer"] for cell in cells):
        own = [cell for cell in cells if cell["peer"] == peer]
        versions = ", ".join(f"`{version}`" for version in own[0]["versions"])
        about = [own[0]["durability"], *([versions] if versions else []), *said(own)]
        lines.append(f"- {own[0]['title']}: {'; '.join(about)}.")
    left_out = cells[0]["left_out"]
    return "\n".join([*lines, *(f"- {name}: left out ({why})." for name, why in left_out.items())])


if __name__ == "__main__":
    typer.run(main)
