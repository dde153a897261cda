"""What the script that writes a commit is given: by far the most of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from stead.transport._contract.records import StreamId

from .signature import Signature


class Send(NamedTuple):
    """Messages for one receiver."""

    inbox: int  # its place in KEYS
    payloads: list[bytes]


class Answers(NamedTuple):
    """Answers for one client."""

    stream: int  # its place in KEYS
    payloads: list[bytes]


class Unparking(NamedTuple):
    """Messages that were carried out from a park."""

    park: int  # its place in KEYS
    target: str
    stream_ids: Sequence[StreamId]


class Logged(NamedTuple):
    """Events of one instance."""

    log: int  # its place in KEYS
    reset: int  # 1: what was there is dropped first
    events: Sequence[bytes]


class NewTask(NamedTuple):
    """An activity to be carried out."""

    task_id: bytes
    queue: int  # its place in KEYS, or 0 if it is the owner's to run
    payload: bytes


class Reservation(NamedTuple):
    """An ID that a start among the sends takes."""

    starts: int  # the receiver's, their place in KEYS
    target: str
    message_id: bytes
    send: int  # which of the sends it is in, from 1
    place: int  # and where in its payloads, from 1


class Listed(NamedTuple):
    """Instances that enter another partition's index."""

    into: int  # the place of the index in KEYS
    members: Sequence[int | str]  # 0, instance, ...


class Instances(NamedTuple):
    """What instances do."""

    tasks: int  # the place in KEYS of this partition's tasks: its tries and starts follow it
    logs: Sequence[Logged]
    new_tasks: Sequence[NewTask]
    dropped: Sequence[bytes]  # IDs of tasks
    reservations: Sequence[Reservation]
    started: Sequence[str | bytes]  # target, message ID, ...
    partition: str  # this one's number
    listed: Sequence[Listed]
    doubtful: Sequence[str]  # instances of this partition, listed as long as they have a record or a reservation


class WriteCommit(NamedTuple):
    """The effects of a partition's turns."""

    token: bytes
    previous: bytes
    commit_id: bytes
    consumed: Sequence[StreamId]
    states: Sequence[str | bytes]  # target, record, ...
    created: Sequence[str]
    deleted: Sequence[str]
    new_timers: Sequence[bytes | str]  # timer ID, due ms, payload, ...
    sends: Sequence[Send]
    replies: Sequence[Answers]
    letters: Sequence[bytes]
    unparked: Sequence[Unparking]
    now_blocked: Sequence[str]  # target, reason, ...
    unblocked: Sequence[str]
    cancelled: Sequence[bytes]  # timer IDs
    suspect_passed: int  # 0 or 1
    clear_running: int  # 0 or 1
    letters_max: int
    reply_keep_ms: int
    replies_max: int
    instances: Instances | Literal[0]


COMMIT = Signature(
    WriteCommit,
    keys="lease:hash inbox:stream state:hash index:zset timers:zset payloads:hash parked:hash blocked:hash dead:stream",
    more_keys="parks (zset), inboxes and reply streams (stream) of others; tasks, tries and starts (hash) of this "
    "partition; logs (list), queues (stream), starts (hash) and indexes (zset) of others",
    rows=(Send, Answers, Unparking, Instances, Logged, NewTask, Reservation, Listed),
)
