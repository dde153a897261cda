"""Short ways to say what tests of a store do all the time."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from stead.transport import Acquired, Batch, Commit, Entry, Store, StreamId, Verdict

LEASE_MS = 60_000


def batch(
    payloads: Sequence[bytes],
    *,
    previous: int = -1,
    last: int | None = None,
    partition: int = 0,
    session: str = "session",
    incarnation: int = 0,
    backlog_max: int = 1_000_000,
    freeing: bool = False,
) -> Batch:
    """A batch whose numbers follow those of the one before."""
    last = previous + len(payloads) if last is None else last
    return Batch(partition, session, incarnation, previous, last, payloads, backlog_max, 60_000, (), freeing)


async def put(store: Store, payloads: Sequence[bytes], partition: int = 0) -> list[StreamId]:
    """Put messages into an inbox by a session of their own; gives their stream IDs."""
    before = await read(store, partition)
    [result] = await store.enqueue([batch(payloads, partition=partition, session=secrets.token_hex(8))])
    assert result.verdict is Verdict.ACCEPTED
    after: StreamId = before[-1][0] if before else b"0"
    return [entry[0] for entry in await read(store, partition, after)]


async def read(store: Store, partition: int = 0, after: StreamId = b"0") -> Sequence[Entry]:
    """The entries of an inbox: a single read brings no more than fits `read_bytes_max`."""
    entries: list[Entry] = []
    while piece := dict(await store.read_inboxes({partition: after}, 100_000, 0)).get(partition):
        entries += piece
        after = piece[-1][0]
    return entries


async def payloads(store: Store, partition: int = 0) -> list[bytes]:
    """What the entries of an inbox hold."""
    return [entry[1][1] for entry in await read(store, partition)]


async def take(store: Store, partition: int = 0, token: bytes = b"token", expected: bytes = b"") -> Acquired:
    """Acquire a partition."""
    acquired = await store.acquire(partition, "worker", token, expected, LEASE_MS)
    assert acquired is not None
    return acquired


async def reservations(store: Store, partition: int, targets: Sequence[str]) -> list[bytes | None]:
    """The start messages that were accepted for these instances and not carried out yet."""
    return [(await store.read_instance(partition, target, 0)).start for target in targets]


def commit(acquired: Acquired, commit_id: bytes = b"first", previous: bytes | None = None, **effects: Any) -> Commit:
    """A commit of an owner: its first, unless it says which was before."""
    previous = acquired.commit_id if previous is None else previous
    return Commit(acquired.partition, acquired.token, previous, commit_id, **effects)
