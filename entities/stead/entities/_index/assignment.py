"""Which worker should hold which partition: a pure function of who lives, so that all workers agree without talking.

Rendezvous hashing with a bound: every worker has a score for every partition; partitions are given out best score first,
and nobody gets more than its even share. When a worker comes or goes, few partitions move. A partition whose messages
wait for kinds that only some workers know goes to one of those (HAZARDS 27).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet


def _score(worker: str, partition: int) -> int:
    # CRC-32 is linear, so one round of it would rank all workers alike on every partition: mix it.
    value = zlib.crc32(f"{partition}/{worker}".encode())
    value = (value ^ (value >> 16)) * 0x45D9F3B & 0xFFFFFFFF
    value = (value ^ (value >> 16)) * 0x45D9F3B & 0xFFFFFFFF
    return value ^ (value >> 16)


def assign_partitions(
    workers: Mapping[str, AbstractSet[str]],
    partitions: int,
    waiting: Mapping[int, AbstractSet[str]],
) -> dict[int, str]:
    """The worker for each partition.

    `workers` maps each living worker to the kinds that it knows, `waiting` a partition to the kinds that its messages
    wait for. Without workers nobody gets anything.
    """
    if not workers:
        return {}
    names = sorted(workers)
    room = _Room(names, partitions)
    owners: dict[int, str] = {}
    # Those that only some workers can serve choose first, or the able ones might be full.
    choosy = [(_able(workers, names, kinds), p) for p, kinds in waiting.items() if kinds and p < partitions]
    for able, partition in sorted(choosy, key=lambda item: (len(item[0]), item[1])):
        free = [name for name in able if room.has(name)] or able
        owners[partition] = max(free, key=lambda name: _score(name, partition))
        room.take(owners[partition])
    pairs = sorted(
        ((_score(name, p), name, p) for p in range(partitions) if p not in owners for name in names), reverse=True
    )
    for _, name, partition in pairs:
        if partition not in owners and room.has(name):
            owners[partition] = name
            room.take(name)
    return owners


class _Room:
    """How many partitions each worker may still get: an even share, and one more for as many as the division leaves."""

    def __init__(self, names: list[str], partitions: int) -> None:
        self._share, self._spare = divmod(partitions, len(names))
        self._taken = dict.fromkeys(names, 0)

    def has(self, name: str) -> bool:
        return self._taken[name] < self._share or (self._taken[name] == self._share and self._spare > 0)

    def take(self, name: str) -> None:
        if self._taken[name] >= self._share:
            self._spare -= 1
        self._taken[name] += 1


def _able(workers: Mapping[str, AbstractSet[str]], names: list[str], kinds: AbstractSet[str]) -> list[str]:
    """The workers that know the most of some kinds: those that know all of them, if there are any."""
    known = {name: len(kinds & workers[name]) for name in names}
    most = max(known.values())
    return [name for name in names if known[name] == most]
