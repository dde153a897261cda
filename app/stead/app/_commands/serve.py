"""`stead serve`: the HTTP API of a hub; and the same beside the worker of `stead dev`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from stead.app._app import App
from stead.app._console.faults import CommandFault
from stead.app._console.loading import load_app
from stead.app._console.logs import CONTEXT, start_logging
from stead.app._console.loops import fast_loop
from stead.app._console.request import Request
from stead.app._console.telemetry import check_otlp, telemetry
from stead.app._hub.collection import tune_collection
from stead.app._hub.worker_run import INTERRUPTED
from stead.gateway import (
    CannotListen,
    Gateway,
    HttpSettings,
    Keys,
    KeysRefused,
    addresses_of,
    asgi,
    bind,
    check_exposure,
    serving,
)

from .systemd import told_to_systemd

_log = logging.getLogger("stead.app")


def run_serve(request: Request, host: str, port: int, keys_file: str | None, *, dashboard: bool = True) -> int:
    """Serve until stopped; gives the exit status."""
    return request.guard(lambda: _serve(request, host, port, keys_file, dashboard=dashboard))


def _serve(request: Request, host: str, port: int, keys_file: str | None, *, dashboard: bool) -> int:
    start_logging(logging.INFO, as_json=request.as_json, debug=request.debug)
    check_otlp(request.otlp)
    app = load_app(request.app)
    CONTEXT.hub = app.name
    keys = load_keys(keys_file)
    sockets = listen(host, port, keys)

    async def work() -> None:
        stopping = _signals()  # before anybody is told that it serves
        async with (
            beside(app, request.url, sockets, keys, host, dashboard=dashboard) as gateway,
            told_to_systemd(lambda: None),
        ):
            tune_collection(app.settings, of_command=True)
            await _told_to_stop(stopping, gateway)
        _log.info("the HTTP API has stopped")

    with telemetry(app.name, request.otlp), asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(work())
    return 0


def load_keys(keys_file: str | None) -> Keys:
    """The keys of a file, else of the environment."""
    try:
        return Keys.load(keys_file)
    except KeysRefused as error:
        raise CommandFault(str(error), usage=True) from None


def listen(host: str, port: int, keys: Keys) -> list[socket.socket]:
    """Sockets that listen; a `CommandFault` if that cannot be, or if it would be open to others than this machine."""
    try:
        sockets = bind(host, port)
    except CannotListen as error:
        raise CommandFault(str(error)) from None
    try:
        check_exposure(sockets, keys)
    except KeysRefused as error:
        for sock in sockets:
            sock.close()
        raise CommandFault(str(error), usage=True) from None
    return sockets


@asynccontextmanager
async def beside(
    app: App,
    url: str | None,
    sockets: Sequence[socket.socket],
    keys: Keys,
    host: str,
    drain_ms: int | None = None,
    *,
    dashboard: bool = True,
) -> AsyncGenerator[Gateway]:
    """The HTTP API of an app's hub, for as long as the block takes."""
    settings = HttpSettings() if drain_ms is None else HttpSettings(drain_ms=drain_ms)
    gateway = asgi(app, url, keys=keys, settings=settings, hosts=[host], dashboard=dashboard)
    async with serving(gateway, sockets, settings):
        places = " and ".join(addresses_of(sockets))
        _log.info(
            "%s at %s, described at /docs, %s",
            "dashboard and HTTP API" if dashboard else "HTTP API",
            places,
            "with keys" if keys else "for this machine's programs: there are no keys",
        )
        yield gateway


def _signals() -> asyncio.Event:
    """What is set on SIGTERM or SIGINT. A second SIGINT ends the process."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def on_signal(signum: signal.Signals) -> None:
        if not stopping.is_set():
            _log.info("%s: letting running requests finish; ctrl-c ends at once", signum.name)
            stopping.set()
        elif signum == signal.SIGINT:
            os._exit(INTERRUPTED)

    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, on_signal, signum)
    return stopping


async def _told_to_stop(stopping: asyncio.Event, gateway: Gateway) -> None:
    """Return when it is set. Raises `HubMismatch` when the hub is gone, and `ServerEnded` when nothing serves any more."""
    told, failed = asyncio.create_task(stopping.wait()), asyncio.create_task(gateway.failure())
    try:
        await asyncio.wait((told, failed), return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        failed.cancel()
    if failed.done() and not failed.cancelled():
        _log.critical("the HTTP API ends: %s", failed.result())
        raise failed.result()
