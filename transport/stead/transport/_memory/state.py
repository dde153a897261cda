"""What a hub holds, as plain data: the dictionaries on which `MemoryStore` carries out its steps.

All of it is deep-copiable, so that a test can take a snapshot and later put it back, as a fail-over to a replica that
lagged would. Nothing here waits or reads a clock.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType

from stead.transport._contract.commit import Timer
from stead.transport._contract.errors import KeyDamaged, TornCommit
from stead.transport._contract.indexes import CatalogueView, CountRange, ReadRange
from stead.transport._contract.records import HubLayout, Running
from stead.transport._contract.shards import ShardCount

from .living import Beat, ReaderGroup
from .queues import Queue
from .streams import Order, Stream


@dataclass(slots=True)
class Feed:
    """A feed: its entries, and how many have been trimmed."""

    stream: Stream = field(default_factory=Stream)
    trimmed: int = 0


@dataclass(slots=True)
class Timers:
    """Messages that enter the inbox later, in the order in which they will: by due time, then by timer ID.

    Invariant: `order` is ascending and holds the due time and ID of every key of `by_id`, and nothing else.
    """

    by_id: dict[bytes, Timer] = field(default_factory=dict[bytes, Timer])
    order: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])

    def __len__(self) -> int:
        return len(self.by_id)

    @property
    def next_due_ms(self) -> int | None:
        """When the earliest is due."""
        return self.order[0][0] if self.order else None

    def set(self, timer: Timer) -> None:
        """Add a timer; one with the same ID is replaced."""
        self.cancel(timer.timer_id)
        self.by_id[timer.timer_id] = timer
        insort(self.order, (timer.due_ms, timer.timer_id))

    def cancel(self, timer_id: bytes) -> None:
        """Remove a timer, if it is there."""
        timer = self.by_id.pop(timer_id, None)
        if timer is not None:
            del self.order[bisect_left(self.order, (timer.due_ms, timer_id))]

    def take_due(self, now_ms: int, limit: int) -> list[bytes]:
        """Remove at most `limit` timers that are due; gives their messages in order."""
        count = bisect_left(self.order, (now_ms + 1, b""))
        taken = self.order[: min(count, limit)]
        del self.order[: len(taken)]
        return [self.by_id.pop(timer_id).payload for _, timer_id in taken]


@dataclass(slots=True)
class SortedSet:
    """Entries in the order of their scores, and of their members where these are equal, as a server's sorted set.

    Invariant: `order` is ascending and holds the score and member of every key of `scores`, and nothing else.
    """

    scores: dict[bytes, float] = field(default_factory=dict[bytes, float])
    order: list[tuple[float, bytes]] = field(default_factory=list[tuple[float, bytes]])

    def put(self, score: float, member: bytes) -> None:
        """Add an entry, or give it another score."""
        self.remove(member)
        self.scores[member] = score
        insort(self.order, (score, member))

    def remove(self, member: bytes) -> None:
        """Remove an entry, if it is there."""
        score = self.scores.pop(member, None)
        if score is not None:
            del self.order[bisect_left(self.order, (score, member))]

    def bounds(self, look: ReadRange | CountRange) -> tuple[int, int]:
        """The places between which a part of it is."""
        place = 1 if look.by_member else 0
        first, last = 0, len(self.order)
        if look.least is not None:
            find = bisect_right if look.open_least else bisect_left
            first = find(self.order, look.least, key=lambda entry: entry[place])
        if look.most is not None:
            find = bisect_left if look.open_most else bisect_right
            last = find(self.order, look.most, key=lambda entry: entry[place])
        return first, last

    def read(self, look: ReadRange) -> list[tuple[float, bytes]]:
        """The first entries of a part of it, in the direction asked for."""
        first, last = self.bounds(look)
        if look.after is not None and look.descending:
            last = min(last, bisect_left(self.order, look.after))
        elif look.after is not None:
            first = max(first, bisect_right(self.order, look.after))
        if look.descending:
            return self.order[max(first, last - look.limit) : last][::-1]
        return self.order[first : min(last, first + look.limit)]


@dataclass(slots=True)
class Session:
    """How far a session or a source of a producer has come (HAZARDS 3)."""

    last: int
    incarnation: int
    expires_ms: int
    refused: frozenset[int] = frozenset()  # positions of messages in the last batch


@dataclass(slots=True)
class Lease:
    """Who holds a partition. A free one has an empty token."""

    token: bytes = b""
    owner: str = ""
    epoch: int = 0
    expires_ms: int = 0
    free_since_ms: int = 0


@dataclass(slots=True)
class KeptTask:
    """An activity whose result is not recorded yet."""

    payload: bytes
    queue: str | None = None  # of a shared one
    entry: Order = (0, 0)  # of a shared one: where it is in the queue
    done: bool = False  # its result is in the inbox

    @property
    def own(self) -> bool:
        """Whether it is for the partition's owner to run."""
        return self.queue is None and not self.done


@dataclass(slots=True)
class PartitionState:
    """Everything of one partition.

    Invariants: `inbox` and `parks` together hold exactly the messages whose effects are not committed yet (see docs/explanation/design.md);
    `index` holds the targets that have a record or, in `starts`, a reservation.
    """

    inbox: Stream = field(default_factory=Stream)
    parks: dict[str, Stream] = field(default_factory=dict[str, Stream])
    blocked: dict[str, str] = field(default_factory=dict[str, str])
    records: dict[str, bytes] = field(default_factory=dict[str, bytes])
    index: set[str] = field(default_factory=set[str])
    timers: Timers = field(default_factory=Timers)
    sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    dead: Stream = field(default_factory=Stream)
    dead_trimmed: int = 0
    lease: Lease = field(default_factory=Lease)
    commit_id: bytes = b""
    applying: bytes = b""  # a commit that began and did not end: the partition is quarantined (HAZARDS 4)
    unclean: int = 0
    suspect_until: Order = (0, 0)
    running: Running | None = None
    deaths: bytes = b""
    starts: dict[str, tuple[bytes, bytes]] = field(default_factory=dict[str, tuple[bytes, bytes]])  # ID, envelope
    tasks: dict[bytes, KeptTask] = field(default_factory=dict[bytes, KeptTask])
    tries: dict[bytes, int] = field(default_factory=dict[bytes, int])
    logs: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])
    entries: dict[str, SortedSet] = field(default_factory=dict[str, SortedSet])  # of indexes, by name
    built: dict[str, bytes] = field(default_factory=dict[str, bytes])  # index -> how far
    feeds: dict[str, Feed] = field(default_factory=dict[str, Feed])
    catalogue: int = 0  # the version that it has adopted
    damaged: bool = False  # another program's key stands where the inbox was


@dataclass(slots=True)
class Replies:
    """The answers that wait for one client."""

    stream: Stream = field(default_factory=Stream)
    expires_ms: int = 0


@dataclass(slots=True)
class HubState:
    """Everything of one hub.

    Invariant: `index` is ascending and holds the UTF-8 form and the partition of every member of every partition's
    `index`.
    """

    layout: HubLayout
    partitions: list[PartitionState]
    index: list[tuple[bytes, int]] = field(default_factory=list[tuple[bytes, int]])
    replies: dict[tuple[int, str], Replies] = field(default_factory=dict[tuple[int, str], Replies])
    workers: dict[str, Beat] = field(default_factory=dict[str, Beat])
    names: dict[str, tuple[int, bytes]] = field(default_factory=dict[str, tuple[int, bytes]])  # until, description
    wishes: dict[str, tuple[int, bytes]] = field(default_factory=dict[str, tuple[int, bytes]])  # until, value
    queues: dict[str, Queue] = field(default_factory=dict[str, Queue])
    catalogue: CatalogueView = field(default_factory=CatalogueView)
    kept: dict[str, tuple[int, bytes]] = field(default_factory=dict[str, tuple[int, bytes]])  # until (ms), value
    groups: dict[tuple[str, str], ReaderGroup] = field(default_factory=dict["tuple[str, str]", ReaderGroup])
    catalogue_until: dict[str, int] = field(default_factory=dict[str, int])  # index -> when it is forgotten (ms)
    shards: dict[str, ShardCount] = field(default_factory=dict[str, ShardCount])  # by kind
    measures: dict[str, bytes] = field(default_factory=dict[str, bytes])
    # What was measured within a minute, and until when it is kept.
    minutes: dict[int, tuple[int, dict[str, bytes]]] = field(default_factory=dict[int, "tuple[int, dict[str, bytes]]"])

    def add_to_index(self, partition: int, target: str) -> None:
        members = self.partitions[partition].index
        if target not in members:
            members.add(target)
            insort(self.index, (target.encode(), partition))

    def remove_from_index(self, partition: int, target: str) -> None:
        members = self.partitions[partition].index
        if target in members:
            members.remove(target)
            del self.index[bisect_left(self.index, (target.encode(), partition))]

    def queue(self, name: str) -> Queue:
        """A queue; one that is not there is made."""
        return self.queues.setdefault(name, Queue())

    def page(self, prefix: bytes, after: bytes | None, count: int, *, entities: bool = True) -> list[tuple[str, int]]:
        """At most `count` indexed targets that begin with `prefix`, after `after`, ascending by their UTF-8 form."""
        beyond = len(self.partitions)  # above every partition's number
        start = bisect_left(self.index, (prefix, -1)) if after is None else bisect_right(self.index, (after, beyond))
        page: list[tuple[str, int]] = []
        for encoded, partition in islice(self.index, start, None):
            if len(page) == count or not encoded.startswith(prefix):
                break
            if entities or not encoded.startswith(b"@"):
                page.append((encoded.decode(), partition))
        return page


# -- what every step of a partition's owner looks at first ----------------------------------------------------------------

NOBODY: Mapping[str, Beat] = MappingProxyType({})


def owns(state: PartitionState, token: bytes) -> bool:
    """Whether the lease is this token's."""
    return token != b"" and state.lease.token == token


def check_inbox(partition: int, state: PartitionState) -> None:
    """Raise `KeyDamaged` if something else stands where the inbox was."""
    if state.damaged:
        reason = f"the inbox of partition {partition} is none: nothing was written. A test has damaged it; mend it"
        raise KeyDamaged(reason, partition, key=f"inbox:{partition}".encode())


def check_whole(partition: int, state: PartitionState) -> None:
    """Raise `KeyDamaged` for a partition with a damaged inbox, `TornCommit` for one that was left in the middle of a commit."""
    check_inbox(partition, state)
    if state.applying != state.commit_id:
        raise TornCommit(partition, state.applying.hex())


def outlived(workers: Mapping[str, Beat], worker: str, given_up_ms: int) -> bool:
    """Whether a worker has said that it lives after the moment at which it was given up on: then it did not end on what it
    was running."""
    beat = workers.get(worker)
    return beat is not None and beat.beat_ms > given_up_ms
