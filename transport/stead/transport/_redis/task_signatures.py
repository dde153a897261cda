"""What the scripts of activities are given and what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from stead.transport._contract.records import StreamId

from .signature import Signature


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


class LimitNumbersOf(NamedTuple):
    """Limits of an activity, as a worker's code says."""

    queue: int  # the place in KEYS of its stream
    activity: str
    numbers: str


class OpenQueues(NamedTuple):
    """A worker that is going to take from queues."""

    forget_ms: int  # after which a worker that has nothing and does nothing is forgotten
    hub_id: str
    declared: Sequence[LimitNumbersOf]
    joining: int  # 1: what others have declared is replaced


class TakeTasks(NamedTuple):
    """A worker that has time."""

    worker: str
    limit: int
    hub_id: str


class TakenRow(NamedTuple):
    """An entry of a queue, which was taken."""

    queue: int  # which one, from 1
    entry: StreamId
    partition: bytes
    task_id: bytes
    deliveries: int
    limit: bytes  # or ""


class TakenRows(NamedTuple):
    """What was taken, and the last entry of each queue that was delivered: from there one waits, for so long."""

    taken: Sequence[Sequence[Any]]
    delivered: Sequence[StreamId]
    wait_ms: int  # -1: as long as you like


class Stale(NamedTuple):
    """An entry whose task nobody wants any more."""

    queue: int  # the place in KEYS of its stream
    entry: StreamId
    limit: str


class ForgetTasks(NamedTuple):
    """Entries that are let go of."""

    stale: Sequence[Stale]
    unbegun: int  # 1: they were taken just now
    hub_id: str


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
    limit: str  # in which it has a place, or ""
    limited: int  # the place in KEYS of that set; 0: it has no limit
    behind: Sequence[str] | Literal[0]  # fields of the limit behind which it goes back
    inbox: int  # the place in KEYS of its partition's; 0: it has nothing to say
    said: bytes  # a message for it


class Holdings(NamedTuple):
    """Tasks that a worker has."""

    worker: str
    queues: Sequence[int]  # their places in KEYS
    hashes: Sequence[int]  # and those of tasks
    sets: Sequence[int]  # and of sets
    taken: Sequence[Holding]
    hub_id: str
    inboxes: Sequence[int]  # the places of those in KEYS


class CompleteTask(NamedTuple):
    """A task's result."""

    task_id: bytes
    payload: bytes
    entry: bytes  # in the queue, or ""
    limit: str  # in which it has a place, or ""


class LookAtLimits(NamedTuple):
    """A look at limits."""

    most: int  # of each queue


MARK_TASK = Signature(MarkTask, keys="lease:hash tasks:hash tries:hash", answer=Tried)
SHARE_TASKS = Signature(
    ShareTasks, keys="lease:hash tasks:hash", more_keys="the queues (stream)", rows=(Sharing,), answer=Shared
)
_OF_QUEUES = "of each queue: queue (stream), limits (hash), limited, due and rates (zset)"
OPEN_QUEUES = Signature(OpenQueues, more_keys=_OF_QUEUES, last_keys="record:hash", rows=(LimitNumbersOf,))
TAKE_TASKS = Signature(TakeTasks, more_keys=_OF_QUEUES, last_keys="record:hash", answer=TakenRows)
FORGET_TASKS = Signature(ForgetTasks, more_keys=_OF_QUEUES, last_keys="record:hash", rows=(Stale,))
RETAKE_TASKS = Signature(RetakeTasks, more_keys=_OF_QUEUES, last_keys="workers:any record:hash")
KEEP_TASKS = Signature(
    Holdings,
    more_keys="queues (stream), tasks (hash), of those with a limit limited (zset) and of what was said inboxes (stream), in any order",
    last_keys="record:hash",
    rows=(Holding,),
)
GIVE_BACK_TASKS = replace(
    KEEP_TASKS, more_keys="queues (stream), tasks (hash) and, of those with a limit, limited (zset), in any order"
)
COMPLETE_TASK = Signature(
    CompleteTask, keys="tasks:hash inbox:stream", optional_keys="queue:stream limited:zset", packed=False
)
LOOK_AT_LIMITS = Signature(LookAtLimits, more_keys="of each queue: limited and due (zset)", packed=False)
