"""A URL that says TLS of a port that does not speak it, and the contrary: named at once, and not tried for 20 seconds."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trustme

from stead.transport import ServerUnsuitable, Settings, StoreUnavailable, open_store
from stead.transport._redis.tls import speaks_plain, speaks_tls
from support.forwarding import forwarded
from support.valkey_server import ValkeyServer

SETTINGS = Settings(partitions=1, store_tries_ms=600_000, connect_ms=60_000)


def untrusted() -> ssl.SSLContext:
    """Speaks TLS, with a certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.tempfile() as pem:
        context.load_cert_chain(pem)
    return context


@asynccontextmanager
async def listening(answer: bytes | None, *, tls: bool) -> AsyncGenerator[int]:
    """A port: whoever says something there gets the answer, or with None nothing, for as long as the block takes."""
    context = untrusted() if tls else None
    streams: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        streams.append(writer)
        while await reader.read(65_536):
            if answer is not None:
                writer.write(answer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: None
    )  # handshakes that fail, said by asyncio
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in streams:
            writer.close()


async def test_tls_to_a_real_server_that_does_not_speak_it(server: ValkeyServer) -> None:
    async with forwarded(server) as port:
        with pytest.raises(ServerUnsuitable, match=rf"127\.0\.0\.1:{port} does not speak TLS .*redis://"):
            await open_store(f"rediss://127.0.0.1:{port}", "hub", SETTINGS)


async def test_tls_to_a_server_that_wants_a_password() -> None:
    async with listening(b"-NOAUTH Authentication required.\r\n", tls=False) as port:
        with pytest.raises(ServerUnsuitable, match="does not speak TLS"):
            await open_store(f"rediss://:secret@127.0.0.1:{port}", "hub", SETTINGS)


async def test_no_tls_to_a_server_that_speaks_it() -> None:
    async with listening(b"+PONG\r\n", tls=True) as port:
        with pytest.raises(ServerUnsuitable, match=rf"127\.0\.0\.1:{port} speaks TLS: .*rediss://"):
            await open_store(f"redis://127.0.0.1:{port}", "hub", SETTINGS)


async def test_a_certificate_that_nobody_trusts_is_another_fault() -> None:
    async with listening(b"+PONG\r\n", tls=True) as port:
        with pytest.raises(ServerUnsuitable, match="certificate"):
            await open_store(f"rediss://127.0.0.1:{port}", "hub", SETTINGS)


async def test_a_port_where_nobody_listens_is_still_tried() -> None:
    async with listening(b"", tls=False) as port:
        pass
    for scheme in ("redis", "rediss"):
        with pytest.raises(StoreUnavailable):
            await open_store(f"{scheme}://127.0.0.1:{port}", "hub", Settings(partitions=1, store_tries_ms=100))


@pytest.mark.parametrize("tls", [True, False])
async def test_what_a_port_speaks(tls: bool) -> None:
    async with listening(b"+PONG\r\n", tls=tls) as port:
        assert await speaks_tls("127.0.0.1", port) is tls
        assert await speaks_plain("127.0.0.1", port) is not tls
