"""The part of `MemoryStore` that clients use: messages in, answers out, and looks at what is there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TypeVar

from stead.transport._contract.records import (
    Batch,
    EnqueueResult,
    InstanceView,
    StreamId,
    Verdict,
    stream_order,
)

from . import steps
from .base import MemoryBase
from .commits import waiting_replies
from .streams import format_id

_V = TypeVar("_V")

_REPLIES_COUNT = 1_000


class MemoryClients(MemoryBase):
    """Producers, callers and readers."""

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

        def view() -> InstanceView:
            why = self._state.partitions[partition].blocked.get(target)
            return self._view(partition, target, events)._replace(blocked=why)

        return await self._call("read_instance", view)

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
