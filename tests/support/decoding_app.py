"""The counting app in a worker that ends, as a library would that has a bug, when it decodes one particular payload."""

from __future__ import annotations

import os

from counting_app import DEADLY, app  # type: ignore[import-not-found]  # it is started in this folder

from stead.entities._message.envelope import Message, decode_message
from stead.entities._partition import intake

__all__ = ["app"]


def _decode(envelope: bytes) -> Message:
    if DEADLY.encode() in envelope:
        os._exit(3)
    return decode_message(envelope)


setattr(intake, "decode_message", _decode)  # noqa: B010 - not a name that it exports
