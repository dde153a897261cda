"""The vocabulary of the transport: frozen records that cross the seam between workers, clients and a store.

Everything that a store writes is one of these values, built by code that does no I/O. Names ending in `_ms` are
milliseconds; instants are the server's time since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from .errors import ServerUnsuitable

# A stream ID as the server writes it, b"1763692800000-0". Ordered by `stream_order`, never as bytes.
StreamId = bytes

# One entry of an inbox as it comes off the wire: [stream ID, [b"m", envelope]].
Entry = Sequence[Any]


def stream_order(stream_id: StreamId) -> tuple[int, int]:
    """The sort key of a stream ID: its milliseconds and its sequence number."""
    milliseconds, _, sequence = stream_id.partition(b"-")
    return int(milliseconds), int(sequence or 0)


@dataclass(frozen=True, slots=True)
class HubLayout:
    """What is fixed when a hub is made, and obeyed by everyone who joins it."""

    name: str
    hub_id: str  # random: a hub made anew under the same name is another hub
    partitions: int
    slot_groups: int
    mode: Literal["direct", "relay"]
    format: int
    created_ms: int
    coded: bool = False  # its payloads go through a codec, or some did
    apart: bool = False  # large payloads are kept elsewhere, or some are


# -- producers ---------------------------------------------------------------------------------------------------------


class Reuse(IntEnum):
    """What a client's start of an instance does when its ID is taken. The numbers are written into scripts."""

    FINISHED = 0  # an ID whose instance is finished is used again; one that is not refuses the start
    NEVER = 1  # an ID that exists refuses the start
    ALWAYS = 2  # an instance that is not finished is terminated and replaced


@dataclass(frozen=True, slots=True)
class Start:
    """A message of a batch that starts an instance: it is reserved in the same step, or refused (HAZARDS 14)."""

    position: int  # of the message in the batch's payloads
    target: str
    message_id: bytes
    reuse: Reuse


class Recipient(NamedTuple):
    """A message of a batch for an instance that has to be there, and not finished: else the message is refused (HAZARDS 14)."""

    position: int  # of the message in the batch's payloads
    target: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages for one partition, chained to the batch before by sequence numbers (HAZARDS 3)."""

    partition: int
    session: str  # a random session, or "source:NAME" for signals that are accepted once
    incarnation: int  # of a source's producer; 0 for a session
    previous: int  # the last sequence number before this batch
    last: int  # the sequence number of the batch's last message
    payloads: Sequence[bytes]
    backlog_max: int  # messages that may wait in the partition
    keep_ms: int  # how long the session's record outlives its last use
    starts: Sequence[Start] = ()
    freeing: bool = False  # its messages are small and free memory: accepted although the server's memory is full
    recipients: Sequence[Recipient] = ()


class Verdict(Enum):
    """What the store did with a batch."""

    ACCEPTED = "accepted"  # written now
    DUPLICATE = "duplicate"  # written before: the answer had been lost
    GAP = "gap"  # the record is neither `previous` nor at `last` or beyond: nothing written
    BACKLOG = "backlog"  # the partition holds too many: nothing written
    FULL = "full"  # the server is out of memory: nothing written
    SUPERSEDED = "superseded"  # another incarnation of the source was opened: nothing written
    DAMAGED = "damaged"  # a key holds something else, or the server refuses it (`damage` says what): nothing written


@dataclass(frozen=True, slots=True)
class EnqueueResult:
    """The verdict on a batch, with the sequence number that the store has (`GAP`) or the backlog (`BACKLOG`)."""

    verdict: Verdict
    detail: int = 0
    # Positions of starts whose IDs are taken, and of messages whose recipient does not go on: accepted batch, not written.
    refused: frozenset[int] = frozenset()
    damage: ServerUnsuitable | None = None


# -- leases ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeaseView:
    """A partition's lease as anyone may see it. A free partition has an empty token."""

    partition: int
    token: bytes
    owner: str
    epoch: int
    expires_ms: int
    free_since_ms: int  # when it was released; 0 if never held or held now
    quarantined: bool
    damage: str = ""  # why it cannot be read, if that is so

    def holder(self, now_ms: int) -> str:
        """Who holds it; "" for nobody (a lease that has expired holds nothing)."""
        return self.owner if self.token and self.expires_ms > now_ms else ""


@dataclass(frozen=True, slots=True)
class Running:
    """The marker of careful mode: which message of which target ran when the owner died, and how often it was tried."""

    target: str
    stream_id: StreamId
    tries: int


@dataclass(frozen=True, slots=True)
class Acquired:
    """What the new owner of a partition needs to go on where the last one stopped."""

    partition: int
    token: bytes
    epoch: int
    commit_id: bytes  # of the last commit: the next one names it as `previous`
    now_ms: int
    next_due_ms: int | None  # of the earliest timer
    parked: dict[str, StreamId]  # target -> the stream ID of its first parked message
    blocked: dict[str, str]  # target -> why its messages wait
    unclean: int  # how often in a row an owner ended without releasing
    suspect_until: StreamId  # messages up to here were there when an owner died
    running: Running | None
    deaths: bytes = b""  # what is known of turns that ended owners: whoever holds the partition packs it
    catalogue: int = 0  # the version that the partition has adopted
    built: Mapping[str, bytes] = field(default_factory=dict[str, bytes])  # index -> how far it has been built

    def adopted(self, version: int, built: Mapping[str, bytes]) -> Acquired:
        """The same, once the partition has adopted a version of the catalogue."""
        return replace(self, catalogue=version, built=built)


def has_log(target: str) -> bool:
    """Whether a target is an instance: it has a log, which an entity has not."""
    return not target.startswith("@")


class DamagedLog(list[bytes]):
    """Stands for the log of an instance whose key holds something else."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class Loaded(NamedTuple):
    """What the store has of a target."""

    record: bytes | None
    log: Sequence[bytes]


NOT_STORED = Loaded(None, ())
"""Of most entities that are new: one for all of them."""


class InstanceView(NamedTuple):
    """What anyone may see of an instance at one moment."""

    start: bytes | None  # the start message that was accepted and not carried out yet
    record: bytes | None
    log: Sequence[bytes] = ()  # as many events from the first on as were asked for
    blocked: str | None = None  # why its messages wait; of one that was read by itself


# -- activities ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """A shared task that this worker has taken, and has to keep alive until it is completed."""

    queue: str
    entry: StreamId  # in the queue's stream
    partition: int
    task_id: bytes
    payload: bytes
    deliveries: int  # how often it was delivered, this one included
    limit: str = ""  # in which it has a place


class Kept(NamedTuple):
    """What is to be known of tasks that a worker has said to run. IDs of tasks."""

    lost: list[bytes]  # nobody wants their results any more, or another worker has them: they are let go of
    ending: list[bytes]  # they are to end, and somebody waits for that


NOTHING_SAID: Mapping[bytes, bytes] = MappingProxyType({})
"""Nobody whose task runs has anything to say."""


# -- workers, names, dead letters --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker that is alive: `info` is what it wrote with its last heartbeat (msgpack data)."""

    worker: str
    beat_ms: int
    info: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be carried out: `letter` is what the worker recorded (msgpack data)."""

    partition: int
    stream_id: StreamId
    letter: bytes


PARKS_LOOKED_AT = 100
"""Of so many targets of a partition `info` tells how many messages are parked. A partition may have very many."""


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """What `stead info` shows of one partition."""

    lease: LeaseView
    backlog: int  # messages in the inbox
    parked: int  # messages in the parks of its targets
    parked_targets: int
    blocked: dict[str, str]
    entities: int
    timers: int
    dead: int
    dead_trimmed: int
    instances: int = 0
    tasks: int = 0  # activities whose results are not recorded yet
    damage: str = ""  # what of it holds something else, if anything does: what is said of that is nothing
    # How much is parked of whom: of PARKS_LOOKED_AT at most.
    parks: dict[str, int] = field(default_factory=dict[str, int])
    suspect: str = ""  # what ran when workers died of it, as far as it is known and not over
    oldest_ms: int | None = None  # when the oldest message that waits came, in the inbox and in the parks looked at


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says of itself: it decides what the promise is."""

    version: str
    run_id: str
    maxmemory_policy: str
    appendonly: bool | None  # None where it is not known
    appendfsync: str  # "always", "everysec", "no", or "" where it is not known: many managed services do not tell
    cluster: bool
    replicas: int
    used_memory_bytes: int
    memory_max_bytes: int = 0  # what it may use; 0: no limit, or none that it tells

    @property
    def durable(self) -> Literal["always", "everysec", "no", "unknown"]:
        """What survives a crash of the server: everything acknowledged, all but a second of it, or nothing certain. What
        the server does not tell is not known, and may be any of these."""
        if self.appendonly is False or self.appendfsync == "no":
            return "no"
        if self.appendonly is None or self.appendfsync not in ("always", "everysec"):
            return "unknown"
        return "always" if self.appendfsync == "always" else "everysec"

    @property
    def reads_at_one_moment(self) -> bool:
        """Whether a read over several streams that had to wait sees all of them as they are when it is answered. Before 7.2 it is
        answered with the first stream that got something, though one step may have written to several (HAZARDS 43)."""
        numbers = [int(number) for number in self.version.split(".") if number.isdecimal()]
        return self.version == "memory" or numbers[:2] >= [7, 2]
