"""Reading pauses while there is enough to do, and goes on when there is room, whatever made it.

Whole workers. Virtual time stands still: whatever waits for a later time waits for ever.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, Registry, Worker
from stead.entities._partition.activation import Activation
from stead.entities._partition.partition import Partition
from stead.transport import Commit, CommitAnswer, Entry, Loaded, ManualClock, MemoryStore, Settings, StreamId, end_task
from support.guards import HANGS_S

SETTINGS = Settings(partitions=2, batch_length_max=20, read_length_max=20, drain_ms=50)
MESSAGES = 300  # reading pauses from 40 on


class Counter(Entity):
    count: int = 0

    def add(self) -> None:
        self.count += 1


class Hub:
    """A hub in memory, and one client."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore("hub", settings, self.clock)
        self.registry = Registry()
        self.registry.add(ClassEntityType(Counter))
        self.client = EntityClient(self.store, self.registry, settings)

    async def fill(self) -> None:
        async with self.client.producer() as producer:
            for number in range(MESSAGES):
                await producer.signal(Counter.add, f"key-{number % 30}")

    async def die_with(self, partition: int) -> None:
        """A worker takes the partition and ends without a word; its lease expires."""
        _, views = await self.store.read_leases()
        view = next(view for view in views if view.partition == partition)
        token = bytes([view.epoch + 1]) * 16
        assert await self.store.acquire(partition, "dead", token, view.token, SETTINGS.lease_ms) is not None
        self.clock.advance_to(self.clock.now_ms() + 3 * SETTINGS.lease_ms)

    async def counted(self) -> int:
        return sum([counter.count async for _, counter in self.client.list_entities(Counter)])


async def test_a_long_inbox_is_read_to_its_end_by_an_owner_that_goes_carefully() -> None:
    hub = Hub()
    await hub.fill()
    for partition in (0, 1):
        for _ in range(3):
            await hub.die_with(partition)
    worker = Worker(hub.store, hub.registry, SETTINGS)
    async with asyncio.timeout(HANGS_S):
        await worker.start()
        while len(worker.partitions) < 2:  # it waits until it has seen the leases expire
            hub.clock.advance_to(hub.clock.now_ms() + 100)
            await asyncio.sleep(0)
        while await hub.counted() < MESSAGES:
            await asyncio.sleep(0)
    await worker.stop()
    await hub.client.aclose()


async def test_a_flood_of_scheduled_signals_does_not_make_commits_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """They become timers as they are read, without a turn: while a commit takes long, reading has to wait for it."""
    hub = Hub()
    sizes: list[int] = []
    commit = hub.store.commit

    async def slow(commits: Sequence[Commit], generation: int) -> list[CommitAnswer]:
        sizes.extend(len(each.consumed) for each in commits)
        for _ in range(100):
            await asyncio.sleep(0)
        return await commit(commits, generation)

    monkeypatch.setattr(hub.store, "commit", slow)
    later = hub.client.after(timedelta(hours=1))
    await asyncio.gather(*(later.signal_entity(Counter.add, f"key-{number % 30}") for number in range(MESSAGES)))
    worker = Worker(hub.store, hub.registry, SETTINGS)
    async with asyncio.timeout(HANGS_S):
        await worker.start()
        while sum(sizes) < MESSAGES:
            await asyncio.sleep(0)
        while not hub.store.is_idle():
            await asyncio.sleep(0)
    assert max(sizes) <= 2 * SETTINGS.batch_length_max + SETTINGS.read_length_max
    await worker.stop()
    await hub.client.aclose()


async def test_a_partition_that_is_lost_does_not_keep_the_others_from_being_read() -> None:
    hub = Hub()
    worker = Worker(hub.store, hub.registry, SETTINGS)
    await worker.start()
    board = worker._board
    assert board is not None
    (membership,) = [task for task in asyncio.all_tasks() if task.get_name() == "stead-membership"]
    worker._ended = True  # which would end by itself without that part
    await end_task(membership)  # it would take the partition again
    worker._ended = False
    lost, kept = board.partitions.values()
    turns = worker._turns
    assert turns is not None
    turns.wake = lambda partition: None  # type: ignore[method-assign]  # what is read stays where it is
    await hub.fill()
    async with asyncio.timeout(HANGS_S):
        while lost.runnable + kept.runnable <= 40:
            await asyncio.sleep(0)
        for _ in range(100):  # until nothing moves any more
            await asyncio.sleep(0)
        before = kept.position
        board.drop(lost, "its lease is no longer this worker's")
        while kept.position == before:
            await asyncio.sleep(0)
    await worker.abandon()
    await hub.client.aclose()


async def test_the_commit_of_what_a_small_read_brought_goes_out_before_the_next_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = Hub()
    worker = Worker(hub.store, hub.registry, SETTINGS)
    steps: list[str] = []
    commit, read_inboxes = hub.store.commit, hub.store.read_inboxes

    async def committing(commits: Sequence[Commit], generation: int) -> list[CommitAnswer]:
        steps.append("commit")
        return await commit(commits, generation)

    async def reading(
        positions: Mapping[int, StreamId], count: int, block_ms: int
    ) -> list[tuple[int, Sequence[Entry]]]:
        steps.append("read")
        answer = await read_inboxes(positions, count, block_ms)
        steps.append("something" if answer else "nothing")
        return answer

    monkeypatch.setattr(hub.store, "commit", committing)
    monkeypatch.setattr(hub.store, "read_inboxes", reading)
    async with asyncio.timeout(HANGS_S):
        await worker.start()
        for _ in range(5):
            await hub.client.call_entity(Counter.add, "one")
    told = " ".join(step for step in steps if step != "nothing")
    assert told.count("something commit read") == 5
    await worker.stop()
    await hub.client.aclose()


class Gate(Entity):
    open: ClassVar[asyncio.Event]
    waiting: ClassVar[int] = 0

    async def enter(self) -> None:
        Gate.waiting += 1
        await Gate.open.wait()


async def test_activations_beyond_the_limit_go_later_if_they_cannot_go_at_once() -> None:
    """Nothing new comes in between: only that there are too many tells that they should go."""
    settings = SETTINGS.model_copy(update={"partitions": 1, "activations_max": 4})
    hub = Hub(settings)
    hub.registry.add(ClassEntityType(Gate))
    Gate.open = asyncio.Event()
    worker = Worker(hub.store, hub.registry, settings)
    async with asyncio.timeout(HANGS_S):
        await worker.start()
        board = worker._board
        assert board is not None
        running = [asyncio.ensure_future(hub.client.call_entity(Gate.enter, f"key-{number}")) for number in range(8)]
        while Gate.waiting < 8:
            await asyncio.sleep(0)
        (partition,) = board.partitions.values()
        assert len(partition.activations) == 8
        Gate.open.set()
        await asyncio.gather(*running)
        while len(partition.activations) > 4:
            await hub.client.call_entity(Gate.enter, "key-0")
    await worker.stop()
    await hub.client.aclose()


async def test_what_takes_long_to_load_lets_others_run_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    await hub.fill()
    passes = 0
    loaded_at: list[int] = []

    async def pass_by() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    real = Partition.loaded

    def loaded(partition: Partition, activation: Activation, found: Loaded) -> None:
        loaded_at.append(passes)
        real(partition, activation, found)

    monkeypatch.setattr(Partition, "loaded", loaded)
    others = asyncio.create_task(pass_by())
    worker = Worker(hub.store, hub.registry, SETTINGS)
    await worker.start()
    assert worker._board is not None
    looks = itertools.count()
    worker._board.elapsed = lambda: 0.03 * next(looks)  # whatever is done takes longer than a slice
    async with asyncio.timeout(HANGS_S):
        while await hub.counted() < MESSAGES:
            hub.clock.advance_to(hub.clock.now_ms() + 1)
            await asyncio.sleep(0)
    assert len(loaded_at) == 30
    together = max(loaded_at.count(at) for at in loaded_at)
    assert together <= 2, "the first of each partition, at most"
    await worker.stop()
    await end_task(others)
    await hub.client.aclose()
