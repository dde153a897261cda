"""A task hub in this process: the in-memory twin of `RedisStore`, with the same steps on dictionaries.

1. Everyone in the process who means the same hub shares one `MemoryStore` object: workers, clients, on whatever threads
   and event loops. A lock makes each step one step for all of them.
2. Time is the clock's. With a `ManualClock` a blocking read waits until its time has come there.
3. What a real server does to its clients can be done to the users of this one: see `faults`, and the methods of
   `MemoryBase` for tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from stead.transport._contract.codec import pack, unpack
from stead.transport._contract.commit import Commit, CommitAnswer, CommitVerdict
from stead.transport._contract.records import (
    Acquired,
    Batch,
    DeadLetter,
    EnqueueResult,
    Entry,
    InstanceView,
    LeaseView,
    Loaded,
    PartitionInfo,
    Running,
    ServerFacts,
    StreamId,
    Verdict,
    WorkerView,
    has_log,
    stream_order,
)

from . import steps
from .activities import MemoryTasks
from .base import MemoryBase
from .commits import commit as write_commits
from .commits import waiting_replies
from .state import Beat, check_inbox, format_id

_V = TypeVar("_V")

_REPLIES_COUNT = 1_000


class MemoryStore(MemoryTasks):
    """The `Store` in memory."""

    # -- producers and clients -----------------------------------------------------------------------------------------

    async def enqueue(self, batches: Sequence[Batch]) -> list[EnqueueResult]:
        """Put batches into inboxes, one atomic step a batch, in order. At most one call at a time per session."""
        return await self._pipeline("enqueue", [partial(self._enqueue, batch) for batch in batches])

    def _enqueue(self, batch: Batch) -> EnqueueResult:
        if self.faults.full and not batch.freeing:
            return EnqueueResult(Verdict.FULL)
        result = steps.enqueue(self._state, batch, self._clock.now_ms())
        if result.verdict is Verdict.ACCEPTED:
            self._waiters.wake(batch.partition)
        return result

    async def open_source(self, partition: int, source: str, incarnation: int, keep_ms: int) -> int:
        """Become the producer of a source for a partition; gives the last sequence number accepted (-1: none)."""
        return await self._call(
            "open_source",
            lambda: steps.open_source(
                self._state.partitions[partition], source, incarnation, keep_ms, self._clock.now_ms()
            ),
        )

    async def read_replies(
        self, group: int, client: str, after: StreamId, block_ms: int
    ) -> Sequence[tuple[StreamId, bytes]]:
        """Wait up to `block_ms` for answers after `after` (b"0" at first). One call at a time per client."""

        def read() -> list[tuple[StreamId, bytes]]:
            replies = waiting_replies(self._state, group, client, self._clock.now_ms())
            if replies is None:
                return []
            orders = replies.stream.after(stream_order(after), _REPLIES_COUNT)
            return [(format_id(order), replies.stream.entries[order]) for order in orders]

        return await self._read("read_replies", [(group, client)], read, block_ms)

    async def trim_replies(self, group: int, client: str, through: StreamId) -> None:
        """Forget the answers up to and including `through`."""

        def trim() -> None:
            replies = self._state.replies.get((group, client))
            if replies is not None:
                for order in [order for order in replies.stream if order <= stream_order(through)]:
                    replies.stream.delete(order)

        await self._call("trim_replies", trim)

    async def drop_replies(self, group: int, client: str) -> None:
        """Forget the client's reply stream."""
        await self._call("drop_replies", lambda: self._state.replies.pop((group, client), None))

    async def read_records(self, partition: int, targets: Sequence[str]) -> list[bytes | None]:
        """The committed records of targets."""
        return await self._call("read_records", lambda: self._records(partition, targets))

    def _records(self, partition: int, targets: Sequence[str]) -> list[bytes | None]:
        records = self._state.partitions[partition].records
        return [records.get(target) for target in targets]

    async def read_log(self, partition: int, target: str, first: int, count: int) -> list[bytes]:
        """Events of an instance's committed log, from the `first` (0) on, at most `count`."""
        return await self._call(
            "read_log", lambda: self._state.partitions[partition].logs.get(target, [])[first : first + count]
        )

    async def read_instance(self, partition: int, target: str, events: int) -> InstanceView:
        """An instance with the first of its events."""
        return await self._call("read_instance", lambda: self._view(partition, target, events))

    def list_targets(self, prefix: str, page: int, after: str = "") -> AsyncIterator[list[tuple[str, bytes]]]:
        """Pages of (target, record) of targets that have one and begin with `prefix`, ascending over the whole hub by the
        bytes of their UTF-8 form. What is there throughout is given exactly once."""

        def record(partition: int, target: str) -> bytes | None:
            return self._state.partitions[partition].records.get(target)

        return self._list("list_targets", prefix, page, after, record, entities=True)

    def list_instances(self, prefix: str, page: int, after: str = "") -> AsyncIterator[list[tuple[str, InstanceView]]]:
        """As `list_targets`, for instances: targets that do not begin with "@" and have a record or a start that waits."""

        def view(partition: int, target: str) -> InstanceView | None:
            seen = self._view(partition, target)
            return None if seen.record is None and seen.start is None else seen

        return self._list("list_instances", prefix, page, after, view, entities=False)

    def _view(self, partition: int, target: str, events: int = 0) -> InstanceView:
        state = self._state.partitions[partition]
        start = state.starts.get(target)
        log = state.logs.get(target, [])[:events] if events else ()
        return InstanceView(None if start is None else start[1], state.records.get(target), log)

    async def _list(
        self,
        method: str,
        prefix: str,
        page: int,
        beyond: str,
        what: Callable[[int, str], _V | None],
        *,
        entities: bool,
    ) -> AsyncIterator[list[tuple[str, _V]]]:
        # What is before the prefix is no place within the listing.
        after: bytes | None = beyond.encode() if beyond and beyond.encode() >= prefix.encode() else None

        def read() -> tuple[bytes | None, list[tuple[str, _V]]]:
            members = self._state.page(prefix.encode(), after, page, entities=entities)
            found: list[tuple[str, _V]] = []
            for target, partition in members:
                value = what(partition, target)
                if value is not None:
                    found.append((target, value))
            return (members[-1][0].encode() if len(members) == page else None), found

        while True:
            after, found = await self._call(method, read)
            if found:
                yield found
            if after is None:
                return

    # -- workers: registry ---------------------------------------------------------------------------------------------

    async def heartbeat(self, worker: str, info: Mapping[str, Any], ttl_ms: int) -> tuple[int, list[WorkerView]]:
        """Say that a worker lives; gives the server's time and all workers heard of within their `ttl_ms`, by name."""
        data = pack(dict(info))

        def beat() -> tuple[int, list[WorkerView]]:
            now_ms = self._clock.now_ms()
            self._state.workers[worker] = Beat(now_ms, now_ms + ttl_ms, data)
            for name in [name for name, other in self._state.workers.items() if other.expires_ms < now_ms]:
                del self._state.workers[name]
            return now_ms, self._workers()

        return await self._call("heartbeat", beat)

    def _workers(self) -> list[WorkerView]:
        now_ms = self._clock.now_ms()
        return [
            WorkerView(name, beat.beat_ms, unpack(beat.info))
            for name, beat in sorted(self._state.workers.items())
            if beat.expires_ms >= now_ms
        ]

    async def leave(self, worker: str) -> None:
        """Forget a worker."""
        await self._call("leave", lambda: self._state.workers.pop(worker, None))

    async def workers(self) -> list[WorkerView]:
        """All workers heard of within their time."""
        return await self._call("workers", self._workers)

    async def publish(self, names: Mapping[str, Mapping[str, Any]], ttl_ms: int) -> None:
        """Publish kinds (canonical name -> description). They are forgotten `ttl_ms` after they were last published."""
        packed = {name: pack(dict(description)) for name, description in names.items()}

        def publish() -> None:
            expires_ms = self._clock.now_ms() + ttl_ms
            self._state.names.update({name: (expires_ms, description) for name, description in packed.items()})

        await self._call("publish", publish)

    async def published(self) -> dict[str, dict[str, Any]]:
        """The kinds that were published and are not forgotten."""

        def read() -> dict[str, dict[str, Any]]:
            now_ms = self._clock.now_ms()
            return {
                name: unpack(data) for name, (expires_ms, data) in self._state.names.items() if expires_ms >= now_ms
            }

        return await self._call("published", read)

    # -- workers: leases -----------------------------------------------------------------------------------------------

    async def read_leases(self) -> tuple[int, list[LeaseView]]:
        """The server's time and the lease of every partition, in order."""
        return await self._call(
            "read_leases",
            lambda: (self._clock.now_ms(), [steps.lease_view(*each) for each in enumerate(self._state.partitions)]),
        )

    async def acquire(
        self, partition: int, worker: str, token: bytes, expected: bytes, lease_ms: int
    ) -> Acquired | None:
        """Take a partition whose lease token is `expected` (b"": it is free). None if it is another's by now."""

        def take() -> Acquired | None:
            state, now_ms = self._state.partitions[partition], self._clock.now_ms()
            return steps.acquire(partition, state, worker, token, expected, lease_ms, now_ms, self._state.workers)

        return await self._call("acquire", take)

    def renewer(self) -> MemoryRenewer:
        """A way to prolong leases from a thread of its own."""
        return MemoryRenewer(self)

    async def release(self, partition: int, token: bytes) -> bool:
        """Give a partition back cleanly: anyone may take it at once. False if it was not held with this token."""
        return await self._call(
            "release", lambda: steps.release(self._state.partitions[partition], token, self._clock.now_ms())
        )

    # -- workers: messages ---------------------------------------------------------------------------------------------

    async def read_inboxes(
        self, positions: Mapping[int, StreamId], count: int, block_ms: int
    ) -> list[tuple[int, Sequence[Entry]]]:
        """Entries after the given positions (b"0" for the start), at most `count` a partition; waits up to `block_ms`
        when there are none. One call at a time per worker."""

        def read() -> list[tuple[int, Sequence[Entry]]]:
            for partition in positions:
                check_inbox(partition, self._state.partitions[partition])
            inboxes = ((partition, self._state.partitions[partition].inbox) for partition in positions)
            read = ((partition, inbox.read(positions[partition], count)) for partition, inbox in inboxes)
            return [(partition, entries) for partition, entries in read if entries]

        return await self._read("read_inboxes", list(positions), read, block_ms) if positions else []

    async def load(self, targets: Mapping[int, Sequence[str]]) -> dict[int, list[Loaded]]:
        """The records of targets by partition, for the owner; with the logs of those that have one (instances: targets
        that do not begin with "@")."""

        def load(partition: int, target: str) -> Loaded:
            state = self._state.partitions[partition]
            log = list(state.logs.get(target, ())) if has_log(target) else ()
            return Loaded(state.records.get(target), log)

        return await self._call(
            "load",
            lambda: {partition: [load(partition, name) for name in names] for partition, names in targets.items()},
        )

    async def commit(self, commits: Sequence[Commit], generation: int) -> list[CommitAnswer]:
        """Apply a batch of commits, in one step. Raises `ServerChanged`, with nothing written, if `generation` is not the
        store's."""
        answers = await self._pipeline("commit", [partial(self._commit, commits)] if commits else [], generation)
        return answers[0] if answers else []

    def _commit(self, commits: Sequence[Commit]) -> list[CommitAnswer]:
        settings = self._settings
        answers = write_commits(
            self._state, commits, self._clock.now_ms(), settings.dead_letters_max, settings.reply_keep_ms
        )
        for commit, answer in zip(commits, answers, strict=True):
            if answer is CommitVerdict.APPLIED:
                self._wake_for(commit)
        return answers

    def _wake_for(self, commit: Commit) -> None:
        for partition in {partition for partition, _ in commit.sends} | {s.partition for s in commit.starts}:
            self._waiters.wake(partition)
        for address in {(reply.group, reply.client) for reply in commit.replies}:
            self._waiters.wake(address)
        for queue in {task.queue for task in commit.tasks if task.shared}:
            self._waiters.wake(queue)

    async def park(self, partition: int, token: bytes, target: str, stream_ids: Sequence[StreamId]) -> bool:
        """Move messages of a target from the inbox to its park, under their stream IDs, ascending (HAZARDS 11)."""
        return await self._call(
            "park", lambda: steps.park(partition, self._state.partitions[partition], token, target, stream_ids)
        )

    async def read_park(self, partition: int, target: str, after: StreamId, count: int) -> Sequence[Entry]:
        """A target's parked messages after a stream ID, oldest first."""

        def read() -> Sequence[Entry]:
            park = self._state.partitions[partition].parks.get(target)
            return park.read(after, count) if park is not None else []

        return await self._call("read_park", read)

    async def fire_timers(self, partition: int, token: bytes, limit: int) -> tuple[int, int | None] | None:
        """Move at most `limit` due timers into the inbox: how many, and when the next is due. None: not the owner."""

        def fire() -> tuple[int, int | None] | None:
            state = self._state.partitions[partition]
            fired = steps.fire_timers(partition, state, token, limit, self._clock.now_ms())
            if fired is not None and fired[0]:
                self._waiters.wake(partition)
            return fired

        return await self._call("fire_timers", fire)

    async def mark_running(self, partition: int, token: bytes, running: Running) -> bool:
        """Careful mode: record what is about to run (HAZARDS 20). False if the lease is another's."""
        return await self._call(
            "mark_running", lambda: steps.mark_running(self._state.partitions[partition], token, running)
        )

    # -- people --------------------------------------------------------------------------------------------------------

    async def dead_letters(self, partition: int, after: StreamId, count: int) -> list[DeadLetter]:
        """Dead letters after a stream ID (b"0" for the start), oldest first."""
        entries = await self._call("dead_letters", lambda: self._state.partitions[partition].dead.read(after, count))
        return [DeadLetter(partition, stream_id, fields[1]) for stream_id, fields in entries]

    async def last_dead_letter(self, partition: int) -> StreamId:
        """The ID of the youngest dead letter, b"0-0" if there is none."""
        return await self._call("last_dead_letter", lambda: self._state.partitions[partition].dead.youngest)

    async def drop_dead_letter(self, partition: int, stream_id: StreamId) -> bool:
        """Forget a dead letter. False if it was gone."""
        return await self._call(
            "drop_dead_letter",
            lambda: self._state.partitions[partition].dead.delete(stream_order(stream_id)) is not None,
        )

    async def resend_dead_letter(self, letter: DeadLetter, destination: int, payload: bytes) -> bool:
        """Put `payload` into the inbox of `destination` and drop the letter, in one step. False if it is gone."""

        def resend() -> bool:
            if self._state.partitions[letter.partition].dead.delete(stream_order(letter.stream_id)) is None:
                return False
            self._state.partitions[destination].inbox.append(self._clock.now_ms(), payload)
            self._waiters.wake(destination)
            return True

        return await self._call("resend_dead_letter", resend)

    async def info(self) -> list[PartitionInfo]:
        """What the hub holds, partition by partition."""
        return await self._call(
            "info", lambda: [steps.partition_info(*each) for each in enumerate(self._state.partitions)]
        )

    async def refresh_facts(self) -> ServerFacts:
        """What the server says of itself."""
        return await self._call("refresh_facts", lambda: self.facts)


class MemoryRenewer:
    """The `Renewer` in memory: prolongs leases, from any thread."""

    def __init__(self, store: MemoryBase) -> None:
        self._store = store

    def renew(self, leases: Mapping[int, bytes], lease_ms: int) -> set[int]:
        """Prolong leases; gives the partitions that are no longer held with these tokens."""
        now_ms = self._store.clock.now_ms()
        return self._store.call_blocking("renew", lambda hub: steps.renew(hub, leases, lease_ms, now_ms))

    def mark_running(self, partition: int, token: bytes, running: Running) -> bool:
        """Record what a stuck worker was running, before the process ends."""
        return self._store.call_blocking(
            "renewer.mark_running", lambda hub: steps.mark_running(hub.partitions[partition], token, running)
        )

    def close(self) -> None:
        """Nothing to close."""
