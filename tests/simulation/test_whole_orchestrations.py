"""Whole workers that run orchestrations, in virtual time: whatever befalls them, every instance ends once, and rightly."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import pytest

from simulation.whole import WholeWorld
from stead.app import App, Client
from stead.entities import Entity, EntityId, Worker
from stead.orchestrations import OrchestrationContext, Orchestrations, RuntimeStatus
from stead.orchestrations._instance.turn import Body
from stead.orchestrations._instance.well_formed import ill_formed
from stead.transport import ManualClock
from support.fresh_seeds import fresh_seeds

ACCOUNTS = 5

app = App("whole")
clocks: list[ManualClock] = []


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong is logged, as it should."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@app.entity
class Purse(Entity):
    """An account."""

    total: int = 100

    def add(self, amount: int) -> int:
        self.total += amount
        return self.total


@app.activity
async def slow(number: int) -> int:
    await clocks[-1].sleep(number % 5)
    return number


@app.activity
def plain(number: int) -> int:
    return number


@app.activity(local=True)
async def look(number: int) -> int:
    if number % 5 == 3:
        await clocks[-1].sleep(number % 2)
    return number


@app.orchestration
async def looks(context: OrchestrationContext, count: int) -> int:
    """One after the other, all at once, and one that is tried again; some of them wait."""
    total = sum([await context.call_activity(look, number) for number in range(count)])
    total += await context.call_activity(slow, count)
    return total + sum(await asyncio.gather(*(context.call_activity(look, number) for number in range(count))))


@app.orchestration
async def transfer(context: OrchestrationContext, order: tuple[str, str, int]) -> str:
    source, destination, amount = order
    async with context.lock_entities(EntityId(Purse, source), EntityId(Purse, destination)):
        await context.call_entity(Purse.add, source, -amount)
        await context.call_activity(look, amount)
        await context.call_activity(slow, amount)
        await context.call_entity(Purse.add, destination, amount)
    return "done"


@app.orchestration
async def fan_out(context: OrchestrationContext, count: int) -> int:
    parts = [context.call_activity(slow if n % 2 else plain, n) for n in range(count)]
    return sum(await asyncio.gather(*parts))


@app.orchestration
async def count_down(context: OrchestrationContext, left: int) -> str:
    await asyncio.sleep(1)
    if left:
        context.continue_as_new(left - 1)
    return "done"


@app.orchestration
async def parent(context: OrchestrationContext, count: int) -> int:
    return sum(await asyncio.gather(*(context.call_sub_orchestrator(fan_out, count) for _ in range(2))))


@app.orchestration
async def wait_for_three(context: OrchestrationContext) -> int:
    return sum([await context.wait_for_external_event("number", int) for _ in range(3)])


@app.orchestration
async def race(context: OrchestrationContext) -> str:
    """An event that comes in time calls its timer off."""
    try:
        return await asyncio.wait_for(context.wait_for_external_event("number", str), 300)
    except TimeoutError:
        return "late"


@app.orchestration
async def books(context: OrchestrationContext, purse: str) -> str:
    """What it has taken it gives back if it is asked to end before it is paid."""
    try:
        await context.call_entity(Purse.add, purse, -5)
        await context.wait_for_external_event("paid")
    except asyncio.CancelledError:
        await context.call_activity(slow, 3)
        await context.call_entity(Purse.add, purse, 5)
        raise
    await context.call_entity(Purse.add, purse, 5)
    return "paid"


@app.orchestration
async def is_told(context: OrchestrationContext) -> list[int]:
    numbers = context.share(list[int]())
    while len(numbers) < 3:
        await asyncio.sleep(1)
    return sorted(numbers)


@is_told.query
def told(numbers: list[int]) -> int:
    return len(numbers)


@is_told.update
async def tell(context: OrchestrationContext, numbers: list[int], number: int) -> int:
    numbers.append(await context.call_activity(slow, number))
    return number


class Instances(WholeWorld):
    """`expected` are the outputs of the instances."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, app.registry)
        clocks[:] = [self.clock]
        self.client = Client(self.store, app.registry, self.settings, app.orchestrations)
        self.expected: dict[str, Any] = {}

    def worker(self) -> Worker:
        orchestrations = Orchestrations(app.orchestrations, self.settings, entities=app.registry)
        return Worker(self.store, app.registry, self.settings, None, [orchestrations])

    async def close(self) -> None:
        await self.client.aclose()

    def check(self) -> None:
        super().check()
        for worker in self.workers:
            for partition in worker._board.partitions.values() if worker._board is not None else ():
                for activation in partition.activations.values():
                    if type(activation.body) is Body:
                        fault = ill_formed(activation.body)
                        assert fault is None, f"{activation.target}: {fault}"

    async def step(self) -> None:
        """One thing, and a while in which it has its effects."""
        befalls = (self.start, self.stop, self.die, self.lose, self.restart)
        await self.let(self.chance.choice((*befalls, *[self.begin] * 5))())
        await self.pass_some_time()

    async def begin(self) -> None:
        """Start an instance."""
        chance, client = self.chance, self.client
        match chance.randrange(9):
            case 0:
                source, destination = chance.sample(range(ACCOUNTS), 2)
                order = (f"purse-{source}", f"purse-{destination}", chance.randint(1, 20))
                self.expected[await client.start_new(transfer, order)] = "done"
            case 1:
                count = chance.choice([1, 10, 40])
                self.expected[await client.start_new(fan_out, count)] = count * (count - 1) // 2
            case 2:
                at = datetime.fromtimestamp(self.clock.now_ms() / 1000 + chance.choice([0, 3]), UTC)
                self.expected[await client.start_new(count_down, chance.randint(0, 4), at=at)] = "done"
            case 3:
                self.expected[await client.start_new(parent, 6)] = 2 * 15
            case 4:
                racing = await client.start_new(race)
                in_time = chance.random() < 0.8
                if in_time:
                    await client.raise_event(racing, "number", "in time")
                self.expected[racing] = "in time" if in_time else "late"
            case 5:
                talking = await client.start_new(is_told)
                for number in (1, 2, 3):
                    payload = client._outgoing.encode(talking, "update", ["tell", [number]], None, version=2)
                    await client._send_to_instance(talking, payload)
                self.expected[talking] = [1, 2, 3]
            case 6:
                count = chance.choice([1, 10, 40])
                self.expected[await client.start_new(looks, count)] = count * count
            case 7:
                booking = await client.start_new(books, f"purse-{chance.randrange(ACCOUNTS)}")
                await self.pass_some_time()
                cancel = chance.random() < 0.5
                await (client.cancel(booking, "enough") if cancel else client.raise_event(booking, "paid"))
                self.expected[booking] = "enough" if cancel else "paid"
            case _:
                instance_id = await client.start_new(wait_for_three)
                for number in (1, 10, 100):
                    await client.raise_event(instance_id, "number", number)
                self.expected[instance_id] = 111

    async def missing(self) -> str:
        for instance_id, output in self.expected.items():
            status = await self.client.get_status(instance_id)
            if status is None or not status.is_finished:
                return f"{instance_id} is {status}"
            ended = RuntimeStatus.CANCELED if output == "enough" else RuntimeStatus.COMPLETED
            assert (status.runtime_status, status.output) == (ended, output), status
        purses = [purse.total async for _, purse in self.client.list_entities(Purse)]
        assert sum(purses) == 100 * len(purses)
        return "" if self.store.is_idle() else "there are messages left"


async def test_every_instance_ends_once_and_rightly() -> None:
    for seed in chain(range(3), fresh_seeds(3)):
        await Instances(seed).live((10, 60))
