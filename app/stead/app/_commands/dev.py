"""`stead dev`: one worker that starts again whenever a Python file changes, usually on the embedded server."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

from stead.app._console.faults import WRONG_USAGE
from stead.app._console.logs import start_logging
from stead.app._console.request import Request
from stead.app._console.telemetry import check_otlp, hand_on
from stead.app._hub.worker_run import INTERRUPTED

from .dev_http import DevHttp
from .processes import Child, describe_exit
from .worker import worker_arguments

DEBOUNCE_MS = 300  # changes this close together, as editors make them, are one
STOP_SECONDS = 15.0  # how long a worker may take to finish before a reload ends it at once


def run_dev(request: Request, host: str, port: int, keys_file: str | None, *, dashboard: bool = True) -> int:
    """Run until ctrl-c; gives the exit status."""

    def work() -> int:
        log = start_logging(logging.INFO, as_json=request.as_json, debug=request.debug)
        check_otlp(request.otlp)
        hand_on(request.otlp)
        http = DevHttp.open(host, port, keys_file, dashboard=dashboard)  # before anything is taken
        return asyncio.run(DevLoop(request, Path.cwd(), log, http).run())

    return request.guard(work)


class DevLoop:
    """Starts a worker, waits for a change, a signal or the worker's end, and goes on accordingly."""

    def __init__(self, request: Request, folder: Path, log: logging.Logger, http: DevHttp) -> None:
        self._request = request
        self._http = http
        self._folder = folder
        self._log = log
        self._stopping = asyncio.Event()
        self._child: Child | None = None
        self._status = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, self._on_signal)
        self._log.info("watching %s: the worker starts again when a Python file changes; ctrl-c ends", self._folder)
        changes: asyncio.Queue[list[str]] = asyncio.Queue()
        watching = asyncio.create_task(self._watch(changes))
        try:
            first = True
            while not self._stopping.is_set():
                await self._run_once(changes, first=first)
                first = False
        finally:
            self._stopping.set()
            await watching
        return self._status

    async def _run_once(self, changes: asyncio.Queue[list[str]], *, first: bool) -> None:
        """One worker from its start to its end."""
        self._child = child = await Child.start(
            worker_arguments(self._request, None),
            label="",
            url=self._request.url,
            files=self._http.files,
            variables=self._http.variables,
        )
        ended = asyncio.create_task(child.wait())
        changed = asyncio.create_task(changes.get())
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({ended, changed, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if changed.done() and not stopped.done():
                self._log.info("%s changed: starting again", ", ".join(changed.result()))
            if ended.done() and not stopped.done() and not changed.done():
                await self._wait_for_repair(ended.result(), changed, stopped, first=first)
            await self._end(child, ended)
        finally:
            changed.cancel()
            stopped.cancel()
            self._child = None

    async def _wait_for_repair(
        self, status: int, changed: asyncio.Task[list[str]], stopped: asyncio.Task[bool], *, first: bool
    ) -> None:
        """The worker ended by itself and said why: a change of the code may help."""
        if first and status == WRONG_USAGE:
            self._status = status
            self._stopping.set()
            return
        self._log.warning("the worker %s; it starts again when a Python file changes", describe_exit(status))
        await asyncio.wait({changed, stopped}, return_when=asyncio.FIRST_COMPLETED)

    async def _end(self, child: Child, ended: asyncio.Task[int]) -> None:
        child.send(signal.SIGTERM)
        done, _ = await asyncio.wait({ended}, timeout=STOP_SECONDS)
        if not done:
            self._log.warning("the worker did not stop within %g s: ending it at once", STOP_SECONDS)
            child.send(signal.SIGKILL)
            await ended

    def _on_signal(self) -> None:
        if self._stopping.is_set() and self._child is not None:
            self._status = INTERRUPTED
            self._child.send(signal.SIGKILL)
        self._stopping.set()

    async def _watch(self, changes: asyncio.Queue[list[str]]) -> None:
        """Report changed Python files, relative to the folder."""
        import watchfiles

        # Its types name libraries that need not be installed.
        awatch = cast("Callable[..., AsyncIterator[set[tuple[object, str]]]]", vars(watchfiles)["awatch"])
        try:
            async for found in awatch(
                self._folder,
                watch_filter=watchfiles.PythonFilter(),
                stop_event=self._stopping,
                debounce=DEBOUNCE_MS,
                raise_interrupt=False,
            ):
                names = sorted({_relative(Path(path), self._folder) for _, path in found})
                changes.put_nowait(names[:3] + ["…"] * (len(names) > 3))
        except OSError as error:
            self._log.warning("files cannot be watched (%s): start again by hand after a change", error)


def _relative(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
