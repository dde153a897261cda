"""A server for the gateway: sockets, uvicorn with limits, and an end that lets running requests finish."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, cast

import uvicorn

from stead.transport import SteadError, begin_task, get_logger
from stead.transport.describing import text_of_error

from .access import VARIABLE, Keys, KeysRefused
from .app import Gateway, is_loopback
from .connections import Connection, Connections
from .settings import HttpSettings

_log = get_logger("stead.gateway")

BACKLOG = 4_096
LAST_REQUESTS_SECONDS = 0.2
FILES_KEPT = 256
"""Files that are not for clients' connections: the store's, logs, modules."""


class CannotListen(OSError):
    """The address cannot be listened at. The message says why and what to do."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets at every address of a host. Port 0: any free one. Raises `CannotListen`."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise CannotListen(f"{host!r} is no address of this machine ({error}); give one with --host") from None
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
            # The protocol is said: asyncio switches Nagle off only where it sees it, and an answer takes 40 ms otherwise.
            sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            chosen = sockets[0].getsockname()[1] if len(sockets) > 1 else port
            sock.bind((address[0], chosen, *address[2:]))
            sock.listen(BACKLOG)
            sock.setblocking(False)
    except OSError as error:
        for sock in sockets:
            sock.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(f"port {port} of {host} is in use; give another one with --port") from None
        raise CannotListen(
            f"cannot listen at {host} port {port}: {error.strerror or error}; see --host, --port"
        ) from None
    return sockets


def addresses_of(sockets: Sequence[socket.socket]) -> list[str]:
    """Where they can be reached, as URLs."""
    names = [sock.getsockname() for sock in sockets]
    return [f"http://[{name[0]}]:{name[1]}" if ":" in name[0] else f"http://{name[0]}:{name[1]}" for name in names]


def check_exposure(sockets: Sequence[socket.socket], keys: Keys) -> None:
    """Raise `KeysRefused` if others than this machine's programs could call without a key."""
    for sock in sockets:
        address = sock.getsockname()[0]
        if not keys and not is_loopback(address):
            raise KeysRefused(
                f"at {address} everybody could do everything: configure keys (--keys FILE, or ${VARIABLE}), or listen at "
                "127.0.0.1"
            )


class ServerEnded(SteadError):
    """The HTTP server has ended, though nobody has stopped it."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        cancelled = "its task was cancelled by other code of this process: stop it by its signals instead"
        self.reason = cancelled if error is None else text_of_error(error)
        super().__init__(self.reason)

    def __str__(self) -> str:
        return f"the HTTP server has ended: {self.reason}"


@asynccontextmanager
async def serving(
    gateway: Gateway, sockets: Sequence[socket.socket], settings: HttpSettings
) -> AsyncGenerator[GatewayServer]:
    """Serve beside the block. At its end running requests may finish (`drain_ms`), then the hub is let go of.

    The hub is connected to first, so that what is wrong with the store is raised here. Raises `ServerEnded` at the end of the
    block if other code has ended the server (`Gateway.failure` says so at once).
    """
    raise_file_limit()
    await gateway.open()
    connections = Connections(settings, connection_limit(settings))
    server = GatewayServer(gateway, connections)
    connections.keep_sweeping()
    running = begin_task(server.serve(list(sockets)), name="stead-http")
    server.task = running

    def ended(_: object) -> None:
        if not server.should_exit:
            gateway.fail(ServerEnded(running))

    running.add_done_callback(ended)
    try:
        yield server
    finally:
        server.should_exit = True
        try:
            if running.cancelled():
                if server.started:
                    await server.shutdown(list(sockets))
                for sock in sockets:  # it may not have come to them
                    sock.close()
                raise ServerEnded(running)
            await running
        finally:
            connections.stop_sweeping()
            await gateway.aclose()


class GatewayServer(uvicorn.Server):
    """Uvicorn's server, without its signal handlers, and with an end for those who wait for something."""

    def __init__(self, gateway: Gateway, connections: Connections) -> None:
        settings = connections.settings
        # What clients do wrong is told to them, not to the log, which they could fill.
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        super().__init__(
            uvicorn.Config(
                gateway,
                http=cast("Any", partial(Connection, connections)),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,  # it would have the keys in it
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=settings.idle_ms_max // 1000 + 5,
                timeout_graceful_shutdown=max(1, settings.drain_ms // 1000),
            )
        )
        self._gateway = gateway
        self.task: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals are for whoever runs the server."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._gateway.stop_waiting()
        for server in self.servers:
            server.close()
        # Connections that came last have a request on its way: uvicorn would close those that it has not read.
        await asyncio.sleep(LAST_REQUESTS_SECONDS)
        await super().shutdown(sockets)


def connection_limit(settings: HttpSettings) -> int:
    """How many connections may be open: as the settings say, and as the process may open files."""
    files = _file_limit()
    return settings.connections_max if files is None else min(settings.connections_max, max(16, files - FILES_KEPT))


def raise_file_limit() -> None:
    """Let the process open as many files as its hard limit allows: many systems begin with 1,024, for old programs."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _file_limit() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
