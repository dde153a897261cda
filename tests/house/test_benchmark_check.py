"""Whether something has become slower, told from figures that nobody has to measure here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.check import CHECKED, differences, wild
from benchmarks.cpu import Cpu
from benchmarks.measures import Sample
from benchmarks.regression import BASELINE, Baseline, Level, NoBaseline, Verdict, compare, figures, level
from benchmarks.report import Report, machine
from benchmarks.workloads import BENCHMARKS
from support.guards import HANGS_S

ROOT = Path(__file__).parents[2]
RAW = Cpu(10, 5, 5)


def report(label: str, values: list[float], cpu: Cpu = RAW, raw: float = 100.0) -> Report:
    benchmark = next(benchmark for benchmark in BENCHMARKS if benchmark.label == label)
    return Report(
        benchmark, [Sample(value, cpu=cpu) for value in values], [Sample(raw, cpu=RAW) for _ in values], "always", 0.2
    )


def said(verdicts: list[Verdict]) -> dict[str, str]:
    return {verdict.figure: verdict.said for verdict in verdicts}


# -- figures -----------------------------------------------------------------------------------------------------------


def test_figures_are_ratios_of_the_two_sides_of_one_run() -> None:
    """A slow moment of the machine, which slows both, changes none of them."""
    usual = figures(report("bank", [30.0], Cpu(40, 20, 10)))
    slow = figures(
        Report(
            report("bank", [1.0]).benchmark,
            [Sample(3.0, cpu=Cpu(400, 200, 100))],
            [Sample(10.0, cpu=Cpu(100, 50, 50))],
            "always",
            0.2,
        )
    )
    assert usual == slow
    assert usual == {
        "bank: ratio": ("more", [0.3]),
        "bank: CPU of the worker": ("less", [2.0]),
        "bank: CPU of the server": ("less", [1.0]),
        "bank: CPU of the client": ("less", [0.5]),
    }


def test_bytes_are_themselves() -> None:
    assert figures(report("memory server", [150.0])) == {"memory server: bytes": ("less", [150.0])}


# -- tolerances --------------------------------------------------------------------------------------------------------


def test_the_tolerance_comes_from_the_spread_of_single_runs() -> None:
    calm = level("more", [1.0, 1.01, 0.99, 1.02, 0.98])
    wild = level("more", [1.0, 1.1, 0.9, 1.2, 0.8])
    assert (calm.median, wild.median) == (1.0, 1.0)
    assert calm.tolerance == pytest.approx(4 * 1.4826 * 0.01)
    assert wild.tolerance == pytest.approx(4 * 1.4826 * 0.1)


def test_one_run_that_went_astray_makes_no_wide_tolerance() -> None:
    assert level("more", [1.0, 1.0, 1.0, 1.0, 0.1]).tolerance == 0.05


@pytest.mark.parametrize(
    ("better", "now", "verdict"),
    [
        ("more", 0.81, "as before"),
        ("more", 0.79, "regressed"),
        ("more", 1.19, "as before"),
        ("more", 1.21, "improved"),
        ("less", 1.19, "as before"),
        ("less", 1.21, "regressed"),
        ("less", 0.81, "as before"),
        ("less", 0.79, "improved"),
    ],
)
def test_only_what_is_worse_by_more_than_the_tolerance_has_regressed(better: str, now: float, verdict: str) -> None:
    before = Level("more" if better == "more" else "less", 1.0, 0.2 / 4 / 1.4826)
    judged = Verdict("x", before, now)
    assert judged.said == verdict
    assert judged.passed is (verdict != "regressed")


# -- comparing ---------------------------------------------------------------------------------------------------------


def test_a_rate_that_fell_and_processor_time_that_grew_are_told_apart() -> None:
    before = Baseline.of([report("bank", [30.0, 30.3, 29.7])]).levels
    slower = compare([report("bank", [20.0, 20.0, 20.0])], before)
    assert [name for name, word in said(slower).items() if word == "regressed"] == ["bank: ratio"]
    heavier = compare([report("bank", [30.0, 30.0, 30.0], Cpu(10, 9, 5))], before)
    assert [name for name, word in said(heavier).items() if word == "regressed"] == ["bank: CPU of the server"]


def test_the_median_counts_so_that_one_slow_run_is_none() -> None:
    before = Baseline.of([report("bank", [30.0, 30.0, 30.0])]).levels
    assert all(verdict.passed for verdict in compare([report("bank", [30.0, 3.0, 30.0])], before))


def test_what_only_one_of_them_has_does_not_pass() -> None:
    before = Baseline.of([report("bank", [30.0])]).levels
    verdicts = compare([report("events", [30.0])], before)
    assert said(verdicts)["bank: ratio"] == "not measured"
    assert said(verdicts)["events: ratio"] == "not in the baseline"
    assert not any(verdict.passed for verdict in verdicts)


# -- the baseline ------------------------------------------------------------------------------------------------------


def test_a_baseline_comes_back_from_its_file_with_a_line_for_each_figure(tmp_path: Path) -> None:
    made = Baseline.of([report("bank", [30.0, 31.0]), report("calls", [1.1, 1.2])])
    made.write(tmp_path / "baseline.json")
    assert Baseline.read(tmp_path / "baseline.json") == made
    lines = (tmp_path / "baseline.json").read_text().splitlines()
    assert sum('"median"' in line for line in lines) == len(made.levels)


def test_what_is_no_baseline_is_told_with_what_makes_one(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    for content in (None, "{", "[]", '{"size": 1}'):
        if content is not None:
            path.write_text(content)
        with pytest.raises(NoBaseline, match="make bench-baseline"):
            Baseline.read(path)


def test_the_committed_one_has_every_figure_that_is_checked() -> None:
    baseline = Baseline.read(BASELINE)
    assert {name.partition(":")[0] for name in baseline.levels} == set(CHECKED)
    assert set(CHECKED) <= {benchmark.label for benchmark in BENCHMARKS}
    assert baseline.runs >= 3


def test_figures_that_forgive_everything_are_named() -> None:
    calm, loud = Level("more", 1.0, 0.05), Level("more", 1.0, 0.2)
    assert wild([Verdict("calm", calm, 1.0), Verdict("new", None, 1.0)]) == []
    (line,) = wild([Verdict("calm", calm, 1.0), Verdict("loud", loud, 1.0)])
    assert "told from loud:" in line


def test_another_machine_is_named() -> None:
    baseline = Baseline(1.0, 1, {**machine(), "cores": 128}, {})
    (line,) = differences(baseline)
    assert line.startswith("cores: 128 in the baseline")


# -- the command -------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.check", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S, env={**os.environ, "COLUMNS": "150"}
    )


@pytest.mark.slow
def test_the_command_fails_with_a_table_of_what_regressed(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    better_than_any = Level("less", 1.0, 0.0)
    Baseline(0.02, 3, machine(), {"memory server: bytes": better_than_any}).write(path)
    done = run("--only", "memory server", "--runs", "1", "--baseline", str(path))
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "memory server" in line]
    assert "regressed" in line


@pytest.mark.parametrize(
    ("arguments", "word"), [(("--only", "cals"), "calls-concurrent"), (("--baseline", "/nowhere"), "bench-baseline")]
)
def test_wrong_usage_says_what_is_right(arguments: tuple[str, ...], word: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert word in done.stderr
