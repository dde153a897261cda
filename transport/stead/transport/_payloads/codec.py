"""Where a codec of payloads comes from: an object of the user's, named in the settings."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any, Protocol, cast, runtime_checkable

from stead.transport._contract.errors import InvalidInput
from stead.transport._contract.settings import Settings
from stead.transport.describing import text_of_error


@runtime_checkable
class PayloadCodec(Protocol):
    """Bytes in, bytes out: what users' data goes through before it is stored, and after it was read.

    `decode(encode(data)) == data`, in every process of the hub and for as long as something is stored. `encode` may give other bytes
    each time. Both run in the event loop and in threads, several at once, and should take microseconds. `decode` raises
    `PayloadLocked` where a key is missing; any other error means the same.
    """

    def encode(self, data: bytes, /) -> bytes:
        """What is stored in the place of `data`."""
        ...

    def decode(self, data: bytes, /) -> bytes:
        """The data of what was stored."""
        ...


def codec_of(settings: Settings) -> PayloadCodec | None:
    """The codec that the settings name, if they name one. Raises `InvalidInput` if it cannot be had."""
    return None if settings.payload_codec is None else _load(settings.payload_codec)


@lru_cache(maxsize=16)
def _load(reference: str) -> PayloadCodec:
    what = f"payload_codec {reference!r}"
    module, colon, path = reference.partition(":")
    if not (colon and module and path):
        raise InvalidInput(what, "write the module and the name in it, such as 'myapp.crypto:codec'")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        raise InvalidInput(what, f"importing {module!r} failed: {text_of_error(error)}") from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise InvalidInput(what, f"{module!r} has no {path!r}")
        found = getattr(found, name)
    if isinstance(found, type) or (callable(found) and not isinstance(found, PayloadCodec)):
        try:
            found = cast("Any", found)()
        except Exception as error:
            raise InvalidInput(what, f"making it failed: {text_of_error(error)}") from error
    if not isinstance(found, PayloadCodec):
        raise InvalidInput(what, f"it is a {type(found).__name__}, and a codec has the methods `encode` and `decode`")
    return found
