"""A server that says what a test tells it to, byte by byte, to whoever connects: for answers that a real one gives rarely."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence
from pathlib import Path


class AnsweringServer:
    """Answers each thing that it is sent with the next of some bytes; with None it closes the connection."""

    def __init__(self, folder: Path, answers: Sequence[bytes | None]) -> None:
        self.path = folder / "a"
        self.heard: list[bytes] = []
        self._answers = list(answers)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while self._answers:
                connection, _ = self._listener.accept()
                with connection:
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        while data := connection.recv(1_000_000):
            self.heard.append(data)
            if not self._answers:
                return
            answer = self._answers.pop(0)
            if answer is None:
                return
            connection.sendall(answer)
