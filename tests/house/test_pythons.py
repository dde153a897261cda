"""Which other Pythons the brief tests are run with, and what is said of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support import pythons

OWN = f"3.{sys.version_info[1]}"


def pretend(folder: Path, name: str, says: str, status: int = 0) -> Path:
    """A Python that says this of itself."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
    program.chmod(0o755)
    return program


def test_each_version_is_found_once_where_it_runs(tmp_path: Path) -> None:
    home, shims, usual = tmp_path / "home", tmp_path / "shims", tmp_path / "usr/bin"
    for name in ("python3.12", "python3.13"):
        pretend(shims, name, "pyenv: command not found", 127)
    system = pretend(usual, "python3.12", "3.12 cpython")
    pretend(usual, "python3.9", "3.9 cpython")
    pretend(usual, "python3.11", "3.11 cpython")
    for patch in ("3.13.2", "3.13.10", "3.12.1"):
        pretend(home / f".pyenv/versions/{patch}/bin", f"python{patch.rpartition('.')[0]}", f"{patch[:4]} cpython")
    pretend(home / ".pyenv/versions/pypy3.11-7.3/bin", "python3.11", "3.11 pypy")
    uv = pretend(home / ".local/share/uv/python/cpython-3.14.0-linux/bin", "python3.14", "3.14 cpython")
    (usual / "python3.14").touch()  # not to be run
    paths = pythons.candidates({"PATH": f"{shims}:{usual}"}, home)
    newest = home / ".pyenv/versions/3.13.10/bin/python3.13"
    assert pythons.found(paths, "3.11") == {"3.12": system, "3.13": newest, "3.14": uv}
    assert pythons.found(paths, "3.13") == {"3.11": usual / "python3.11", "3.12": system, "3.14": uv}


def ran(status: int) -> Callable[..., int]:
    def run(version: str, python: Path, left_s: Callable[[], float]) -> int:
        assert 0 < left_s() <= 60 * pythons.MINUTES_MAX
        return status

    return run


def test_what_comes_of_it_is_the_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = str(pretend(tmp_path, "python3.99", "3.99 cpython"))
    assert pythons.main([other], ran(0)) == 0
    assert capsys.readouterr().out == f"pythons: 3.99, {other}\n"
    assert pythons.main([other], ran(2)) == 1
    assert capsys.readouterr().out.endswith("pythons: failed with 3.99\n")

    def never(version: str, python: Path, left_s: Callable[[], float]) -> int:
        raise subprocess.TimeoutExpired(["pytest"], left_s())

    assert pythons.main([other], never) == 1
    assert "3.99: not done within" in capsys.readouterr().out


def test_without_another_one_nothing_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    assert pythons.main([], ran(1)) == 0
    assert capsys.readouterr().out == f"pythons: there is no other one than {OWN}: nothing to do\n"
    assert pythons.main(["python3.99"], ran(0)) == 1  # but one that was asked for has to be there


def test_one_that_is_not_named_is_passed_over_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = str(pretend(tmp_path, "python3.19", "3.19 cpython"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert pythons.main([], ran(1)) == 0
    assert f"pythons: 3.19, {other}: not among those that pyproject.toml names\n" in capsys.readouterr().out
    assert {"3.11", "3.12", "3.13"} <= pythons.claimed()


def test_one_that_nobody_asked_for_has_not_failed_where_time_was_too_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a machine that is slow, so that is all that is known."""
    minor = next(each for each in ("3.12", "3.13") if each != OWN)
    pretend(tmp_path, f"python{minor}", f"{minor} cpython")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    def never(version: str, python: Path, left_s: Callable[[], float]) -> int:
        raise subprocess.TimeoutExpired(["pytest"], left_s())

    assert pythons.main([], never) == 0
    assert "nothing is known of it" in capsys.readouterr().out
    assert pythons.main([], ran(1)) == 1
