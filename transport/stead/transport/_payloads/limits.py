"""How large something may be in the store: limits count what is stored, so they count what a codec has made."""

from __future__ import annotations

from stead.transport._contract.errors import PayloadTooLarge
from stead.transport._contract.settings import Settings

from .codec import PayloadCodec, codec_of
from .vault import encoded


class PayloadLimit:
    """The limit of messages and states. Whoever has data that is longer than `at` has it looked at by `check`:

        if len(data) > limit.at:
            limit.check("the result", data)

    Without a codec that is what is too large; with one it is everything, and the codec is tried at once: what it cannot encode is then
    the failure of the one operation or call that brings it.
    """

    __slots__ = ("_codec", "_max", "at")

    def __init__(self, bytes_max: int, codec: PayloadCodec | None = None) -> None:
        self._codec = codec
        self._max = bytes_max
        self.at = bytes_max if codec is None else -1

    @classmethod
    def of(cls, settings: Settings) -> PayloadLimit:
        """That of settings. Raises `InvalidInput` if their codec cannot be had."""
        return cls(settings.payload_bytes_max, codec_of(settings))

    def check(self, what: str, data: bytes, margin: int = 0) -> None:
        """Raises `PayloadTooLarge`, and `InvalidInput` if the codec fails. `margin`: bytes more that are allowed, as they are not the
        user's."""
        length = self.stored_length(data)
        if length > self._max + margin:
            raise PayloadTooLarge(what, length, self._max)

    def stored_length(self, data: bytes) -> int:
        """How many bytes of data are stored. Raises `InvalidInput` if the codec fails."""
        return len(data) if self._codec is None else len(encoded(self._codec, data))
