"""The README's figures, made from results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from benchmarks.cpu import Cpu
from benchmarks.measures import Sample
from benchmarks.peers.contest import LEFT_OUT, PEERS, Column, as_objects
from benchmarks.peers.stead_peer import STEAD
from benchmarks.peers.table import notes
from benchmarks.peers.workloads import CALL_ALONE, CALLS, HELLO
from benchmarks.readme import BEGIN, END, GROUPS, README, main, section
from benchmarks.report import Report
from benchmarks.workloads import BENCHMARKS


def result(label: str, stead: float, raw: float | None) -> dict[str, object]:
    benchmark = next(benchmark for benchmark in BENCHMARKS if benchmark.label == label)
    ours = [Sample(stead, cpu=Cpu(44.4, 20, 9.51))]
    theirs = [] if raw is None else [Sample(raw, cpu=Cpu(12, 8, 4))]
    value: dict[str, object] = json.loads(Report(benchmark, ours, theirs, "always", 0.4).as_json())
    return value


def cells() -> list[dict[str, object]]:
    ours = Column(STEAD, {CALL_ALONE.name: [Sample(0.8, cpu=Cpu(100, 50, 50))]})
    theirs = Column(PEERS[1], {CALL_ALONE.name: [Sample(2.0, cpu=Cpu(600, 900, 100))]}, {CALLS.name: "failed: died"})
    return [{**cell, "left_out": LEFT_OUT} for cell in as_objects([ours, theirs], [CALL_ALONE, CALLS])]


def test_a_row_has_rates_ratio_bound_and_the_processor_time_of_both() -> None:
    text = section([result("bank", 1_500.0, 7_500.0), result("calls", 0.75, 0.75), result("takeover", 11.7, None)])
    assert (
        "| transfers between two locked accounts, 32 at once | 1,500/s | 7,500/s | 0.20 (0.20 to 0.20) | ≥ 0.25, missed |"
        " 44 + 20 + 9.5 | 12 + 8.0 + 4.0 |"
    ) in text
    assert "| call round trip, p50 | 0.75 ms | 0.75 ms | 1.00 (1.00 to 1.00) | ≤ 1.1 |" in text
    assert "| 11.7 s | - | - |  |" in text
    assert "HTTP" not in text  # of which there is no result


def test_peers_have_a_column_each_and_what_is_missing_has_its_reason() -> None:
    text = section(cells())
    assert "| work | stead | Restate |" in text
    assert "| 0.8 ms, CPU 0.2 ms | 2 ms (2.5), CPU 1.6 ms |" in text
    assert "calls: failed: died" in text
    assert "Temporal: left out" in text
    assert "restate-sdk==" in text


def test_what_is_missing_for_one_reason_is_said_once() -> None:
    reasons = {CALL_ALONE.name: "it has no entities", CALLS.name: "it has no entities", HELLO.name: "failed: died"}
    missing = as_objects([Column(PEERS[1], {}, reasons)], [CALL_ALONE, CALLS, HELLO])
    said = ["call-alone, calls: it has no entities", "hello: failed: died"]
    assert notes(missing) == said
    assert "; ".join(said) + "." in section([{**cell, "left_out": LEFT_OUT} for cell in missing])


def test_only_what_is_between_the_marks_is_replaced_and_again_gives_the_same(tmp_path: Path) -> None:
    readme, file = tmp_path / "README.md", tmp_path / "results.jsonl"
    readme.write_text(f"# before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    file.write_text("\n".join(json.dumps(line) for line in (result("bank", 1.0, 2.0), *cells())) + "\n")
    main([file], readme)
    once = readme.read_text()
    assert once.startswith(f"# before\n\n{BEGIN}\n")
    assert once.endswith(f"\n{END}\n\nafter\n")
    assert "old" not in once
    main([file], readme)
    assert readme.read_text() == once


def test_a_readme_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# nothing\n")
    (tmp_path / "results.jsonl").touch()
    with pytest.raises(typer.BadParameter):
        main([tmp_path / "results.jsonl"], tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text() == "# nothing\n"


def test_the_readme_has_the_marks_and_every_benchmark_a_row() -> None:
    assert README.read_text().count(BEGIN) == README.read_text().count(END) == 1
    rows = {name for _, group in GROUPS for name in group}
    labels = {benchmark.label for benchmark in BENCHMARKS}
    assert rows <= labels
    assert labels - rows == {"scale x1", "scale x2", "scale x3"}
