"""Worker processes as children of this one: start them, pass signals on, replace the ones that die.

A child gets its own process group, so that a ctrl-c at the terminal reaches the parent alone, which then decides. Its
standard input is a pipe from the parent: when the parent is gone, however that came about, the child reads its end and
stops gracefully (`stop_with_parent`). The store's URL goes by the environment, because command lines are public.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from stead.app._console.faults import FAILED, WRONG_USAGE
from stead.app._console.logs import CHILD_VARIABLE
from stead.app._hub.hash_seed import give_hash_seed
from stead.app._hub.worker_run import INTERRUPTED

BACK_OFF_SECONDS = 0.5  # before a dead child is replaced; doubled while its replacements die young
BACK_OFF_SECONDS_MAX = 30.0
YOUNG_SECONDS = 10.0  # a child that dies younger than this was probably never well
FAILURES_MAX = 3  # children that may fail young in a row, by themselves, before the parent gives up


def describe_exit(status: int) -> str:
    """How a process ended, in words."""
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"was ended by {name}"
    return "ended by itself" if status == 0 else f"failed with status {status}"


class Child:
    """One child process that runs `stead` with the given arguments."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.started = time.monotonic()

    @classmethod
    async def start(
        cls,
        arguments: Sequence[str],
        *,
        label: str,
        url: str | None,
        files: Sequence[int] = (),
        variables: Mapping[str, str] | None = None,
    ) -> Child:
        """`files`: descriptors that it inherits; `variables`: of its environment, beside this process's own."""
        environment = {**os.environ, **(variables or {})}
        environment[CHILD_VARIABLE] = label
        give_hash_seed(environment)
        if url is not None:
            environment["STEAD_URL"] = url
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stead.app",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            env=environment,
            pass_fds=files,
            start_new_session=True,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, signum: signal.Signals) -> None:
        """Pass a signal on; nothing if the child has ended."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signum)

    async def wait(self) -> int:
        return await self.process.wait()

    @property
    def age_seconds(self) -> float:
        return time.monotonic() - self.started


class Crew:
    """`count` children, each running what `arguments` gives for its number, until someone says stop."""

    def __init__(
        self, arguments: Callable[[int], Sequence[str]], count: int, url: str | None, log: logging.Logger
    ) -> None:
        self._arguments = arguments
        self._count = count
        self._url = url
        self._log = log
        self._children: dict[int, Child] = {}
        self._stopping = asyncio.Event()
        self._status = 0

    async def run(self) -> int:
        """Keep the children running until stopped; gives the exit status for the parent."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, self._on_signal, signum)
        self._log.info("starting %d worker processes", self._count)
        async with asyncio.TaskGroup() as group:
            for index in range(1, self._count + 1):
                group.create_task(self._keep(index))
        self._log.info("all worker processes have ended")
        return self._status

    def stop(self, status: int = 0) -> None:
        """Let every child stop gracefully."""
        self._status = self._status or status
        self._stopping.set()
        for child in self._children.values():
            child.send(signal.SIGTERM)

    def _on_signal(self, signum: signal.Signals) -> None:
        if self._stopping.is_set():
            self._log.warning("second %s: ending %d worker processes at once", signum.name, len(self._children))
            self._status = INTERRUPTED
            for child in self._children.values():
                child.send(signal.SIGKILL)
            return
        self._log.info("%s: the workers finish what they are doing and stop; once more ends them at once", signum.name)
        self.stop()

    async def _keep(self, index: int) -> None:
        """Run one child after the other in this place."""
        back_off = BACK_OFF_SECONDS
        failures = 0
        while not self._stopping.is_set():
            child = await Child.start(self._arguments(index), label=str(index), url=self._url)
            self._children[index] = child
            if self._stopping.is_set():  # the signal came while it was starting
                child.send(signal.SIGTERM)
            status = await child.wait()
            del self._children[index]
            if self._stopping.is_set():
                break
            if child.age_seconds >= YOUNG_SECONDS:
                back_off, failures = BACK_OFF_SECONDS, 0
            failures += status > 0
            if status == WRONG_USAGE or failures >= FAILURES_MAX:
                self._log.error("worker process %d %s; giving up", index, describe_exit(status))
                self.stop(status if status == WRONG_USAGE else FAILED)
                break
            self._log.warning(
                "worker process %d (%d) %s; starting another in %g s", index, child.pid, describe_exit(status), back_off
            )
            await self._pause(back_off)
            back_off = min(back_off * 2, BACK_OFF_SECONDS_MAX)

    async def _pause(self, seconds: float) -> None:
        """Wait, or until stopping."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def stop_with_parent() -> None:
    """In a child: stop gracefully when the parent is gone."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="stead-parent-watch", daemon=True).start()
