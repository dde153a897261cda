"""Why a call was not answered in time, as far as the store shows it: what to do depends on it.

Asked once a call has timed out, for a short time, and not by each of many calls that time out together.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from stead.entities._message.record import LockedRecord, decode_record
from stead.entities._turns.locks import LockState
from stead.transport import PartitionInfo, Settings, SteadError, Store, WorkerView, partition_of

ASK_S = 1.0
"""How long the store may take to say it."""
AGAIN_S = 1.0
"""What was found serves for so long: a thousand calls that time out together ask once."""

BACKLOG_LENGTH = 100
"""Messages that wait in a partition from which on they are named as the likely cause."""

_CARE = "it may still be carried out, so check before you repeat it"


class HubSeen(NamedTuple):
    """What the hub looked like, and when."""

    at_s: float
    workers: list[WorkerView]
    partitions: list[PartitionInfo]


class NoAnswer:
    """Finds out for one client."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._keep_ms = settings.worker_keep_ms
        self._found: HubSeen | None = None
        self._asking = asyncio.Lock()

    async def advice(self, target: str) -> str:
        """What `CallTimeout` says after the time; "" if nothing could be found out."""
        try:
            async with asyncio.timeout(ASK_S):
                found = await self._hub()
                number = partition_of(target, self._store.layout.partitions)
                (record,) = await self._store.read_records(number, [target])
                owner = locked_by(record) if target.startswith("@") else ""  # else it is an instance
                reason = self._reason(target, found.workers, found.partitions[number], owner)
        except (SteadError, TimeoutError, LookupError):
            return ""
        return f"{_CARE}: {reason}" if reason else ""

    async def _hub(self) -> HubSeen:
        async with self._asking:
            now_s = self._store.clock.monotonic()
            if self._found is None or now_s - self._found.at_s > AGAIN_S:
                self._found = HubSeen(now_s, await self._store.workers(), await self._store.info())
            return self._found

    def _reason(self, target: str, workers: list[WorkerView], about: PartitionInfo, lock_owner: str) -> str:
        number, lease = about.lease.partition, about.lease
        now_ms = self._store.clock.now_ms()
        if not any(now_ms - worker.beat_ms <= self._keep_ms for worker in workers):
            return "no worker is running; start one, see `stead info`"
        if target in about.blocked:
            return f"its messages wait, because {about.blocked[target]}; see `stead info`"
        if lease.quarantined:
            return f"its partition {number} is quarantined; see `stead info`"
        if not lease.token or lease.expires_ms <= now_ms:
            return f"no worker holds its partition {number} at the moment"
        if lock_owner:
            return f"it is locked by the orchestration {lock_owner}; `stead status` shows what that waits for"
        if about.backlog >= BACKLOG_LENGTH:
            return (
                f"{about.backlog:,} messages wait in its partition, before it perhaps; start more workers, or see in "
                "their logs which operation is slow"
            )
        if about.parked_targets:
            return (
                f"{about.parked_targets:,} entities of its partition have more messages than they keep up with, it perhaps "
                "among them; see in the workers' logs which operation is slow"
            )
        return "its worker runs, so an operation of it takes long, perhaps; see `stead info` and the worker's log"


def locked_by(record: bytes | None) -> str:
    """The orchestration that has locked an entity, by the entity's record; "" if none has."""
    try:
        lock = None if record is None else decode_record(record).lock
    except LockedRecord as error:
        lock = error.record.lock
    if lock is None:
        return ""
    state = LockState.of(lock)
    return state.owner if state.request is not None else ""
