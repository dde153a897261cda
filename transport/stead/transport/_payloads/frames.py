"""What a codec makes of large data, and how that is read: in frames, so that neither is in memory as a whole beside the data.

Behind `FRAMED` there is for each frame its length, and then what the codec has made of it. In that is first which data it belongs to (by
a digest), its number and how many there are: so frames cannot be left out, put in another order or be taken from elsewhere.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator

from stead.transport._contract.errors import PayloadLocked
from stead.transport._contract.rope import Chunk, Rope

FRAMED = b"\x03"
FRAME_BYTES = 4 * 2**20
_LENGTH_BYTES = 4
_INSIDE = struct.Struct(">16sII")  # the digest, cut short; the number; the count


def frames_of(data: bytes, digest: bytes, encode: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """The frames of data, one after the other. Raises what `encode` does."""
    rope = data if isinstance(data, Rope) else Rope((data,))
    count = -(-len(rope) // FRAME_BYTES)
    yield FRAMED
    for number in range(count):
        first = number * FRAME_BYTES
        inside = _INSIDE.pack(digest[:16], number, count)
        frame = encode(b"".join((inside, *rope.chunks(first, min(first + FRAME_BYTES, len(rope))))))
        yield len(frame).to_bytes(_LENGTH_BYTES) + frame


class Frames:
    """Takes frames in pieces, and gives what is in them on."""

    def __init__(self, decode: Callable[[bytes], bytes], take: Callable[[Chunk], None]) -> None:
        self._decode = decode
        self._take = take
        self._held = io.BytesIO()
        self._digest = b""
        self._number = self._count = 0

    def take(self, piece: Chunk) -> None:
        """The next piece. Raises what `decode` does, and `PayloadLocked`."""
        held = self._held
        held.write(piece)
        # Given back whatever is raised: with its traceback a view could outlive what it looks at.
        with held.getbuffer() as view:
            first = 0
            while len(view) - first >= _LENGTH_BYTES:
                begins = first + _LENGTH_BYTES
                end = begins + int.from_bytes(view[first:begins])
                if end > len(view):
                    break
                self._frame(bytes(view[begins:end]))
                first = end
            if first:
                self._held = io.BytesIO()
                self._held.write(view[first:])

    def _frame(self, frame: bytes) -> None:
        plain = self._decode(frame)
        if len(plain) < _INSIDE.size:
            raise _damaged()
        digest, number, count = _INSIDE.unpack_from(plain)
        if not self._number:
            self._digest, self._count = digest, count
        if (digest, number, count) != (self._digest, self._number, self._count):
            raise _damaged()
        self._number += 1
        self._take(memoryview(plain)[_INSIDE.size :])

    def end(self) -> None:
        """There are no more. Raises `PayloadLocked` if some are missing."""
        if not self._count or self._number != self._count or len(self._held.getbuffer()):
            raise _damaged()


def _damaged() -> PayloadLocked:
    return PayloadLocked("frames of a large payload are missing, or are another one's")
