"""A client that is a plain socket and knows as much HTTP as it needs, so that what is measured is the server."""

from __future__ import annotations

import asyncio

import uvloop

from .calls import Calls, repeat_calls
from .parts import Gate

Answer = tuple[int, bytes, str | None]
"""Status, body and content type."""


class Http:
    """Connections that are kept, each for one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer."""
        if self._free:
            reader, writer = self._free.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines[1:] if line)
        if headers.get(b"transfer-encoding") == b"chunked":
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
        self._free.append((reader, writer))
        kind = headers.get(b"content-type")
        return int(head[9:12]), body, None if kind is None else kind.decode()

    async def aclose(self) -> None:
        for _, writer in self._free:
            writer.close()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A body that comes in pieces, each with its length before it; an empty one is the last."""
    body = b""
    while length := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(length)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body


def get(path: str) -> bytes:
    """A request."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()


def post(path: str, body: bytes = b"", kind: str | None = None) -> bytes:
    """A request with a body."""
    type_line = f"content-type: {kind}\r\n" if kind else ""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{type_line}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def ask_many(gate: Gate, port: int, requests: list[bytes], count: int, callers: int, status: int) -> Calls:
    """`count` requests over and over, by so many connections; every answer must have the status."""

    async def measure() -> Calls:
        http = Http(port)

        async def one(number: int) -> None:
            got, body, _ = await http.ask(requests[number])
            if got != status:
                raise RuntimeError(f"answered {got}: {body[:200]!r}")

        calls = await repeat_calls(gate, one, count, callers, len(requests))
        await http.aclose()
        return calls

    return uvloop.run(measure())


def ask_once(port: int, request: bytes) -> Answer:
    """One request, on a connection of its own."""

    async def ask() -> Answer:
        http = Http(port)
        try:
            return await http.ask(request)
        finally:
            await http.aclose()

    return asyncio.run(ask())
