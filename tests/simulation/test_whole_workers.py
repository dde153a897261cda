"""Whole workers in virtual time: whatever befalls them, every effect is there once in the end, and every task is gone."""

from __future__ import annotations

import logging
from collections import Counter as Tally
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain

import pytest

from simulation.whole import WholeWorld
from stead.entities import ClassEntityType, Entity, EntityClient, Registry
from stead.transport import ManualClock
from support.fresh_seeds import fresh_seeds

KEYS = 12


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


class Boxes(WholeWorld):
    """`expected` is what the boxes are to hold in the end."""

    def __init__(self, seed: int) -> None:
        registry = Registry()
        registry.add(ClassEntityType(Box))
        super().__init__(seed, registry)
        clocks[:] = [self.clock]
        self.client = EntityClient(self.store, self.registry, self.settings)
        self.expected: Tally[str] = Tally()

    async def close(self) -> None:
        await self.client.aclose()

    def key(self) -> str:
        return f"key-{self.chance.randrange(KEYS)}"

    async def step(self) -> None:
        """One thing, and a while in which it has its effects."""
        chance = self.chance
        actions = (self.burst, self.burst, self.one, self.one, self.start, self.stop, self.die, self.lose, self.restart)
        await self.let(chance.choice(actions)())
        await self.pass_some_time()

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

    async def missing(self) -> str:
        boxes = self.client.list_entities(Box)
        held = Tally({entity_id.key: box.total async for entity_id, box in boxes if box.total})
        return "" if held == self.expected and self.store.is_idle() else f"{held} instead of {self.expected}"


async def test_everything_is_done_once_and_comes_to_an_end() -> None:
    for seed in chain(range(3), fresh_seeds(3)):
        await Boxes(seed).live((10, 60))
