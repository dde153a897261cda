"""What the benchmarks conclude from their samples, without measuring anything."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from benchmarks.calls import Calls
from benchmarks.cpu import Cpu
from benchmarks.measures import Benchmark, Sample
from benchmarks.report import Report, table
from benchmarks.workloads import BENCHMARKS


def benchmark_named(name: str) -> Benchmark:
    return next(benchmark for benchmark in BENCHMARKS if benchmark.name == name)


def report(name: str, stead: list[float], raw: list[float]) -> Report:
    return Report(benchmark_named(name), [*map(Sample, stead)], [*map(Sample, raw)], "always", 1.0)


def test_the_ratio_is_the_median_of_the_ratios_of_each_run() -> None:
    """A run on a slow moment of the machine slows both sides and says nothing about their ratio."""
    slow_moment = report("signals-hot", [80.0, 8.0, 90.0], [100.0, 10.0, 100.0])
    assert slow_moment.ratio_spread is not None
    assert slow_moment.ratio_spread.median == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("name", "ratio", "passed"),
    [("signals-hot", 0.75, True), ("signals-hot", 0.74, False), ("calls", 1.1, True), ("calls", 1.2, False)],
)
def test_rates_have_a_lower_bound_and_latencies_an_upper_one(name: str, ratio: float, passed: bool) -> None:
    assert report(name, [ratio], [1.0]).passed is passed


def test_json_has_what_machines_ask_for() -> None:
    line = report("signals-wide", [50.0, 60.0], [100.0, 100.0]).as_json()
    assert "\n" not in line
    value = json.loads(line)
    assert (value["benchmark"], value["unit"], value["fsync"], value["runs"]) == (
        "signals-wide",
        "signals/s",
        "always",
        2,
    )
    assert (value["stead"], value["raw"], value["ratio"]) == (55.0, 100.0, 0.55)
    assert (value["stead_spread"], value["raw_spread"]) == ([50.0, 60.0], [100.0, 100.0])
    assert {"cores", "python", "valkey"} <= value["machine"].keys()


def test_processor_time_is_told_for_each_kind_of_process_beside_the_raw_loops() -> None:
    stead = [Sample(1.0, cpu=Cpu(*parts)) for parts in ((4.0, 2.0, 2.0), (5.0, 2.0, 1.0), (9.0, 4.0, 7.0))]
    raw = [Sample(1.0, cpu=Cpu(*parts)) for parts in ((2.0, 1.0, 1.0), (1.0, 2.0, 1.0), (4.0, 4.0, 2.0))]
    measured = Report(benchmark_named("calls"), stead, raw, "always", 1.0)
    value = json.loads(measured.as_json())
    assert value["stead_cpu_us"] == {"worker": 5.0, "server": 2.0, "client": 2.0}
    assert value["raw_cpu_us"] == {"worker": 2.0, "server": 2.0, "client": 1.0}
    assert (value["cpu_ratio"], value["cpu_ratio_spread"]) == (2.0, [2.0, 2.0])
    console = Console(width=300, file=io.StringIO())
    console.print(table([measured]))
    assert "5.0 + 2.0 + 2.0" in console.file.getvalue()  # type: ignore[attr-defined]


def test_no_figure_is_cut_at_80_columns() -> None:
    samples = [
        Sample(rate, {"rss_mib": 123.0, "late_ms": 4.5}, cpu=Cpu(1_507.0, 1_575.0, 1_300.0))
        for rate in (1_234_567.0, 1_034_567.0)
    ]
    output = io.StringIO()
    console = Console(width=80, file=output)
    console.print(table([Report(benchmark, samples, samples, "always", 1.0) for benchmark in BENCHMARKS]))
    shown = output.getvalue()
    assert "…" not in shown
    assert shown.count("1,134,567") == shown.count("1,507 + 1,575 + 1,300") == 2 * len(BENCHMARKS)


def test_what_has_no_processor_time_says_so() -> None:
    value = json.loads(report("takeover", [12.0], []).as_json())
    assert (value["stead_cpu_us"], value["raw_cpu_us"], value["cpu_ratio"]) == (None, None, None)


def test_without_a_raw_loop_there_is_no_ratio() -> None:
    value = json.loads(report("takeover", [12.0], []).as_json())
    assert (value["raw"], value["ratio"], value["passed"]) == (None, None, None)


def test_percentiles_are_values_that_occurred() -> None:
    calls = Calls(10.0, tuple(number / 1_000 for number in range(1, 101)), 0)
    assert calls.rate == 10.0
    assert [calls.percentile_ms(percent) for percent in (50, 99, 100)] == pytest.approx([51.0, 100.0, 100.0])
