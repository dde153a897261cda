"""Ctrl-C at any moment of a command: exit status 130, and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.user_folder import DEADLINE_S

pytestmark = pytest.mark.slow

HERE = 'import sys, time; sys.stdout.write("here\\n"); sys.stdout.flush(); time.sleep(600)\n'
APP = 'from stead.app import App\n\napp = App("interrupted")\n'
MODULE = ["-m", "stead.app"]
SCRIPT = ["-c", "import sys; from stead.app._cli.main import main; sys.exit(main())"]  # as pip writes it
INFO = ["info", "interrupted_app:app", "--url", "memory://"]


class Command:
    """A command in a folder of its own, whose modules come before all others."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        (folder / "stdout").touch()
        with (folder / "stdout").open("w") as out, (folder / "stderr").open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=out,
                stderr=err,
            )
        self._folder = folder

    @property
    def out(self) -> str:
        return (self._folder / "stdout").read_text()

    @property
    def err(self) -> str:
        return (self._folder / "stderr").read_text()

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.out + self.err:
            assert self.process.poll() is None, self.err
            assert time.monotonic() < deadline, self.err
            time.sleep(0.01)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def interrupted(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE_S)


Run = Callable[..., Command]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts a command in the test's folder."""
    commands: list[Command] = []

    def start(*arguments: str) -> Command:
        commands.append(Command(tmp_path, *arguments))
        return commands[-1]

    yield start
    for command in commands:
        command.end()


@pytest.mark.parametrize("how", [MODULE, SCRIPT], ids=["module", "script"])
@pytest.mark.parametrize("module", ["signal", "typer", "pydantic", "interrupted_app"])
def test_an_interrupt_during_an_import_ends_without_a_trace(
    tmp_path: Path, run: Run, how: list[str], module: str
) -> None:
    (tmp_path / "interrupted_app.py").write_text(APP)
    (tmp_path / f"{module}.py").write_text(HERE)
    if module == "signal" and how is SCRIPT:
        (tmp_path / "signal.py").write_text("def f():\n    " + HERE + "f()\n")
    command = run(*how, *INFO)
    command.wait_for("here")
    assert (command.interrupted(), command.err) == (130, "")


def test_an_interrupt_at_the_very_end_ends_without_a_trace(tmp_path: Path, run: Run) -> None:
    (tmp_path / "here.py").write_text(HERE)
    (tmp_path / "interrupted_app.py").write_text(f"{APP}\nimport atexit\natexit.register(__import__, 'here')\n")
    command = run(*MODULE, *INFO)
    command.wait_for("here")
    assert (command.interrupted(), command.err) == (130, "")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_interrupt_after_a_worker_has_ended_shows_no_trace(tmp_path: Path, run: Run, processes: str) -> None:
    (tmp_path / "here.py").write_text(f"import os\nif 'STEAD_WORKER_CHILD' not in os.environ:\n    {HERE}")
    (tmp_path / "interrupted_app.py").write_text(f"{APP}\nimport atexit\natexit.register(__import__, 'here')\n")
    arguments = ["worker", "interrupted_app:app", "--url", "memory://", "--processes", processes]
    command = run(*MODULE, *arguments)
    command.wait_for("serves")
    command.process.send_signal(signal.SIGTERM)
    command.wait_for("here")
    assert command.interrupted() == 130
    assert "Traceback" not in command.err


def test_an_ignored_interrupt_stays_ignored(tmp_path: Path, run: Run) -> None:
    """As in the background of a shell."""
    (tmp_path / "interrupted_app.py").write_text(f"{HERE.replace('60', '0.3')}{APP}")
    ignoring = "import os, signal, sys; signal.signal(2, signal.SIG_IGN); os.execv(sys.executable, sys.argv[1:])"
    command = run("-c", ignoring, sys.executable, *MODULE, *INFO)
    command.wait_for("here")
    assert command.interrupted() == 0, command.err
