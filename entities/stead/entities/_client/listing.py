"""Pages of a listing, for those who cannot keep one open: a page says where the next one begins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from stead.entities._message.ids import EntityId
from stead.entities._message.record import LockedRecord, Record, decode_record
from stead.entities._message.reminders import EXPIRY, decode_reminders
from stead.transport import UNREADABLE, LeftOut, SteadError, unpack

T = TypeVar("T")
V = TypeVar("V")  # what the store has of a target
T_co = TypeVar("T_co", covariant=True)

SCANNED_MAX = 10_000
"""How many records one page may look at: a page of a filter that matches few ends early instead of taking minutes."""

PAGE_READ_LENGTH = 100  # records that are read at a time for a page, however short it is


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """A part of a listing. `after`: give it to get the next part; None if there is no more.

    A page may hold less than was asked for, even nothing, and still have a next one.
    """

    items: Sequence[T_co]
    after: str | None
    left_out: int = 0
    """How many could not be read, and are not among the items; the log names them."""


@dataclass(frozen=True, slots=True)
class EntityStatus:
    """What is committed of an entity: its ID (the name in its canonical form), when an operation changed it last, its state as
    plain data, if it was asked for, and when each of its reminders is due next.
    """

    entity_id: EntityId
    modified_time: datetime
    state: Any = None
    reminders: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    exists: bool = True
    """Whether it has a state. One that does not exist may have reminders all the same."""
    locked: bool = False
    """Its state is encoded, and cannot be decoded here: `state` is None."""


async def take_page(
    pages: AsyncIterator[list[tuple[str, V]]],
    after: str,
    length: int,
    choose: Callable[[str, V], T | None],
    left_out: LeftOut,
    rows: str,
) -> Page[T]:
    """The first that are chosen from a listing which began after a target. What `choose` cannot read is left out."""
    found: list[T] = []
    scanned = unreadable = 0
    async for page in pages:
        for target, listed in page:
            if len(found) == length:
                return Page(found, after, unreadable)
            after = target
            try:
                item = choose(target, listed)
            except (*UNREADABLE, SteadError) as error:  # of a later version, or of a state that is not valid any more
                left_out.note(rows, target, error)
                unreadable += 1
                continue
            left_out.readable(rows, target)
            if item is not None:
                found.append(item)
        scanned += len(page)
        if scanned >= SCANNED_MAX:
            return Page(found, after, unreadable)
    return Page(found, None, unreadable)


def entity_status(
    target: str, record: bytes, from_ms: int | None, to_ms: int | None, *, with_state: bool
) -> EntityStatus | None:
    """What a listing says of an entity; None if it does not exist, or was changed at another time."""
    try:
        packed, modified_ms, _, more = decode_record(record)
        exists, locked = packed is not None, False
    except LockedRecord as error:
        packed, modified_ms, _, more = error.record
        exists, locked = error.exists, True
    if not exists or (from_ms is not None and modified_ms < from_ms) or (to_ms is not None and modified_ms > to_ms):
        return None
    status = _status(EntityId.parse(target), packed if with_state else None, modified_ms, more, exists=True)
    return replace(status, locked=True) if locked else status


def described(entity_id: EntityId, record: Record, *, locked: bool = False) -> EntityStatus | None:
    """What there is to say of one entity; None if it does not exist and has no reminders. `locked`: it has a state, which cannot be
    decoded here."""
    packed, modified_ms, _, more = record
    status = _status(entity_id, packed, modified_ms, more, exists=locked or packed is not None)
    if locked:
        return replace(status, locked=True)
    return status if status.exists or status.reminders else None


def _status(
    entity_id: EntityId, packed: bytes | None, modified_ms: int, more: Mapping[str, object], *, exists: bool
) -> EntityStatus:
    reminders = decode_reminders(more["r"]) if "r" in more else {}
    return EntityStatus(
        entity_id,
        _time_of(modified_ms),
        None if packed is None else unpack(packed),
        {name: _time_of(reminder.due_ms) for name, reminder in sorted(reminders.items()) if name != EXPIRY},
        exists,
    )


def _time_of(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
