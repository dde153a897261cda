"""Whether a port speaks TLS: asked when a server could not be reached, so that a wrong `rediss://` or `redis://` is named.

Otherwise it looks like a server that is away: one side waits for a handshake, and the other for a command.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl

ANSWER_S = 2.0
"""How long a server may take to answer such a question."""

_PLAIN = (b"+", b"-")  # how an answer to PING begins, whether or not this user may


async def speaks_plain(host: str, port: int) -> bool:
    """Whether a server answers a command there without TLS. Nothing secret is sent."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"PING\r\n")
                return await reader.read(1) in _PLAIN
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def speaks_tls(host: str, port: int) -> bool:
    """Whether a server shakes hands there. Its certificate does not matter: nothing is sent to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(ANSWER_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # it refuses this handshake, in TLS
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
