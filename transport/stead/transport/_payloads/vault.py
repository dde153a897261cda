"""What becomes of data, as everything else uses it: data in, the content of a casket out, and back."""

from __future__ import annotations

from stead.transport._contract.errors import InvalidInput, PayloadLocked
from stead.transport.describing import text_of_error

from .caskets import ENCODED
from .codec import PayloadCodec
from .large import HEAD, Cutter


class Vault:
    """What a codec makes of data, and where large data is put apart. It does no I/O."""

    def __init__(self, codec: PayloadCodec | None, large_above: int | None = None) -> None:
        """`large_above`: above so many bytes data is put apart; None if it never is."""
        self._codec = codec
        self.cutter = (
            None
            if large_above is None
            else Cutter(large_above, None if codec is None else self._encoded, self._decoded)
        )

    def put(self, data: bytes) -> bytes | None:
        """The content of the casket for data; None if it is stored as it is. Raises `InvalidInput` if the codec fails."""
        if self.cutter is not None:
            content = self.cutter.cut(data)
            if content is not None:
                return content
        return self.encode(data)

    def encode(self, data: bytes) -> bytes | None:
        """The same, but nothing is put apart."""
        return None if self._codec is None else self._encoded(data)

    def get(self, content: bytes) -> bytes:
        """The data of a casket's content. Raises `PayloadLocked`, and `BlobAbsent` for what has to be fetched first."""
        if content.startswith(HEAD):
            if self.cutter is None:
                raise PayloadLocked(
                    "a part of it is kept elsewhere, and this process is not told where: set STEAD_LARGE_PAYLOADS"
                )
            return self.cutter.fill(content)
        return self._decoded(content)

    def _encoded(self, data: bytes) -> bytes:
        assert self._codec is not None, "whoever has none does not ask"
        return ENCODED + encoded(self._codec, data)

    def _decoded(self, content: bytes) -> bytes:
        if content[:1] != ENCODED:
            raise PayloadLocked("what is stored was written by a later version of stead")
        if self._codec is None:
            raise PayloadLocked.without_codec()
        return decoded(self._codec, content[1:])


def encoded(codec: PayloadCodec, data: bytes) -> bytes:
    """What a codec makes of data. Raises `InvalidInput` if it fails."""
    try:
        made = codec.encode(bytes(data))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise InvalidInput("payload", f"the payload codec could not encode it: {text_of_error(error)}") from error
    if type(made) is not bytes:  # pyright: ignore[reportUnnecessaryComparison]
        raise InvalidInput("payload", f"the payload codec made a {type(made).__name__} of it, and has to give bytes")
    return made


def decoded(codec: PayloadCodec, data: bytes) -> bytes:
    """The data of what a codec has made. Raises `PayloadLocked`."""
    try:
        found = codec.decode(data)
    except (KeyboardInterrupt, PayloadLocked):
        raise
    except BaseException as error:
        raise PayloadLocked(f"the payload codec could not decode it: {text_of_error(error)}") from error
    if type(found) is not bytes:  # pyright: ignore[reportUnnecessaryComparison]
        raise PayloadLocked(f"the payload codec made a {type(found).__name__} of it, and has to give bytes")
    return found
