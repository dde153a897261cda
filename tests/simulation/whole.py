"""Workers with all their tasks, a hub in memory and virtual time: a world in which only time is moved.

The other world (`world.py`) moves the parts of a worker one step at a time, and so cannot see one part wait for another
for ever.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

from stead.entities import Registry, Worker
from stead.entities._partition.well_formed import ill_formed
from stead.transport import Fault, ManualClock, MemoryStore, Settings
from stead.transport._memory.well_formed import ill_formed as ill_formed_hub
from support.dying_worker import die

WORKERS = 3
CHECK_EVERY = 5  # passes: to look at everything takes longer than one of them
QUIET_MS = 600_000  # of virtual time, within which everything has to be done once nothing goes wrong any more


def drawn_settings(chance: random.Random) -> Settings:
    """Small limits, so that all of them are reached."""
    return Settings(
        partitions=chance.randint(1, 4),
        local_hops=chance.random() < 0.7,
        batch_length_max=chance.choice([1, 3, 20]),
        read_length_max=chance.choice([1, 5, 50]),
        mailbox_length_max=chance.choice([2, 5, 1_000]),
        mailbox_age_ms_max=chance.choice([200, 10_000]),
        activations_max=chance.choice([3, 1_000]),
        activities_running_max=chance.choice([1, 5, 1_000]),
        activity_tries_max=1_000,
        timers_fire_max=chance.choice([1, 100]),
        poison_tries_max=1_000,
        drain_ms=20,
    )


class WholeWorld:
    """A hub and some workers, of which `worker` makes one."""

    def __init__(self, seed: int, registry: Registry) -> None:
        self.chance = random.Random(seed)
        self.settings = drawn_settings(self.chance)
        self.clock = ManualClock()
        self.store = MemoryStore("hub", self.settings, self.clock)
        self.registry = registry
        self.workers: list[Worker] = []
        self.ending: set[asyncio.Task[None]] = set()
        self._passes = 0

    def worker(self) -> Worker:
        return Worker(self.store, self.registry, self.settings)

    # -- time ----------------------------------------------------------------------------------------------------------

    async def let(self, action: Coroutine[Any, Any, None]) -> None:
        """Wait for it; time passes if it takes some."""
        task = asyncio.create_task(action)
        end_ms = self.clock.now_ms() + QUIET_MS
        while not task.done():
            assert self.clock.now_ms() < end_ms, f"this does not end: {task}"
            await self.pass_time()
        task.result()

    async def pass_time(self) -> None:
        self._passes += 1
        if self._passes % CHECK_EVERY == 0:
            self.check()
        for _ in range(20):
            await asyncio.sleep(0)
        await asyncio.sleep(0.0002)  # what insists, what drains and what runs in threads waits for real time
        self.clock.advance_to(self.clock.now_ms() + 100)

    def check(self) -> None:
        """What workers and the hub hold is well formed, whenever one looks."""
        fault = ill_formed_hub(self.store._state)
        assert fault is None, fault
        for worker in self.workers:
            for partition in worker._board.partitions.values() if worker._board is not None else ():
                fault = ill_formed(partition)
                assert fault is None, fault

    async def pass_some_time(self) -> None:
        self.check()
        for _ in range(self.chance.choice([0, 1, 2, 5, 30])):
            await asyncio.sleep(0)
        if self.chance.random() < 0.4:
            self.clock.advance_to(self.clock.now_ms() + self.chance.choice([1, 50, 500, 5_000]))

    # -- what befalls workers ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        if len(self.workers) < WORKERS:
            worker = self.worker()
            self.workers.append(worker)
            await worker.start()

    async def stop(self) -> None:
        """A worker ends gracefully, while other things happen."""
        if self.workers:
            worker = self.workers.pop(self.chance.randrange(len(self.workers)))
            self.ending.add(asyncio.create_task(worker.stop()))

    async def die(self) -> None:
        """A worker's process ends: nobody hears of it."""
        if self.workers:
            worker = self.workers.pop(self.chance.randrange(len(self.workers)))
            await die(worker)

    async def lose(self) -> None:
        """A worker finds one of its leases gone."""
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

    # -- the end -------------------------------------------------------------------------------------------------------

    async def missing(self) -> str:
        """What has not been done yet; nothing if all has."""
        raise NotImplementedError

    async def step(self) -> None:
        """One thing, and a while in which it has its effects."""
        raise NotImplementedError

    async def live(self, steps: tuple[int, int] = (10, 40)) -> None:
        """A short or a long life, by the seed, and its end."""
        for _ in range(self.chance.choice(steps)):
            await self.step()
        await self.come_to_an_end()

    async def come_to_an_end(self) -> None:
        """Nothing goes wrong any more, and a worker is there: all is done in time, and the workers can be ended."""
        self.store.faults.clear()
        await self.let(self.start())
        end_ms = self.clock.now_ms() + QUIET_MS
        while missing := await self.missing():
            assert self.clock.now_ms() < end_ms, missing
            await self.pass_time()
        for worker in self.workers:
            self.ending.add(asyncio.create_task(worker.stop()))
        while not all(task.done() for task in self.ending):
            assert self.clock.now_ms() < end_ms, f"these do not end: {self.ending}"
            await self.pass_time()
        for task in self.ending:
            task.result()
        assert not await self.missing()
        await self.let(self.close())
        left = [task for task in asyncio.all_tasks() if task.get_name().startswith("stead")]
        assert left == []

    async def close(self) -> None:
        """Let go of what the world uses itself."""
