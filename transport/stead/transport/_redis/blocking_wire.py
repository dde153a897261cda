"""One blocking connection to the server, for the thread that renews leases: a pipeline goes out, its answers come back.

The same bytes and the same answers as over `Wire`, so that what an answer means is decided in one place (`answers`).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import Any

import hiredis

from stead.transport._contract.errors import ConnectionLost

from .answers import ReplyError, fault
from .wire import Address

_INCOMPLETE = object()
_PIECE = 65_536


class BlockingWire:
    """An open connection. Raises `ConnectionLost` for whatever goes wrong on the way; it is of no use after that."""

    def __init__(self, address: Address, seconds: float) -> None:
        """Connect and log in. `seconds` is how long that may take, and later each exchange."""
        self._seconds = seconds
        self._reader = hiredis.Reader(replyError=ReplyError, notEnoughData=_INCOMPLETE)
        try:
            self._socket = _connect(address, seconds)
        except (OSError, ValueError) as error:
            raise ConnectionLost(f"cannot connect: {error}") from None
        try:
            for reply in self.exchange(address.greeting()):
                if isinstance(reply, ReplyError):
                    raise fault(reply)
        except BaseException:
            self.close()
            raise

    def exchange(self, commands: Sequence[bytes]) -> list[Any]:
        """Send commands in one pipeline; gives their answers, in which errors are `ReplyError` objects."""
        replies: list[Any] = []
        until = time.monotonic() + self._seconds
        try:
            self._socket.settimeout(self._seconds)
            self._socket.sendall(b"".join(commands))
            while len(replies) < len(commands):
                reply = self._reader.gets()
                if reply is not _INCOMPLETE:
                    replies.append(reply)
                    continue
                self._socket.settimeout(max(0.001, until - time.monotonic()))
                data = self._socket.recv(_PIECE)
                if not data:
                    raise ConnectionLost("the server closed the connection")
                self._reader.feed(data)
        except TimeoutError:
            raise ConnectionLost("the server did not answer in time") from None
        except OSError as error:
            raise ConnectionLost(str(error)) from None
        except hiredis.ProtocolError as error:
            raise ConnectionLost(f"the server sent what is not an answer: {error}") from None
        return replies

    def close(self) -> None:
        """Close at once."""
        self._socket.close()


def _connect(address: Address, seconds: float) -> socket.socket:
    if address.path is not None:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(seconds)
            sock.connect(address.path)
        except BaseException:
            sock.close()
            raise
        return sock
    sock = socket.create_connection((address.host, address.port), seconds)
    if address.tls is None:
        return sock
    try:
        return address.tls.wrap_socket(sock, server_hostname=address.host)
    except BaseException:
        sock.close()
        raise
