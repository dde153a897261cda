"""Profiles of worker processes, by py-spy: where the time goes, as flame graphs that a browser shows."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

SAMPLES_PER_S = 250
WRITE_S = 60.0
BEGUN = "Sampling process"


class NoProfile(RuntimeError):
    """There is no profile; the text says why, and what would help."""


@dataclass(frozen=True, slots=True)
class Album:
    """The profiles of one benchmark."""

    folder: Path
    name: str
    files: list[Path] = field(default_factory=list[Path])

    def new(self) -> Path:
        """The file of the next profile."""
        path = self.folder / f"{self.name.replace(' ', '-')}-{len(self.files) + 1}.svg"
        self.files.append(path)
        return path


_album: ContextVar[Album | None] = ContextVar("album", default=None)


@contextmanager
def profiled(folder: Path, name: str) -> Generator[Album]:
    """Within this block, what is `recorded` is written into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    album = Album(folder, name)
    token = _album.set(album)
    try:
        yield album
    finally:
        _album.reset(token)


@contextmanager
def recorded(pids: Sequence[int]) -> Generator[None]:
    """A profile of each of these processes for the length of the block, if profiles are wanted."""
    album = _album.get()
    with ExitStack() as stack:
        if album is not None:
            for pid in pids:
                stack.enter_context(_recording(pid, album.new()))
        yield


def py_spy() -> str:
    """The program; raises `NoProfile` if it is not there."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("py-spy", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        raise NoProfile("py-spy is not installed; it comes with stead's dev extra: pip install -e '.[dev]'")
    return found


@contextmanager
def _recording(pid: int, path: Path) -> Generator[None]:
    command = [py_spy(), "record", "--pid", str(pid), "--output", str(path), "--rate", str(SAMPLES_PER_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = cast("IO[str]", process.stdout)
        try:
            _wait_begun(said, pid)
            yield
            if process.poll() is None:  # it ends by itself with what it looks at
                process.send_signal(signal.SIGINT)
            process.wait(WRITE_S)
            rest = said.read()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    if not path.exists():
        raise NoProfile(f"py-spy wrote no profile of process {pid}: {rest.strip()[-500:]}")


def _wait_begun(said: IO[str], pid: int) -> None:
    lines: list[str] = []
    for line in said:
        if BEGUN in line:
            return
        lines.append(line.strip())
    raise NoProfile(
        f"py-spy could not look into process {pid} ({' '.join(lines).strip()[:300]}). It needs the right to trace others: root,"
        " CAP_SYS_PTRACE in a container, or kernel.yama.ptrace_scope = 0"
    )
