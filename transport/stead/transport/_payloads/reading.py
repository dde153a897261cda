"""A large payload as it is read: piece by piece, compared with its name, and decoded."""

from __future__ import annotations

import io
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from stead.transport._contract.errors import PayloadLocked
from stead.transport._contract.rope import Chunk

from .frames import FRAMED, Frames
from .gathering import Gatherer

PLAIN = b"\x00"
"""With which a payload begins that is stored as it is."""


class Reference(NamedTuple):
    """A payload that was cut out."""

    name: str
    length: int  # of what is kept, encoded or not


class BlobReading:
    """Takes a payload in pieces: in whatever thread they come, one after the other."""

    def __init__(self, reference: Reference, decode: Callable[[bytes], bytes]) -> None:
        """`decode`: with a casket's first byte."""
        self._reference = reference
        self._decode = decode
        self._digest = sha256()
        self._gatherer = Gatherer()
        self._frames = Frames(decode, self._gatherer.take)
        self._first = b""
        self._other = io.BytesIO()  # what the codec has to decode as a whole
        self._failed: PayloadLocked | None = None
        self._data: bytes | None = None

    def take(self, piece: Chunk) -> None:
        """The next piece."""
        self._digest.update(piece)
        if not self._first:
            self._first, piece = bytes(piece[:1]), piece[1:]
        if self._failed is None:
            self._guarded(self._sink(), piece)

    def _sink(self) -> Callable[[Chunk], object]:
        if self._first == PLAIN:
            return self._gatherer.take
        return self._frames.take if self._first == FRAMED else self._other.write

    def _guarded(self, step: Callable[..., object], *args: object) -> None:
        """Nothing is raised before it is known whether this is the payload that it should be."""
        try:
            step(*args)
        except PayloadLocked as error:
            self._failed = error
        except ValueError as error:
            self._failed = PayloadLocked(f"its large payload {self._reference.name} is not what stead packs: {error}")

    def data(self) -> bytes:
        """What was cut out; all has come. Raises `PayloadLocked`."""
        if self._digest.hexdigest() != self._reference.name:
            raise PayloadLocked(f"its large payload {self._reference.name} is damaged: it holds something else")
        if self._data is None and self._failed is None:
            self._guarded(self._finish)
        if self._failed is not None:
            raise self._failed
        assert self._data is not None, "there is one or the other"
        return self._data

    def _finish(self) -> None:
        if self._first == FRAMED:
            self._frames.end()
        elif self._first != PLAIN:
            self._gatherer.take(self._decode(self._first + self._other.getvalue()))
        self._data = self._gatherer.whole()
