"""A worker of an app, with its store: beside a block of code, or for as long as the process is wanted."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any

from stead.entities import Worker
from stead.orchestrations import Orchestrations
from stead.transport import Store, begin_task, parse_url, see_through

from .collection import tune_collection
from .definitions import Definitions
from .hash_seed import has_hash_seed
from .info import promise_of
from .instruments import observe
from .opening import open_hub

_log = logging.getLogger("stead.app")

INTERRUPTED = 130
"""The exit status of a process that ctrl-c has ended, as shells have it."""
TELL_SECONDS = 0.5  # how often to look whether the number of partitions has changed


class WorkerRun:
    """A worker about to run. Made by `app.worker()`.

    `async with app.worker() as worker:` runs it beside the block and stops it gracefully at the end. If it has ended by
    itself before (`worker.failure`: its hub is no longer on the server), that is raised then.
    `await app.worker().run()` runs it until `stop` is called or the process gets SIGTERM or SIGINT; it then finishes
    what it is doing and hands its partitions over. A second SIGINT ends the process at once.
    """

    def __init__(
        self, definitions: Definitions, url: str | None, name: str | None, queues: Sequence[str] | None = None
    ) -> None:
        self.beside: Callable[[Worker], AbstractAsyncContextManager[object]] | None = None  # what `run` has beside it
        self._definitions = definitions
        self._url = url
        self._name = name
        self._queues = queues
        self._store: Store | None = None
        self._worker: Worker | None = None
        self._stop_early = False
        self._opening: asyncio.Future[Worker] | None = None
        self._partitions = 0  # of the hub

    async def __aenter__(self) -> Worker:
        worker = await self._make()
        try:
            await worker.start()
        except BaseException:
            await see_through(self._let_go())
            raise
        return worker

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        worker = self._worker
        try:
            if worker is not None:
                await worker.stop()
        finally:
            await see_through(self._let_go())
        if error is None and worker is not None and worker.failure is not None:
            raise worker.failure

    def stop(self) -> None:
        """Let `run` end gracefully. For the same thread; from another one use `loop.call_soon_threadsafe`."""
        self._stop_early = True
        if self._worker is not None:
            self._worker.request_stop()
        elif self._opening is not None:
            self._opening.cancel()

    async def run(self) -> None:
        """Run until stopped."""
        with self._signals():
            self._opening = begin_task(self._make())
            try:
                worker = await self._opening
            except asyncio.CancelledError:
                if not self._stop_early:
                    raise
                return  # told to stop before there was anything to stop
            telling = begin_task(self._tell(worker))
            try:
                self._greet(worker)
                if self._stop_early:
                    worker.request_stop()
                async with self.beside(worker) if self.beside is not None else nullcontext():
                    await worker.run()
            finally:
                telling.cancel()
                await see_through(self._let_go())
            _log.info("the worker has stopped; its partitions are free")

    async def _make(self) -> Worker:
        if self._worker is not None:
            raise RuntimeError("this worker is running already; make another one with app.worker()")
        of = self._definitions
        store = await open_hub(self._url, of.name, of.settings)
        self._partitions = store.layout.partitions
        extensions = [Orchestrations(of.orchestrations, of.settings, entities=of.registry, queues=self._queues)]
        self._store, self._worker = store, Worker(store, of.registry, of.settings, self._name, extensions)
        tune_collection(of.settings, of_command=False)
        observe(self._worker)
        return self._worker

    async def _let_go(self) -> None:
        store, self._store, self._worker = self._store, None, None
        if store is not None:
            await store.close()

    async def _tell(self, worker: Worker) -> None:
        """Say how many partitions the worker holds, when that has changed and then stayed so for a moment."""
        told = before = 0
        while not self._stop_early:
            await asyncio.sleep(TELL_SECONDS)
            held = len(worker.partitions)
            if held == before and held != told:
                _log.info("holds %d of %d partitions", held, self._partitions)
                told = held
            before = held

    def _greet(self, worker: Worker) -> None:
        store = self._store
        assert store is not None
        of = self._definitions
        known = {*of.registry.names(), *of.orchestrations.orchestration_names()}
        names = ", ".join(sorted(known)) or "no entities or orchestrations"
        url = parse_url(self._url).public
        _log.info("worker %s of hub %s at %s serves %s", worker.name, of.name, url, names)
        if of.orchestrations.orchestration_names() and not has_hash_seed():
            _log.info("PYTHONHASHSEED is not set: give all workers the same number, so that sets have one order in all")
        level = logging.INFO if store.facts.durable == "always" else logging.WARNING
        _log.log(level, "server version %s: %s", store.facts.version, promise_of(store.facts, url))

    @contextmanager
    def _signals(self) -> Generator[None]:
        """Stop on SIGTERM and SIGINT, where this is the process's main thread; restore what was there before."""
        loop = asyncio.get_running_loop()
        before: dict[signal.Signals, Any] = {}
        try:
            for signum in (signal.SIGINT, signal.SIGTERM):
                previous = signal.getsignal(signum)
                loop.add_signal_handler(signum, self._on_signal, signum)
                before[signum] = previous
        except (ValueError, RuntimeError, NotImplementedError):
            pass  # another thread: whoever owns the main thread stops us
        try:
            yield
        finally:
            for signum, previous in before.items():
                loop.remove_signal_handler(signum)
                signal.signal(signum, previous)

    def _on_signal(self, signum: signal.Signals) -> None:
        if not self._stop_early:
            _log.info("%s: finishing what is running, then handing over; ctrl-c ends at once", signum.name)
            self.stop()
        elif signum == signal.SIGINT:
            _log.warning("second %s: ended at once", signum.name)
            os._exit(INTERRUPTED)
