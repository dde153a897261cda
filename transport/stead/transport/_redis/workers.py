"""The part of `RedisStore` that workers use: leases, inboxes, commits, timers, parks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stead.transport._contract.careful_logger import get_logger
from stead.transport._contract.commit import Commit, CommitAnswer, CommitVerdict
from stead.transport._contract.errors import ConnectionLost, KeyDamaged, SteadError
from stead.transport._contract.left_out import UNREADABLE
from stead.transport._contract.records import (
    NOT_STORED,
    Acquired,
    DamagedLog,
    Entry,
    LeaseView,
    Loaded,
    Running,
    StreamId,
    has_log,
)

from .base import RedisBase, check_id, concerning, damage_of, is_owner, of_step, padded, unreadable
from .commit import calls_of
from .renewer import RedisRenewer, mark_of
from .scripts import ACQUIRE, FIRE_TIMERS, MARK_RUNNING, PARK, RELEASE, command
from .signatures import Acquire, Acquisition, Fired, FireTimers, ParkMessages, Release

logger = get_logger("stead.store")

_COMMIT_VERDICTS = {
    1: CommitVerdict.APPLIED,
    2: CommitVerdict.ALREADY,
    3: CommitVerdict.FENCED,
    4: CommitVerdict.TORN,
    5: CommitVerdict.VOID,
    6: CommitVerdict.OUTDATED,
}
_STOPPED = "STEADTORN "
_LEASE_FIELDS = ("token", "owner", "epoch", "expires", "free_since", "commit", "applying")
_NEVER_MS = 2.0**52
_PARK_LENGTH = 1_000  # messages parked in one step: the server does nothing else meanwhile


class WorkerSide(RedisBase):
    """Leases, inboxes, commits, timers and parks."""

    # -- leases --------------------------------------------------------------------------------------------------------

    async def read_leases(self) -> tuple[int, list[LeaseView]]:
        """The server's time and the lease of every partition, in order."""
        reads = [read_lease_command(keys.lease) for keys in self._keys.partitions]
        answers = await self._queries.run([*reads, command(b"TIME")], each=True)
        self._server.learn_time(answers[-1])
        return self._server.clock.now_ms(), [lease_view(place, held) for place, held in enumerate(answers[:-1])]

    async def acquire(
        self, partition: int, worker: str, token: bytes, expected: bytes, lease_ms: int
    ) -> Acquired | None:
        """Take a partition whose lease token is `expected` (b"": it is free). None if it is another's by now.

        Whether `expected` may be taken over is the caller's decision (HAZARDS 19); the swap is atomic. An `expected`
        that was not released counts as an unclean end, unless its owner was heard of since. A partition left in the middle of a commit is quarantined:
        raises `TornCommit`.
        """
        keys = self._keys.partitions[partition]
        names = (keys.lease, keys.inbox, keys.timers, keys.parked, keys.blocked, self._keys.workers)
        # Looked at only, so that nobody takes what would be found broken by its first commit.
        others = (keys.state, keys.payloads, keys.starts, keys.tasks, keys.tries, keys.index, keys.dead)
        wanted = Acquire(token, expected, worker, lease_ms, self._layout.hub_id)
        take = ACQUIRE.call((*names, *others, keys.built, keys.trimmed, self._keys.record), wanted)
        with concerning(partition):
            answer = await self._commits.one(take)
            return self._acquired(partition, token, answer) if is_owner(partition, answer) else None

    def _acquired(self, partition: int, token: bytes, answer: Sequence[Any]) -> Acquired:
        got = Acquisition(*answer)
        self._server.clock.correct(int(got.now_ms))
        return Acquired(
            partition=partition,
            token=token,
            epoch=got.epoch,
            commit_id=got.commit_id,
            now_ms=int(got.now_ms),
            next_due_ms=_due(got.due),
            parked={name.decode(): check_id(first) for name, first in _pairs(got.parked)},
            blocked={name.decode(): reason.decode() for name, reason in _pairs(got.blocked)},
            unclean=int(got.unclean),
            suspect_until=check_id(got.suspect),
            running=Running(got.target.decode(), check_id(got.running_id), int(got.tries)) if got.target else None,
            deaths=got.deaths,
            catalogue=int(got.catalogue),
            built={index.decode(): reached for index, reached in _pairs(got.built)},
        )

    def renewer(self) -> RedisRenewer:
        """A way to prolong leases from a thread of its own, by a connection of its own."""
        return RedisRenewer(self._server.address, self._settings, self._keys, self._layout)

    async def release(self, partition: int, token: bytes) -> bool:
        """Give a partition back cleanly: anyone may take it at once. False if it was not held with this token."""
        lease = self._keys.partitions[partition].lease
        with concerning(partition):
            return bool(await self._commits.one(RELEASE.call([lease], Release(token))))

    # -- messages ------------------------------------------------------------------------------------------------------

    async def read_inboxes(
        self, positions: Mapping[int, StreamId], count: int, block_ms: int
    ) -> list[tuple[int, Sequence[Entry]]]:
        """Entries after the given positions (b"0" for the start), at most `count` a partition; waits up to `block_ms`
        when there are none. One call at a time.
        """
        if not positions:
            return []
        read = self._inbox_request.pack(positions, self._inbox_size.count(count, len(positions)), block_ms)
        by_key = self._inbox_request.by_key
        before = self._inboxes.received_bytes
        try:
            answer = await self._inboxes.one(read, block_ms=block_ms)
        except KeyDamaged as error:
            raise await self._whose_inbox(positions, error) from None
        if not answer:
            return []
        self._inbox_size.learn(self._inboxes.received_bytes - before, sum([len(entries) for _, entries in answer]))
        return [(by_key[key], entries) for key, entries in answer]

    def read_length(self, count: int, inboxes: int) -> int:
        """How many entries of each `read_inboxes` gives at most, asked for `count` now."""
        return self._inbox_size.count(count, inboxes)

    async def _whose_inbox(self, positions: Mapping[int, StreamId], error: KeyDamaged) -> SteadError:
        """One read is over many inboxes, and the server does not say which one it could not read."""
        keys = [self._keys.partitions[partition].inbox for partition in positions]
        kinds = await self._queries.run([command(b"TYPE", key) for key in keys])
        for partition, key, kind in zip(positions, keys, kinds, strict=True):
            if kind not in (b"stream", b"none"):
                name = key.decode()
                reason = (
                    f"{name} is a {kind.decode()} and should be a stream; nothing was read: put it right or delete it"
                )
                return KeyDamaged(reason, partition, key=key)
        if len(positions) == 1:
            return of_step(error, next(iter(positions)))
        return ConnectionLost(f"the inboxes could not be read just now: {error}")

    async def load(self, targets: Mapping[int, Sequence[str]]) -> dict[int, list[Loaded]]:
        """The records of targets by partition, for the owner; with the logs of those that have one (instances: targets
        that do not begin with "@").
        """
        reads: list[bytes] = []
        logged: dict[int, list[str]] = {}
        for place, names in targets.items():
            if names:
                keys = self._keys.partitions[place]
                reads.append(command(b"HMGET", keys.state, *names))
                logged[place] = [name for name in names if has_log(name)]
                reads += [command(b"LRANGE", keys.log(name), 0, -1) for name in logged[place]]
        answers = iter(await self._loads.run(reads, each=True) if reads else ())
        loaded: dict[int, list[Loaded]] = {}
        for place, names in targets.items():
            records: Any = next(answers) if names else ()
            if isinstance(records, KeyDamaged):
                raise KeyDamaged(records.reason, place)
            logs = {name: next(answers) for name in logged.get(place, ())}
            loaded[place] = [
                _loaded(record, logs[name]) if name in logs else NOT_STORED if record is None else Loaded(record, ())
                for name, record in zip(names, records, strict=True)
            ]
        return loaded

    async def commit(self, commits: Sequence[Commit], generation: int) -> list[CommitAnswer]:
        """Apply a batch, in one round trip. Raises `ServerChanged`, with nothing sent, if `generation` is not the store's."""
        if not commits:
            return []
        settings = self._settings
        keep = (settings.dead_letters_max, settings.reply_keep_ms)
        calls = list(calls_of(self._keys, commits, *keep, settings.batch_bytes_max))
        answers = await self._commits.run([call for call, _ in calls] + self._waits(), generation=generation)
        self._check_waited(answers)
        found: dict[int, CommitAnswer] = {}
        for (_, places), answer in zip(calls, answers, strict=True):
            for place, verdict in zip(places, answer, strict=True):
                found[place] = _COMMIT_VERDICTS.get(verdict) or _damage(commits[place].partition, verdict)
        return [found[place] for place in range(len(commits))]

    async def park(self, partition: int, token: bytes, target: str, stream_ids: Sequence[StreamId]) -> bool:
        """Move messages of a target from the inbox to its park, under their stream IDs, ascending (HAZARDS 11).
        Entries that are gone are passed over. False if the lease is another's.
        """
        keys = self._keys.partitions[partition]
        names = (keys.lease, keys.inbox, keys.parked, keys.park(target))
        step = self._inbox_size.count(_PARK_LENGTH)
        for first in range(0, len(stream_ids), step):
            piece = PARK.call(names, ParkMessages(token, target, stream_ids[first : first + step]))
            with concerning(partition):
                if not is_owner(partition, await self._commits.one(piece)):
                    return False
        return True

    async def read_park(self, partition: int, target: str, after: StreamId, count: int) -> Sequence[Entry]:
        """A target's parked messages after a stream ID, oldest first."""
        least = b"-" if after == b"0" else b"[" + padded(after) + b";"  # all of that ID are below its ";"
        park = self._keys.partitions[partition].park(target)
        with concerning(partition):
            members = await self._loads.one(command(b"ZRANGE", park, least, b"+", b"BYLEX", b"LIMIT", 0, count))
            return [_parked_entry(member) for member in members]

    async def fire_timers(self, partition: int, token: bytes, limit: int) -> tuple[int, int | None] | None:
        """Move at most `limit` due timers into the inbox: how many, and when the next is due. None: not the owner."""
        keys = self._keys.partitions[partition]
        names = (keys.lease, keys.inbox, keys.timers, keys.payloads)
        with concerning(partition):
            answer = await self._commits.one(FIRE_TIMERS.call(names, FireTimers(token, limit)))
            if not is_owner(partition, answer):
                return None
            found = Fired(*answer)
            return found.fired, _due(found.due)

    async def mark_running(
        self, partition: int, token: bytes, running: Running | None, deaths: bytes | None = None
    ) -> bool:
        """Careful mode: record what is about to run, or which deaths are known of (HAZARDS 20). None leaves what is there.
        False if the lease is another's."""
        lease = self._keys.partitions[partition].lease
        mark = MARK_RUNNING.call([lease], mark_of(token, running, deaths))
        with concerning(partition):
            return bool(await self._commits.one(mark))


def _damage(partition: int, text: bytes) -> CommitAnswer:
    """What a commit that could not be written came to, from the error's text."""
    message = text.decode("utf-8", "replace")
    if message.startswith(_STOPPED):
        logger.critical(
            "a commit of partition %d stopped in the middle, which leaves the partition in quarantine: %s",
            partition,
            message.removeprefix(_STOPPED),
        )
        return CommitVerdict.TORN
    return damage_of(message, partition)


def _loaded(record: bytes | None, log: Any) -> Loaded:
    """What the store has of an instance. A log that is none is its instance's trouble alone."""
    return Loaded(record, DamagedLog(str(log)) if isinstance(log, KeyDamaged) else log)


def lease_view(partition: int, held: Sequence[bytes | None] | KeyDamaged) -> LeaseView:
    """A lease from the fields of its hash. One that cannot be read is in quarantine."""
    try:
        if isinstance(held, KeyDamaged):
            raise held
        return _lease_view(partition, held)
    except KeyDamaged as error:
        return _unreadable_lease(partition, str(error))
    except UNREADABLE as error:
        return _unreadable_lease(partition, str(unreadable(partition, error)))


def _unreadable_lease(partition: int, damage: str) -> LeaseView:
    return LeaseView(partition, b"", "", 0, 0, 0, quarantined=True, damage=damage)


def _lease_view(partition: int, held: Sequence[bytes | None]) -> LeaseView:
    token, owner, epoch, expires, free_since, commit, applying = held
    return LeaseView(
        partition=partition,
        token=token or b"",
        owner=(owner or b"").decode(),
        epoch=int(epoch or 0),
        expires_ms=int(expires or 0),
        free_since_ms=int(free_since or 0),
        quarantined=(applying or b"") != (commit or b""),
    )


def read_lease_command(lease: bytes) -> bytes:
    """The command whose answer `lease_view` takes."""
    return command(b"HMGET", lease, *_LEASE_FIELDS)


def _parked_entry(member: bytes) -> Entry:
    """A park's entry in the form of an inbox's."""
    key, _, payload = member.partition(b":")
    milliseconds, _, sequence = key.partition(b"-")
    return [b"%d-%d" % (int(milliseconds), int(sequence)), [b"m", payload]]


def _due(score: bytes) -> int | None:
    """When a timer is due. A time that nobody can wait for is never."""
    due_ms = float(score) if score else math.inf
    return int(max(due_ms, 0)) if due_ms < _NEVER_MS else None


def _pairs(flat: Sequence[bytes]) -> zip[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
