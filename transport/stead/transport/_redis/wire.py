"""One connection to the server: commands go out in pipelines, answers come back in order, parsed by hiredis.

redis-py's own connections await every answer of a pipeline one by one. This one sets one future per pipeline, from the
callback of the transport: a round trip of one command measured 33 against 41 µs (its client object: 103), one of 64
commands 40 against 130 µs of CPU. It also cannot try again by itself, by construction (HAZARDS 6). What redis-py knows of
addresses and TLS is used: see `Address`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from math import inf
from typing import Any, cast

import hiredis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import RedisError

from stead.transport._contract.errors import ConnectionLost, InvalidInput

from .answers import ReplyError
from .scripts import command

_INCOMPLETE = object()
_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and how to log in, from a `redis://`, `rediss://` or `unix://` URL."""

    host: str
    port: int
    path: str | None
    tls: ssl.SSLContext | None
    username: str | None
    password: str | None
    db: int

    @classmethod
    def from_url(cls, url: str) -> Address:
        try:
            parts = cast("dict[str, Any]", dict(parse_url(url)))
        except ValueError as error:
            raise InvalidInput("store URL", str(error)) from None
        kind = parts.pop("connection_class", None)
        tls: ssl.SSLContext | None = None
        if kind is SSLConnection:
            options = {name: value for name, value in parts.items() if name.startswith("ssl_")}
            try:
                tls = cast("Any", SSLConnection(**options)).ssl_context.get()
            except (RedisError, OSError, TypeError, ValueError) as error:  # an option's name or value, or a file
                raise InvalidInput("store URL", f"its TLS options: {error}") from None
        return cls(
            host=str(parts.get("host", "localhost")),
            port=int(parts.get("port", 6379)),
            path=parts.get("path"),
            tls=tls,
            username=parts.get("username"),
            password=parts.get("password"),
            db=int(parts.get("db", 0)),
        )

    def greeting(self) -> list[bytes]:
        """The commands that log in."""
        commands: list[bytes] = []
        if self.password is not None:
            user = () if self.username is None else (self.username,)
            commands.append(command("AUTH", *user, self.password))
        if self.db:
            commands.append(command("SELECT", self.db))
        return commands


class _Pipeline:
    """Commands that went out together, and the answers that have come so far."""

    __slots__ = ("count", "deadline", "done", "replies")

    def __init__(self, count: int, done: asyncio.Future[list[Any]], deadline: float) -> None:
        self.count = count
        self.done = done
        self.deadline = deadline
        self.replies: list[Any] = []


class Wire(asyncio.Protocol):
    """An open connection. It never opens itself again: a lost one is thrown away (HAZARDS 2, 6)."""

    def __init__(self) -> None:
        self.received_bytes = 0
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(replyError=ReplyError, notEnoughData=_INCOMPLETE)
        self._waiting: deque[_Pipeline] = deque()
        self._loop = asyncio.get_running_loop()
        self._lost: str | None = None
        self._check: asyncio.TimerHandle | None = None  # for answers that do not come
        self._check_at = inf

    @classmethod
    async def open(cls, address: Address) -> Wire:
        """Connect. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        if address.path is not None:
            _, wire = await loop.create_unix_connection(cls, address.path)
        else:
            _, wire = await loop.create_connection(cls, address.host, address.port, ssl=address.tls)
        return wire

    @property
    def is_open(self) -> bool:
        return self._lost is None

    def send(self, data: bytes, count: int, answer_seconds: float = inf) -> asyncio.Future[list[Any]]:
        """Send `count` commands; gives their answers, in which errors are `ReplyError` objects.

        If they are not all here after so many seconds, the connection is given up. The future may be cancelled: the answers
        are then read and thrown away.
        """
        done: asyncio.Future[list[Any]] = self._loop.create_future()
        if self._lost is not None or self._transport is None:
            done.set_exception(ConnectionLost(self._lost or "not connected"))
            return done
        deadline = self._loop.time() + answer_seconds
        self._waiting.append(_Pipeline(count, done, deadline))
        if deadline < self._check_at:
            self._check_again(deadline)
        self._transport.write(data)
        return done

    def drop(self, reason: str) -> None:
        """Close at once. Whoever waits for an answer gets `ConnectionLost`."""
        if self._transport is not None:
            self._transport.abort()
        self._fail(reason)

    def _check_again(self, at: float) -> None:
        """Look at this time for answers that have not come. One timer for all that is sent until then: to make one for each
        pipeline, and to take it back when the answer is here, would cost as much as to pack what is sent."""
        if self._check is not None:
            self._check.cancel()
        self._check, self._check_at = self._loop.call_at(at, self._look), at

    # -- called by the event loop --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():  # not every platform has them all
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        self.received_bytes += len(data)
        reader = self._reader
        waiting = self._waiting
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _INCOMPLETE:
                pipeline = waiting[0]
                pipeline.replies.append(reply)
                if len(pipeline.replies) == pipeline.count:
                    waiting.popleft()
                    if not pipeline.done.done():
                        pipeline.done.set_result(pipeline.replies)
        except (hiredis.ProtocolError, IndexError) as error:
            self.drop(f"the server sent what is not an answer: {error}")

    def _look(self) -> None:
        """Give up the connection if an answer is overdue."""
        self._check, self._check_at = None, inf
        first = min((pipeline.deadline for pipeline in self._waiting), default=inf)
        if first <= self._loop.time():
            self.drop("the server did not answer in time")
        elif first < inf:
            self._check_again(first)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(str(exc) if exc else "the server closed the connection")

    def _fail(self, reason: str) -> None:
        if self._lost is None:
            self._lost = reason
        if self._check is not None:
            self._check.cancel()
            self._check = None
        while self._waiting:
            pipeline = self._waiting.popleft()
            if not pipeline.done.done():
                pipeline.done.set_exception(ConnectionLost(self._lost))
