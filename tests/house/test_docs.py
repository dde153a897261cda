"""The programs that the README and the tutorial show, as they are written there."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stead.app.testing import TestHub

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
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
