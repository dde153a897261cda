"""The part of `RedisStore` that concerns the whole hub: workers and names, dead letters, what people look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._codec import pack, unpack
from ._records import DeadLetter, PartitionInfo, ServerFacts, StreamId, WorkerView
from ._redis_base import RedisBase
from ._redis_server import read_facts
from ._redis_workers import lease_view, read_lease_command
from ._scripts import HEARTBEAT, LEAVE, LIVING, PUBLISH, RESEND, command


class PeopleSide(RedisBase):
    """The registry of workers and names, dead letters and information."""

    # -- workers and names ---------------------------------------------------------------------------------------------

    async def heartbeat(self, worker: str, info: Mapping[str, Any], ttl_ms: int) -> tuple[int, list[WorkerView]]:
        """Say that a worker lives; gives the server's time and all workers heard of within their `ttl_ms`, by name."""
        names = (self._keys.workers, self._keys.beats, self._keys.record)
        beat = HEARTBEAT.call(names, worker, pack(dict(info)), ttl_ms, self._layout.hub_id)
        now_ms, living = await self._queries.one(beat)
        self._server.clock.correct(int(now_ms))
        return int(now_ms), _worker_views(living)

    async def leave(self, worker: str) -> None:
        """Forget a worker."""
        await self._queries.one(LEAVE.call((self._keys.workers, self._keys.beats), worker))

    async def workers(self) -> list[WorkerView]:
        """All workers heard of within their time."""
        (living,) = await self._ask(LIVING.call((self._keys.workers, self._keys.beats)))
        return _worker_views(living)

    async def publish(self, names: Mapping[str, Mapping[str, Any]], ttl_ms: int) -> None:
        """Publish kinds (canonical name -> description). They are forgotten `ttl_ms` after they were last published."""
        if not names:
            return
        flat: list[str | bytes] = []
        for name, description in names.items():
            flat += (name, pack(dict(description)))
        keys = (self._keys.names, self._keys.names_until, self._keys.record)
        await self._queries.one(PUBLISH.packed(keys, ttl_ms, flat, self._layout.hub_id))

    async def published(self) -> dict[str, dict[str, Any]]:
        """The kinds that were published and are not forgotten."""
        (flat,) = await self._ask(LIVING.call((self._keys.names, self._keys.names_until)))
        return {name.decode(): unpack(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}

    # -- dead letters --------------------------------------------------------------------------------------------------

    async def dead_letters(self, partition: int, after: StreamId, count: int) -> list[DeadLetter]:
        """Dead letters after a stream ID (b"0" for the start), oldest first."""
        dead = self._keys.partitions[partition].dead
        (entries,) = await self._ask(command(b"XRANGE", dead, b"(" + after, b"+", b"COUNT", count))
        return [DeadLetter(partition, entry[0], entry[1][1]) for entry in entries]

    async def drop_dead_letter(self, partition: int, stream_id: StreamId) -> bool:
        """Forget a dead letter. False if it was gone."""
        return bool(await self._queries.one(command(b"XDEL", self._keys.partitions[partition].dead, stream_id)))

    async def resend_dead_letter(self, letter: DeadLetter, destination: int, payload: bytes) -> bool:
        """Put `payload` into the inbox of `destination` and drop the letter, in one step. False if it is gone."""
        names = (self._keys.partitions[letter.partition].dead, self._keys.partitions[destination].inbox)
        return bool(await self._queries.one(RESEND.call(names, letter.stream_id, payload)))

    # -- information ---------------------------------------------------------------------------------------------------

    async def info(self) -> list[PartitionInfo]:
        """What the hub holds, partition by partition. For people: it costs some commands a partition."""
        commands: list[bytes] = []
        for keys in self._keys.partitions:
            commands += (
                read_lease_command(keys.lease),
                command(b"HMGET", keys.lease, "parked", "trimmed"),
                command(b"XLEN", keys.inbox),
                command(b"HLEN", keys.parked),
                command(b"HGETALL", keys.blocked),
                command(b"ZCARD", keys.index),
                command(b"ZLEXCOUNT", keys.index, b"[@", b"(A"),  # "A" is what comes after "@"
                command(b"ZCARD", keys.timers),
                command(b"XLEN", keys.dead),
                command(b"HLEN", keys.tasks),
            )
        answers = await self._ask(*commands)
        each = len(commands) // self._layout.partitions
        return [
            _partition_info(partition, answers[partition * each : (partition + 1) * each])
            for partition in range(self._layout.partitions)
        ]

    async def refresh_facts(self) -> ServerFacts:
        """Ask the server anew what it says of itself."""
        self._facts = await read_facts(self._queries)
        return self._facts


def _worker_views(flat: list[bytes]) -> list[WorkerView]:
    views: list[WorkerView] = []
    for worker, value in zip(flat[::2], flat[1::2], strict=True):
        beat_ms, _, info = value.partition(b":")
        views.append(WorkerView(worker.decode(), int(beat_ms), unpack(info)))
    return sorted(views, key=lambda view: view.worker)


def _partition_info(partition: int, answers: list[Any]) -> PartitionInfo:
    held, (parked, trimmed), backlog, parked_targets, blocked, targets, entities, timers, dead, tasks = answers
    return PartitionInfo(
        lease=lease_view(partition, held),
        backlog=backlog,
        parked=int(parked or 0),
        parked_targets=parked_targets,
        blocked={name.decode(): why.decode() for name, why in zip(blocked[::2], blocked[1::2], strict=True)},
        entities=entities,
        timers=timers,
        dead=dead,
        dead_trimmed=int(trimmed or 0),
        instances=targets - entities,
        tasks=tasks,
    )
