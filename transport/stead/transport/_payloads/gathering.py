"""Packed data that comes piece by piece: each large text, and all large bytes in it, become the object that users' code is given.

A text is decoded as it comes, and bytes are put one behind the other, so that neither is there a second time.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Generator
from typing import TypeAlias

from stead.transport._contract.rope import BYTES_HEAD, HEAD_BYTES, LARGE_BYTES, TEXT_HEAD, Chunk, Leaf, Part, rope_of

from .pieces import head

_HEADS_MAX = 4_096  # of many small elements: what comes after so many is left as it is
_HEAD_BYTES_MAX = 9
_PIECE_BYTES = 2**20
_NOTHING = memoryview(b"")

_Waiting: TypeAlias = "Generator[None, memoryview | None, bool]"  # for the next piece; None: nothing comes any more

_decoder = codecs.getincrementaldecoder("utf-8")


class Gatherer:
    """Takes one packed value in pieces."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._held = _NOTHING  # what has come, and was not looked at yet
        self._over = False
        self._gathering = self._gather()
        next(self._gathering)

    def take(self, piece: Chunk) -> None:
        """The next piece. Raises `ValueError` for what nobody has packed."""
        view = memoryview(piece)
        for first in range(0, len(view), _PIECE_BYTES):
            self._gathering.send(view[first : first + _PIECE_BYTES])

    def whole(self) -> bytes:
        """All of it: nothing comes any more. Raises `ValueError` as well."""
        for _ in self._gathering:  # which ends
            raise AssertionError("it waits for more than all")
        return rope_of(self._parts)

    def _more(self) -> _Waiting:
        """Wait for the next piece. False: there is none."""
        piece = None if self._over else (yield)
        if piece is None:
            self._over = True
            return False
        self._held = memoryview(bytes(self._held) + bytes(piece)) if len(self._held) else piece
        return True

    def _take_held(self, most: int) -> memoryview:
        taken, self._held = self._held[:most], self._held[most:]
        return taken

    def _gather(self) -> _Waiting:
        """Look at the heads, one after the other, for what is large."""
        packed = io.BytesIO()
        for _ in range(_HEADS_MAX):
            while len(self._held) < _HEAD_BYTES_MAX and (yield from self._more()):
                pass
            if not len(self._held):
                break
            kind, length = self._held[0], int.from_bytes(self._held[1:HEAD_BYTES])
            if kind in (TEXT_HEAD, BYTES_HEAD) and length > LARGE_BYTES:
                self._parts.append(packed.getvalue())
                packed = io.BytesIO()
                self._take_held(HEAD_BYTES)
                yield from self._text(length) if kind == TEXT_HEAD else self._bytes(length)
                continue
            try:
                left, _ = head(self._held, 0)
            except ValueError:  # whoever reads it says so
                break
            while left:
                left -= packed.write(self._take_held(left))
                if left and not (yield from self._more()):
                    break
        while True:
            packed.write(self._take_held(len(self._held)))
            if not (yield from self._more()):
                break
        self._parts.append(packed.getvalue())
        return True

    def _text(self, left: int) -> _Waiting:
        decode, length = _decoder().decode, left
        text = ""
        while True:
            piece = self._take_held(left)
            left -= len(piece)
            text += decode(piece, not left)  # it grows in its place: it is in a variable, and nobody else has it
            if not left:
                break
            if not (yield from self._more()):
                raise ValueError("it ends too early")
        self._parts.append(Leaf(text, length))
        return True

    def _bytes(self, left: int) -> _Waiting:
        found = io.BytesIO()
        while True:
            left -= found.write(self._take_held(left))
            if not left:
                break
            if not (yield from self._more()):
                raise ValueError("it ends too early")
        self._parts.append(Leaf(found.getvalue()))  # without a copy
        return True
