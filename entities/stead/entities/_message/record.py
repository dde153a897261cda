"""How what is stored of an entity looks: a versioned msgpack array.

It is `[1, packed state or nil, modified_ms, lock?]`: nil for an entity that does not exist, of which only a lock is known. What
few entities have besides makes it `[2, packed state or nil, modified_ms, lock or nil, more]`, a map with one-letter keys:

    r  reminders: see `reminders`

A worker that does not know the version, or a letter, lets the entity's messages wait for one that does (HAZARDS 26). An entity
that has nothing of this stays one that every version can run.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from stead.transport import (
    LARGE_BYTES,
    NO_CODEC,
    UNREADABLE,
    InvalidInput,
    PayloadLocked,
    SteadError,
    bytes_leaf,
    is_packed,
    joined,
    pack_envelope,
    packed,
    read_casket,
    stands_apart,
    unpack,
)
from stead.transport.describing import text_of_error

from .envelope import LockedEnvelope, UnknownEnvelope
from .errors import InvalidState

_VERSION = 1
_VERSION_MORE = 2
RECORD_CASKET = 32
"""Its state is in a casket (see `sealed`), which its reader could not open."""
_MORE = frozenset("r")


def encode_record(
    packed_state: bytes | None,
    modified_ms: int,
    lock: Sequence[object] | None = None,
    more: Mapping[str, object] | None = None,
) -> bytes:
    """The bytes of an entity's record. Without a state it is that of an entity that does not exist, but is locked or has
    `more`: what few entities have."""
    if packed_state is not None and len(packed_state) > LARGE_BYTES:
        return _large_record(packed_state, modified_ms, lock, more)
    if more:
        return pack_envelope((_VERSION_MORE, packed_state, modified_ms, lock, more))
    if lock is None:
        return pack_envelope((_VERSION, packed_state, modified_ms))
    return pack_envelope((_VERSION, packed_state, modified_ms, lock))


class BriefRecords:
    """`encode_record` of states that are small, of entities that have nothing besides: those of a commit have one time, which is packed once."""

    __slots__ = ("_end", "_modified_ms")

    def __init__(self) -> None:
        self._modified_ms, self._end = 0, packed(0)

    def encode(self, packed_state: bytes, modified_ms: int) -> bytes:
        """The bytes of a record."""
        if modified_ms != self._modified_ms:
            self._modified_ms, self._end = modified_ms, packed(modified_ms)
        if type(packed_state) is bytes and len(packed_state) < len(_HEADS):
            return _HEADS[len(packed_state)] + packed_state + self._end
        return encode_record(packed_state, modified_ms)


_HEADS = [packed([_VERSION, bytes(length), 0])[: -length - 1] for length in range(256)]
"""What comes before a state, by its length."""


def _large_record(
    packed_state: bytes, modified_ms: int, lock: Sequence[object] | None, more: Mapping[str, object] | None
) -> bytes:
    """The same, with the state copied once, which a packer does twice; not at all, where it is kept elsewhere."""
    others = (lock, more) if more else () if lock is None else (lock,)
    version, *fields = map(packed, (_VERSION_MORE if more else _VERSION, modified_ms, *others))
    record = joined((bytes((0x92 + len(fields),)), version, bytes_leaf(packed_state), *fields))
    return record if stands_apart(packed_state) else bytes(record)


class Record(NamedTuple):
    """An entity's record, decoded: without a state it does not exist."""

    packed_state: bytes | None
    modified_ms: int
    lock: Sequence[Any] | None  # [request ID or None, its owner, [IDs of requests that were withdrawn]]
    more: Mapping[str, Any] = MappingProxyType({})


class LockedRecord(LockedEnvelope):
    """An entity's state is encoded and cannot be decoded here. All else of its record is in `record`."""

    def __init__(self, reason: str, record: Record, target: str = "", *, exists: bool) -> None:
        super().__init__(reason, target)
        self.record = record
        self.exists = exists


@contextmanager
def stored_of(what: str) -> Generator[None]:
    """What is stored of something is decoded within. What cannot be is no mistake of who asks for it: raises `InvalidState`."""
    try:
        yield
    except PayloadLocked:
        raise
    except (*UNREADABLE, UnknownEnvelope) as error:
        said = str(error) if isinstance(error, SteadError) else text_of_error(error)
        raise InvalidState(f"what is stored of {what} cannot be read: {said}") from error


class UnreadableRecord(bytes):
    """Stands for the record of an entity whose shards cannot be merged; it is empty, and has the reason."""

    error: SteadError

    @classmethod
    def of(cls, error: SteadError) -> UnreadableRecord:
        """With the reason."""
        record = cls()
        record.error = error
        return record


def decode_record(record: bytes) -> Record:
    """An entity's record. Raises `UnknownEnvelope` for a newer one (`LockedRecord` for one that is encoded), `InvalidInput` for what is none, and what an
    `UnreadableRecord` has to say."""
    if type(record) is UnreadableRecord:
        raise record.error
    parts: list[Any] = unpack(record)
    if type(parts) is not list or len(parts) < 3 or type(parts[0]) is not int:  # pyright: ignore[reportUnnecessaryComparison]
        raise InvalidInput("record", "it is not that of an entity")
    if parts[0] == RECORD_CASKET:
        raise _locked(parts)
    if parts[0] != _VERSION and parts[0] != _VERSION_MORE:
        raise UnknownEnvelope(parts[0])
    if type(parts[2]) is not int or not (parts[1] is None or is_packed(parts[1])):
        raise InvalidInput("record", "it is not that of an entity")
    if parts[0] == _VERSION:
        return Record(parts[1], parts[2], parts[3] if len(parts) > 3 else None)
    if len(parts) != 5 or type(parts[4]) is not dict:
        raise InvalidInput("record", "it is not that of an entity")
    more = cast("dict[object, Any]", parts[4])
    if not _MORE.issuperset(more):
        raise UnknownEnvelope(f"{_VERSION_MORE} with {', '.join(sorted(map(str, more)))}")
    return Record(parts[1], parts[2], parts[3], cast("dict[str, Any]", more))


def _locked(parts: list[Any]) -> LockedRecord:
    why = read_casket(cast("Any", parts[1])).why if type(parts[1]) is list else ""
    try:
        more: dict[str, Any] = dict(parts[4] or {}) if len(parts) > 4 else {}
    except (TypeError, ValueError) as error:
        raise InvalidInput("record", "it is not that of an entity") from error
    readable = Record(None, parts[2], parts[3] if len(parts) > 3 else None, more)
    return LockedRecord(why or NO_CODEC, readable, exists=parts[1] is not None)
