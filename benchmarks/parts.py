"""The processes of a measurement: producers, consumers, callers, workers.

A part prepares (connects, imports), says that it is ready, waits for the start, works, says that it is done, and, let
go on, checks what came of it and gives its result. So neither start-up nor checks are measured. Times that cross processes
are `time.monotonic()`, which all processes of a machine share.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from .cpu import Cpu, Meter

P = ParamSpec("P")
R = TypeVar("R")

RESULT_S = 600.0
STOP_S = 30.0


class PartFailed(RuntimeError):
    """A process of a measurement raised or died; the text has its traceback."""


class Gate:
    """A part's side of the line to the benchmark."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ready(self) -> None:
        """Say that everything is prepared and wait for the start."""
        self._pass("ready")

    def done(self) -> None:
        """Say that what is measured is over and wait until its processor time has been read."""
        self._pass("done")

    def stopped(self) -> bool:
        """Whether the benchmark asked this part to come to its end."""
        return self._connection.poll()

    def _pass(self, point: str) -> None:
        self._connection.send((point, None))
        self._connection.recv()


class Part(Generic[R]):
    """One process; a context manager that leaves none behind."""

    def __init__(self, function: Callable[Concatenate[Gate, P], R], *args: P.args, **kwargs: P.kwargs) -> None:
        self.name = function.__name__
        # A fresh interpreter, not a fork: threads and connections of this process have no place in it.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(theirs, function, args, kwargs), name=self.name)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Part[R]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(STOP_S if kind is None else 3)
        if self._process.is_alive():
            self.kill()
        self._process.join()
        self._connection.close()

    def wait_ready(self) -> None:
        """Until the part has prepared everything."""
        self._receive("ready")

    def start(self) -> None:
        """Let it begin."""
        self._connection.send("start")

    def wait_done(self) -> None:
        """Until it has done what is measured."""
        self._receive("done")

    def go_on(self) -> None:
        """Let it check what it did, and give its result."""
        self._connection.send("go on")

    def stop(self) -> None:
        """Ask it to come to its end (see `Gate.stopped`)."""
        self._connection.send("stop")

    @property
    def pid(self) -> int:
        """Its process."""
        return cast("int", self._process.pid)

    def result(self) -> R:
        """What the part's function returned; raises `PartFailed` if it raised."""
        return cast("R", self._receive("result"))

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)

    def _receive(self, expected: str) -> object:
        if not self._connection.poll(RESULT_S):
            raise PartFailed(f"{self.name} said nothing for {RESULT_S:g} s")
        try:
            kind, value = cast("tuple[str, object]", self._connection.recv())
        except EOFError:
            self._process.join(1)
            raise PartFailed(f"{self.name} died (exit status {self._process.exitcode})") from None
        if kind != expected:
            raise PartFailed(f"{self.name}: {value}")
        return value


def watch(
    client: Part[R],
    server: Iterable[int],
    workers: Iterable[int],
    operations: int,
    seconds: Callable[[int], float] | None = None,
) -> tuple[R, Cpu]:
    """Let a client go, until it is done. Gives its result, and the processor time from its start on, an operation."""
    client.wait_ready()
    meter = Meter(server, workers, [client.pid], seconds)
    client.start()
    client.wait_done()
    cpu = meter.read()
    client.go_on()
    return client.result(), cpu.each_us(operations)


def pids(parts: Iterable[Part[Any]]) -> list[int]:
    """Their processes."""
    return [part.pid for part in parts]


def _run(connection: Connection, function: Callable[..., object], args: Any, kwargs: Any) -> None:
    """The process's main function."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the benchmark's to handle; it stops its parts
    try:
        connection.send(("result", function(Gate(connection), *args, **kwargs)))
    except Exception:  # noqa: BLE001  # whatever it is, the benchmark is to show it
        connection.send(("error", traceback.format_exc()))
