"""The connections of the server: what one client does with its own must not harm the others.

A connection that has no request costs a file and some memory, nothing else: it is closed when it has been idle for long, and
sooner (the one that has been idle for longest first) when there are more than may be. So is one that takes its time over a
request's headers. A client that does not read its answer is cut off, because the answer would stay in memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stead.transport import get_logger

from .settings import HttpSettings

_log = get_logger("stead.gateway")

SWEEP_SECONDS = 1.0
_LONG_HEADERS = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_NO_ROOM = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Connections:
    """All connections of one server that have no request under way, in the order in which they came to that."""

    def __init__(self, settings: HttpSettings, limit: int) -> None:
        self.settings = settings
        self.limit = limit
        self.count = 0
        self.idle: OrderedDict[Connection, float] = OrderedDict()
        """Those on which nothing of a request has come yet, and since when."""
        self.heading: OrderedDict[Connection, float] = OrderedDict()
        """Those that are sending the headers of a request, and since when."""
        self.rest: OrderedDict[Connection, float] = OrderedDict()
        """Those that were answered before they had sent their whole body, and since when: the rest is dropped."""
        self._next: asyncio.TimerHandle | None = None

    def make_room(self) -> bool:
        """Whether one more connection may stay; closes another one for it where that is possible."""
        if self.count <= self.limit:
            return True
        for waiting in (self.idle, self.rest, self.heading):
            if waiting:
                connection, _ = waiting.popitem(last=False)
                connection.transport.abort()
                return True
        return False

    def sweep(self, now: float) -> None:
        """Close those that have been idle, or sent headers, for too long."""
        for waiting, limit_ms in (
            (self.idle, self.settings.idle_ms_max),
            (self.heading, self.settings.header_ms_max),
            (self.rest, self.settings.silence_ms_max),
        ):
            while waiting:
                connection, since = next(iter(waiting.items()))
                if now - since < limit_ms / 1000:
                    break
                del waiting[connection]
                connection.transport.close()

    def keep_sweeping(self) -> None:
        """Sweep now and then, until `stop_sweeping`: by the loop's timers, since a task may be cancelled by anybody."""
        loop = asyncio.get_running_loop()
        self._next = loop.call_later(SWEEP_SECONDS, self.keep_sweeping)
        try:
            self.sweep(loop.time())
        except Exception:  # noqa: BLE001 - the next one may go well, and nobody would see that there is none any more
            _log.exception("connections could not be looked at")

    def stop_sweeping(self) -> None:
        if self._next is not None:
            self._next.cancel()


class Connection(HttpToolsProtocol):
    """One client's connection. Uvicorn's, with the limits that it lacks."""

    def __init__(self, connections: Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False  # whatever is configured: requests have keys in their URLs
        self._all = connections
        self._header_bytes = 0  # of pieces that held nothing else
        self._parsed_bytes = 0  # of names and values
        self._received = True  # the whole of the request that came last
        self._stalled: asyncio.TimerHandle | None = None
        self._counted = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._counted = True
        self._all.count += 1
        if self._all.make_room():
            self._all.idle[self] = self.loop.time()
        else:
            transport.write(_NO_ROOM)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.count -= self._counted
        self._counted = False
        self._all.idle.pop(self, None)
        self._all.heading.pop(self, None)
        self._all.rest.pop(self, None)
        self._unstall()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._all.idle.pop(self, None) is not None:
            self._all.heading[self] = self.loop.time()
        super().data_received(data)
        if self in self._all.heading:  # all of it was headers
            self._header_bytes += len(data)
            if self._header_bytes > self._all.settings.header_bytes_max:
                self._refuse_headers()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_bytes = self._parsed_bytes = 0
        if self._all.idle.pop(self, None) is not None:  # it begins in the piece that ended the one before
            self._all.heading[self] = self.loop.time()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def _count(self, length: int) -> None:
        self._parsed_bytes += length
        if self._parsed_bytes > self._all.settings.header_bytes_max:
            raise ValueError("the headers are too long")

    def on_headers_complete(self) -> None:
        self._all.heading.pop(self, None)
        self._received = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._received = True
        super().on_message_complete()
        if self._all.rest.pop(self, None) is not None:
            self._wait_for_request()

    def send_400_response(self, msg: str) -> None:
        if max(self._header_bytes, self._parsed_bytes) > self._all.settings.header_bytes_max:
            self._refuse_headers()
        else:
            super().send_400_response(msg)

    def on_response_complete(self) -> None:
        waits = bool(self.pipeline)
        super().on_response_complete()
        if not waits and not self.transport.is_closing():
            if self._received:
                self._wait_for_request()
            else:
                self._all.rest[self] = self.loop.time()

    def _wait_for_request(self) -> None:
        self._header_bytes = 0
        self._all.idle[self] = self.loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unstall()
        self._stalled = self.loop.call_later(self._all.settings.silence_ms_max / 1000, self.transport.abort)

    def resume_writing(self) -> None:
        self._unstall()
        super().resume_writing()

    def _unstall(self) -> None:
        stalled, self._stalled = self._stalled, None
        if stalled is not None:
            stalled.cancel()

    def _refuse_headers(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_LONG_HEADERS)
            self.transport.close()
