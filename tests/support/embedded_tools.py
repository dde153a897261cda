"""What tests of the embedded server use: processes that attach to one, and looks at it from outside.

`python -m support.embedded_tools FOLDER` attaches, prints "attached ADDRESS" or "failed TEXT", and lives until its input ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from redis import Redis

from stead.transport import StoreUnavailable
from stead.transport._embedded import supervisor
from stead.transport._embedded.server import EmbeddedServer
from support.guards import HANGS_S


def until(done: Callable[[], bool], what: str, seconds: float = HANGS_S) -> None:
    """Wait for something, and fail if it does not happen."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.02)


def run(address: str, *command: str) -> Any:
    """Send the server a command."""
    with cast("Any", Redis)(unix_socket_path=address, decode_responses=True, protocol=2) as client:
        return client.execute_command(*command)


def runs(address: str) -> bool:
    """Whether a server answers there."""
    return supervisor.ask(address, b"PING").startswith(b"+PONG")


def run_id(address: str) -> str:
    """Which server this is: it draws a number at every start."""
    return str(run(address, "INFO", "server")["run_id"])


def server_pid(address: str) -> int:
    """The process of the server."""
    return int(run(address, "INFO", "server")["process_id"])


def supervisor_pid(folder: Path) -> int:
    """The process of the folder's supervisor."""
    return int(supervisor.read_json(folder / supervisor.ADDRESS)["supervisor"])


def is_kept(folder: Path) -> bool:
    """Whether a supervisor or a server of the folder is still there."""
    locks = (supervisor.SUPERVISOR_LOCK, supervisor.SERVER_LOCK)
    return any(supervisor.is_locked(folder / lock) for lock in locks if (folder / lock).exists())


def end_embedded(folder: Path) -> None:
    """Have the folder's server stopped, if there is one, and wait until it is."""
    told: set[int] = set()

    def is_gone() -> bool:
        """Tells each supervisor once, as soon as it has said who it is: one that is about to end may never do so."""
        pid: int | None = supervisor.read_json(folder / supervisor.ADDRESS).get("supervisor")
        lock = folder / supervisor.SUPERVISOR_LOCK
        if pid is not None and pid not in told and lock.exists() and supervisor.is_locked(lock):
            told.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return not is_kept(folder)

    until(is_gone, "the server stops after the test")


class Attached:
    """A process of its own that is attached to a folder's server."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.embedded_tools", str(folder.absolute())],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def said(self) -> tuple[str, str]:
        """What it said next: a verb and the rest."""
        assert self.process.stdout is not None
        verb, _, rest = self.process.stdout.readline().strip().partition(" ")
        return verb, rest

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.communicate()


def main() -> None:
    """Attach, say so, and wait."""
    try:
        server = EmbeddedServer.attach(Path(sys.argv[1]))
    except StoreUnavailable as error:
        print("failed", str(error).replace("\n", " "), flush=True)
        return
    print("attached", server.address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
