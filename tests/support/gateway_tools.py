"""A gateway over a real socket, with a worker, in a thread beside the test; and one without, in memory."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx

from stead.app import App
from stead.gateway import Gateway, HttpSettings, Keys, addresses_of, asgi, bind, serving
from stead.gateway._http.app import Gateway as MadeGateway
from stead.gateway._http.routes import Route
from support.guards import HANGS_S


@dataclass
class Served:
    """A gateway that answers at `url`."""

    app: App
    store_url: str
    url: str
    http: httpx.Client
    gateway: Gateway

    @property
    def address(self) -> tuple[str, int]:
        """For sockets."""
        url = httpx.URL(self.url)
        assert url.port is not None
        return url.host, url.port

    def connect(self) -> socket.socket:
        """A connection to it, on which nothing has been said."""
        return socket.create_connection(self.address, timeout=HANGS_S)

    def until_busy(self, running: int, waiting: int = 0) -> None:
        """Until so many requests are carried out, and so many wait."""
        deadline = time.monotonic() + HANGS_S
        while True:
            hub = self.gateway._hub
            found = (0, 0) if hub is None else (hub.traffic.running, hub.traffic.waiting)
            if found == (running, waiting):
                return
            assert time.monotonic() < deadline, f"(running, waiting) is {found}, not {(running, waiting)}"
            time.sleep(0.005)

    def say(self, data: bytes) -> bytes:
        """What comes back on a connection until it ends, or nothing more comes for a second."""
        with self.connect() as sock:
            sock.sendall(data)
            return hear(sock)


def hear_until(sock: socket.socket, word: bytes) -> bytes:
    """What comes on a connection until a word of it has come, or it ends; the suite's deadline ends what waits in vain."""
    sock.settimeout(None)
    heard = b""
    while word not in heard and (data := sock.recv(65_536)):
        heard += data
    return heard


def hear(sock: socket.socket, seconds: float = 1.0) -> bytes:
    """What comes on a connection until it ends, or nothing more comes for some time."""
    sock.settimeout(seconds)
    heard = b""
    try:
        while data := sock.recv(65_536):
            heard += data
    except (TimeoutError, ConnectionResetError):
        pass
    return heard


@contextmanager
def serve(
    app: App,
    store_url: str,
    *,
    keys: Mapping[str, Sequence[str]] | None = None,
    settings: HttpSettings | None = None,
    worker: bool = True,
    queues: Sequence[str] | None = None,
    routes: Iterable[Route] | None = None,
) -> Generator[Served]:
    """Serve an app's hub, with a worker (of these queues) unless told otherwise, for as long as the block takes."""
    limits = settings or HttpSettings()
    if routes is None:
        gateway = asgi(app, store_url, keys=Keys(keys), settings=limits)
    else:
        gateway = MadeGateway(app, store_url, Keys(keys), limits, None, routes)
    sockets = bind("127.0.0.1", 0)
    failed: list[BaseException] = []
    ready = threading.Event()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def live() -> None:
        ends.append((asyncio.get_running_loop(), asyncio.Event()))
        async with serving(gateway, sockets, limits):
            if worker:
                async with app.worker(store_url, queues=queues):
                    ready.set()
                    await ends[0][1].wait()
            else:
                ready.set()
                await ends[0][1].wait()

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:  # noqa: BLE001 - it is raised in the test
            failed.append(error)
        finally:
            ready.set()

    url = addresses_of(sockets)[0]
    thread = threading.Thread(target=run, name="gateway")
    thread.start()
    try:
        assert ready.wait(HANGS_S) and not failed, failed
        with httpx.Client(base_url=url, timeout=HANGS_S) as http:
            yield Served(app, store_url, url, http, gateway)
    finally:
        loop, end = ends[0]
        if not loop.is_closed():
            loop.call_soon_threadsafe(end.set)
        thread.join(HANGS_S)
    assert not failed, failed


@asynccontextmanager
async def in_memory(
    routes: Iterable[Route],
    *,
    keys: Mapping[str, Sequence[str]] | None = None,
    settings: HttpSettings | None = None,
    client: tuple[str, int] = ("127.0.0.1", 1),
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a gateway that has these routes only and an empty hub in memory, without sockets."""
    gateway = MadeGateway(App("tested"), "memory://", Keys(keys), settings or HttpSettings(), None, routes)
    transport = httpx.ASGITransport(gateway, client=client)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            yield http
    finally:
        await gateway.aclose()
