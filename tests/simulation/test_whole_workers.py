"""Whole workers in virtual time, with all their tasks: whatever befalls them, they come to the end of what there is to do.

The other simulation moves the parts of a worker one step at a time, and so cannot see one part wait for another for ever.
Here nothing is moved but time: a world is let run, and in the end every effect must be there once, and every task gone.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter as Tally
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, EntityClient, Registry, Worker
from stead.transport import Fault, ManualClock, MemoryStore, Settings, end_task

KEYS = 12
WORKERS = 3
QUIET_MS = 600_000  # of virtual time, within which everything has to be done once nothing goes wrong any more


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong is logged, as it should."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


clocks: list[ManualClock] = []


class Box(Entity):
    """Adds up what it is sent."""

    total: int = 0

    def add(self, amount: int) -> int:
        self.total += amount
        return self.total

    async def add_slowly(self, amount: int, seconds: float) -> None:
        await clocks[-1].sleep(seconds)
        self.total += amount

    def refuse(self) -> None:
        raise ValueError("no")

    def pass_on(self, key: str, amount: int) -> None:
        self.context.signal_entity(Box.add, key, amount)


def drawn_settings(chance: random.Random) -> Settings:
    """Small limits, so that all of them are reached."""
    return Settings(
        partitions=chance.randint(1, 3),
        batch_length_max=chance.choice([1, 3, 20]),
        read_length_max=chance.choice([1, 5, 50]),
        mailbox_length_max=chance.choice([2, 5, 1_000]),
        mailbox_age_ms_max=chance.choice([200, 10_000]),
        activations_max=chance.choice([3, 1_000]),
        timers_fire_max=chance.choice([1, 100]),
        poison_tries_max=1_000,
        drain_ms=20,
    )


class World:
    """A hub, a client and some workers; `expected` is what the boxes are to hold in the end."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.settings = drawn_settings(self.chance)
        self.clock = ManualClock()
        clocks[:] = [self.clock]
        self.store = MemoryStore("hub", self.settings, self.clock)
        self.registry = Registry()
        self.registry.add(ClassEntityType(Box))
        self.client = EntityClient(self.store, self.registry, self.settings)
        self.workers: list[Worker] = []
        self.ending: set[asyncio.Task[None]] = set()
        self.expected: Tally[str] = Tally()

    def key(self) -> str:
        return f"key-{self.chance.randrange(KEYS)}"

    # -- what happens --------------------------------------------------------------------------------------------------

    async def step(self) -> None:
        """One thing, and a while in which it has its effects."""
        chance = self.chance
        actions = (self.burst, self.burst, self.one, self.one, self.start, self.stop, self.die, self.lose, self.restart)
        await self.let(chance.choice(actions)())
        for _ in range(chance.choice([0, 1, 2, 5, 30])):
            await asyncio.sleep(0)
        if chance.random() < 0.4:
            self.clock.advance_to(self.clock.now_ms() + chance.choice([1, 50, 500, 5_000]))

    async def let(self, action: Coroutine[Any, Any, None]) -> None:
        """Wait for it; time passes if it takes some."""
        task = asyncio.create_task(action)
        end_ms = self.clock.now_ms() + QUIET_MS
        while not task.done():
            assert self.clock.now_ms() < end_ms, f"this does not end: {task}"
            await self.pass_time()
        task.result()

    async def burst(self) -> None:
        async with self.client.producer() as producer:
            for _ in range(self.chance.choice([5, 50, 300])):
                key = self.key()
                self.expected[key] += 1
                await producer.signal(Box.add, key, 1)

    async def one(self) -> None:
        key, other, amount = self.key(), self.key(), self.chance.randint(1, 9)
        match self.chance.randrange(4):
            case 0:
                await self.client.signal_entity(Box.add_slowly, key, amount, self.chance.choice([0.0, 0.3, 3.0]))
                self.expected[key] += amount
            case 1:
                await self.client.signal_entity(Box.pass_on, key, other, amount)
                self.expected[other] += amount
            case 2:
                delay = timedelta(milliseconds=self.chance.choice([1, 700, 30_000]))
                await self.client.after(delay).signal_entity(Box.add, key, amount)
                self.expected[key] += amount
            case _:
                await self.client.signal_entity(Box.refuse, key)

    async def start(self) -> None:
        if len(self.workers) < WORKERS:
            worker = Worker(self.store, self.registry, self.settings)
            self.workers.append(worker)
            await worker.start()

    async def stop(self) -> None:
        """A worker ends gracefully, while other things happen."""
        if self.workers:
            worker = self.workers.pop(self.chance.randrange(len(self.workers)))
            self._end(asyncio.create_task(worker.stop()))

    async def die(self) -> None:
        """A worker's process ends: nobody hears of it."""
        if self.workers:
            worker = self.workers.pop(self.chance.randrange(len(self.workers)))
            board, tasks, worker._tasks = worker._board, worker._tasks, []
            assert board is not None and board.keeper is not None
            for task in tasks:
                await end_task(task)
            await board.keeper.stop()
            for partition in list(board.partitions.values()):
                board.drop(partition, "its process has ended")

    async def lose(self) -> None:
        """A worker finds some of its leases gone."""
        if self.workers:
            board = self.chance.choice(self.workers)._board
            assert board is not None
            board.lost({self.chance.randrange(self.settings.partitions)})

    async def restart(self) -> None:
        """The server restarts, or becomes unreliable, or reliable again."""
        match self.chance.randrange(3):
            case 0:
                self.store.restart()
            case 1:
                self.store.faults.choose = self._fault
            case _:
                self.store.faults.clear()

    def _fault(self, method: str) -> Fault | None:
        if self.chance.random() >= 0.1:
            return None
        return self.chance.choice([Fault(lost=True), Fault(refused=True), Fault(delay_seconds=0.2)])

    def _end(self, task: asyncio.Task[None]) -> None:
        self.ending.add(task)

    # -- the end -------------------------------------------------------------------------------------------------------

    async def come_to_an_end(self) -> None:
        """Nothing goes wrong any more, and a worker is there: all is done in time, and the workers can be ended."""
        self.store.faults.clear()
        await self.let(self.start())
        end_ms = self.clock.now_ms() + QUIET_MS
        while await self.held() != self.expected or not self.store.is_idle():
            assert self.clock.now_ms() < end_ms, f"{await self.held()} instead of {self.expected}"
            await self.pass_time()
        for worker in self.workers:
            self._end(asyncio.create_task(worker.stop()))
        while not all(task.done() for task in self.ending):
            assert self.clock.now_ms() < end_ms, f"these do not end: {self.ending}"
            await self.pass_time()
        for task in self.ending:
            task.result()
        assert await self.held() == self.expected
        await self.let(self.client.aclose())
        left = [task for task in asyncio.all_tasks() if task.get_name().startswith("stead")]
        assert left == []

    async def pass_time(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        await asyncio.sleep(0.0002)  # what insists, and what drains, waits for real time
        self.clock.advance_to(self.clock.now_ms() + 100)

    async def held(self) -> Tally[str]:
        return Tally({entity_id.key: box.total async for entity_id, box in self.client.list_entities(Box) if box.total})


@pytest.mark.parametrize("seed", range(30))
async def test_everything_is_done_once_and_comes_to_an_end(seed: int) -> None:
    world = World(seed)
    for _ in range(world.chance.choice([10, 60])):
        await world.step()
    await world.come_to_an_end()
