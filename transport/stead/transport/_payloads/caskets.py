"""What stands in a stored value where data of users' would stand, and how the parts of a stored value are found.

A *casket* is an array: `[content]`, `[content, shown]` or `[content, shown, why]`. `content` is bytes, of which the first says what
the others are; `shown` is what may be read without opening it. `why` is never stored: it is put into what was read, and could not
be opened, for those who have to say why.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, cast

import msgpack

from stead.transport._contract.codec import pack_envelope, unpack_envelope
from stead.transport._contract.errors import InvalidInput
from stead.transport._contract.rope import LARGE_BYTES, Rope, joined

from .pieces import bytes_in, large_elements, large_entries

_msgpack: Any = msgpack  # it has no types of its own
_UnpackException: type[Exception] = _msgpack.exceptions.UnpackException

ENCODED = b"\x01"
"""With which content begins that a codec has made."""

NIL = b"\xc0"
EMPTY_ARRAY = b"\x90"
_READ_SIZE = 1_024
_SHORT_ARRAY = 16


class Casket(NamedTuple):
    """What is in a casket, as it was read."""

    content: bytes
    shown: Any = None
    why: str = ""


def read_casket(parts: object) -> Casket:
    """A casket that was unpacked. Raises `InvalidInput` for what is none."""
    items = cast("list[Any]", parts) if isinstance(parts, (list, tuple)) else []
    if not items or type(items[0]) is not bytes or not items[0]:
        raise InvalidInput("payload", "what stands in its place is not what stead writes")
    shown, why = (*items[1:3], None, None)[:2]
    return Casket(items[0], shown, why if isinstance(why, str) else "")


def casket(content: bytes, shown: bytes = NIL, why: str = "") -> bytes:
    """The bytes of a casket; `shown` is packed already."""
    if why:
        return b"\x93" + pack_envelope((content,))[1:] + shown + pack_envelope((why,))[1:]
    if shown != NIL:
        return b"\x92" + pack_envelope((content,))[1:] + shown
    return pack_envelope((content,))


def elements_of(data: bytes) -> list[bytes]:
    """The elements of a packed array, each as it is packed (of large data what is large as a view). Raises `InvalidInput` for what is
    none."""
    try:
        if len(data) > LARGE_BYTES and (found := large_elements(data)) is not None:
            return found
        unpacker = _msgpack.Unpacker(read_size=_READ_SIZE, max_buffer_size=0)
        data = bytes(data) if isinstance(data, Rope) else data
        unpacker.feed(data)
        count = unpacker.read_array_header()
        if count > len(data):  # of garbage: there is not memory for so many places
            raise _damaged()
        places = [0] * (count + 1)
        for number in range(len(places)):
            places[number] = unpacker.tell()
            if number < len(places) - 1:
                unpacker.skip()
    except (ValueError, TypeError, _UnpackException) as error:
        raise _damaged() from error
    if places[-1] != len(data):
        raise _damaged()
    return [data[first:end] for first, end in pairwise(places)]


def entries_of(data: bytes) -> dict[str, bytes]:
    """The entries of a packed map from texts, each value as it is packed (of large data what is large as a view). Raises
    `InvalidInput` for what is none."""
    try:
        if len(data) > LARGE_BYTES:
            parts = large_entries(data)
            return {str(unpack_envelope(name)): value for name, value in zip(parts[::2], parts[1::2], strict=True)}
        unpacker = _msgpack.Unpacker(read_size=_READ_SIZE, max_buffer_size=0)
        unpacker.feed(data)
        found: dict[str, bytes] = {}
        for _ in range(unpacker.read_map_header()):
            name = str(unpacker.unpack())
            first = unpacker.tell()
            unpacker.skip()
            found[name] = data[first : unpacker.tell()]
    except (ValueError, TypeError, _UnpackException) as error:
        raise _damaged() from error
    return found


def array_of(elements: Sequence[bytes]) -> bytes:
    """The packed array of packed elements, of which none that is large is copied."""
    count = len(elements)
    head = bytes((0x90 + count,)) if count < _SHORT_ARRAY else b"\xdc" + count.to_bytes(2, "big")
    return joined((head, *elements))


def map_of(entries: dict[str, bytes]) -> bytes:
    """The packed map of packed values: few, with short names."""
    parts = [bytes((0x80 + len(entries),))]
    for name, value in entries.items():
        parts += (packed(name), value)
    return joined(parts)


def bytes_of(data: bytes) -> bytes | None:
    """The bytes of which these are the packed ones (of large data a view); None if it is something else."""
    if len(data) > LARGE_BYTES:
        return bytes_in(data)
    found: object = unpack_envelope(data)
    return found if type(found) is bytes else None


def packed(value: object) -> bytes:
    """One value, packed."""
    return pack_envelope((value,))[1:]


def unpacked(data: bytes) -> Any:
    """One value of its bytes. Raises `InvalidInput`."""
    return unpack_envelope(data)


def _damaged() -> InvalidInput:
    return InvalidInput("data", "it is not what stead stored")
