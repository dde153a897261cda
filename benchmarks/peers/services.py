"""The servers of peers: processes that listen at a port, stopped with everything they started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START_S = 60.0
STOP_S = 10.0


class ServiceFailed(RuntimeError):
    """A peer's process ended or did not answer; the text has the end of what it said."""


class Service:
    """One process with its children."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def wait_for(self, address: int | Path) -> None:
        """Until it takes connections at a port or a unix socket. Polls: it knows nothing of us."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise ServiceFailed(f"exit status {self._process.returncode}: {self.said()}")
            if _listens(address):
                return
            time.sleep(0.02)
        raise ServiceFailed(f"nothing listens at {address} after {START_S:g} s: {self.said()}")

    def said(self) -> str:
        """The end of what it printed."""
        return self._log.read_text(errors="replace")[-2_000:].strip()


@contextmanager
def service(
    command: Sequence[str | Path],
    folder: Path,
    name: str,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Generator[Service]:
    """A process in a folder, with its log there."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all of it can be ended at once
            user=user,
        )
        try:
            yield Service(process, log)
        finally:
            _end(process)


def _listens(address: int | Path) -> bool:
    kind = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
    with socket.socket(kind) as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", address) if isinstance(address, int) else str(address)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # children that outlived it


@contextmanager
def scratch() -> Generator[Path]:
    """A folder for one measurement. Not in the environment: every measurement begins with nothing."""
    with tempfile.TemporaryDirectory(prefix="stead-peers-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
