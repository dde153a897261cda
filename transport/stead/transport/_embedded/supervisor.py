"""The process that keeps the embedded server: it starts it, restarts it, and stops it when nobody is attached.

1. Every attached process holds a shared lock on `attached`. The kernel drops it when the process ends, however that
   happens. Nobody is attached when the supervisor gets the lock for itself.
2. Whoever starts a server, attaches to one, or stops one holds `lock` meanwhile (HAZARDS 28), so a server never stops
   under a process that is just attaching.
3. The supervisor holds `supervisor.lock` while it lives, and valkey-server inherits `server.lock`. So no two servers
   ever write the same files, even if a supervisor was killed and left its server behind: the next one stops that first.
4. A server that ends by itself (a full disk ends it under `appendfsync always`) is started again, `RESTARTS_MAX` times
   at most in `RESTARTS_S`. Then the supervisor gives up, and the next process to attach gets the reason.

This file is run by its path, with neither site-packages nor the rest of stead: it starts in a few hundredths of a second
and stays small. So it imports the standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LOCK = "lock"
ATTACHED = "attached"
SUPERVISOR_LOCK = "supervisor.lock"
SERVER_LOCK = "server.lock"
ADDRESS = "address"
FAILURE = "failure"
SERVER_LOG = "server.log"
SUPERVISOR_LOG = "supervisor.log"

LINGER_S = 2.0
"""How long the server outlives the last attached process: a script that runs one command after another keeps it."""

TICK_S = 0.25
RESTARTS_MAX = 5
RESTARTS_S = 60.0
STOP_S = 60.0
LOG_BYTES_MAX = 8 * 1_048_576


# -- what both sides use -----------------------------------------------------------------------------------------------


def open_file(path: Path) -> int:
    """Open a lock file of ours."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock a file if nobody else has it. The lock ends with the last copy of the descriptor."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock on a file."""
    descriptor = open_file(path)
    try:
        return not try_lock(descriptor)
    finally:
        os.close(descriptor)


def ask(path: str, command: bytes, seconds: float = 1.0) -> bytes:
    """The first line that the server answers, or b"" if it does not."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(path)
            connection.sendall(command + b"\r\n")
            return connection.recv(200)
    except OSError:
        return b""


def read_json(path: Path) -> dict[str, Any]:
    """What a file of ours says, or nothing if it is not there or not whole."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def write_json(path: Path, value: object) -> None:
    """Replace a file in one step."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(value))
    draft.replace(path)


def last_lines(path: Path, after: int = 0, count: int = 8) -> list[str]:
    """The last lines of a log, from a position on."""
    try:
        with path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(min(max(after, size - 8_000), size))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line.strip() for line in lines if line.strip()][-count:]


# -- the supervisor ----------------------------------------------------------------------------------------------------


def _nothing(*_: object) -> None:
    """A signal that only has to end a nap."""


class ServerFailed(Exception):
    """The server did not come up, or keeps ending. The text says why."""


class Supervisor:
    """Keeps one server for one folder."""

    def __init__(self, folder: Path, address: str, command: Sequence[str]) -> None:
        self.folder = folder
        self.address = address
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        self.told_to_stop = False
        self.restarts: list[float] = []
        self.idle_since: float | None = None
        self.log_start = 0  # where the log of the present server begins
        self.alive = open_file(folder / SUPERVISOR_LOCK)
        self.attached = open_file(folder / ATTACHED)
        self.lock = open_file(folder / LOCK)
        self.wake_reader, wake_writer = os.pipe()
        os.set_blocking(wake_writer, False)
        os.set_blocking(self.wake_reader, False)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)

    def _told_to_stop(self, *_: object) -> None:
        self.told_to_stop = True

    def nap(self, seconds: float) -> None:
        """Wait, but no longer than until a signal comes."""
        if select.select([self.wake_reader], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self.wake_reader, 4_096)

    def say(self, text: str) -> None:
        """Write to the supervisor's log."""
        with contextlib.suppress(OSError):  # the disk may be full
            sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
            sys.stderr.flush()

    # -- the server ----------------------------------------------------------------------------------------------------

    def own(self) -> None:
        """Be the only supervisor of this folder, and without a server that an earlier one left behind."""
        self._wait(lambda: try_lock(self.alive), "another supervisor does not end")
        server_lock = open_file(self.folder / SERVER_LOCK)
        try:
            if not try_lock(server_lock):
                self.say("stopping a server whose supervisor was killed")
                ask(self.address, b"SHUTDOWN", STOP_S)
                self._wait(lambda: try_lock(server_lock), "a server whose supervisor was killed does not end")
        finally:
            os.close(server_lock)

    def _wait(self, done: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + STOP_S
        while not done():
            if time.monotonic() > deadline or self.told_to_stop:
                raise ServerFailed(problem)
            self.nap(0.05)

    def start(self) -> None:
        """Start the server and wait until it has loaded its data. Raises `ServerFailed`."""
        log = self.folder / SERVER_LOG
        with contextlib.suppress(OSError):
            if log.stat().st_size > LOG_BYTES_MAX:
                log.replace(log.with_suffix(".log.1"))
        self.log_start = log.stat().st_size if log.exists() else 0
        server_lock = open_file(self.folder / SERVER_LOCK)
        try:
            # A child of the last server, which rewrites the append-only file, may outlive it for a moment.
            self._wait(lambda: try_lock(server_lock), "another server writes to this folder")
            with log.open("ab") as output:
                self.process = subprocess.Popen(
                    self.command,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(server_lock,),
                )
        except OSError as error:
            raise ServerFailed(f"cannot run {self.command[0]}: {error}") from None
        finally:
            os.close(server_lock)
        while not ask(self.address, b"PING").startswith(b"+PONG"):
            if self.process.poll() is not None:
                raise ServerFailed(self._obituary())
            if self.told_to_stop or self.is_idle():
                raise ServerFailed("nobody waits for it any more")
            self.nap(0.02)

    def _obituary(self) -> str:
        """Why the server ended, in its own words."""
        code = self.process.returncode if self.process is not None else 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        lines = last_lines(self.folder / SERVER_LOG, self.log_start)
        # A line of the log is "PID:ROLE DATE TIME LEVEL TEXT", and the level of what matters is "#".
        loud = [line for line in lines if " # " in line and "WARNING" not in line]
        texts = [line.split(" # ")[-1].split(" * ")[-1] for line in loud or lines]
        return f"the server ended ({how}): {' | '.join(texts) or 'it said nothing'}"

    def stop(self) -> None:
        """Stop the server: it writes out what it has."""
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        deadline = time.monotonic() + STOP_S
        while process.poll() is None:
            if time.monotonic() > deadline:
                self.say("the server does not stop; killing it")
                process.kill()
                process.wait()
            self.nap(0.05)

    def restart(self) -> None:
        """Start a server that has ended again, within bounds. Raises `ServerFailed`."""
        reason = self._obituary()
        while not self.told_to_stop:
            self.say(reason)
            now = time.monotonic()
            self.restarts = [then for then in self.restarts if then > now - RESTARTS_S]
            if len(self.restarts) >= RESTARTS_MAX:
                raise ServerFailed(f"{reason} (restarted {RESTARTS_MAX} times in {RESTARTS_S:.0f} s, then given up)")
            self.restarts.append(now)
            deadline = now + 0.1 * 3 ** (len(self.restarts) - 1)
            while not self.told_to_stop and (left := deadline - time.monotonic()) > 0:
                self.nap(left)
            try:
                self.start()
            except ServerFailed as error:
                reason = str(error)
            else:
                self.say("the server was started again")
                return

    # -- its life ------------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Keep the server until nobody has been attached for a while, or it cannot be kept. Holds `lock` at the end."""
        while not self.told_to_stop:
            self.nap(TICK_S)
            if self.process is not None and self.process.poll() is not None:
                self.restart()
            if self._is_gone():
                self.say("the folder was deleted")
                return
            if self.is_idle() and try_lock(self.lock):
                if try_lock(self.attached):
                    self.say("nobody is attached")
                    return
                fcntl.flock(self.lock, fcntl.LOCK_UN)

    def is_idle(self) -> bool:
        """Whether nobody has been attached for a while."""
        if not try_lock(self.attached):
            self.idle_since = None
            return False
        fcntl.flock(self.attached, fcntl.LOCK_UN)
        now = time.monotonic()
        self.idle_since = now if self.idle_since is None else self.idle_since
        return now - self.idle_since >= LINGER_S

    def _is_gone(self) -> bool:
        """Whether this folder is no longer the one that we keep."""
        try:
            found, ours = (self.folder / SUPERVISOR_LOCK).stat(), os.fstat(self.alive)
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino)

    def leave(self) -> None:
        """Let go: first of the role, then of the lock that keeps others from looking for someone in it."""
        os.close(self.alive)
        os.close(self.lock)


def main() -> None:
    """Become a daemon and keep a server. `argv[1]`: what to do, as JSON. `argv[2]`: the pipe that awaits the outcome."""
    order = json.loads(sys.argv[1])
    outcome = int(sys.argv[2])
    os.set_inheritable(outcome, False)
    if os.fork():
        os._exit(0)
    os.umask(0o077)
    folder = Path(order["folder"])
    report = folder / SUPERVISOR_LOG
    with contextlib.suppress(OSError):
        if report.stat().st_size > LOG_BYTES_MAX:
            report.replace(report.with_suffix(".log.1"))

    def tell(**answer: object) -> None:
        with contextlib.suppress(OSError):  # whoever asked may be gone
            os.write(outcome, json.dumps(answer).encode())
        os.close(outcome)

    supervisor: Supervisor | None = None
    try:
        sys.stderr = report.open("a")
        supervisor = Supervisor(folder, order["address"], order["command"])
        supervisor.own()
        supervisor.start()
        (folder / FAILURE).unlink(missing_ok=True)
        known = {name: order[name] for name in ("address", "folder", "fsync")}
        write_json(folder / ADDRESS, {**known, "supervisor": os.getpid()})
    except (ServerFailed, OSError) as error:
        if supervisor is not None:
            supervisor.say(str(error))
            supervisor.stop()
        tell(error=str(error))
        os._exit(1)
    tell(error="")
    supervisor.say(f"the server runs at {order['address']}")
    try:
        supervisor.watch()
    except ServerFailed as error:
        supervisor.say(f"giving up: {error}")
        with contextlib.suppress(OSError):  # the disk may be full
            write_json(folder / FAILURE, {"reason": str(error), "at": time.time()})
    supervisor.stop()
    supervisor.say("the server has stopped")
    supervisor.leave()


if __name__ == "__main__":
    main()
