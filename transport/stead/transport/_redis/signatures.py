"""What each script is given and what it gives, but for a commit, which has a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from stead.transport._contract.records import StreamId

from .signature import Nothing, Signature

# -- hubs --------------------------------------------------------------------------------------------------------------


class JoinHub(NamedTuple):
    """What a hub is made with, if there is none."""

    hub_id: str
    partitions: str
    slot_groups: str
    mode: str
    format: str
    coded: str  # "" for no codec of payloads, else the least format of a hub with one
    apart: str  # the same for a place for large payloads


JOIN_HUB = Signature(JoinHub, keys="record:hash")
RIGHTS = Signature(Nothing, keys="key:any", packed=False)

# -- producers ---------------------------------------------------------------------------------------------------------


class Starting(NamedTuple):
    """A message of a batch that starts an instance."""

    place: int  # in the payloads, from 1
    target: str
    message_id: bytes
    reuse: int  # 0 only if it is finished, 1 never, 2 always: `Reuse`


class Receiving(NamedTuple):
    """A message of a batch for an instance that has to be there, and not finished."""

    place: int  # in the payloads, from 1
    target: str


class Enqueued(NamedTuple):
    """A batch. Its numbers are decimal texts, -1 for none."""

    inbox: int  # its place in KEYS: session and lease follow it, starts and state if it has starts or recipients, index if it has starts
    incarnation: str
    previous: str
    last: str
    keep_ms: int
    backlog_max: int
    payloads: Sequence[bytes]
    starting: Sequence[Starting] | Literal[0]
    receiving: Sequence[Receiving] | Literal[0]


class Enqueue(NamedTuple):
    """Batches of different partitions, or of different sessions."""

    batches: Sequence[Enqueued]
    hub_id: str


ENQUEUE = Signature(
    Enqueue,
    more_keys="of each batch: inbox (stream), session (string), lease (hash); with starts or recipients starts and state (hash), "
    "with starts index (zset)",
    last_keys="record:hash",
    rows=(Enqueued, Starting, Receiving),
)


class OpenSource(NamedTuple):
    """A producer that becomes the one of its source."""

    incarnation: str
    keep_ms: int
    hub_id: str


class Opened(NamedTuple):
    """Whether it has become that."""

    opened: int
    number: bytes  # the last one accepted; or the incarnation of the later producer


OPEN_SOURCE = Signature(OpenSource, keys="session:string", last_keys="record:hash", answer=Opened)

# -- partitions and their owners ---------------------------------------------------------------------------------------


class Acquire(NamedTuple):
    """A lease that is to be this owner's."""

    token: bytes
    expected: bytes  # the token that is there; "" of a free partition
    owner: str
    lease_ms: int
    hub_id: str


class Acquisition(NamedTuple):
    """A partition as its new owner finds it."""

    verdict: int
    epoch: int
    commit_id: bytes
    now_ms: bytes
    due: bytes  # ms of the first timer, or ""
    parked: Sequence[bytes]  # target, stream ID, ...
    blocked: Sequence[bytes]  # target, reason, ...
    unclean: bytes
    suspect: bytes
    target: bytes  # that was running, or ""
    running_id: bytes
    tries: bytes
    deaths: bytes
    catalogue: bytes
    built: Sequence[bytes]  # index, how far, ...


ACQUIRE = Signature(
    Acquire,
    keys="lease:hash inbox:stream timers:zset parked:hash blocked:hash workers:any state:hash payloads:hash starts:hash "
    "tasks:hash tries:hash index:zset dead:stream built:hash trimmed:hash",
    last_keys="record:hash",
    answer=Acquisition,
)


class Release(NamedTuple):
    """A lease that is given back."""

    token: bytes


class Renew(NamedTuple):
    """Leases that go on."""

    lease_ms: int
    tokens: Sequence[bytes]  # one a key


class MarkRunning(NamedTuple):
    """What is about to run ("" for nothing), and the deaths that are known of, if they have changed."""

    token: bytes
    target: str
    stream_id: StreamId
    tries: str
    deaths: Sequence[bytes]


class ParkMessages(NamedTuple):
    """Messages that go to their target's park."""

    token: bytes
    target: str
    stream_ids: Sequence[StreamId]


class FireTimers(NamedTuple):
    """A look for timers that are due."""

    token: bytes
    limit: int


class Fired(NamedTuple):
    """How many were due, and when the next one is (ms, or "")."""

    verdict: int
    fired: int
    due: bytes


RELEASE = Signature(Release, keys="lease:hash", packed=False)
RENEW = Signature(Renew, more_keys="leases (hash) of partitions of one slot group")
MARK_RUNNING = Signature(MarkRunning, keys="lease:hash")
PARK = Signature(ParkMessages, keys="lease:hash inbox:stream parked:hash park:zset")
FIRE_TIMERS = Signature(FireTimers, keys="lease:hash inbox:stream timers:zset payloads:hash", answer=Fired)

# -- workers, names, dead letters --------------------------------------------------------------------------------------


class Heartbeat(NamedTuple):
    """A worker that lives."""

    worker: str
    info: bytes
    ttl_ms: int
    hub_id: str


class Heard(NamedTuple):
    """All that live: worker, "beat ms:info", ..."""

    now_ms: bytes
    living: list[bytes]


class Leave(NamedTuple):
    """A worker that ends."""

    worker: str


class Publish(NamedTuple):
    """Descriptions of kinds."""

    ttl_ms: int
    described: Sequence[str | bytes]  # name, description, ...
    hub_id: str


class Measure(NamedTuple):
    """What a worker has measured."""

    worker: str
    sums: bytes
    part: bytes  # within the minute
    keep_ms: int
    first: str  # "1": it has said nothing before
    hub_id: str


class FoldMeasures(NamedTuple):
    """What ended workers have measured."""

    before: bytes  # the sum of ended workers as it is
    after: bytes  # and as it is to be
    ended: Sequence[str | bytes]  # worker, block, ...
    hub_id: str


class ResendDeadLetter(NamedTuple):
    """A dead letter's message."""

    stream_id: StreamId
    payload: bytes


HEARTBEAT = Signature(Heartbeat, keys="workers:hash beats:zset", last_keys="record:hash", answer=Heard, packed=False)
LEAVE = Signature(Leave, keys="workers:hash beats:zset", packed=False)
LIVING = Signature(Nothing, keys="values:hash until_ms:zset", packed=False)
PUBLISH = Signature(Publish, keys="names:hash names_until:zset", last_keys="record:hash")
MEASURE = Signature(Measure, keys="measures:hash minute:hash", last_keys="record:hash", packed=False)
FOLD_MEASURES = Signature(FoldMeasures, keys="measures:hash", last_keys="record:hash")
RESEND_DEAD_LETTER = Signature(ResendDeadLetter, keys="dead:stream inbox:stream", packed=False)
