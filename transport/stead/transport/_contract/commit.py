"""A commit and its parts: everything that a partition's turns changed, collected until it is written in one step.

Commits of different partitions travel together, as the *members* of a *batch*: one step of the store, which judges each by
its own lease and history (HAZARDS 31). Members that stand or fall together are a *component*; a member that is not linked
to others is one by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from heapq import merge
from operator import itemgetter
from typing import TypeAlias

from .errors import KeyDamaged
from .feeds import FeedWrite
from .indexes import IndexWrite
from .limits import TaskLimit
from .records import StreamId, has_log


@dataclass(frozen=True, slots=True)
class Timer:
    """A message that is to enter this partition's inbox at `due_ms`. `timer_id` is unique in the partition."""

    timer_id: bytes
    due_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class LogWrite:
    """Events for the log of an instance: appended, after the whole log was dropped if `reset`."""

    target: str
    events: Sequence[bytes]
    reset: bool = False


@dataclass(slots=True)
class Task:
    """An activity to be carried out: kept in its partition until a commit names it in `dropped`. Not frozen: one is made for each.

    A task that is not shared belongs to the partition's owner, who runs it once the commit is in the store. A shared one
    also enters the queue's stream, from which any worker that serves the queue takes it.
    """

    task_id: bytes  # unique in the hub: "instance|execution|number"
    queue: str
    shared: bool
    payload: bytes
    limit: TaskLimit | None = None  # of a shared one


@dataclass(frozen=True, slots=True)
class SentStart:
    """A start that a turn sends: the message and the reservation of the ID are written in one step (HAZARDS 14)."""

    partition: int
    target: str
    message_id: bytes
    payload: bytes
    place: int = 0  # how many of the commit's `sends` were sent before it: a receiver gets them in that order
    stamp: int = 0  # as in `Commit.stamps`


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer for a client: appended to the client's reply stream in slot group `group`."""

    group: int
    client: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Unpark:
    """Messages of a target that were carried out from its park, and whether the park is now empty."""

    target: str
    stream_ids: Sequence[StreamId]
    drained: bool


@dataclass(slots=True)
class Commit:
    """Everything that a partition's turns since the last commit changed: written in one step or not at all.

    Invariant: `consumed` and `unparked` name exactly the messages whose effects are in this commit.

    Most commits change two or three of these fields. So all of them are nothing at first, and nobody makes a list for what
    is not there.
    """

    partition: int
    token: bytes
    previous: bytes
    commit_id: bytes  # random; all commits of one batch have the same
    consumed: Sequence[StreamId] = ()
    states: Sequence[tuple[str, bytes]] = ()  # target, record
    created: Sequence[str] = ()  # targets that enter the index
    deleted: Sequence[str] = ()  # targets whose record and index entry go
    timers: Sequence[Timer] = ()
    cancelled: Sequence[bytes] = ()  # timer IDs
    sends: Sequence[tuple[int, bytes]] = ()  # partition, envelope
    replies: Sequence[Reply] = ()
    dead: Sequence[bytes] = ()  # dead letters, packed by the entities layer
    unparked: Sequence[Unpark] = ()
    blocked: Sequence[tuple[str, str]] = ()  # target, reason
    unblocked: Sequence[str] = ()
    logs: Sequence[LogWrite] = ()
    tasks: Sequence[Task] = ()
    dropped: Sequence[bytes] = ()  # IDs of tasks whose result is recorded or not wanted
    unqueued: Sequence[tuple[str, bytes]] = ()  # those of `dropped` that may wait behind a limit: queue, ID
    # Tasks that are not to be run any more, while their results are still waited for: queue, ID. They have no payload from then on.
    # One that nobody has taken yet is the owner's; who has taken one hears of it from `keep_tasks`.
    ending: Sequence[tuple[str, bytes]] = ()
    starts: Sequence[SentStart] = ()
    # Reservations that end with this commit, if they are still those of that message: target, message ID.
    started: Sequence[tuple[str, bytes]] = ()
    suspect_passed: bool = False  # the owner is past `suspect_until`: forget the unclean ends and the marker
    clear_running: bool = False  # careful mode: the marked turn has ended
    catalogue: int = 0  # the version that the partition's owner has adopted
    indexed: Sequence[IndexWrite] = ()
    built: Sequence[tuple[str, bytes]] = ()  # index, how far it has been built
    feeds: Sequence[FeedWrite] = ()  # each feed once
    component: int = 0  # those of a batch with the same number are applied together or not at all; 0: by itself
    # Of one that is linked to others, when each of `sends` was sent: never descending, and equal only if neither caused the other.
    stamps: Sequence[int] = ()


def in_order(
    sends: Sequence[tuple[int, bytes]], starts: Sequence[SentStart]
) -> Iterator[tuple[int, bytes, SentStart | None]]:
    """A commit's messages in the order in which they were sent: receiver, payload, and the start if it is one."""
    waiting = deque(sorted(starts, key=lambda start: start.place))  # those of one place stay in their order
    for place, (partition, payload) in enumerate(sends):
        while waiting and waiting[0].place <= place:
            start = waiting.popleft()
            yield start.partition, start.payload, start
        yield partition, payload, None
    for start in waiting:
        yield start.partition, start.payload, start


def in_batch_order(commits: Sequence[Commit]) -> Iterator[tuple[int, int, bytes, SentStart | None]]:
    """The messages of a batch in an order in which no effect comes before its cause (HAZARDS 36): the place of the commit, and
    then as in `in_order`. What is not linked to others stays in the order of the commits."""
    streams = [_stamped(place, commit) for place, commit in enumerate(commits)]
    return ((place, *sent) for _, place, sent in merge(*streams, key=itemgetter(0)))


def _stamped(place: int, commit: Commit) -> Iterator[tuple[int, int, tuple[int, bytes, SentStart | None]]]:
    stamps = iter(commit.stamps)
    for sent in in_order(commit.sends, commit.starts):
        start = sent[2]
        yield (next(stamps, 0) if start is None else start.stamp), place, sent


def doubtful(commit: Commit) -> list[str]:
    """Instances of the partition that this commit may end, or leave with nothing but a start that waits."""
    if not (commit.deleted or commit.started):
        return []
    written = {target for target, _ in commit.states}
    deleted = [target for target in commit.deleted if has_log(target)]
    return [*deleted, *(target for target, _ in commit.started if target not in written)]


def components_of(commits: Sequence[Commit]) -> list[list[int]]:
    """The places of a batch's members, component by component."""
    if not any(commit.component for commit in commits):
        return [[place] for place in range(len(commits))]
    linked: dict[int, list[int]] = {}
    found: list[list[int]] = []
    for place, commit in enumerate(commits):
        members = linked.setdefault(commit.component, []) if commit.component else []
        if not members:
            found.append(members)
        members.append(place)
    return found


class CommitVerdict(Enum):
    """What the store did with a commit."""

    APPLIED = "applied"
    ALREADY = "already"  # this very commit was applied before: the answer had been lost
    FENCED = "fenced"  # the lease or the history is another's: nothing was written
    TORN = "torn"  # this commit or an earlier one was applied in part: the partition is quarantined
    OUTDATED = "outdated"  # the partition has adopted another version of the catalogue: nothing was written
    VOID = "void"  # another member of its component could not be applied: nothing was written


CommitAnswer: TypeAlias = CommitVerdict | KeyDamaged
"""What the store says to a commit: the damage, if a key that it touches holds something else; then nothing was written."""
