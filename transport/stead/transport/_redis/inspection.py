"""The part of `RedisStore` that concerns the whole hub: workers and names, dead letters, what people look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from stead.transport._contract.codec import pack, unpack
from stead.transport._contract.errors import KeyDamaged
from stead.transport._contract.left_out import UNREADABLE, LeftOut
from stead.transport._contract.records import (
    PARKS_LOOKED_AT,
    DeadLetter,
    PartitionInfo,
    ServerFacts,
    StreamId,
    WorkerView,
)

from .base import RedisBase, concerning, named
from .keys import PartitionKeys
from .scripts import FOLD_MEASURES, HEARTBEAT, LEAVE, LIVING, MEASURE, PUBLISH, RESEND_DEAD_LETTER, command
from .server import read_facts
from .signature import Nothing
from .signatures import FoldMeasures, Heard, Heartbeat, Leave, Measure, Publish, ResendDeadLetter
from .workers import lease_view, read_lease_command


class PeopleSide(RedisBase):
    """The registry of workers and names, dead letters and information."""

    # -- workers and names ---------------------------------------------------------------------------------------------

    async def heartbeat(self, worker: str, info: Mapping[str, Any], ttl_ms: int) -> tuple[int, list[WorkerView]]:
        """Say that a worker lives; gives the server's time and all workers heard of within their `ttl_ms`, by name."""
        names = (self._keys.workers, self._keys.beats, self._keys.record)
        beat = HEARTBEAT.call(names, Heartbeat(worker, pack(dict(info)), ttl_ms, self._layout.hub_id))
        heard = Heard(*await self._queries.one(beat))
        now_ms = int(heard.now_ms)
        self._server.clock.correct(now_ms)
        return now_ms, _worker_views(heard.living, self._left_out)

    async def leave(self, worker: str) -> None:
        """Forget a worker."""
        await self._queries.one(LEAVE.call((self._keys.workers, self._keys.beats), Leave(worker)))

    async def workers(self) -> list[WorkerView]:
        """All workers heard of within their time."""
        (living,) = await self._ask(LIVING.call((self._keys.workers, self._keys.beats), Nothing()))
        return _worker_views(living, self._left_out)

    async def publish(self, names: Mapping[str, Mapping[str, Any]], ttl_ms: int) -> None:
        """Publish kinds (canonical name -> description). They are forgotten `ttl_ms` after they were last published."""
        if not names:
            return
        flat: list[str | bytes] = []
        for name, description in names.items():
            flat += (name, pack(dict(description)))
        keys = (self._keys.names, self._keys.names_until, self._keys.record)
        await self._queries.one(PUBLISH.call(keys, Publish(ttl_ms, flat, self._layout.hub_id)))

    async def published(self) -> dict[str, dict[str, Any]]:
        """The kinds that were published and are not forgotten."""
        (flat,) = await self._ask(LIVING.call((self._keys.names, self._keys.names_until), Nothing()))
        found: dict[str, dict[str, Any]] = {}
        for name, value in zip(flat[::2], flat[1::2], strict=True):
            try:
                found[name.decode()] = _map(unpack(value))
            except UNREADABLE as error:
                self._left_out.note("names", _text(name), error)
            else:
                self._left_out.readable("names", _text(name))
        self._left_out.only("names", set(map(_text, flat[::2])))
        return found

    async def wish(self, name: str, value: bytes, ttl_ms: int) -> None:
        """Say what is wanted of the hub's workers."""
        keys = (self._keys.wishes, self._keys.wishes_until, self._keys.record)
        await self._queries.one(PUBLISH.call(keys, Publish(ttl_ms, [name, value], self._layout.hub_id)))

    async def wishes(self) -> dict[str, bytes]:
        """What is wanted of them, by name."""
        (flat,) = await self._ask(LIVING.call((self._keys.wishes, self._keys.wishes_until), Nothing()))
        return dict(zip(map(_text, flat[::2]), flat[1::2], strict=True))

    # -- measures ------------------------------------------------------------------------------------------------------

    async def measure(self, worker: str, sums: bytes, minute: int, part: bytes, keep_ms: int, *, first: bool) -> bool:
        """Keep what a worker has measured. False if what it said before was taken into the sum of ended workers."""
        names = (self._keys.measures, self._keys.measures_of(minute), self._keys.record)
        said = Measure(worker, sums, part, keep_ms, "1" if first else "0", self._layout.hub_id)
        return bool(await self._queries.one(MEASURE.call(names, said)))

    async def measures(self, minutes: Sequence[int]) -> tuple[dict[str, bytes], list[dict[str, bytes]]]:
        """What workers have measured since they began, and within each of these minutes."""
        keys = [self._keys.measures, *map(self._keys.measures_of, minutes)]
        answers = await self._ask(*(command(b"HGETALL", key) for key in keys))
        found = [dict(zip(map(_text, flat[::2]), flat[1::2], strict=True)) for flat in answers]
        return found[0], found[1:]

    async def fold_measures(self, ended: Mapping[str, bytes], before: bytes, after: bytes) -> bool:
        """Take what ended workers have measured into the sum of all of them. False if that is another by now."""
        flat = [word for pair in ended.items() for word in pair]
        fold = FoldMeasures(before, after, flat, self._layout.hub_id)
        return bool(await self._queries.one(FOLD_MEASURES.call((self._keys.measures, self._keys.record), fold)))

    # -- dead letters --------------------------------------------------------------------------------------------------

    async def dead_letters(self, partition: int, after: StreamId, count: int) -> list[DeadLetter]:
        """Dead letters after a stream ID (b"0" for the start), oldest first."""
        dead = self._keys.partitions[partition].dead
        with concerning(partition):
            (entries,) = await self._ask(command(b"XRANGE", dead, b"(" + after, b"+", b"COUNT", count))
        return [DeadLetter(partition, entry[0], entry[1][1]) for entry in entries]

    async def last_dead_letter(self, partition: int) -> StreamId:
        """The ID of the youngest dead letter, b"0-0" if there is none."""
        with concerning(partition):
            (entries,) = await self._ask(
                command(b"XREVRANGE", self._keys.partitions[partition].dead, b"+", b"-", b"COUNT", 1)
            )
        return entries[0][0] if entries else b"0-0"

    async def drop_dead_letter(self, partition: int, stream_id: StreamId) -> bool:
        """Forget a dead letter. False if it was gone."""
        return bool(await self._queries.one(command(b"XDEL", self._keys.partitions[partition].dead, stream_id)))

    async def resend_dead_letter(self, letter: DeadLetter, destination: int, payload: bytes) -> bool:
        """Put `payload` into the inbox of `destination` and drop the letter, in one step. False if it is gone."""
        names = (self._keys.partitions[letter.partition].dead, self._keys.partitions[destination].inbox)
        return bool(
            await self._queries.one(RESEND_DEAD_LETTER.call(names, ResendDeadLetter(letter.stream_id, payload)))
        )

    # -- information ---------------------------------------------------------------------------------------------------

    async def info(self) -> list[PartitionInfo]:
        """What the hub holds, partition by partition. For people: it costs some commands a partition."""
        asked = [each for keys in self._keys.partitions for each in _asked_of(keys)]
        answers = [
            named(answer, key) if isinstance(answer, KeyDamaged) else answer
            for (key, _), answer in zip(asked, await self._ask(*(each for _, each in asked), each=True), strict=True)
        ]
        each = len(asked) // self._layout.partitions
        found = [
            _partition_info(partition, answers[partition * each : (partition + 1) * each])
            for partition in range(self._layout.partitions)
        ]
        await self._look_into_parks(found)
        for partition, about in enumerate(found):
            if about.damage:
                self._left_out.note("partitions", str(partition), about.damage)
            else:
                self._left_out.readable("partitions", str(partition))
        return found

    async def _look_into_parks(self, found: list[PartitionInfo]) -> None:
        """Tell whose the parked messages are, where there are any: in two more round trips, however many there are."""
        parking = [partition for partition, about in enumerate(found) if about.parked_targets and not about.damage]
        if not parking:
            return
        count = str(PARKS_LOOKED_AT)
        scans = [command(b"HSCAN", self._keys.partitions[p].parked, "0", "COUNT", count) for p in parking]
        places: list[tuple[int, str]] = []
        for partition, answer in zip(parking, await self._ask(*scans, each=True), strict=True):
            if not isinstance(answer, KeyDamaged):
                names = answer[1][: 2 * PARKS_LOOKED_AT : 2]
                places += ((partition, _text(name)) for name in names)
                firsts = map(_arrival_ms, answer[1][1 : 2 * PARKS_LOOKED_AT : 2])
                dues = [at_ms for at_ms in (found[partition].oldest_ms, *firsts) if at_ms is not None]
                found[partition] = replace(found[partition], oldest_ms=min(dues, default=None))
        if not places:
            return
        lengths = [command(b"ZCARD", self._keys.partitions[p].park(target)) for p, target in places]
        for (partition, target), length in zip(places, await self._ask(*lengths, each=True), strict=True):
            if not isinstance(length, KeyDamaged) and length:
                found[partition].parks[target] = length

    async def refresh_facts(self) -> ServerFacts:
        """Ask the server anew what it says of itself."""
        self._facts = await read_facts(self._queries)
        return self._facts


def _worker_views(flat: list[bytes], left_out: LeftOut) -> list[WorkerView]:
    """The workers as they have described themselves. One that wrote something else is there, but nobody knows what it does:
    it is left out."""
    views: list[WorkerView] = []
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        beat_ms, _, info = value.partition(b":")
        try:
            views.append(WorkerView(name.decode(), int(beat_ms), _map(unpack(info))))
        except UNREADABLE as error:
            left_out.note("workers", _text(name), error)
        else:
            left_out.readable("workers", _text(name))
    left_out.only("workers", set(map(_text, flat[::2])))
    return sorted(views, key=lambda view: view.worker)


def _map(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in cast("dict[object, object]", value)):
        raise ValueError("it is no map by names")
    return cast("dict[str, Any]", value)


def _text(name: bytes) -> str:
    """A name to show, whatever it is."""
    return name.decode("utf-8", "backslashreplace")


def _asked_of(keys: PartitionKeys) -> list[tuple[bytes, bytes]]:
    """What `info` asks of a partition: key and command. Every key is among them, so that one of another type is seen."""
    only_looked_at = (keys.state, keys.payloads, keys.starts, keys.tries, keys.trimmed, keys.built)
    return [
        (keys.lease, read_lease_command(keys.lease)),
        (keys.lease, command(b"HMGET", keys.lease, "parked", "trimmed", "unclean", "running_target")),
        (keys.inbox, command(b"XLEN", keys.inbox)),
        (keys.parked, command(b"HLEN", keys.parked)),
        (keys.blocked, command(b"HGETALL", keys.blocked)),
        (keys.index, command(b"ZCARD", keys.index)),
        (keys.index, command(b"ZLEXCOUNT", keys.index, b"[@", b"(A")),  # "A" is what comes after "@"
        (keys.timers, command(b"ZCARD", keys.timers)),
        (keys.dead, command(b"XLEN", keys.dead)),
        (keys.tasks, command(b"HLEN", keys.tasks)),
        (keys.index, command(b"ZLEXCOUNT", keys.index, b"[@!", b'(@"')),  # of kinds that are stead's own
        (keys.inbox, command(b"XRANGE", keys.inbox, b"-", b"+", b"COUNT", 1)),
        *((key, command(b"HLEN", key)) for key in only_looked_at),
    ]


def _partition_info(partition: int, answers: list[Any]) -> PartitionInfo:
    """What is known of a partition; of what holds something else, that."""
    damage = [str(answer) for answer in answers if isinstance(answer, KeyDamaged)]
    held, counted, backlog, parked_targets, why, targets, entities, timers, dead, tasks, built_in, oldest, *_ = (
        (default if isinstance(answer, KeyDamaged) else answer)
        for answer, default in zip(answers, _NOTHING, strict=True)
    )
    lease = lease_view(partition, answers[0] if isinstance(answers[0], KeyDamaged) else held)
    parked, trimmed, unclean = map(_count, counted[:3])
    return PartitionInfo(
        lease=lease,
        backlog=backlog,
        parked=parked,
        parked_targets=parked_targets,
        blocked={_text(name): _text(reason) for name, reason in zip(why[::2], why[1::2], strict=True)},
        entities=entities - built_in,
        timers=timers,
        dead=dead,
        dead_trimmed=trimmed,
        instances=targets - entities,
        tasks=tasks,
        damage="; ".join(damage[:1]) or lease.damage,
        suspect=_text(counted[3] or b"") if unclean else "",
        oldest_ms=_arrival_ms(oldest[0][0]) if oldest else None,
    )


# What stands for the answers that `info` could not get, in their order.
_NOTHING: tuple[Any, ...] = ((None,) * 7, (None,) * 4, 0, 0, (), *(0,) * 6, (), *(0,) * 6)


def _arrival_ms(stream_id: bytes) -> int | None:
    """When a message came, by its ID."""
    at_ms = stream_id.partition(b"-")[0]
    return int(at_ms) if at_ms.isdigit() else None


def _count(number: bytes | None) -> int:
    return int(number) if number and number.isdigit() else 0
