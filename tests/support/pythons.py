"""The brief tests with each other Python that this machine has: `make pythons`, and `.ci/run`.

Looked for are those of the search path, of pyenv and of uv which pyproject.toml names. Each runs in a clone of what is committed, with an
environment of its own, all of them within a time: for which it is too short, that is said, and nothing is known of it; it has failed only if
it was asked for. Where there is no other one that is said, and nothing is done.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

MINORS = range(11, 20)
MINUTES_MAX = 10
"""For all of them: three times what two take two cores that have nothing else to do, with the downloads."""

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r'"Programming Language :: Python :: (3\.\d+)"')
BUILT = Path("gateway/stead/gateway/_dashboard/site")  # the dashboard: the same for all of them
_ASK = "import sys; print('3.%d' % sys.version_info[1], sys.implementation.name)"


def candidates(environment: Mapping[str, str], home: Path) -> list[Path]:
    """Where Pythons may be, each minor version under its own name."""
    folders = [Path(folder) for folder in environment.get("PATH", "").split(os.pathsep) if folder]
    installed = [Path(environment.get("PYENV_ROOT") or home / ".pyenv") / "versions", home / ".local/share/uv/python"]
    folders += [each / "bin" for root in installed for each in sorted(root.glob("*3.*"), key=_numbers, reverse=True)]
    return [folder / f"python3.{minor}" for folder in folders for minor in MINORS]


def _numbers(path: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", path.name)]


def found(paths: Iterable[Path], own: str = f"3.{sys.version_info[1]}") -> dict[str, Path]:
    """Those of them that run, the first of each version but the one that runs this. (pyenv has a command for each version that any
    folder of it has, and most of them only say that it is not that of this folder.)"""
    pythons: dict[str, Path] = {}
    for path in paths:
        named = path.name.removeprefix("python")
        if named == own or named in pythons or not os.access(path, os.X_OK):
            continue
        asked = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, check=False)
        version, _, implementation = asked.stdout.strip().partition(" ")
        if asked.returncode == 0 and implementation == "cpython" and version != own:
            pythons.setdefault(version, path)
    return dict(sorted(pythons.items(), key=lambda item: int(item[0].partition(".")[2])))


def run_tests(version: str, python: Path, left_s: Callable[[], float]) -> int:
    """Make a clone and its environment, and run the tests in it. Raises `subprocess.TimeoutExpired`."""
    clone = ROOT / ".venv" / "pythons" / version
    shutil.rmtree(clone, ignore_errors=True)
    own = clone / ".venv/bin/python"
    pip: list[str | Path] = [own, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    steps: tuple[tuple[list[str | Path], Path], ...] = (
        (["git", "clone", "-q", ROOT, clone], ROOT),
        ([python, "-m", "venv", clone / ".venv"], ROOT),
        ([*pip, "--upgrade", "pip>=24"], clone),
        ([*pip, "--editable", ".[dev]"], clone),
    )
    for command, folder in steps:
        if status := subprocess.run(command, cwd=folder, timeout=left_s(), check=False).returncode:
            return status
    if (ROOT / BUILT).is_dir():
        shutil.copytree(ROOT / BUILT, clone / BUILT)
    tests: list[str | Path] = [own, "-m", "pytest", "-q", "-m", "not slow", "-n", "2"]
    return subprocess.run(tests, cwd=clone, timeout=left_s(), check=False).returncode


def claimed() -> set[str]:
    """The versions that pyproject.toml names: with others not all that the tests need is to be had."""
    return set(NAMED.findall((ROOT / "pyproject.toml").read_text("utf-8")))


def main(named: Sequence[str], run: Callable[[str, Path, Callable[[], float]], int] = run_tests) -> int:
    """Exit status 1 if the tests fail with one of them. `named`: those that are meant, which have to end in time too; else all."""
    paths = [Path(shutil.which(name) or name) for name in named] or candidates(os.environ, Path.home())
    pythons = found(paths)
    if not named:
        for version in sorted(pythons.keys() - claimed()):
            print(f"pythons: {version}, {pythons.pop(version)}: not among those that pyproject.toml names")
    if not pythons:
        print(f"pythons: there is no other one than 3.{sys.version_info[1]}: nothing to do")
        return bool(named)
    failed: list[str] = []
    until = time.monotonic() + 60 * MINUTES_MAX
    for version, python in pythons.items():
        print(f"pythons: {version}, {python}", flush=True)
        try:
            status = run(version, python, lambda: max(1.0, until - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            print(f"pythons: {version}: not done within {MINUTES_MAX} minutes, nothing is known of it: {error}")
            status = bool(named)
        if status:
            failed.append(version)
    if failed:
        print(f"pythons: failed with {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
