"""A program in a peer's environment that measures itself: for peers whose library runs where its caller is."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

from benchmarks.calls import WARM_UP_CALLS, Calls
from benchmarks.cpu import Cpu, Meter, family_s

from .services import Service, ServiceFailed

ROOT = Path(__file__).parents[2]
LIMIT_S = 600.0


def measured(command: Sequence[str | Path], folder: Path, server: Service) -> tuple[Calls, Cpu]:
    """Let it measure. It says "ready" and "done", waits for a line after each, and ends with its result as JSON.

    The processor time is that between the two points, in seconds; all of the program's is the worker's.
    """
    with (folder / "program.log").open("w+") as errors:
        with subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as program:
            limit = threading.Timer(LIMIT_S, program.kill)
            limit.start()
            try:
                said, cpu = _let_go(program, server)
            finally:
                limit.cancel()
                program.kill()
        if said is None:
            errors.seek(0)
            raise ServiceFailed(f"{Path(command[1]).name} ended early: {errors.read()[-2_000:].strip()}")
    return Calls(said["seconds"], tuple(said["latencies_s"]), WARM_UP_CALLS), cpu


def _let_go(program: subprocess.Popen[str], server: Service) -> tuple[dict[str, Any] | None, Cpu]:
    sends, reads = cast("IO[str]", program.stdin), cast("IO[str]", program.stdout)
    nothing = Cpu(0, 0, 0)
    if reads.readline() != "ready\n":
        return None, nothing
    meter = Meter([server.pid], [program.pid], [], family_s)
    sends.write("start\n")
    sends.flush()
    if reads.readline() != "done\n":
        return None, nothing
    cpu = meter.read()
    sends.write("go on\n")
    sends.flush()
    line = reads.readline()
    return (json.loads(line) if line else None), cpu
