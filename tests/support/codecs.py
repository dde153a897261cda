"""Codecs of payloads for tests, and what tests ask of them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable

from stead.app.crypto import AesGcmCodec
from stead.transport import PayloadLocked

KEYS = {"one": b"1" * 32, "two": b"2" * 32}

aes = AesGcmCodec(KEYS)
rotated = AesGcmCodec(KEYS, current="two")
only_two = AesGcmCodec({"two": KEYS["two"]})
other_one = AesGcmCodec({"one": b"3" * 32})


class Masked:
    """Each byte another one, behind some that are random: what is encoded twice is never the same."""

    def encode(self, data: bytes, /) -> bytes:
        return os.urandom(4) + bytes(byte ^ 0xA5 for byte in data)

    def decode(self, data: bytes, /) -> bytes:
        return bytes(byte ^ 0xA5 for byte in data[4:])


class Faulty(Masked):
    """Does not take what has a certain text in it, and does what it is told besides."""

    def __init__(self) -> None:
        self.on_encode: Callable[[bytes], bytes] | None = None
        self.on_decode: Callable[[bytes], bytes] | None = None

    def encode(self, data: bytes, /) -> bytes:
        if b"untakable" in data:
            raise RuntimeError("I will not")
        return super().encode(data) if self.on_encode is None else self.on_encode(data)

    def decode(self, data: bytes, /) -> bytes:
        found = super().decode(data)
        if b"unreadable" in found:
            raise RuntimeError("I can not")
        return found if self.on_decode is None else self.on_decode(found)


class Squeezed:
    """Smaller than it was."""

    def encode(self, data: bytes, /) -> bytes:
        return zlib.compress(data)

    def decode(self, data: bytes, /) -> bytes:
        try:
            return zlib.decompress(data)
        except zlib.error as error:
            raise PayloadLocked(str(error)) from error


masked = Masked()
faulty = Faulty()
squeezed = Squeezed
nothing = 3
