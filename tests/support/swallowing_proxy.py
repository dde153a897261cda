"""A proxy between client and server that can swallow the server's answers: what was asked is done, and nobody hears."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path


class SwallowingProxy:
    """Listens on a unix socket and passes everything on to another."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.socket = folder / "p"
        self._server = server
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.swallowing = False
        self.connections = 0
        self.asked = asyncio.Event()  # something was asked whose answer is being swallowed

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    async def start(self) -> None:
        self._listener = await asyncio.start_unix_server(self._accept, self.socket)

    async def stop(self) -> None:
        assert self._listener is not None
        self._listener.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def swallow(self) -> None:
        """From now on pass questions on, and no answers."""
        self.swallowing = True
        self.asked.clear()

    def cut(self) -> None:
        """End all connections, and pass on answers again for those that follow."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self.swallowing = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        except OSError:  # it is away, and so is this
            writer.transport.abort()
            return
        self._writers |= {writer, server_writer}
        for coroutine in (
            self._pass_on(reader, server_writer, answers=False),
            self._pass_on(server_reader, writer, answers=True),
        ):
            task = asyncio.ensure_future(coroutine)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if answers and self.swallowing:
                    self.asked.set()  # the server has answered, so it is done
                else:
                    writer.write(data)
                    await writer.drain()
        writer.close()
