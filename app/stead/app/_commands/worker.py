"""`stead worker`: one worker in this process, or several in child processes."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence

from stead.app._console.loading import load_app
from stead.app._console.logs import CHILD_VARIABLE, CONTEXT, log_warnings, start_logging
from stead.app._console.loops import fast_loop
from stead.app._console.request import Request
from stead.app._console.telemetry import check_otlp, hand_on, telemetry
from stead.app._hub.collection import tune_collection

from .dev_http import inherited_http
from .probes import NO_PORTS, Ports, beside_worker
from .processes import Crew, stop_with_parent
from .systemd import told_to_systemd


def run_workers(
    request: Request, *, processes: int, name: str | None, queues: Sequence[str] | None, ports: Ports
) -> int:
    """Run until stopped; gives the exit status."""
    if processes == 1:
        return request.guard(lambda: _run_one(request, name, queues, ports))
    return request.guard(lambda: _run_many(request, processes, name, queues, ports))


def worker_arguments(
    request: Request, name: str | None, queues: Sequence[str] | None = None, ports: Ports = NO_PORTS
) -> list[str]:
    """The command line of a child. The URL goes by the environment."""
    arguments = ["worker", request.app]
    if name is not None:
        arguments += ["--name", name]
    if queues is not None:
        arguments += ["--queues", ",".join(queues)]
    arguments += ports.arguments()
    if request.as_json:
        arguments.append("--json")
    if request.debug:
        arguments.append("--debug")
    return arguments


def _run_one(request: Request, name: str | None, queues: Sequence[str] | None, ports: Ports) -> int:
    is_child = CHILD_VARIABLE in os.environ
    start_logging(logging.INFO, as_json=request.as_json, debug=request.debug)
    log_warnings()  # a coroutine that was never awaited is said there, with its line
    check_otlp(request.otlp)
    app = load_app(request.app)
    CONTEXT.hub = app.name
    if is_child:
        stop_with_parent()

    async def work() -> None:
        async with inherited_http(app, request.url):
            tune_collection(app.settings, of_command=True)
            worker = app.worker(request.url, name=name, queues=queues)
            worker.beside = lambda running: beside_worker(running, ports, is_child=is_child)
            await worker.run()

    with telemetry(app.name, request.otlp), asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(work())
    return 0


def _run_many(request: Request, processes: int, name: str | None, queues: Sequence[str] | None, ports: Ports) -> int:
    log = start_logging(logging.INFO, as_json=request.as_json, debug=request.debug)
    check_otlp(request.otlp)
    hand_on(request.otlp)
    load_app(request.app)  # what is wrong with it is said once, here, not by every child

    async def work() -> int:
        def arguments(index: int) -> list[str]:
            return worker_arguments(request, name and f"{name}-{index}", queues, ports.of_process(index))

        async with told_to_systemd(lambda: None):
            return await Crew(arguments, processes, request.url, log).run()

    return asyncio.run(work())
