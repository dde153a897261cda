"""How a dead letter looks in the store: a map, with the message as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from stead.transport import InvalidInput, StreamId, is_packed, pack, unpack

from .envelope import Failure, failure_of_map


def encode_letter(
    envelope: bytes, failure: Failure, stream_id: StreamId, died_ms: int, tries: int, *, decoded: bool = True
) -> bytes:
    """The bytes of a dead letter: the message as it was, why it could not be carried out, and when.

    One that is not `decoded` ended whoever began to decode it: it says so, and is never decoded again.
    """
    letter: dict[str, object] = {
        "envelope": envelope,
        "failure": failure.as_map(),
        "stream_id": stream_id,
        "died_ms": died_ms,
        "tries": tries,
    }
    if not decoded:
        letter["sealed"] = True
    return pack(letter)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, decoded."""

    envelope: bytes
    failure: Failure
    stream_id: StreamId
    died_ms: int
    tries: int
    sealed: bool = False  # decoding its message ended workers: not to be tried


def decode_letter(letter: bytes) -> Letter:
    """The dead letter of its bytes. Raises `InvalidInput` for what is none."""
    parts = cast("dict[str, Any]", unpack(letter))
    try:
        read = Letter(
            parts["envelope"],
            failure_of_map(parts["failure"]),
            parts["stream_id"],
            parts["died_ms"],
            parts.get("tries", 1),
            parts.get("sealed") is True,
        )
        if not is_packed(read.envelope) or type(read.died_ms) is not int:
            raise TypeError("its parts are not what they have to be")
    except (LookupError, TypeError, AttributeError) as error:
        raise InvalidInput("dead letter", f"it is not one that this version of stead can read ({error})") from error
    return read
