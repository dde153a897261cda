"""An app as its users have it: a module in a folder, the command line there, and a worker in a thread."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest

from stead.app import App
from stead.app._cli.main import run
from stead.app._console.loading import load_app
from stead.entities import Worker
from support.guards import HANGS_S

DEADLINE_S = HANGS_S

WEATHER = """
import asyncio
import os
import time
from datetime import UTC, datetime, timedelta

from stead.app import App, Settings
from stead.entities import Entity, EntityContext


app = App("weather", settings=Settings(partitions=4, slot_groups=2, heartbeat_ms=200, lease_ms=2_000))


@app.entity
class Station(Entity):
    count: int = 0
    total: float = 0.0
    notes: dict[str, str] = {}

    def record(self, celsius: float, *, note: str = "") -> None:
        self.count += 1
        self.total += celsius
        if note:
            self.notes[note] = note

    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    def label(self, text: str) -> str:
        return text

    def remind(self) -> None:
        self.context.reminder("check", at=datetime(2200, 1, 1, tzinfo=UTC)).signal(Station.record, 1.0)

    def photo(self) -> bytes:
        return b"\\xff\\x00"

    def fail(self) -> None:
        raise ValueError("no\\n\\x1b[31mway")

    def pid(self) -> int:
        return os.getpid()

    async def nap(self, seconds: float) -> int:
        await asyncio.sleep(seconds)
        return os.getpid()

    async def wait_for(self, path: str) -> int:
        while not os.path.exists(path):
            await asyncio.sleep(0.01)
        return os.getpid()

    def block(self, seconds: float) -> None:
        time.sleep(seconds)


@app.entity(changes=timedelta(hours=1))
class Light(Entity):
    level: int = 0

    def turn(self, level: int) -> None:
        self.level = level


@app.entity_function("Switch")
def switch(context: EntityContext) -> bool:
    context.set_state(context.get_input(bool))
    return context.get_state(bool)
"""


def eventually(condition: Callable[[], object], what: str = "it") -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within {DEADLINE_S:g} s"
        time.sleep(0.02)


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    status: int
    out: str
    err: str


class Stead:
    """The command line in a user's folder."""

    def __init__(self, folder: Path, module: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.module = module
        self.reference = f"{module}:app"
        self.url = url
        self._capsys = capsys
        self._processes: list[subprocess.Popen[str]] = []

    @property
    def app(self) -> App:
        return load_app(self.reference, self.folder)

    def __call__(self, command: str, *arguments: str) -> Outcome:
        """Run a command that takes an app, in this process."""
        return self.raw(command, self.reference, *arguments)

    def raw(self, *arguments: str) -> Outcome:
        """Run a command line in this process."""
        self._capsys.readouterr()
        status = run(arguments)
        caught = self._capsys.readouterr()
        return Outcome(status, caught.out, caught.err)

    def start(self, *arguments: str, stdout: int | None = None) -> subprocess.Popen[str]:
        """Run a command line as a process of its own; its standard error goes to the file `log`."""
        environment = {**os.environ, "STEAD_URL": self.url, "NO_COLOR": "1", "COLUMNS": "80"}
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "stead.app", *arguments],
                cwd=self.folder,
                env=environment,
                stdout=stdout,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    @property
    def log(self) -> str:
        """What the processes have written to standard error so far."""
        return (self.folder / "log").read_text()

    def end(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


class WorkerThread:
    """A worker of an app in a thread."""

    def __init__(self, app: App, url: str) -> None:
        self._ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, Worker]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live(app, url)))
        self._thread.start()
        self._loop, self._stop, self.worker = self._ready.result(DEADLINE_S)

    async def _live(self, app: App, url: str) -> None:
        try:
            async with app.worker(url) as worker:
                stop = asyncio.Event()
                self._ready.set_result((asyncio.get_running_loop(), stop, worker))
                await stop.wait()
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise

    def end(self) -> None:
        """Let it stop gracefully."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(DEADLINE_S)
