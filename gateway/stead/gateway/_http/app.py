"""The ASGI application: find the route, ask for the key, run the handler, answer what went wrong.

It is an application of its own rather than a framework's router, because of what the Durable Functions surface needs: a wrong
verb is 404, a segment may contain an escaped slash, and every error has the form of its surface. Requests and responses are
Starlette's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from stead.orchestrations import OrchestrationClient
from stead.transport import SteadError, Store, get_logger

from .access import Keys, check_right
from .errors import HttpError, error_response, no_route
from .hub import Hub
from .routes import API_V1, Route, RouteTree, path_segments
from .settings import HttpSettings
from .traced import traced

_log = get_logger("stead.gateway")


class OpenedClient(Protocol):
    """An app's client, as far as the gateway goes beyond the methods of `OrchestrationClient`."""

    @property
    def store(self) -> Store: ...

    @property
    def has_sql(self) -> bool: ...

    async def info(self) -> dict[str, Any]: ...

    async def answer_sql(self, query: str, form: str, rows: int) -> bytes: ...


class AppLike(Protocol):
    """What is needed of a `stead.app.App`."""

    name: str
    reference: str

    def connect(self, url: str | None = None) -> AbstractAsyncContextManager[Any]: ...


class Gateway:
    """The ASGI application of one hub. Made by `stead.gateway.asgi`."""

    def __init__(
        self,
        app: AppLike | Hub,
        url: str | None,
        keys: Keys,
        settings: HttpSettings,
        hosts: frozenset[str] | None,
        routes: Iterable[Route],
    ) -> None:
        """`hosts`: the only names by which clients may call it, where the address is known and no keys are."""
        self._app = app
        self._url = url
        self._keys = keys
        self._settings = settings
        self._hosts = hosts
        self._routes = RouteTree(routes)
        self._hub: Hub | None = app if isinstance(app, Hub) else None
        self._connecting: AbstractAsyncContextManager[Any] | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> Hub:
        """The hub, connected to now if it was not."""
        async with self._opening:
            if self._hub is None:
                app = cast("AppLike", self._app)
                connecting = app.connect(self._url)
                client: Any = await connecting.__aenter__()
                self._connecting = connecting
                opened = cast("OpenedClient", client)
                self._hub = Hub(
                    cast("OrchestrationClient", client),
                    app.name,
                    opened.store,
                    self._keys,
                    self._settings,
                    opened.info,
                    app.reference,
                    opened.answer_sql,
                    has_sql=opened.has_sql,
                )
            return self._hub

    async def aclose(self) -> None:
        """Let go of the hub. A later request opens it again."""
        self.stop_waiting()
        async with self._opening:
            connecting, self._connecting = self._connecting, None
            if connecting is not None:
                self._hub = None
                await connecting.__aexit__(None, None, None)

    def fail(self, error: SteadError) -> None:
        """Nothing serves any more: `failure` says so."""
        if self._hub is not None:
            self._hub.traffic.fail(error)

    async def failure(self) -> SteadError:
        """Wait until a request finds that the hub it was opened for is no longer on the server, or nothing serves."""
        traffic = (await self.open()).traffic
        await traffic.failed.wait()
        assert traffic.failure is not None, "it was set before"
        return traffic.failure

    def stop_waiting(self) -> None:
        """Let long polls and streams end now: the server is about to stop."""
        if self._hub is not None:
            self._hub.traffic.stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._respond(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.open()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    raise
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, whose answer may fail in the middle (then the connection ends) but never shows a stack trace."""
        started = False

        async def watched(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)
            if message.get("more_body"):
                await asyncio.sleep(0)  # a stream whose client has gone must not keep the loop from noticing

        try:
            hub = self._hub or await self.open()
            with hub.traffic.request():
                response = await self._handle(hub, scope, receive)
                try:
                    await response(scope, receive, watched)
                finally:
                    await _close(response)
            return
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            if started or self._hub is None or not self._hub.traffic.stopping.is_set():
                raise
            error = HttpError(503, "the server is stopping", headers={"retry-after": "1"})
            response = error_response(error, problem=_is_v1(scope))
        except Exception as error:
            if self._hub is not None:
                self._hub.traffic.note(error)
            if started:
                _log.warning("an answer ended in the middle: %s", type(error).__name__, exc_info=error)
                raise
            response = error_response(error, problem=_is_v1(scope))
        await response(scope, receive, send)

    async def _handle(self, hub: Hub, scope: Scope, receive: Receive) -> Response:
        check_host(scope)
        if not hub.keys:
            check_open(scope, self._hosts)
        found = self._routes.find(scope["method"], path_segments(scope))
        if found is None:
            raise no_route(scope)
        route = found.route
        scope["path_params"] = found.parameters
        request = Request(scope, receive)
        if route.right is not None:
            scope["stead.grant"] = grant = hub.keys.grant(request)
            check_right(grant, route.right, instance_scoped=route.instance_scoped)
        with traced(scope, route) as answered:
            try:
                answered.response = await route.handler(request, hub)
            except (ClientDisconnect, asyncio.CancelledError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is is answered, and logged if nobody foresaw it
                hub.traffic.note(error)
                answered.response = error_response(error, problem=_is_v1(scope))
            return answered.response


async def _close(response: Response) -> None:
    """End what a stream comes from, which holds a place among those who wait, now rather than when it is collected."""
    source: object = response.body_iterator if isinstance(response, StreamingResponse) else None
    if isinstance(source, AsyncGenerator):
        await cast("AsyncGenerator[Any, None]", source).aclose()


def _is_v1(scope: Scope) -> bool:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path == API_V1 or path.startswith(API_V1 + "/")


_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?\]|[A-Za-z0-9._~%-]+)(?::([0-9]{0,5}))?")


def check_host(scope: Scope) -> None:
    """Raise `HttpError` (400) unless a request says once, and readably, whom it is for: HTTP/1.1 asks for that (RFC 9112, 3.2).

    What reads another one of two hosts than a proxy before it could be led to answer for somebody else.
    """
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if not hosts and scope.get("http_version") != "1.1":
        return
    if len(hosts) != 1:
        raise HttpError(400, f"a request has one Host header, and this one has {len(hosts) or 'none'}")
    found = _HOST.fullmatch(hosts[0])
    if found is None or int(found[1] or 0) > 65_535:
        raise HttpError(400, "the Host header is not a name or address with an optional port")


_NO_KEYS = "no keys are configured here (--keys, STEAD_HTTP_KEYS), so that"


def check_open(scope: Scope, hosts: frozenset[str] | None) -> None:
    """Without keys, this machine's own programs are answered: not who comes through a proxy, and no page of another site in
    its browser.

    Such a page could otherwise send requests here (its `Origin` tells), or have its own name lead here (then `Host` is that name).
    """
    client = scope.get("client")
    if client is None or not is_loopback(client[0]):  # None: a unix socket, behind which there is a proxy
        raise HttpError(403, f"{_NO_KEYS} only clients on this machine are answered")
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    for name, raw in headers:
        if name not in _TELLING:
            continue
        value = raw.decode("latin-1")
        if name == b"origin":
            host, place = _host_of(value)
            if not is_loopback(host) and place != dict(headers).get(b"host", b"?").decode("latin-1"):
                raise HttpError(403, f"{_NO_KEYS} pages of other sites are not answered")
        elif name == b"host":
            if hosts is not None and not _is_own(_host_of("//" + value)[0], hosts):
                raise HttpError(403, f"{_NO_KEYS} it is not answered by a name that is not this machine's")
        elif name == b"forwarded" or not all(is_loopback(hop.strip()) for hop in value.split(",")):
            raise HttpError(403, f"{_NO_KEYS} clients behind a proxy are not answered")


_TELLING = {b"origin", b"host", b"forwarded", b"x-forwarded-for"}


def _host_of(url: str) -> tuple[str, str]:
    """The host of a URL, and the host with the port."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.netloc
    except ValueError:
        return "", ""


def _is_own(host: str, hosts: frozenset[str]) -> bool:
    return host in hosts or is_loopback(host)


@lru_cache(maxsize=1_024)
def is_loopback(host: str) -> bool:
    """Whether an address, or a name, is this machine's own."""
    if host.lower() in {"localhost", "localhost."} or host.lower().endswith(".localhost"):
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
