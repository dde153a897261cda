"""What the script that writes commits is given: by far the most of all.

One call carries a batch, and Python makes a call in as many steps as it has members: so what most commits have is in
`Member`, which is packed as it is, and what few have is in `More`, which is left out of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from stead.transport._contract.records import StreamId

from .signature import Signature


class Messages(NamedTuple):
    """What is appended to one stream, in the order in which it is to be there: an inbox, or the answers for a client."""

    stream: int  # its place in KEYS
    messages: Sequence[Any]  # the place of the member that sends it (from 1), payload, ...


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
    fields: Sequence[str]  # of its entry, that say behind which limit it waits


class Reservation(NamedTuple):
    """An ID that a start among the messages takes."""

    starts: int  # the receiver's, their place in KEYS
    target: str
    message_id: bytes
    receiver: int  # which of the receivers it is sent to, from 1
    place: int  # and where among what is sent there its payload is, from 1


class Listed(NamedTuple):
    """Instances that enter another partition's index."""

    into: int  # the place of the index in KEYS
    members: Sequence[int | str]  # 0, instance, ...


class Unqueued(NamedTuple):
    """A task that may be in a queue, and is not to be run any more."""

    queue: int  # its place in KEYS; limits and limited follow it
    task_id: bytes


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
    unqueued: Sequence[Unqueued]  # nobody wants their results either
    ending: Sequence[Unqueued]  # somebody waits for their results


class More(NamedTuple):
    """What only some commits have."""

    first: int  # the place of the index in KEYS: timers, payloads, parked, blocked and dead follow it
    created: Sequence[int | str]  # 0, target, ...
    deleted: Sequence[str]
    due: Sequence[str | bytes]  # ms, timer ID, ...
    timed: Sequence[bytes]  # timer ID, payload, ...
    cancelled: Sequence[bytes]  # timer IDs
    letters: Sequence[bytes]
    unparked: Sequence[Unparking]
    now_blocked: Sequence[str]  # target, reason, ...
    unblocked: Sequence[str]
    suspect_passed: int  # 0 or 1
    clear_running: int  # 0 or 1
    instances: Instances | Literal[0]


class Reindexed(NamedTuple):
    """What changes in one set of an index."""

    entries: int  # its place in KEYS
    removed: Sequence[bytes]
    added: Sequence[str | bytes]  # score, member, ...
    rises: int  # 1: what is there already keeps a higher score


class Fed(NamedTuple):
    """What is added to a feed, and what stays in it."""

    stream: int  # its place in KEYS
    feed: str
    entry: bytes  # nothing: it is only trimmed
    keep_ms: int
    length_max: int


class Reindexing(NamedTuple):
    """What only commits of kinds with indexes have."""

    built: int  # the place in KEYS of the hash of that name; 0 if nothing of it changes
    reached: Sequence[str | bytes]  # index, how far it has been built, ...
    sets: Sequence[Reindexed]
    trimmed: int  # the place in KEYS of the hash of that name; 0 if there are no feeds
    feeds: Sequence[Fed]


class Member(NamedTuple):
    """The effects of one partition's turns."""

    lease: int  # its place in KEYS: inbox and state follow it
    token: bytes
    previous: bytes
    consumed: Sequence[StreamId]
    states: Sequence[str | bytes]  # target, record, ...
    more: More | Literal[0]
    catalogue: str  # the version that its owner has adopted
    indexing: Reindexing | Literal[0]


class WriteCommits(NamedTuple):
    """A batch."""

    batch_id: bytes  # the commit ID of all its members
    members: Sequence[Member]
    components: Sequence[Sequence[int]] | Literal[0]  # the places of their members, from 1; 0: each is one by itself
    receivers: Sequence[Messages]  # inboxes
    replies: Sequence[Messages]
    with_more: int  # 1 if any member has `more`
    with_indexes: int  # 1 if any member has `indexing`
    letters_max: int
    reply_keep_ms: int
    replies_max: int


COMMIT = Signature(
    WriteCommits,
    more_keys="of each member: lease (hash), inbox (stream), state (hash); with `more` index and timers (zset), payloads, "
    "parked and blocked (hash), dead (stream), its parks (zset); with `instances` tasks, tries and starts (hash), logs "
    "(list), queues (stream, each with limits (hash) and limited (zset) if tasks leave it), starts (hash) and indexes (zset) of others; with `indexing` built (hash), sets of indexes (zset), trimmed "
    "(hash) and feeds (stream); at last inboxes and reply streams (stream)",
    rows=(
        Messages,
        Member,
        More,
        Unparking,
        Instances,
        Logged,
        NewTask,
        Unqueued,
        Reservation,
        Listed,
        Reindexing,
        Reindexed,
        Fed,
    ),
)
