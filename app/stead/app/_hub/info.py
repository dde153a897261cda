"""What a hub is and holds, gathered for people and machines: `stead info`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar, cast

from stead.entities.extending import (
    ARGUMENTS,
    ChangesGroup,
    IndexProgress,
    group_progress,
    index_progress,
    is_drained,
    names_in,
    shown_target,
    waiting_in,
)
from stead.orchestrations.extending import limits_of_hub, queues_named
from stead.transport import (
    UNREADABLE,
    HubLayout,
    KeyDamaged,
    LimitView,
    PartitionInfo,
    ServerFacts,
    ShardCount,
    Store,
    WorkerView,
)

PARKS_SHOWN_MAX = 100  # in JSON

T = TypeVar("T")

# What the server's settings promise, in the README's words.
PROMISES = {
    "always": "what was acknowledged survives any crash of the server (appendfsync always)",
    "everysec": "a crash of the server loses up to a second of what was acknowledged (appendfsync everysec)",
    "unknown": "whether a crash of the server loses what was acknowledged is not known: it does not tell its appendfsync",
    "no": "a crash or restart of the server loses what was acknowledged (no append-only file, or appendfsync no)",
}
_MEMORY_PROMISE = "everything is gone when this process ends (memory://)"


@dataclass(frozen=True, slots=True)
class Share:
    """What one owner's partitions hold together. The owner "" stands for partitions that nobody holds."""

    owner: str
    partitions: int
    backlog: int
    parked: int
    timers: int
    entities: int
    instances: int
    tasks: int
    dead_letters: int


@dataclass(frozen=True, slots=True)
class HubInfo:
    """A hub at one moment."""

    layout: HubLayout
    facts: ServerFacts
    now_ms: int
    workers: list[WorkerView]
    kinds: dict[str, dict[str, Any]]
    partitions: list[PartitionInfo]
    promise: str
    left_out: dict[str, int] = field(default_factory=dict[str, int])
    """How many rows of which lists could not be read; the log names them."""
    indexes: list[IndexProgress] = field(default_factory=list[IndexProgress])
    """Of the fields that entities can be queried by, and how far each has been built."""
    shards: dict[str, int] = field(default_factory=dict[str, int])
    """In how many each entity of a kind is kept. Among the `entities` of partitions each one that exists is counted."""
    limits: list[LimitView] = field(default_factory=list[LimitView])
    """At which activities run or wait; of each queue as many as `LIMITS_SHOWN_MAX`, those at which some wait first."""
    changes_groups: list[ChangesGroup] = field(default_factory=list[ChangesGroup])
    """Of the groups that read changes, and how far behind each is."""

    @property
    def total(self) -> Share:
        return _share("", self.partitions)

    @property
    def shares(self) -> list[Share]:
        """One share an owner, by name; partitions that nobody holds last."""
        held: dict[str, list[PartitionInfo]] = defaultdict(list)
        for partition in self.partitions:
            held[self.owner_of(partition)].append(partition)
        return [_share(owner, held[owner]) for owner in sorted(held, key=lambda name: (name == "", name))]

    def owner_of(self, partition: PartitionInfo) -> str:
        """Who holds it; "" for nobody."""
        return partition.lease.holder(self.now_ms)

    @property
    def blocked(self) -> dict[str, str]:
        """Targets whose messages wait, and why."""
        return {
            shown_target(target): why
            for partition in self.partitions
            for target, why in sorted(partition.blocked.items())
        }

    @property
    def parks(self) -> dict[str, int]:
        """Whose messages are parked, because they are slow, locked or blocked, and how many; the longest first."""
        found = [each for partition in self.partitions for each in partition.parks.items()]
        return {shown_target(target): count for target, count in sorted(found, key=lambda each: (-each[1], each[0]))}

    @property
    def unserved(self) -> list[str]:
        """Kinds for which messages wait and which the worker that has them does not know."""
        waiting: set[str] = set()
        for worker in self.workers:
            for names in _readable(waiting_in, worker.info.get("waiting"), _NOBODY).values():
                waiting.update(names)
        return sorted(waiting)

    @property
    def unserved_queues(self) -> list[str]:
        """Queues that activities of this hub name and from which no running worker takes them."""
        named = queues_named(self.kinds)
        served = (_readable(names_in, worker.info.get("queues"), frozenset[str]()) for worker in self.workers)
        return sorted(named.difference(*served))

    def published(self, folder: str) -> dict[str, dict[str, Any]]:
        """What workers have published in a folder ("orchestration", "activity"; "" for entities), by name."""
        found = {name.rpartition("/"): kind for name, kind in self.kinds.items()}
        return {name: kind for (place, _, name), kind in sorted(found.items()) if place == folder and "@" not in name}

    @property
    def quarantined(self) -> list[int]:
        """Partitions that stand still until somebody mends what the store holds of them."""
        return sorted(self.quarantine)

    @property
    def quarantine(self) -> dict[int, str]:
        """Why each of them does: by what is found now, and by what workers found that tried to go on with them."""
        why: dict[int, str] = {}
        for worker in self.workers:
            for number, reason in _readable(_map, worker.info.get("quarantined"), _NOTHING).items():
                if str(number).isdecimal() and int(number) < len(self.partitions):
                    why[int(number)] = str(reason)
        for partition in self.partitions:
            lease = partition.lease
            if partition.damage:
                why[lease.partition] = partition.damage
            elif lease.quarantined:
                why.setdefault(lease.partition, "a commit was applied in part; see the server's log")
        return why

    @property
    def trimmed(self) -> int:
        """Dead letters that were dropped because there were too many."""
        return sum(partition.dead_trimmed for partition in self.partitions)

    def as_data(self) -> dict[str, Any]:
        """Everything, for JSON: `stead info --json` and `/api/v1/hub` alike. Instants are ISO 8601, as everywhere in HTTP
        (`…_time`); the same in milliseconds (`…_ms`) is for scripts that read those."""
        return {
            "hub": {**asdict(self.layout), "created_time": _time(self.layout.created_ms)},
            "server": {**asdict(self.facts), "durable": self.facts.durable, "promise": self.promise},
            "time": _time(self.now_ms),
            "time_ms": self.now_ms,
            "workers": [
                {
                    "worker": w.worker,
                    "last_beat_time": _time(w.beat_ms),
                    "beat_ms": w.beat_ms,
                    "drained": is_drained(w.info),
                    **w.info,
                }
                for w in self.workers
            ],
            "names": {
                name: {each: value for each, value in kind.items() if each != ARGUMENTS}
                for name, kind in self.kinds.items()
            },
            "indexes": [asdict(index) for index in self.indexes],
            "shards": self.shards,
            "changes_groups": [asdict(group) for group in self.changes_groups],
            "total": {**asdict(self.total), "dead_letters_trimmed": self.trimmed},
            "blocked": self.blocked,
            "parks": dict(islice(self.parks.items(), PARKS_SHOWN_MAX)),
            "unserved": self.unserved,
            "unserved_queues": self.unserved_queues,
            "limits": [
                {**asdict(limit), "due_time": None if limit.due_ms is None else _time(limit.due_ms)}
                for limit in self.limits
            ],
            "quarantined": self.quarantined,
            "quarantine": {str(partition): why for partition, why in sorted(self.quarantine.items())},
            "left_out": self.left_out,
            "partitions": [self._partition_data(partition) for partition in self.partitions],
        }

    def _partition_data(self, partition: PartitionInfo) -> dict[str, Any]:
        return {
            "partition": partition.lease.partition,
            "owner": self.owner_of(partition) or None,
            "epoch": partition.lease.epoch,
            "expires_time": _time(partition.lease.expires_ms) if partition.lease.expires_ms else None,
            "expires_ms": partition.lease.expires_ms,
            "quarantined": partition.lease.partition in self.quarantine,
            "backlog": partition.backlog,
            "parked": partition.parked,
            "parked_targets": partition.parked_targets,
            "blocked": {shown_target(target): why for target, why in partition.blocked.items()},
            "suspect": shown_target(partition.suspect) or None,
            "oldest_time": None if partition.oldest_ms is None else _time(partition.oldest_ms),
            "entities": partition.entities,
            "instances": partition.instances,
            "tasks": partition.tasks,
            "timers": partition.timers,
            "dead_letters": partition.dead,
            "dead_letters_trimmed": partition.dead_trimmed,
        }


async def gather_info(store: Store, url: str) -> HubInfo:
    """Ask the store for everything. What cannot be read is left out, and counted."""
    facts = await store.refresh_facts()
    now_ms, _ = await store.read_leases()
    workers = await _or_left_out(store, "workers", store.workers, list[WorkerView]())
    names = await _or_left_out(store, "names", store.published, dict[str, dict[str, Any]]())
    indexes = await _or_left_out(store, "indexes", lambda: index_progress(store), list[IndexProgress]())
    limits = await _or_left_out(store, "limits", lambda: limits_of_hub(store, workers, names), list[LimitView]())
    counts = await _or_left_out(store, "shards", store.shards, dict[str, ShardCount]())
    groups = await _or_left_out(store, "groups", lambda: group_progress(store), list[ChangesGroup]())
    partitions = await store.info()
    left_out = store.left_out.counts()
    shards = {kind: each.total for kind, each in sorted(counts.items())}
    promise = promise_of(facts, url)
    return HubInfo(
        store.layout, facts, now_ms, workers, names, partitions, promise, left_out, indexes, shards, limits, groups
    )


async def _or_left_out(store: Store, rows: str, read: Callable[[], Awaitable[T]], nothing: T) -> T:
    try:
        found = await read()
    except (KeyDamaged, *UNREADABLE) as error:
        store.left_out.note(rows, "(all)", error)
        return nothing
    store.left_out.readable(rows, "(all)")
    return found


_NOBODY: dict[int, frozenset[str]] = {}
_NOTHING: dict[Any, Any] = {}


def _map(value: object) -> dict[Any, Any]:
    return dict(cast("Any", value))


def _readable(read: Callable[[Any], T], value: object, nothing: T) -> T:
    """A part of a heartbeat, or nothing if it is of another shape."""
    try:
        return read(value)
    except (TypeError, ValueError):
        return nothing


def promise_of(facts: ServerFacts, url: str) -> str:
    """What survives, in words."""
    return _MEMORY_PROMISE if url.startswith("memory:") else PROMISES[facts.durable]


def _time(instant_ms: int) -> datetime:
    return datetime.fromtimestamp(instant_ms / 1000, UTC)


def _share(owner: str, partitions: list[PartitionInfo]) -> Share:
    return Share(
        owner,
        len(partitions),
        sum(p.backlog for p in partitions),
        sum(p.parked for p in partitions),
        sum(p.timers for p in partitions),
        sum(p.entities for p in partitions),
        sum(p.instances for p in partitions),
        sum(p.tasks for p in partitions),
        sum(p.dead for p in partitions),
    )
