"""`stead sql` at a terminal: a bar shows how far it is, and ctrl-c ends it, though it computes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.user_folder import DEADLINE_S

APP = 'from stead.app import App\n\napp = App("asked")\n'
FOR_EVER = "select sum(a.range * b.range % 7) from range(100000000) a, range(100000000) b"


@pytest.mark.slow
def test_a_query_shows_a_bar_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "asked_app.py").write_text(APP)
    ours, theirs = pty.openpty()
    command = subprocess.Popen(
        [sys.executable, "-m", "stead.app", "sql", "asked_app:app", FOR_EVER, "--url", "memory://"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    try:
        os.close(theirs)
        said = b""
        while b"entities read" not in said:
            said += os.read(ours, 1_000)
        command.send_signal(signal.SIGINT)
        assert b"Traceback" not in said + _rest(ours)
        out, _ = command.communicate(timeout=DEADLINE_S)
        assert (command.returncode, out) == (130, b"")
    finally:
        command.kill()
        command.wait()
        os.close(ours)


def _rest(terminal: int) -> bytes:
    """What is said until the command has ended: to read a terminal that nobody holds any more is an error, and no end."""
    said = b""
    while True:
        try:
            some = os.read(terminal, 10_000)
        except OSError:
            return said
        if not some:
            return said
        said += some
