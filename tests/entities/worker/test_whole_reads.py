"""What a worker says of its reads to those who may hand messages over in memory: which inboxes were seen to their end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, Registry, Worker
from stead.entities._partition.hops import Hops
from stead.entities._partition.partition import Partition
from stead.transport import MemoryStore, ServerClock, Settings, partition_of

pytestmark = pytest.mark.anyio

PARTITIONS = 2


class Tray(Entity):
    """Counts what is put on it."""

    count: int = 0

    def put(self) -> None:
        self.count += 1


@pytest.mark.hazard(42)
@pytest.mark.hazard(43)
async def test_a_read_says_whom_it_has_seen_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages wait in one partition, more than a read brings. It counts as seen with the read that brings fewer; and between
    the first and the last of what a read brings, nothing may be handed over."""
    settings = Settings(partitions=PARTITIONS, read_length_max=3, local_hops=True)
    store = MemoryStore("hub", settings, ServerClock())
    registry = Registry()
    registry.add(ClassEntityType(Tray))
    client = EntityClient(store, registry, settings)
    key = next(key for key in map(str, range(100)) if partition_of(f"@tray@{key}", PARTITIONS) == 0)
    for _ in range(7):
        await client.signal_entity(Tray.put, key)

    seen: list[tuple[int, list[int]]] = []
    received: list[tuple[int, bool, int]] = []
    read_ends, receive = Hops.read_ends, Partition.receive

    def note_end(self: Hops, number: int, partitions: Iterable[int]) -> None:
        found = sorted(partitions)
        seen.append((number, found))
        read_ends(self, number, found)

    def note_entries(self: Partition, entries: Any, caught_up: bool) -> None:
        if entries:
            assert self.hopping is not None
            hops = self.hopping._hops
            received.append((self.number, hops.receiving, len(entries)))
            assert hops.last_read < hops.reads_sent, "what comes is not all there yet"
        receive(self, entries, caught_up)

    monkeypatch.setattr(Hops, "read_ends", note_end)
    monkeypatch.setattr(Partition, "receive", note_entries)
    async with Worker(store, registry, settings):
        while not store.is_idle():
            await asyncio.sleep(0)
    await client.aclose()
    assert received == [(0, True, 3), (0, True, 3), (0, True, 1)]
    assert [partitions for _, partitions in seen[:2]] == [[1], [1]]
    assert [0, 1] in [partitions for _, partitions in seen[2:]]
    assert [number for number, _ in seen] == sorted({number for number, _ in seen})


async def test_a_worker_hands_nothing_over_unless_it_is_told_to() -> None:
    settings = Settings(partitions=PARTITIONS, local_hops=False)
    store = MemoryStore("hub", settings, ServerClock())
    async with Worker(store, Registry(), settings) as worker:
        assert worker._board is not None
        assert worker._board.environment.hops is None
