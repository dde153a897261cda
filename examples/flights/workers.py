"""The worker processes: started with stead's own command line, as on a server, and killed without mercy."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_S = 20.0

Process = subprocess.Popen[bytes]


class Workers:
    """Starts and kills workers; stops those that are left at the end of its `with` block."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def start(self) -> Process:
        """One more worker. What it has to say goes to a file in the folder."""
        command = [sys.executable, "-m", "stead.app", "worker", "examples.flights.entities:app", "--url", self._url]
        with self._log(len(self._processes)).open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def kill(self, process: Process) -> None:
        """As a power cut would: no hand-over, no last word."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def check(self) -> None:
        """Raise if a worker ended by itself, with what it said."""
        for number, process in enumerate(self._processes):
            if process.poll() not in (None, -signal.SIGKILL):
                raise RuntimeError(f"a worker ended by itself:\n{self._log(number).read_text(errors='replace')}")

    def _log(self, number: int) -> Path:
        return self._folder / f"worker-{number + 1}.log"
