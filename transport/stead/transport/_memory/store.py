"""A task hub in this process: the in-memory twin of `RedisStore`, with the same steps on dictionaries.

1. Everyone in the process who means the same hub shares one `MemoryStore` object: workers, clients, on whatever threads
   and event loops. A lock makes each step one step for all of them.
2. Time is the clock's. With a `ManualClock` a blocking read waits until its time has come there.
3. What a real server does to its clients can be done to the users of this one: see `faults`, and the methods of
   `MemoryBase` for tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any

from stead.transport._contract.codec import pack, unpack
from stead.transport._contract.commit import Commit, CommitAnswer, CommitVerdict
from stead.transport._contract.records import (
    Acquired,
    DeadLetter,
    Entry,
    LeaseView,
    Loaded,
    PartitionInfo,
    Running,
    ServerFacts,
    StreamId,
    WorkerView,
    has_log,
    stream_order,
)

from . import steps
from .activities import MemoryTasks
from .base import MemoryBase
from .clients import MemoryClients
from .commits import commit as write_commits
from .groups import MemoryGroups
from .indexes import MemoryIndexes
from .living import Beat
from .state import check_inbox
from .values import values_of


class MemoryStore(MemoryClients, MemoryTasks, MemoryIndexes, MemoryGroups):
    """The `Store` in memory."""

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

    async def wish(self, name: str, value: bytes, ttl_ms: int) -> None:
        """Say what is wanted of the hub's workers."""

        def say() -> None:
            now_ms, wishes = self._clock.now_ms(), self._state.wishes
            wishes[name] = (now_ms + ttl_ms, value)
            for gone in [other for other, (until_ms, _) in wishes.items() if until_ms < now_ms]:
                del wishes[gone]

        await self._call("wish", say)

    async def wishes(self) -> dict[str, bytes]:
        """What is wanted of them, by name."""

        def read() -> dict[str, bytes]:
            now_ms = self._clock.now_ms()
            return {name: value for name, (until_ms, value) in self._state.wishes.items() if until_ms >= now_ms}

        return await self._call("wishes", read)

    async def measure(self, worker: str, sums: bytes, minute: int, part: bytes, keep_ms: int, *, first: bool) -> bool:
        """Keep what a worker has measured. False if what it said before was taken into the sum of ended workers."""
        return await self._call(
            "measure",
            lambda: steps.measure(self._state, worker, (sums, part), minute, self._clock.now_ms(), keep_ms, first),
        )

    async def measures(self, minutes: Sequence[int]) -> tuple[dict[str, bytes], list[dict[str, bytes]]]:
        """What workers have measured since they began, and within each of these minutes."""

        def read() -> tuple[dict[str, bytes], list[dict[str, bytes]]]:
            now_ms = self._clock.now_ms()
            kept = (self._state.minutes.get(minute, (0, {})) for minute in minutes)
            return dict(self._state.measures), [dict(blocks) if until > now_ms else {} for until, blocks in kept]

        return await self._call("measures", read)

    async def fold_measures(self, ended: Mapping[str, bytes], before: bytes, after: bytes) -> bool:
        """Take what ended workers have measured into the sum of all of them. False if that is another by now."""
        return await self._call("fold_measures", lambda: steps.fold_measures(self._state, ended, before, after))

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

    def read_length(self, count: int, inboxes: int) -> int:
        """How many entries of each `read_inboxes` gives at most, asked for `count` now."""
        return count

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

    async def mark_running(
        self, partition: int, token: bytes, running: Running | None, deaths: bytes | None = None
    ) -> bool:
        """Careful mode: record what is about to run, or which deaths are known of (HAZARDS 20). None leaves what is there.
        False if the lease is another's."""
        return await self._call(
            "mark_running", lambda: steps.mark_running(self._state.partitions[partition], token, running, deaths)
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

    async def values(self) -> AsyncIterator[bytes]:
        """All that the hub holds, in no form, to look for something in it."""
        for value in await self._call("values", lambda: list(values_of(self._state))):
            yield value


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
