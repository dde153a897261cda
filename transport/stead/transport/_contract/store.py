"""The seam: what a hub's store must do for the layers above, whatever it is made of.

Two implementations: `RedisStore` (Redis or Valkey; each atomic step is one script) and `MemoryStore` (the same steps on
dictionaries, with a clock that tests can move). One contract suite, `tests/contract/`, runs over both.

Rules for every method:

1. It either carries out the whole step and answers, or raises `ConnectionLost` (the step may have been carried out), or
   raises `ServerChanged` before writing anything (`StoreClosed` once it was closed). It never tries again by itself: the
   callers do, with the same bytes, because only they know what makes a second try harmless.
   A key that holds something else than it should is `KeyDamaged`, with nothing written for the partition that it names;
   in lists, what cannot be read is left out (`left_out`).
2. A step that needs the lease names its token; with another token in the store nothing is written.
3. `generation` counts the servers seen: it grows when the server's run ID changes. A worker that sees it grow drops
   every activation and acquires anew (HAZARDS 2).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Protocol

from .clock import Clock
from .commit import Commit, CommitAnswer
from .groups import GroupStore
from .indexes import Adding, CatalogueView, Look
from .left_out import LeftOut
from .limits import DeclaredLimit, LimitView, TaskLimit
from .records import (
    NOTHING_SAID,
    Acquired,
    Batch,
    DeadLetter,
    EnqueueResult,
    Entry,
    HubLayout,
    InstanceView,
    Kept,
    LeaseView,
    Loaded,
    PartitionInfo,
    Running,
    ServerFacts,
    StreamId,
    Taken,
    WorkerView,
)
from .shards import ShardCount


class Renewer(Protocol):
    """Prolongs leases, blocking, from a thread that the event loop cannot stall (HAZARDS 18)."""

    def renew(self, leases: Mapping[int, bytes], lease_ms: int) -> set[int]:
        """Prolong leases; gives the partitions that are no longer held with these tokens.

        Raises `ConnectionLost` where trying again may help, `ServerUnsuitable` where the server refuses, or answers what
        nobody expects.
        """
        ...

    def mark_running(self, partition: int, token: bytes, running: Running) -> bool:
        """Record what a stuck worker was running, before the process ends. Raises as `renew` does."""
        ...

    def close(self) -> None: ...


class Store(GroupStore, Protocol):
    """A task hub in a store."""

    @property
    def layout(self) -> HubLayout: ...

    @property
    def clock(self) -> Clock:
        """The hub's time: the server's, as far as this process knows it."""
        ...

    @property
    def generation(self) -> int: ...

    @property
    def facts(self) -> ServerFacts: ...

    @property
    def left_out(self) -> LeftOut:
        """What of the hub's lists could not be read."""
        ...

    def key_of_replies(self, group: int, client: str) -> bytes:
        """The name of a client's reply stream in the store, as `KeyDamaged` has it."""
        ...

    def is_key_of_queue(self, queue: str, key: bytes) -> bool:
        """Whether a key, as `KeyDamaged` has it, is one of those of a queue of activities."""
        ...

    async def close(self) -> None: ...

    # -- producers and clients -----------------------------------------------------------------------------------------

    async def enqueue(self, batches: Sequence[Batch]) -> list[EnqueueResult]:
        """Put batches into inboxes, each as a whole or not at all, those of a session in order; each has a verdict of its own.
        At most one call at a time per session."""
        ...

    async def open_source(self, partition: int, source: str, incarnation: int, keep_ms: int) -> int:
        """Become the producer of a source for a partition; gives the last sequence number accepted (-1: none).

        A lower incarnation than the recorded one raises `SourceSuperseded`.
        """
        ...

    async def read_replies(
        self, group: int, client: str, after: StreamId, block_ms: int
    ) -> Sequence[tuple[StreamId, bytes]]:
        """Wait up to `block_ms` for answers after `after` (b"0" at first). One call at a time."""
        ...

    async def trim_replies(self, group: int, client: str, through: StreamId) -> None:
        """Forget the answers up to and including `through`."""
        ...

    async def drop_replies(self, group: int, client: str) -> None:
        """Forget the client's reply stream."""
        ...

    async def read_records(self, partition: int, targets: Sequence[str]) -> list[bytes | None]:
        """The committed records of targets, by a connection that clients may share."""
        ...

    def list_targets(self, prefix: str, page: int, after: str = "") -> AsyncIterator[list[tuple[str, bytes]]]:
        """Pages of (target, record) of targets that have one and begin with `prefix`, ascending over the whole hub by the
        bytes of their UTF-8 form; only those that come after `after`. What is there throughout is given exactly once."""
        ...

    def list_instances(self, prefix: str, page: int, after: str = "") -> AsyncIterator[list[tuple[str, InstanceView]]]:
        """As `list_targets`, for instances: targets that do not begin with "@" and have a record or a start that waits.
        One that passes from the second to the first meanwhile is there throughout."""
        ...

    async def read_log(self, partition: int, target: str, first: int, count: int) -> list[bytes]:
        """Events of an instance's committed log, from the `first` (0) on, at most `count`."""
        ...

    async def read_instance(self, partition: int, target: str, events: int) -> InstanceView:
        """An instance with the first of its events, at one moment as far as it matters: what a commit in between moves from
        the start to the record is in one of them."""
        ...

    # -- indexes -------------------------------------------------------------------------------------------------------

    async def look(self, looks: Sequence[Look]) -> tuple[int, list[Any]]:
        """Look at partitions, each look at a moment of its own; gives the answers, and the version of the catalogue when all of
        them had been made: an index that was in that version was there for all."""
        ...

    async def catalogue(self) -> CatalogueView:
        """The indexes that the hub has."""
        ...

    async def declare_indexes(self, indexes: Mapping[str, bytes], ttl_ms: int) -> CatalogueView:
        """Say that these indexes (name -> description) are wanted for `ttl_ms` from now on. Those that nobody wants any more go.
        The version grows if one comes or goes."""
        ...

    async def adopt(
        self, partition: int, token: bytes, version: int, added: Sequence[Adding], dropped: Mapping[str, Sequence[str]]
    ) -> dict[str, bytes] | None:
        """Make a version of the catalogue that of a partition: indexes come, and others go with their sets (index -> names).
        Gives how far each index has been built. None: the lease is another's."""
        ...

    async def shards(self) -> dict[str, ShardCount]:
        """The numbers of shards in the hub's record, by kind."""
        ...

    async def raise_shards(self, wanted: Mapping[str, int], known: Collection[str] = ()) -> dict[str, ShardCount]:
        """Have the hub's record say that kinds have so many shards, unless it says more; gives all that it says then. `known`:
        those that have been there, so that their entities may have states, if none are noted."""
        ...

    async def keep(self, name: str, value: bytes, ttl_ms: int) -> bytes:
        """Keep a value of the hub under a name for a time, unless there is one; gives the one that is there."""
        ...

    async def read_kept(self, name: str) -> bytes | None:
        """What is kept under a name."""
        ...

    # -- workers: registry ---------------------------------------------------------------------------------------------

    async def heartbeat(self, worker: str, info: Mapping[str, Any], ttl_ms: int) -> tuple[int, list[WorkerView]]:
        """Say that a worker lives; gives the server's time and all workers heard of within their `ttl_ms`, by name."""
        ...

    async def leave(self, worker: str) -> None: ...

    async def workers(self) -> list[WorkerView]: ...

    async def publish(self, names: Mapping[str, Mapping[str, Any]], ttl_ms: int) -> None:
        """Publish kinds (canonical name -> description). They are forgotten `ttl_ms` after they were last published."""
        ...

    async def published(self) -> dict[str, dict[str, Any]]: ...

    async def wish(self, name: str, value: bytes, ttl_ms: int) -> None:
        """Say what is wanted of the hub's workers, who look with each heartbeat; for `ttl_ms`, or until another value is said."""
        ...

    async def wishes(self) -> dict[str, bytes]:
        """What is wanted of them, by name."""
        ...

    async def measure(self, worker: str, sums: bytes, minute: int, part: bytes, keep_ms: int, *, first: bool) -> bool:
        """Keep what a worker has measured since it began, and (for `keep_ms`) within a minute, counted from the epoch.

        Unless it is its `first` word, what it said before has to be there: False, with nothing written, if it was taken into
        the sum of ended workers meanwhile. Sent again, it does no harm."""
        ...

    async def measures(self, minutes: Sequence[int]) -> tuple[dict[str, bytes], list[dict[str, bytes]]]:
        """What workers have measured since they began (under "" the sum of ended ones), and within each of these minutes."""
        ...

    async def fold_measures(self, ended: Mapping[str, bytes], before: bytes, after: bytes) -> bool:
        """Forget what `ended` workers have measured, and put `after`, which has it, in the place of `before` (b"": there is
        none), the sum of ended workers. False, with nothing written, if one of these is another by now."""
        ...

    # -- workers: leases -----------------------------------------------------------------------------------------------

    async def read_leases(self) -> tuple[int, list[LeaseView]]:
        """The server's time and the lease of every partition, in order."""
        ...

    async def acquire(
        self, partition: int, worker: str, token: bytes, expected: bytes, lease_ms: int
    ) -> Acquired | None:
        """Take a partition whose lease token is `expected` (b"": it is free). None if it is another's by now.

        Whether `expected` may be taken over is the caller's decision (HAZARDS 19); the swap is atomic. An `expected`
        that was not released counts as an unclean end, unless its owner has said that it lives since the lease ran out,
        or is `worker` itself: then it has lost the lease, and nothing else. A partition left in the middle of a commit
        is quarantined: raises `TornCommit`.
        """
        ...

    def renewer(self) -> Renewer:
        """A way to prolong leases from a thread of its own, by a connection of its own."""
        ...

    async def release(self, partition: int, token: bytes) -> bool:
        """Give a partition back cleanly: anyone may take it at once. False if it was not held with this token."""
        ...

    # -- workers: messages ---------------------------------------------------------------------------------------------

    async def read_inboxes(
        self, positions: Mapping[int, StreamId], count: int, block_ms: int
    ) -> list[tuple[int, Sequence[Entry]]]:
        """Entries after the given positions (b"0" for the start), at most `count` a partition; waits up to `block_ms`
        when there are none. One call at a time."""
        ...

    def read_length(self, count: int, inboxes: int) -> int:
        """How many entries of each `read_inboxes` gives at most, asked for `count` now: fewer, if they are large. An inbox of
        which there are fewer in the answer was seen to its end."""
        ...

    async def load(self, targets: Mapping[int, Sequence[str]]) -> dict[int, list[Loaded]]:
        """The records of targets by partition, for the owner; with the logs of those that have one (instances: targets
        that do not begin with "@")."""
        ...

    async def commit(self, commits: Sequence[Commit], generation: int) -> list[CommitAnswer]:
        """Apply a batch: commits of different partitions, all with the same ID, each judged by itself and written as a whole
        or not at all. Those of one component are written together or not at all (`components_of`): if one of them cannot
        be, the others are VOID. Raises `ServerChanged`, with nothing sent, if `generation` is not the store's.

        A batch whose answer was lost is sent again as it is, whatever became of its members meanwhile (HAZARDS 33)."""
        ...

    async def park(self, partition: int, token: bytes, target: str, stream_ids: Sequence[StreamId]) -> bool:
        """Move messages of a target from the inbox to its park, under their stream IDs, ascending (HAZARDS 11).
        Entries that are gone are passed over. False if the lease is another's."""
        ...

    async def read_park(self, partition: int, target: str, after: StreamId, count: int) -> Sequence[Entry]:
        """A target's parked messages after a stream ID, oldest first."""
        ...

    async def fire_timers(self, partition: int, token: bytes, limit: int) -> tuple[int, int | None] | None:
        """Move at most `limit` due timers into the inbox: how many, and when the next is due. None: not the owner."""
        ...

    async def mark_running(
        self, partition: int, token: bytes, running: Running | None, deaths: bytes | None = None
    ) -> bool:
        """Careful mode: record what is about to run, or which deaths are known of (HAZARDS 20). None leaves what is there.
        False if the lease is another's."""
        ...

    # -- workers: activities -------------------------------------------------------------------------------------------

    async def tasks(self, partition: int, after: bytes, count: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """A page of the partition's own (not shared) tasks, (task ID, payload), and where to read on (b"" at first and
        after the last). What is there throughout is given at least once."""
        ...

    async def mark_task(self, partition: int, token: bytes, task_id: bytes) -> int | None:
        """Count one more try of a task that is suspected of ending workers; gives the tries so far, this one included,
        0 if the task is gone. None: the lease is another's."""
        ...

    async def share_tasks(
        self, partition: int, token: bytes, worker: str, tasks: Sequence[tuple[bytes, str]]
    ) -> list[StreamId] | None:
        """Make own tasks (task ID, queue) shared ones that this worker has taken, as when a partition is given back while
        they run. Gives each one's entry, b"" for one that is gone or that another worker has by now. None: the lease is
        another's. Sent again, it gives the same."""
        ...

    async def open_queues(
        self, queues: Sequence[str], limits: Sequence[DeclaredLimit] = (), joining: bool = False
    ) -> None:
        """Get ready to take tasks from these queues. May be repeated. `limits`: of their activities, as the code says that is
        here; with `joining` they replace what others have said."""
        ...

    async def take_tasks(self, queues: Sequence[str], worker: str, count: int, block_ms: int) -> list[Taken]:
        """Take at most `count` shared tasks, waiting up to `block_ms` when there are none. One call at a time. Tasks that
        nobody wants any more are forgotten on the way.

        Nothing is taken while it waits, so that a wait may be cancelled. What was taken by a call whose answer got lost
        is for `retake_tasks`."""
        ...

    async def retake_tasks(self, queues: Sequence[str], worker: str, idle_ms: int, count: int) -> list[Taken]:
        """Take over shared tasks of workers that have not kept them alive for `idle_ms`; this worker's own ones too."""
        ...

    async def keep_tasks(self, worker: str, taken: Sequence[Taken], said: Mapping[bytes, bytes] = NOTHING_SAID) -> Kept:
        """Say that these still run; gives what is to be known of them. `said`: messages for the inboxes of those whose results
        are still wanted, and which are not to end."""
        ...

    async def give_back_tasks(
        self, worker: str, taken: Sequence[Taken], behind: Mapping[bytes, TaskLimit] | None = None
    ) -> int:
        """Put tasks that this worker has taken back into their queues, as when it ends gracefully: they wait there again,
        after the others, and that it had taken them does not count. `behind`: those that came without a limit, and are to wait
        behind one now. Gives how many; not those that nobody wants any more
        (they are let go of), or that another worker has. Sent again, it does nothing."""
        ...

    async def complete_task(self, partition: int, task_id: bytes, payload: bytes, taken: Taken | None) -> bool:
        """Put a task's result into its partition's inbox, if the task is still wanted and has no result yet, and let go
        of what was taken; in one step. False if the result was not wanted. Sent again, it does no harm."""
        ...

    # -- people --------------------------------------------------------------------------------------------------------

    async def limits(self, queues: Sequence[str], count: int) -> list[LimitView]:
        """At most `count` limits of each queue at which activities run or wait, those at which some wait first."""
        ...

    async def dead_letters(self, partition: int, after: StreamId, count: int) -> list[DeadLetter]: ...

    async def last_dead_letter(self, partition: int) -> StreamId:
        """The ID of the youngest dead letter, b"0-0" if there is none."""
        ...

    async def drop_dead_letter(self, partition: int, stream_id: StreamId) -> bool: ...

    async def resend_dead_letter(self, letter: DeadLetter, destination: int, payload: bytes) -> bool:
        """Put `payload` into the inbox of `destination` and drop the letter, in one step. False if it is gone."""
        ...

    async def info(self) -> list[PartitionInfo]:
        """What the hub holds, partition by partition. For people: it costs some commands a partition."""
        ...

    def values(self) -> AsyncIterator[bytes]:
        """All that the hub holds, in no form, to look for something in it. What is there throughout is given, though it may move by itself
        meanwhile: from a timer to an inbox, and from there to a park."""
        ...

    async def refresh_facts(self) -> ServerFacts: ...
