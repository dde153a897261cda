"""An instance's record: its status row, rewritten with every commit that changes the instance.

Its bytes begin with the number of the status, as one byte, so that a script of the store can see whether the instance is
finished; the rest is a msgpack array of the other fields, in the order of `_FIELDS`, led by the record's version. A new
field goes to the end; what an older worker wrote is read with the field's default. (An entity's record begins with another
byte: it is an array.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from stead.entities.extending import ReplyAddress, TaskAddress, UnknownEnvelope
from stead.transport import NO_CODEC, InvalidInput, pack_envelope, read_casket, unpack

from .instants import is_time

RECORD_VERSION = 1
RECORD_CASKET = 32
"""Its data is in a casket (see `sealed`), which its reader could not open."""


class RuntimeStatus(StrEnum):
    """How far an instance has come. Completed, Failed, Canceled and Terminated are final."""

    RUNNING = "Running"
    COMPLETED = "Completed"
    CONTINUED_AS_NEW = "ContinuedAsNew"
    FAILED = "Failed"
    CANCELED = "Canceled"
    TERMINATED = "Terminated"
    PENDING = "Pending"  # accepted, but its code has not begun: it is scheduled for later, or no worker knows it
    SUSPENDED = "Suspended"


# The numbers are stored. They are those of Durable Functions.
STATUS_NUMBERS: Mapping[RuntimeStatus, int] = {
    RuntimeStatus.RUNNING: 0,
    RuntimeStatus.COMPLETED: 1,
    RuntimeStatus.CONTINUED_AS_NEW: 2,
    RuntimeStatus.FAILED: 3,
    RuntimeStatus.CANCELED: 4,
    RuntimeStatus.TERMINATED: 5,
    RuntimeStatus.PENDING: 6,
    RuntimeStatus.SUSPENDED: 7,
}
STATUSES: Mapping[int, RuntimeStatus] = {number: status for status, number in STATUS_NUMBERS.items()}
FINISHED = frozenset({RuntimeStatus.COMPLETED, RuntimeStatus.FAILED, RuntimeStatus.CANCELED, RuntimeStatus.TERMINATED})


def _none() -> list[Any]:
    """An empty list. (`list[X]()` takes ten times as long as `[]`.)"""
    return []


class Awaited(NamedTuple):
    """An external event for which an instance waits."""

    name: str
    since_ms: int


@dataclass(slots=True)
class InstanceRecord:
    """What the store knows of an instance besides its history. Times are milliseconds since the epoch."""

    status: RuntimeStatus
    name: str
    version: str | None
    execution_id: str
    created_ms: int
    updated_ms: int
    start_id: bytes = b""  # the message ID of the start that made it
    finished_ms: int | None = None
    scheduled_ms: int | None = None  # it was not to begin before
    begun: bool = True  # its code has run
    custom_status: Any = None
    output: Any = None  # of a terminated one: the reason
    failure: dict[str, Any] | None = None  # `FailureDetails.as_map`
    reason: str = ""  # given when it was suspended, terminated or rewound last
    tags: dict[str, str] | None = None
    parent: TaskAddress | None = None  # who waits for its result
    waiters: list[ReplyAddress] = field(default_factory=_none)  # clients that wait for the end
    history_length: int = 0
    former: list[str] = field(default_factory=_none)  # IDs of executions before it was rewound: answers may name them
    unseen: int = 0  # events at the end of the history to which the code has not come
    awaited: list[Awaited] = field(default_factory=_none)
    again: list[int] | None = None
    """While it is being rewound, until its code has come to the end of what is left of its history: the number of the last thing that
    it had asked for, and the numbers of what has failed."""

    progress: list[list[Any]] | None = None
    """Of activities under way whose heartbeats have said something: task ID, and what they said last."""

    locked: str = ""
    """Why its data cannot be read, where that is so: custom status, output, failure, reason and progress are nothing then. It is not
    stored."""

    @property
    def finished(self) -> bool:
        return self.status in FINISHED


def encode_instance_record(record: InstanceRecord) -> bytes:
    """The bytes of a record. Raises `InvalidInput` if one of its values cannot be stored."""
    parent = record.parent
    fields = (
        RECORD_VERSION,
        record.name,
        record.version,
        record.execution_id,
        record.created_ms,
        record.updated_ms,
        record.start_id,
        record.finished_ms,
        record.scheduled_ms,
        record.begun,
        record.custom_status,
        record.output,
        record.failure,
        record.reason,
        record.tags,
        None if parent is None else [parent.instance, parent.execution_id, parent.task_id],
        [list(waiter) for waiter in record.waiters],
        record.history_length,
        record.former,
        record.unseen,
        [list(event) for event in record.awaited],
        record.again,
        record.progress,
    )
    return bytes((STATUS_NUMBERS[record.status],)) + pack_envelope(fields)


def status_in(data: bytes) -> RuntimeStatus | None:
    """The status that a record's bytes say, which need not be decoded for that; None if they say none that is known."""
    return STATUSES.get(data[0]) if data else None


def decode_instance_record(data: bytes) -> InstanceRecord:
    """The record of its bytes. Raises `UnknownEnvelope` for one of a newer stead, `InvalidInput` for what is none."""
    status = status_in(data)
    if status is None:
        raise InvalidInput("record", "it is not that of an instance")
    fields = _array(unpack(data[1:]))
    if len(fields) < 6:
        raise InvalidInput("record", "it is not that of an instance")
    locked = ""
    if fields[0] == RECORD_CASKET:
        locked = read_casket(fields.pop()).why or NO_CODEC
    elif fields[0] != RECORD_VERSION:
        raise UnknownEnvelope(fields[0])
    record = InstanceRecord(status, *fields[1:23])
    record.locked = locked
    if not _is_sound(record):
        raise InvalidInput("record", "its fields are not those of an instance")
    if record.parent is not None:
        record.parent = TaskAddress(*record.parent)
    if record.waiters:
        record.waiters = [ReplyAddress(*waiter) for waiter in record.waiters]
    if record.awaited:
        record.awaited = [Awaited(*event) for event in record.awaited]
    return record


def _is_sound(record: Any) -> bool:
    """Whether the fields are of the types that they have to be of. (Written out: it is asked at each look at an instance.)"""
    failure, tags = record.failure, record.tags
    parent: object = record.parent
    awaited: list[Any] | None = record.awaited
    waiters: list[Any] = record.waiters
    return (
        type(record.name) is type(record.execution_id) is type(record.reason) is str
        and (record.version is None or type(record.version) is str)
        and is_time(record.created_ms)
        and is_time(record.updated_ms)
        and (record.finished_ms is None or is_time(record.finished_ms))
        and (record.scheduled_ms is None or is_time(record.scheduled_ms))
        and type(record.start_id) is bytes
        and (failure is None or type(failure) is dict)
        and (tags is None or type(tags) is dict)
        and (parent is None or _is_parent(parent))
        and type(waiters) is type(record.former) is list
        and (not waiters or all(map(_is_waiter, waiters)))
        and (not awaited or (type(awaited) is list and all(map(_is_awaited, awaited))))
        and type(record.history_length) is int
        and (not record.progress or all(map(_is_said, record.progress)))
        and (record.again is None or _are_numbers(record.again))
    )


def _are_numbers(value: object) -> bool:
    numbers = _array(value)
    return len(numbers) > 0 and all(type(number) is int for number in numbers)


def _is_parent(address: object) -> bool:
    parts = _array(address)
    return len(parts) == 3 and type(parts[0]) is type(parts[1]) is str and type(parts[2]) is int


def _is_waiter(address: object) -> bool:
    parts = _array(address)
    return len(parts) == 3 and type(parts[0]) is type(parts[2]) is int and type(parts[1]) is str


def _is_said(progress: object) -> bool:
    parts = _array(progress)
    return len(parts) == 2 and type(parts[0]) is int


def _is_awaited(event: object) -> bool:
    parts = _array(event)
    return len(parts) == 2 and type(parts[0]) is str and is_time(parts[1])


def _array(value: Any) -> list[Any]:
    parts: list[Any] = []
    if isinstance(value, list):
        parts += value
    return parts
