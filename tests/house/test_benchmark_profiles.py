"""Profiles of workers, and what is said when there can be none."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import profiling
from benchmarks.profiling import NoProfile, profiled, py_spy, recorded

BUSY = "import time\ndef busy_in_here():\n    while True: sum(range(1000))\nbusy_in_here()"

RECORDS = """
import pathlib, signal, sys, time
def write(*_):
    pathlib.Path(sys.argv[5]).write_text(sys.argv[3])
    sys.exit()
signal.signal(signal.SIGINT, write)
print("py-spy> Sampling process 250 times a second", flush=True)
while True: time.sleep(60)
"""
"""What writes the number of the process that it was told to look into, once it is told to stop."""


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A py-spy that does what a test writes into it."""
    program = tmp_path / "py-spy"
    program.touch(0o755)
    monkeypatch.setattr(profiling, "py_spy", lambda: str(program))
    return program


def test_a_profile_of_each_process_is_written_where_it_is_wanted(tmp_path: Path, pretend: Path) -> None:
    pretend.write_text(
        f"#!{sys.executable} -IS\n{RECORDS}"
    )  # (no shell: one in the background cannot hear an interrupt)
    with profiled(tmp_path / "profiles", "hello x100") as album, recorded([11, 22]):
        assert [path.name for path in album.files] == ["hello-x100-1.svg", "hello-x100-2.svg"]
        assert not album.files[0].exists()
    assert [path.read_text().strip() for path in album.files] == ["11", "22"]


def test_without_the_wish_nothing_is_recorded(pretend: Path) -> None:
    pretend.write_text("#!/bin/sh\nexit 1\n")
    with recorded([11]):
        pass


def test_a_process_that_may_not_be_looked_into_is_told_with_what_would_help(tmp_path: Path, pretend: Path) -> None:
    pretend.write_text("#!/bin/sh\necho 'Error: Permission Denied: Try sudo' >&2\nexit 1\n")
    with (
        profiled(tmp_path, "calls"),
        pytest.raises(NoProfile, match=r"(?s)process 11 .*Permission Denied.*CAP_SYS_PTRACE"),
        recorded([11]),
    ):
        pytest.fail("nothing was to be measured")


def test_a_profile_that_was_not_written_is_an_error(tmp_path: Path, pretend: Path) -> None:
    # As py-spy does, it goes on when it is told to stop, and says what it could not write.
    pretend.write_text("#!/bin/sh\ntrap '' INT\necho 'Sampling process' >&2\necho 'No space left' >&2\n")
    with profiled(tmp_path, "calls"), pytest.raises(NoProfile, match="No space left"), recorded([11]):
        pass


def test_a_missing_py_spy_is_named_with_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoProfile, match=r"\[dev\]"):
        py_spy()


@pytest.mark.slow
def test_the_real_one_names_the_function_that_is_busy(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(BUSY)
    with (
        subprocess.Popen([sys.executable, tmp_path / "program.py"]) as process,
        profiled(tmp_path, "busy") as album,
    ):
        try:
            with recorded([process.pid]):
                until = time.process_time() + 0.5
                while time.process_time() < until:
                    pass
        finally:
            process.kill()
    assert "busy_in_here" in album.files[0].read_text()
