"""Packs and unpacks with ropes: large texts and bytes stand beside what is packed, and are not copied into it.

A large one is found near the top of a value: as it is, in lists and dicts, and in models and dataclasses. What is further down, or in a
tuple or a set, is packed. All of this is of use only where large payloads are kept, and is looked for only there: `above` says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Sized
from typing import Any, cast

import msgpack
from pydantic import BaseModel

from .rope import LARGE_BYTES, Chunk, Leaf, Part, Rope

_msgpack: Any = msgpack  # it has no types of its own

NATIVE = frozenset({type(None), bool, int, float, str, bytes, bytearray, memoryview, dict, list, _msgpack.ExtType})
"""What a packer takes as it is. (Of integers those that 64 bits hold.)"""
_FEW = 256  # entries of what is looked into
_MANY = 4_096  # entries that may be large together
_LEVELS = 4
_BUFFER_BYTES = 2**20  # what is longer stays in the packer that has packed it, and is not copied out
_READ_BYTES = 2**20
_APART = 126  # an extension type that is never stored: a large value stands here


class Apart:
    """From which length on what is large stands apart in this process."""

    above: int | None = None
    """None: nothing does."""
    least = LARGE_BYTES

    @classmethod
    def keep(cls, above: int, *, begin: bool) -> bool:
        """It never does up to this length, which goes into the store of some hub as it is; and from now on it does, if it is to `begin`.
        Whether anything has changed."""
        cls.least = max(cls.least, above)
        before = cls.above
        if begin or before is not None:
            cls.above = cls.least
        return cls.above != before


def stands_apart(data: bytes) -> bool:
    """Whether data that is packed is kept elsewhere, so that what it becomes part of may be a rope."""
    return isinstance(data, Rope) or (Apart.above is not None and len(data) > Apart.above)


def plain_packer(pack: Callable[[object], bytes]) -> Callable[[object], bytes]:
    """A packer of what msgpack has types for, which gives a rope if there is something large. `pack`: for all else."""
    above = Apart.above
    if above is None:
        return pack

    def plain(value: object) -> bytes:
        return _Roping(above, None).rope(value) if _is_large(value, above) else pack(value)

    return plain


def pack_apart(value: object, default: Callable[[Any], object]) -> bytes | None:
    """The rope of a value, None if there is nothing large near its top. `default`: what stands for what a packer does not take."""
    above = Apart.above
    if above is None or not (_is_large(value, above) or _holds_large(value, above, _LEVELS)):
        return None
    return _Roping(above, default).rope(value)


def _is_large(value: object, above: int, levels: int = _LEVELS) -> bool:
    """Whether there is something large near the top of a value of which all is native. This is on the hot path of a hub that keeps
    what is large elsewhere."""
    if isinstance(value, (str, bytes, Rope)):
        return len(value) > above
    if not isinstance(value, (list, dict)):
        return False
    # What has no length is passed over by its type.
    items = cast("Collection[Sized]", value.values() if isinstance(value, dict) else value)
    if len(items) > _FEW:
        return len(items) > _MANY
    for each in items:
        kind = type(each)
        if kind is str or kind is bytes or kind is Rope:
            if len(each) > above:
                return True
        elif (kind is list or kind is dict) and levels and _is_large(each, above, levels - 1):
            return True
    return False


def _holds_large(value: object, above: int, levels: int) -> bool:
    """The same of models and dataclasses, and of what has such in it."""
    if _is_large(value, above):
        return True
    if isinstance(value, dict):
        inside: Collection[object] = cast("dict[object, object]", value).values()
    elif isinstance(value, list):
        inside = cast("list[object]", value)
    elif dataclasses.is_dataclass(value):
        inside = [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    elif isinstance(value, BaseModel):
        inside = vars(value).values()
    else:
        return False
    return levels > 0 and len(inside) <= _FEW and any(_holds_large(each, above, levels - 1) for each in inside)


class _Roping:
    """Makes one rope."""

    def __init__(self, above: int, default: Callable[[Any], object] | None) -> None:
        self._above = above
        self._default = default
        self._parts: list[Part] = []
        self._packer: Any = self._fresh()

    def _fresh(self) -> Any:
        return _msgpack.Packer(strict_types=True, autoreset=False, default=self._default)

    def rope(self, value: object) -> bytes:
        """The bytes of a value, as a rope if they are many. Raises what a packer does."""
        self._add(value, 2 * _LEVELS)  # of which a model is one, and what it is dumped to another
        self._flush()
        rope = Rope(self._parts)
        return cast("bytes", rope) if len(rope) > LARGE_BYTES else bytes(rope)

    def _add(self, value: Any, levels: int) -> None:
        kind: object = cast("object", type(value))
        if kind is str or kind is bytes or kind is Rope:
            if len(value) > (LARGE_BYTES if kind is Rope else self._above):
                self._flush()
                self._parts.append(Leaf(value))
            else:
                self._packer.pack(bytes(value) if kind is Rope else value)
        elif not levels:
            self._packer.pack(value)
        elif kind is dict and len(value) <= _FEW:
            self._packer.pack_map_header(len(value))
            for name, item in value.items():
                self._packer.pack(name)
                self._add(item, levels - 1)
        elif kind is list and len(value) <= _FEW:
            self._packer.pack_array_header(len(value))
            for item in value:
                self._add(item, levels - 1)
        elif self._default is not None and kind not in NATIVE:
            self._add(self._default(value), levels - 1)
        else:
            self._packer.pack(value)

    def _flush(self) -> None:
        packed = self._packer.getbuffer()
        if len(packed) > _BUFFER_BYTES:
            self._parts.append(packed)
            self._packer = self._fresh()
        else:
            self._parts.append(bytes(packed))
            del packed
            self._packer.reset()


def unpack_rope(rope: Rope, ext_hook: Callable[[int, bytes], object]) -> Any:
    """The value of a rope: what is large in it is what was packed, or read. Raises what a reader does."""
    pieces: list[Chunk] = []
    apart: list[Any] = []
    for part in rope.parts:
        if isinstance(part, Leaf):
            pieces.append(b"\xd6" + bytes((_APART,)) + len(apart).to_bytes(4))
            apart.append(part.body)
        else:
            pieces.append(part)

    def hook(code: int, data: bytes) -> object:
        if code != _APART:
            return ext_hook(code, data)
        number = int.from_bytes(data)
        if number >= len(apart):
            raise ValueError(f"unknown extension type {code}")
        return apart[number]

    if len(pieces) == 1 or sum(map(len, pieces)) <= LARGE_BYTES:
        whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return _msgpack.unpackb(whole, ext_hook=hook, strict_map_key=False)
    reader = _PiecesReader(pieces)
    unpacker = _msgpack.Unpacker(reader, ext_hook=hook, strict_map_key=False, read_size=_READ_BYTES, max_buffer_size=0)
    value = unpacker.unpack()
    if unpacker.tell() != sum(map(len, pieces)):
        raise ValueError("something follows it")
    return value


class _PiecesReader:
    """Pieces of packed data, read like a file: a reader that has all of it would copy all of it first."""

    def __init__(self, pieces: Iterable[Chunk]) -> None:
        self._rope = Rope(pieces)
        self._at = 0

    def read(self, size: int) -> bytes:
        found = b"".join(self._rope.chunks(self._at, min(self._at + size, len(self._rope))))
        self._at += len(found)
        return found
