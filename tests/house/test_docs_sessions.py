"""What the first pages have one type, typed: on a hub with a worker, and it prints what they say."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from house.test_docs import ROOT, write_programs
from support.guards import HANGS_S

pytestmark = pytest.mark.slow

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ANY_ID = "6f0c5d2e…"  # in the place of the one that a command gives
_NOT_HERE = ("python -m venv", "pip install", "make ", "stead dev")  # a worker runs, and all is installed


def sessions(page: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a page, each with what it prints there."""
    for block in _BLOCK.findall((ROOT / page).read_text("utf-8")):
        for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *printed = piece.rstrip("\n").split("\n")
            if not command.startswith(_NOT_HERE):
                yield command, printed


class Terminal:
    """A folder in which commands are run, all on one hub."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._environment = os.environ | {"STEAD_URL": url, "NO_COLOR": "1", "COLUMNS": "120"}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments."""
        return subprocess.run(
            [sys.executable, *words], cwd=self._folder, env=self._environment, capture_output=True, text=True,
            timeout=HANGS_S, check=False,
        )  # fmt: skip

    @contextmanager
    def worker(self, app: str) -> Generator[None]:
        with subprocess.Popen(
            [sys.executable, "-m", "stead.app", "worker", app], cwd=self._folder, env=self._environment
        ) as worker:
            try:
                yield
            finally:
                worker.terminate()

    def follow(self, page: str, app: str) -> int:
        """Type what a page has one type for an app; gives how many commands that were."""
        count, given = 0, ""
        for command, printed in sessions(page):
            words = shlex.split(command.replace(_ANY_ID, given), comments=True)
            if words[0] != "stead" or app not in words:
                continue
            done = self.run("-m", "stead.app", *words[1:])
            if words[1] == "start":
                given = done.stdout.strip()
            expected = [line.replace(_ANY_ID, given) for line in printed]
            said = [text.rstrip("\n").split("\n") for text in (done.stdout, done.stdout + done.stderr)]
            said = [[line.rstrip() for line in lines] for lines in said]
            assert not expected or expected in said, f"{command}\n{done.stdout}{done.stderr}"
            refused = bool(printed) and printed[0].startswith("error: ")
            assert (done.returncode != 0) == refused, (command, done)
            count += 1
        return count


@pytest.fixture
def terminal(tmp_path: Path, server_url: str) -> Terminal:
    return Terminal(tmp_path, server_url)


def test_the_tutorial_of_entities(terminal: Terminal, tmp_path: Path) -> None:
    write_programs("docs/tutorial/first-entities.md", tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"weather.py", "report.py", "test_weather.py"}
    assert "1 passed" in terminal.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:valkey").stdout
    with terminal.worker("weather:app"):
        assert terminal.follow("docs/tutorial/first-entities.md", "weather:app") == 6
        report = terminal.run("report.py")
    assert report.stdout.splitlines()[:2] == ["mean: 41.0", "state: count=1 total=41.0"], report
    assert report.stdout.splitlines()[3:] == ["@station@oslo 2", "@station@seville 1"]


def test_the_tutorial_of_orchestrations(terminal: Terminal, tmp_path: Path) -> None:
    write_programs("docs/tutorial/first-orchestration.md", tmp_path)
    with terminal.worker("expenses:app"):
        assert terminal.follow("docs/tutorial/first-orchestration.md", "expenses:app") == 5


def test_the_readme(terminal: Terminal, tmp_path: Path) -> None:
    write_programs("README.md", tmp_path)
    with terminal.worker("weather:app"):
        assert terminal.follow("README.md", "weather:app") >= 3
    with terminal.worker("trips:app"):
        assert terminal.follow("README.md", "trips:app") >= 4
