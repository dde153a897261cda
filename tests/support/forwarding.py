"""A port of this machine that leads to a test server's socket, with or without TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from support.valkey_server import ValkeyServer


@asynccontextmanager
async def forwarded(server: ValkeyServer, context: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """The port, for as long as the block takes. With a context it speaks TLS, which not every server has."""
    streams: list[asyncio.StreamWriter] = []
    pumps: list[asyncio.Task[None]] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(server.url.removeprefix("unix://"))
        streams.extend((writer, inner_writer))
        pumps.extend((asyncio.create_task(pump(reader, inner_writer)), asyncio.create_task(pump(inner_reader, writer))))

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for writer in streams:
            writer.close()
