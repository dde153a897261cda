"""How large something may be in the store: limits count what is stored, so they count what a codec has made."""

from __future__ import annotations

from stead.transport._contract.codec import keep_apart, let_buffers_go
from stead.transport._contract.errors import PayloadTooLarge
from stead.transport._contract.rope import LARGE_BYTES
from stead.transport._contract.settings import Settings

from .codec import PayloadCodec, codec_of
from .large import LARGE_BYTES_MAX
from .vault import encoded

_MARGIN_BYTES = 65_536  # more than is ever around data that is not too large


class PayloadLimit:
    """The limit of messages and states. Whoever has data that is longer than `at` has it looked at by `check`:

        if len(data) > limit.at:
            limit.check("the result", data)

    Without a codec that is what is too large; with one it is everything, and the codec is tried at once: what it cannot encode is then
    the failure of the one operation or call that brings it.
    """

    __slots__ = ("_apart", "_codec", "at", "max", "setting")

    def __init__(self, bytes_max: int, codec: PayloadCodec | None = None, large_max: int | None = None) -> None:
        """`large_max`: what is above `bytes_max` is kept elsewhere, up to this."""
        self._codec = codec
        self.max = bytes_max if large_max is None else large_max
        self.setting = "payload_bytes_max" if large_max is None else "large_payloads"
        self._apart = bytes_max if large_max is not None else self.max
        self.at = bytes_max if codec is None else -1

    @classmethod
    def of(cls, settings: Settings) -> PayloadLimit:
        """That of settings. Raises `InvalidInput` if their codec cannot be had."""
        large_max = None if settings.large_payloads is None else LARGE_BYTES_MAX
        keep_apart(settings.payload_bytes_max + _MARGIN_BYTES, begin=large_max is not None)
        return cls(settings.payload_bytes_max, codec_of(settings), large_max)

    def check(self, what: str, data: bytes, margin: int = 0) -> None:
        """Raises `PayloadTooLarge`, and `InvalidInput` if the codec fails. `margin`: bytes more that are allowed, as they are not the
        user's."""
        if len(data) > LARGE_BYTES:
            let_buffers_go()
        length = self.stored_length(data)
        if length > self.max + margin:
            raise PayloadTooLarge(what, length, self.max, self.setting)

    def stored_length(self, data: bytes) -> int:
        """How many bytes of data are stored. Raises `InvalidInput` if the codec fails. (What is kept elsewhere is encoded once, when it is
        put there.)"""
        return (
            len(data) if self._codec is None or len(data) > self._apart < self.max else len(encoded(self._codec, data))
        )
