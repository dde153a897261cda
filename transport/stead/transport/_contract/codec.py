"""What may cross the seam and be stored, as bytes: msgpack, with extension types for what msgpack does not have.

1. Never pickle: what is read from the store can never run code.
2. Lossless for plain data: `unpack(pack(x)) == x`, of the same types, for None, bool, int (of any size), float, str, bytes,
   list, dict (keys of any hashable kind), tuple, set, frozenset, datetime, date, time, timedelta, Decimal and UUID.
   One exception makes records cheap: a tuple at the very top is written as an array. A time in a `ZoneInfo` keeps its zone:
   a day later it may be another offset.
3. What has a schema on the reading side is written as plain data: models and dataclasses as maps of what validates again
   (without computed fields), enum members as their values, paths, URLs and addresses as text. Anything else is refused
   (`InvalidInput`), and so is garbage.
4. An object with a method `__stead_stored__` is written as what that gives. Where a state is only to be compared, something can
   stand in for it (`stand_ins`), which is never stored.
5. Equal sets give equal bytes, whatever their order of insertion, because bytes are compared to see whether a state changed.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import pathlib
import re
import threading
import zlib
import zoneinfo
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, cast
from uuid import UUID

import msgpack
import pydantic_core
from pydantic import AnyUrl, BaseModel, NameEmail, PostgresDsn

from stead.transport.describing import text_of

from .depth import DEPTH_MAX, ENVELOPE_DEPTH, is_deep
from .errors import InvalidInput
from .rope import Rope
from .roping import NATIVE, Apart, pack_apart, plain_packer, unpack_rope

_msgpack: Any = msgpack  # it has no types of its own

_READ_DEPTH_MAX = DEPTH_MAX + ENVELOPE_DEPTH

# The extension types. Never change a number: stored data carries it.
_DATETIME, _DATE, _TIME, _TIMEDELTA, _DECIMAL, _UUID, _SET, _FROZENSET, _TUPLE, _INTEGER, _ZONED = range(1, 12)
_STAND_IN = 127

_TEXT_TYPES = (
    pathlib.PurePath,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    zoneinfo.ZoneInfo,
    pydantic_core.Url,
    pydantic_core.MultiHostUrl,
    NameEmail,
    *AnyUrl.__mro__[1:-1],  # pydantic's two bases of all kinds of URLs, with one host and with several,
    *PostgresDsn.__mro__[1:-1],  # which have no public names
)


def _ext(code: int, data: bytes) -> object:
    return _msgpack.ExtType(code, data)


def _array(items: Iterable[object]) -> bytes:
    return _pack_fresh(list(items))


def _timedelta(value: timedelta) -> bytes:
    return _pack_fresh([value.days, value.seconds, value.microseconds])


def _set(items: Iterable[object]) -> bytes:
    return _pack_fresh(sorted(_pack_fresh(item) for item in items))


def _integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _datetime(value: datetime) -> object:
    """A time as text; its zone beside it, and which of two equal readings of the clock it is, if the text cannot say so."""
    text = value.isoformat()
    zone = value.tzinfo.key if isinstance(value.tzinfo, zoneinfo.ZoneInfo) else None
    if zone is None and not value.fold:
        return _ext(_DATETIME, text.encode())
    return _ext(_ZONED, _pack_fresh([text, zone, value.fold]))


def _read_zoned(data: bytes) -> datetime:
    text, zone, fold = _unpack(data)
    value = datetime.fromisoformat(text).replace(fold=fold)
    if zone is None:
        return value
    try:
        return value.replace(tzinfo=zoneinfo.ZoneInfo(zone))
    except Exception:  # noqa: BLE001 - this machine does not know the zone: what is left is the offset
        return value


def _time(value: time) -> bytes:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise TypeError("a time of day in a zone whose offset depends on the date cannot be stored")
    return value.isoformat().encode()


_EXACT: dict[type, Callable[[Any], object]] = {
    datetime: _datetime,
    date: lambda value: _ext(_DATE, value.isoformat().encode()),
    time: lambda value: _ext(_TIME, _time(value)),
    timedelta: lambda value: _ext(_TIMEDELTA, _timedelta(value)),
    Decimal: lambda value: _ext(_DECIMAL, str(value).encode()),
    UUID: lambda value: _ext(_UUID, value.bytes),
    set: lambda value: _ext(_SET, _set(value)),
    frozenset: lambda value: _ext(_FROZENSET, _set(value)),
    tuple: lambda value: _ext(_TUPLE, _array(value)),
    deque: list,
    Rope: bytes,
}

# Subclasses become what they are a kind of, after `Enum`, models and dataclasses have had their turn.
_BASES: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (str, str.__str__),
    (bytes, bytearray),
    (float, float.__float__),
    (int, int.__int__),
    (dict, dict),
    (list, list),
    (tuple, tuple),
    (set, set),
    (frozenset, frozenset),
    (deque, list),
    (datetime, _EXACT[datetime]),
    (date, _EXACT[date]),
    (time, _EXACT[time]),
    (timedelta, _EXACT[timedelta]),
    (Decimal, _EXACT[Decimal]),
    (UUID, _EXACT[UUID]),
)


def _default(value: object) -> object:
    """What msgpack is to pack in place of a value that it does not know."""
    if type(value) is int:
        return _ext(_INTEGER, _integer(value))
    while type(value) not in NATIVE:
        value = _simpler(value)
    return _default(value) if type(value) is int and not -(2**63) <= value < 2**64 else value


def _simpler(value: object) -> object:
    """One step from a value that msgpack does not know towards one that it knows."""
    convert = _EXACT.get(type(value))
    if convert is not None:
        return convert(value)
    stored = getattr(type(value), "__stead_stored__", None)
    if stored is not None:
        give = _stand_ins.give
        return stored(value) if give is None else _ext(_STAND_IN, give(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, BaseModel):
        return value.model_dump(warnings="error", by_alias=False, round_trip=True, exclude_computed_fields=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, _TEXT_TYPES):
        return str(value)
    if isinstance(value, re.Pattern):
        return cast("re.Pattern[str] | re.Pattern[bytes]", value).pattern
    for base, convert in _BASES:
        if isinstance(value, base):
            return convert(value)
    raise TypeError(f"a value of type {type(value).__qualname__} cannot be stored")


class _StandIns(threading.local):
    """What stands in for objects with a method `__stead_stored__`, while a thread packs and unpacks with it."""

    give: Callable[[Any], bytes] | None = None
    take: Callable[[bytes], Any] | None = None


_stand_ins = _StandIns()


def pack_with_stand_ins(value: object, give: Callable[[Any], bytes]) -> bytes:
    """`pack_exact` for a comparison: `give` says what is written in place of an object with a method `__stead_stored__`."""
    _stand_ins.give = give
    try:
        data = _packed_extended(value)  # at once: there is something in it that needs it
        if is_deep(data, value, DEPTH_MAX):
            raise InvalidInput("data", f"it cannot be stored: {_TOO_DEEP}")
        return data
    finally:
        _stand_ins.give = None


def unpack_with_stand_ins(data: bytes, take: Callable[[bytes], Any]) -> Any:
    """The value of what `pack_with_stand_ins` made."""
    _stand_ins.take = take
    try:
        return unpack(data)
    finally:
        _stand_ins.take = None


class _Nesting(threading.local):
    """How many extensions deep this thread is in a value."""

    depth = 0


_nesting = _Nesting()


@contextmanager
def _one_deeper() -> Generator[None]:
    """Around what is inside an extension: the stack of the process is what would be used up."""
    if _nesting.depth >= DEPTH_MAX:
        raise ValueError(_TOO_DEEP)
    _nesting.depth += 1
    try:
        yield
    finally:
        _nesting.depth -= 1


_TOO_DEEP = f"it is nested deeper than {DEPTH_MAX} levels"


def _pack_fresh(value: object) -> bytes:
    """Pack by a packer of its own: for what is packed while another packer waits, which are not re-entrant."""
    with _one_deeper():
        return cast("bytes", _msgpack.packb(value, strict_types=True, default=_default))


# Without `default` a packer runs no Python code, so no other thread can get between: one for all is safe.
_plain: Callable[[object], bytes] = _msgpack.Packer(strict_types=True, autoreset=True).pack


class _Extended(threading.local):
    """The packer that knows every type; it runs Python code half-way, so each thread has its own."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Take another one."""
        self.pack: Callable[[object], bytes] = _msgpack.Packer(strict_types=True, autoreset=True, default=_default).pack


_extended = _Extended()


def let_buffers_go() -> None:
    """For whoever has packed something large: a packer keeps as much memory as the largest thing took that it has packed."""
    global _plain
    _plain = plain_packer(_msgpack.Packer(strict_types=True, autoreset=True).pack)
    _extended.renew()


def keep_apart(above: int, *, begin: bool) -> None:
    """There is a hub into whose store data of up to so many bytes goes as it is. `begin`: what is larger is kept elsewhere, so texts and
    bytes that are larger than all hubs of this process store are not copied when they are packed, from now on."""
    if Apart.keep(above, begin=begin):
        let_buffers_go()


def pack_native(value: object) -> bytes | None:
    """`pack_exact` of what msgpack has types for, and of exactly these; None if there is anything else in it.

    Whoever calls it knows by other means that the value is not nested too deep.
    """
    try:
        return _plain(value)
    except (TypeError, ValueError, OverflowError):
        return None


def pack_exact(value: object, depth_max: int = DEPTH_MAX) -> bytes:
    """`pack`, but a tuple at the top stays one too."""
    data = _packed(value)
    if is_deep(data, value, depth_max):
        raise InvalidInput("data", f"it cannot be stored: {_TOO_DEEP}")
    return data


def _packed(value: object) -> bytes:
    try:
        return _plain(value)
    except (TypeError, OverflowError):
        pass
    except ValueError as error:
        raise InvalidInput("data", f"it cannot be stored: {_reason(error)}") from error
    return _packed_extended(value)


def _packed_extended(value: object) -> bytes:
    try:
        return pack_apart(value, _default) or _extended.pack(value)
    except InvalidInput:
        raise
    except Exception as error:  # also what a model's own serializer raises
        raise InvalidInput("data", f"it cannot be stored: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What to say of an error: msgpack and Python have limits of depth of their own."""
    text = text_of(error)
    return _TOO_DEEP if type(error) is RecursionError or "recursion limit" in text else text


def pack(value: object, depth_max: int = DEPTH_MAX) -> bytes:
    """The bytes of a value. Raises `InvalidInput` for what cannot be stored, or is nested too deep."""
    return pack_exact(list(cast("tuple[object, ...]", value)) if type(value) is tuple else value, depth_max)


def pack_envelope(value: Sequence[object]) -> bytes:
    """The bytes of what stead itself puts around values. Whoever makes it looks at the values themselves (`deep_one`)."""
    fields = list(value)
    try:
        return _plain(fields)  # nearly always
    except (TypeError, ValueError, OverflowError):
        return _packed(fields)


def _members(data: bytes) -> list[Any]:
    return [_unpack(item) for item in _unpack(data)]


_READERS: dict[int, Callable[[bytes], object]] = {
    _DATETIME: lambda data: datetime.fromisoformat(data.decode()),
    _DATE: lambda data: date.fromisoformat(data.decode()),
    _TIME: lambda data: time.fromisoformat(data.decode()),
    _TIMEDELTA: lambda data: timedelta(*_unpack(data)),
    _DECIMAL: lambda data: Decimal(data.decode()),
    _UUID: lambda data: UUID(bytes=data),
    _SET: lambda data: set(_members(data)),
    _FROZENSET: lambda data: frozenset(_members(data)),
    _TUPLE: lambda data: tuple(_unpack(data)),
    _INTEGER: lambda data: int.from_bytes(data, "big", signed=True),
    _ZONED: _read_zoned,
}


def _ext_hook(code: int, data: bytes) -> object:
    reader = _READERS.get(code)
    if reader is None and code == _STAND_IN:
        reader = _stand_ins.take
    if reader is None:
        raise ValueError(f"unknown extension type {code}")
    return reader(bytes(data))


def _unpack(data: bytes) -> Any:
    with _one_deeper():
        return _msgpack.unpackb(data, ext_hook=_ext_hook, strict_map_key=False)


def unpack(data: bytes | Rope) -> Any:
    """The value of bytes that `pack` made. Raises `InvalidInput` for anything else."""
    try:
        if type(data) is Rope:
            value = unpack_rope(data, _ext_hook)
        else:
            value = _msgpack.unpackb(data, ext_hook=_ext_hook, strict_map_key=False)
        if is_deep(data, value, _READ_DEPTH_MAX):
            raise ValueError(_TOO_DEEP)
        return value
    except Exception as error:  # msgpack, the readers and hashing raise a dozen kinds; all mean the same
        raise _not_stored(error) from error


def unpack_envelope(data: bytes | Rope) -> Any:
    """`unpack` for whoever looks at the values' depth by itself (`deep_one`)."""
    try:
        if type(data) is Rope:
            return unpack_rope(data, _ext_hook)
        return _msgpack.unpackb(data, ext_hook=_ext_hook, strict_map_key=False)
    except Exception as error:
        raise _not_stored(error) from error


def _not_stored(error: Exception) -> InvalidInput:
    return InvalidInput("data", f"it is not what stead stored ({type(error).__name__}: {text_of(error)})")


def partition_of(target: str, partitions: int) -> int:
    """The partition of a target (canonical form): stable for ever, over processes and Python versions (HAZARDS 29)."""
    return zlib.crc32(target.encode()) % partitions
