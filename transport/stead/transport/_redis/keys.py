"""Every key name of a hub in Redis or Valkey. Nothing else builds a key.

A hub's record is `stead:hub:<name>`. All else begins with `stead:<name>:<hub ID>:{<tag>}:`, where the tag is that
of a slot group: partition p carries the tag of group p mod G, so that all keys of a partition are on one node and its
commit is one script (see docs/explanation/design.md). What concerns the whole hub carries the tag of group 0.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

from stead.transport._contract.records import HubLayout

_SLOTS = 16_384
_HUB = "stead:hub:"
# What follows is the user's: a queue's name, a target.
_OF_PARTITION = re.compile(rb"stead:.*?:[0-9a-f]+:\{[0-9a-f.]+\}:([0-9]+):")


def hub_key(name: str) -> bytes:
    """The hub's record (hash): the only key that can be found by the hub's name alone."""
    return f"{_HUB}{name}".encode()


def hub_of(record: str) -> str:
    """The name of the hub that a record is of."""
    return record.removeprefix(_HUB)


def partition_in(key: bytes) -> int | None:
    """The partition that a key's name says it is of; None for one of the whole hub."""
    found = _OF_PARTITION.match(key)
    return int(found[1]) if found is not None else None


def group_tags(hub_id: str, groups: int) -> list[str]:
    """A hash tag for each slot group: always the same for a hub, and with evenly spaced slots (HAZARDS 23).

    `crc_hqx` is the CRC16 by which the servers choose a key's slot. Group g takes the first candidate whose slot is in
    the g-th part of all slots.
    """
    found: dict[int, str] = {}
    candidate = 0
    while len(found) < groups:
        tag = f"{hub_id[:6]}.{candidate:x}"
        slot = binascii.crc_hqx(tag.encode(), 0) % _SLOTS
        found.setdefault(slot * groups // _SLOTS, tag)
        candidate += 1
    return [found[group] for group in range(groups)]


@dataclass(frozen=True, slots=True)
class PartitionKeys:
    """The keys of one partition, each with its type."""

    prefix: bytes
    lease: bytes  # hash: token, owner, epoch, expires, free_since, commit, applying, unclean, suspect, running_*, ...
    inbox: bytes  # stream: field m is the envelope; never deleted, it keeps the last ID
    state: bytes  # hash: target -> record
    index: bytes  # sorted set, all with score 0: targets that have a record or an accepted start, in the order of their bytes
    timers: bytes  # sorted set: timer ID by due ms
    payloads: bytes  # hash: timer ID -> envelope
    parked: bytes  # hash: target -> stream ID of its first parked message
    blocked: bytes  # hash: target -> why its messages wait
    dead: bytes  # stream: field m is the letter; bounded
    starts: bytes  # hash: instance -> its accepted start: length of the message ID (one byte), message ID, envelope
    tasks: bytes  # hash: task ID -> "O" payload (own), "S" entry ":" payload (shared), "D" (has its result)
    tries: bytes  # hash: task ID -> how often it was begun under suspicion
    trimmed: bytes  # hash: feed -> how many of its entries have been trimmed
    built: bytes  # hash: index -> "+" (ready), "-" (not begun), or the last target that was looked at

    def entries(self, name: str) -> bytes:
        """A set of an index (sorted set); that of all targets if it has no name."""
        return self.prefix + b"ix:" + name.encode() if name else self.index

    def feed(self, name: str) -> bytes:
        """A feed (stream: field m is the entry). It is never deleted, since it keeps the last ID."""
        return self.prefix + b"feed:" + name.encode()

    def log(self, target: str) -> bytes:
        """An instance's events (list)."""
        return self.prefix + b"log:" + target.encode()

    def park(self, target: str) -> bytes:
        """A target's parked messages (sorted set, all with score 0: "padded stream ID:envelope")."""
        return self.prefix + b"park:" + target.encode()

    def session(self, session: str) -> bytes:
        """The record of a producer's session (string "incarnation:last:refused", with a time to live)."""
        return self.prefix + b"session:" + session.encode()


class KeyNames:
    """The keys of a hub."""

    def __init__(self, layout: HubLayout) -> None:
        self.record = hub_key(layout.name)  # the hub's own
        base = f"stead:{layout.name}:{layout.hub_id}:"
        self.base = base.encode()  # with which all begin but the record
        self.tags = group_tags(layout.hub_id, layout.slot_groups)
        self._groups = [f"{base}{{{tag}}}:".encode() for tag in self.tags]
        self.partitions = [
            _partition_keys(self._groups[partition % layout.slot_groups] + b"%d:" % partition)
            for partition in range(layout.partitions)
        ]
        hub = self._groups[0]
        self.workers = hub + b"workers"  # hash: worker -> "beat ms:info"
        self.beats = hub + b"beats"  # sorted set: worker by the ms at which it is forgotten
        self.names = hub + b"names"  # hash: canonical name -> description
        self.names_until = hub + b"names-until"  # sorted set: name by the ms at which it is forgotten
        self.wishes = hub + b"wishes"  # hash: what is wanted of workers -> how
        self.wishes_until = hub + b"wishes-until"  # sorted set: wish by the ms at which it is forgotten
        self.catalogue = hub + b"catalogue"  # hash: index -> description; version
        self.catalogue_until = hub + b"catalogue-until"  # sorted set: index by the ms at which it is forgotten
        self.change_groups = hub + b"groups"  # sorted set: "feed/group" by the ms at which it is forgotten
        self.measures = hub + b"measures"  # hash: worker -> block of what it has measured; "" -> that of all ended ones

    def kept(self, name: str) -> bytes:
        """A value that is kept for a time (string, with a time to live)."""
        return self._groups[0] + b"kept:" + name.encode()

    def change_group(self, feed: str, group: str) -> bytes:
        """A group of readers (hash: p<partition> -> "until fence reader place", r<reader> -> until ms; with a time to live)."""
        return self._groups[0] + f"group:{feed}/{group}".encode()

    def reply(self, group: int, client: str) -> bytes:
        """The answers for a client (stream, with a time to live). Any number is a group's: addresses are read from the store,
        and one that another program has written is not to end whoever answers."""
        return self._groups[group % len(self._groups)] + b"reply:" + client.encode()

    def measures_of(self, minute: int) -> bytes:
        """What workers have measured within a minute (hash: worker -> block, with a time to live)."""
        return self.measures + b":%d" % minute

    def queue(self, queue: str) -> bytes:
        """The shared tasks of a queue (stream with the consumer group "workers": fields p, the partition; t, the task
        ID; w, the worker that had it when it came, if any did; with limits see `lua/_limits.lua`)."""
        return self._of_queue(b"queue:", queue)

    def limited(self, queue: str) -> bytes:
        """What runs and waits behind limits in a queue (sorted set)."""
        return self._of_queue(b"limited:", queue)

    def queue_and_limits(self, queue: str) -> tuple[bytes, bytes, bytes, bytes, bytes]:
        """All keys of a queue: the stream, and what there is of limits (hash, three sorted sets): see `lua/_limits.lua`."""
        return (
            self.queue(queue),
            self._of_queue(b"limits:", queue),
            self.limited(queue),
            self._of_queue(b"limits-due:", queue),
            self._of_queue(b"limits-rates:", queue),
        )

    def _of_queue(self, kind: bytes, queue: str) -> bytes:
        name = queue.encode()
        return self._groups[binascii.crc32(name) % len(self._groups)] + kind + name


def _partition_keys(prefix: bytes) -> PartitionKeys:
    return PartitionKeys(
        prefix=prefix,
        lease=prefix + b"lease",
        inbox=prefix + b"inbox",
        state=prefix + b"state",
        index=prefix + b"index",
        timers=prefix + b"timers",
        payloads=prefix + b"payloads",
        parked=prefix + b"parked",
        blocked=prefix + b"blocked",
        dead=prefix + b"dead",
        starts=prefix + b"starts",
        tasks=prefix + b"tasks",
        tries=prefix + b"tries",
        trimmed=prefix + b"trimmed",
        built=prefix + b"built",
    )
