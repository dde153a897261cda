"""What each script is given and what it gives, but for a commit, which has a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

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


JOIN_HUB = Signature(JoinHub, keys="record:hash")
RIGHTS = Signature(Nothing, keys="key:any", packed=False)

# -- producers ---------------------------------------------------------------------------------------------------------


class Starting(NamedTuple):
    """A message of a batch that starts an instance."""

    place: int  # in the payloads, from 1
    target: str
    message_id: bytes
    reuse: int  # 0 only if it is finished, 1 never, 2 always: `Reuse`


class Enqueued(NamedTuple):
    """A batch. Its numbers are decimal texts, -1 for none."""

    inbox: int  # its place in KEYS: session and lease follow it, and with starts starts, state and index
    incarnation: str
    previous: str
    last: str
    keep_ms: int
    backlog_max: int
    payloads: Sequence[bytes]
    starting: Sequence[Starting] | Literal[0]


class Enqueue(NamedTuple):
    """Batches of different partitions, or of different sessions."""

    batches: Sequence[Enqueued]
    hub_id: str


ENQUEUE = Signature(
    Enqueue,
    more_keys="of each batch: inbox (stream), session (string), lease (hash); with starts starts and state (hash), index "
    "(zset)",
    last_keys="record:hash",
    rows=(Enqueued, Starting),
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

# -- activities --------------------------------------------------------------------------------------------------------


class MarkTask(NamedTuple):
    """A task that is tried once more."""

    token: bytes
    task_id: bytes


class Tried(NamedTuple):
    """How often it was, this try included; 0 if it is gone."""

    verdict: int
    tries: int


class Sharing(NamedTuple):
    """A task that goes into a queue."""

    task_id: bytes
    queue: int  # its place in KEYS


class ShareTasks(NamedTuple):
    """Tasks of the owner that become shared ones."""

    token: bytes
    worker: str
    partition: str
    wanted: Sequence[Sharing]


class Shared(NamedTuple):
    """Where they are; "" for one that is gone, or that another worker has."""

    verdict: int
    entries: list[StreamId]


class OpenQueues(NamedTuple):
    """A worker that is going to take from queues."""

    forget_ms: int  # after which a worker that has nothing and does nothing is forgotten
    hub_id: str


class TakeTasks(NamedTuple):
    """A worker that has time."""

    worker: str
    limit: int
    hub_id: str


class TakenRow(NamedTuple):
    """An entry of a queue, which was taken."""

    queue: int  # its place in KEYS
    entry: StreamId
    partition: bytes
    task_id: bytes
    deliveries: int


class TakenRows(NamedTuple):
    """What was taken, and the last entry of each queue that was delivered: from there one waits."""

    taken: Sequence[Sequence[Any]]
    delivered: Sequence[StreamId]


class RetakeTasks(NamedTuple):
    """A worker that looks for tasks of others that have died."""

    worker: str
    idle_ms: int  # since a task was last kept alive
    limit: int
    hub_id: str


class Holding(NamedTuple):
    """A task that a worker has."""

    queue: int  # its place in KEYS
    tasks: int  # their place in KEYS
    entry: StreamId
    task_id: bytes
    partition: str  # its number


class Holdings(NamedTuple):
    """Tasks that a worker has."""

    worker: str
    queues: Sequence[int]  # their places in KEYS
    hashes: Sequence[int]  # and those of tasks
    taken: Sequence[Holding]
    hub_id: str


class CompleteTask(NamedTuple):
    """A task's result."""

    task_id: bytes
    payload: bytes
    entry: bytes  # in the queue, or ""


MARK_TASK = Signature(MarkTask, keys="lease:hash tasks:hash tries:hash", answer=Tried)
SHARE_TASKS = Signature(
    ShareTasks, keys="lease:hash tasks:hash", more_keys="the queues (stream)", rows=(Sharing,), answer=Shared
)
OPEN_QUEUES = Signature(OpenQueues, more_keys="the queues (stream)", last_keys="record:hash", packed=False)
TAKE_TASKS = Signature(TakeTasks, more_keys="the queues (stream)", last_keys="record:hash", answer=TakenRows)
RETAKE_TASKS = Signature(RetakeTasks, more_keys="the queues (stream)", last_keys="workers:any record:hash")
KEEP_TASKS = Signature(
    Holdings, more_keys="queues (stream) and tasks (hash), in any order", last_keys="record:hash", rows=(Holding,)
)
GIVE_BACK_TASKS = KEEP_TASKS
COMPLETE_TASK = Signature(CompleteTask, keys="tasks:hash inbox:stream", optional_keys="queue:stream", packed=False)

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
