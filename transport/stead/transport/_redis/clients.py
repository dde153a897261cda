"""The part of `RedisStore` that clients and producers use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar, cast

from stead.transport._contract.errors import KeyDamaged, ServerUnsuitable, SourceSuperseded
from stead.transport._contract.records import Batch, EnqueueResult, InstanceView, StreamId, Verdict, stream_order

from .answers import ReplyError
from .base import RedisBase, concerning, damage_of
from .enqueueing import calls_of
from .listing import Listing, end_of, next_after
from .scripts import OPEN_SOURCE, command
from .signatures import Opened, OpenSource

_V = TypeVar("_V")
_Members: TypeAlias = Sequence[tuple[bytes, int]]  # targets, each with its partition

_VERDICTS = (Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.GAP, Verdict.BACKLOG, Verdict.SUPERSEDED)
_REPLIES_COUNT = 1000
_FEW = 10
"""Values up to which a read shares a pipeline with other callers' reads: they wait for all of its answer."""


class ClientSide(RedisBase):
    """Enqueue, replies, reads and listings."""

    async def enqueue(self, batches: Sequence[Batch]) -> list[EnqueueResult]:
        """Put batches into inboxes, each a step by itself, those of a session in order. At most one call at a time per
        session.
        """
        settings = self._settings
        limits = (settings.batch_length_max, settings.batch_bytes_max)
        calls = list(calls_of(self._keys, self._layout.hub_id, batches, *limits))
        answers = await self._enqueues.run([call for call, _ in calls] + self._waits(), refusals=True)
        self._check_waited(answers)
        results: list[EnqueueResult] = []
        for (_, carried), answer in zip(calls, answers, strict=True):
            if isinstance(answer, ReplyError):  # the server is full, and has refused the call
                results += [EnqueueResult(Verdict.FULL)] * len(carried)
            # Nothing of this call was written, whatever became of the others.
            elif isinstance(answer, ServerUnsuitable):
                results += [EnqueueResult(Verdict.DAMAGED, damage=answer)] * len(carried)
            else:
                results += [_enqueue_result(*each) for each in zip(carried, answer, strict=True)]
        return results

    async def open_source(self, partition: int, source: str, incarnation: int, keep_ms: int) -> int:
        """Become the producer of a source for a partition; gives the last sequence number accepted (-1: none)."""
        session = self._keys.partitions[partition].session(f"source:{source}")
        names = (session, self._keys.record)
        opening = OPEN_SOURCE.call(names, OpenSource(str(incarnation), keep_ms, self._layout.hub_id))
        with concerning(partition):
            answers = await self._enqueues.run([opening, *self._waits()])
            self._check_waited(answers)
            answer = Opened(*answers[0])
            if not answer.opened:
                raise SourceSuperseded(source)
            return int(answer.number)

    async def read_replies(
        self, group: int, client: str, after: StreamId, block_ms: int
    ) -> Sequence[tuple[StreamId, bytes]]:
        """Wait up to `block_ms` for answers after `after` (b"0" at first). One call at a time."""
        key = self._keys.reply(group, client)
        wait = (b"BLOCK", block_ms) if block_ms > 0 else ()
        fitting = self._reply_size.count(_REPLIES_COUNT)
        read = command(b"XREAD", b"COUNT", fitting, *wait, b"STREAMS", key, after)
        before = self._replies.received_bytes
        answer = await self._replies.one(read, block_ms=block_ms)
        if not answer:  # else there is a hub that answers
            self._server.check_hub(await self._replies.one(self._whose))
            return []
        entries = answer[0][1]
        self._reply_size.learn(self._replies.received_bytes - before, len(entries))
        return [(entry[0], entry[1][1]) for entry in entries]

    async def trim_replies(self, group: int, client: str, through: StreamId) -> None:
        """Forget the answers up to and including `through`."""
        milliseconds, sequence = stream_order(through)
        least = b"%d-%d" % (milliseconds, sequence + 1)
        await self._queries.one(command(b"XTRIM", self._keys.reply(group, client), b"MINID", b"=", least))

    async def drop_replies(self, group: int, client: str) -> None:
        """Forget the client's reply stream."""
        await self._queries.one(command(b"UNLINK", self._keys.reply(group, client)))

    async def read_records(self, partition: int, targets: Sequence[str]) -> list[bytes | None]:
        """The committed records of targets, by a connection that clients may share."""
        if not targets:
            return []
        state = self._keys.partitions[partition].state
        with concerning(partition):
            asked = (command(b"HMGET", state, *targets),)
            (records,) = await (self._gathering.ask(asked) if len(targets) <= _FEW else self._ask(*asked))
        return cast("list[bytes | None]", records)

    async def read_log(self, partition: int, target: str, first: int, count: int) -> list[bytes]:
        """Events of an instance's committed log, from the `first` (0) on, at most `count`."""
        if count <= 0:
            return []
        log = self._keys.partitions[partition].log(target)
        with concerning(partition):
            (events,) = await self._ask(command(b"LRANGE", log, first, first + count - 1))
        return cast("list[bytes]", events)

    async def read_instance(self, partition: int, target: str, events: int) -> InstanceView:
        """An instance with the first of its events: the start is read before the record."""
        keys = self._keys.partitions[partition]
        reads = [command(b"HGET", key, target) for key in (keys.starts, keys.state, keys.blocked)]
        if events:
            reads.append(command(b"LRANGE", keys.log(target), 0, events - 1))
        with concerning(partition):
            start, record, why, *log = await (self._gathering.ask(reads) if events <= _FEW else self._ask(*reads))
        blocked = None if why is None else why.decode(errors="replace")
        return InstanceView(_start_message(start), record, log[0] if log else (), blocked)

    def list_targets(self, prefix: str, page: int, after: str = "") -> AsyncIterator[list[tuple[str, bytes]]]:
        """Pages of (target, record) of targets that have one and begin with `prefix`, ascending over the whole hub by the
        bytes of their UTF-8 form; only those that come after `after`. What is there throughout is given exactly once.
        """
        least = prefix.encode()
        listing = Listing(max(least, next_after(after)), end_of(least), page, self._layout.partitions)
        return self._list(listing, page, self._records_of)

    async def list_instances(
        self, prefix: str, page: int, after: str = ""
    ) -> AsyncIterator[list[tuple[str, InstanceView]]]:
        """As `list_targets`, for instances: targets that do not begin with "@" and have a record or a start that waits."""
        least = prefix.encode()
        ranges = [(least, end_of(least))] if prefix else [(b"", b"@"), (b"A", b"")]  # "A" is what comes after "@"
        if prefix.startswith("@"):
            return
        for first, end in ranges:
            listing = Listing(max(first, next_after(after)), end, page, self._layout.partitions)
            async for found in self._list(listing, page, self._views_of):
                yield found

    async def _list(
        self, listing: Listing, page: int, read: Callable[[_Members], Awaitable[Sequence[_V | None]]]
    ) -> AsyncIterator[list[tuple[str, _V]]]:
        members: list[tuple[bytes, int]] = []
        while True:
            wanted = listing.wanted()
            ranges = [listing.range_command(place, self._keys.partitions[place].index) for place in wanted]
            for place, piece in zip(wanted, await self._ask(*ranges, each=True) if ranges else (), strict=True):
                listing.take(place, self._readable(place, piece))
            members += listing.ready(page - len(members))
            if len(members) < page and listing.wanted():
                continue
            if not members:
                return
            values = await read(members)
            found = [
                (target, value)
                for (member, _), value in zip(members, values, strict=True)
                if value is not None and (target := self._target(member)) is not None
            ]
            members = []
            if found:
                yield found

    def _readable(self, partition: int, answer: Any) -> Any:
        """What a partition has for a listing: nothing, if that cannot be read, which leaves it out."""
        if isinstance(answer, KeyDamaged):
            self._left_out.note("partitions", str(partition), answer)
            return ()
        self._left_out.readable("partitions", str(partition))
        return answer

    def _target(self, member: bytes) -> str | None:
        try:
            return member.decode()
        except UnicodeDecodeError as error:
            self._left_out.note("targets", member, error)
            return None

    async def _records_of(self, members: _Members) -> list[bytes | None]:
        """The records of targets. One that was deleted meanwhile is None."""
        by_partition = _by_partition(members)
        reads = [
            command(b"HMGET", self._keys.partitions[partition].state, *targets)
            for partition, targets in by_partition.items()
        ]
        answers = await self._ask(*reads, each=True)
        found = zip(by_partition, answers, strict=True)
        records = {partition: iter(self._readable(partition, answer)) for partition, answer in found}
        return [next(records[partition], None) for _, partition in members]

    async def _views_of(self, members: _Members) -> list[InstanceView | None]:
        """What there is of instances. The starts are read before the records: a commit in between moves the one into the
        other.
        """
        by_partition = _by_partition(members)
        reads: list[bytes] = []
        for partition, targets in by_partition.items():
            keys = self._keys.partitions[partition]
            reads += (command(b"HMGET", keys.starts, *targets), command(b"HMGET", keys.state, *targets))
        answers = await self._ask(*reads, each=True)
        pairs = zip(answers[::2], answers[1::2], strict=True)
        found = {
            partition: zip(*(self._readable(partition, piece) for piece in pair), strict=False)
            for partition, pair in zip(by_partition, pairs, strict=True)
        }
        views = (next(found[partition], (None, None)) for _, partition in members)
        return [
            None if start is None and record is None else InstanceView(_start_message(start), record)
            for start, record in views
        ]


def _enqueue_result(batch: Batch, answer: Any) -> EnqueueResult:
    if isinstance(answer, bytes):
        try:
            damage: ServerUnsuitable = damage_of(answer.decode("utf-8", "replace"), batch.partition)
        except ServerUnsuitable as error:  # a right that is missing for what only this batch needs
            damage = error
        return EnqueueResult(Verdict.DAMAGED, damage=damage)
    return _verdict(*answer)


def _verdict(verdict: int, detail: bytes, refused: bytes = b"") -> EnqueueResult:
    places = frozenset(int(place) - 1 for place in refused.split(b",")) if refused else frozenset[int]()
    return EnqueueResult(_VERDICTS[verdict], int(detail), places)


def _start_message(reservation: bytes | None) -> bytes | None:
    """The message of a reservation: what comes after the length of its ID and its ID."""
    return None if reservation is None else reservation[1 + (reservation[0] if reservation else 0) :]


def _by_partition(members: _Members) -> dict[int, list[bytes]]:
    targets: dict[int, list[bytes]] = {}
    for member, partition in members:
        targets.setdefault(partition, []).append(member)
    return targets
