"""The orchestrations that the measured workers run, written as a user would, on the app of `entities`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from stead.entities import Entity, EntityId
from stead.orchestrations import OrchestrationContext

from .entities import app

CITIES = ("Tokyo", "Seattle", "London", "Amsterdam", "Seoul")


@app.activity
async def say_hello(city: str) -> str:
    """The smallest piece of work."""
    return f"Hello {city}!"


@app.orchestration
async def hello(context: OrchestrationContext) -> list[str]:
    """Five activities in sequence, as in the published figures of Durable Functions."""
    return [await context.call_activity(say_hello, city) for city in CITIES]


@app.activity(local=True)
async def say_hello_at_once(city: str) -> str:
    """The same piece of work, which may begin before it is stored."""
    return f"Hello {city}!"


@app.orchestration
async def hello_local(context: OrchestrationContext) -> list[str]:
    """The same five in sequence, as local activities."""
    return [await context.call_activity(say_hello_at_once, city) for city in CITIES]


@app.activity
async def double(number: int) -> int:
    """Some number."""
    return 2 * number


@app.orchestration
async def sequence(context: OrchestrationContext, count: int) -> int:
    """One activity after the other."""
    total = 0
    for number in range(count):
        total += await context.call_activity(double, number)
    return total


@app.orchestration
async def fan_out(context: OrchestrationContext, count: int) -> int:
    """All activities at once."""
    return sum(await asyncio.gather(*(context.call_activity(double, number) for number in range(count))))


@app.orchestration
async def long_history(context: OrchestrationContext, events: int) -> int:
    """Makes a history of so many events, and then waits for one more."""
    total = sum(await asyncio.gather(*(context.call_activity(double, number) for number in range(events // 2))))
    await context.wait_for_external_event("go")
    return total


@app.entity
class Account(Entity):
    """An account of a bank."""

    balance: int = 0

    def add(self, amount: int) -> int:
        """Give or take; gives the new balance."""
        self.balance += amount
        return self.balance


@app.orchestration
async def transfer(context: OrchestrationContext, order: tuple[str, str, int]) -> None:
    """Move money between two locked accounts."""
    source, destination, amount = order
    async with context.lock_entities(EntityId(Account, source), EntityId(Account, destination)):
        await context.call_entity(Account.add, source, -amount)
        await context.call_entity(Account.add, destination, amount)


@app.orchestration
async def add_events(context: OrchestrationContext, count: int) -> int:
    """Adds up so many events."""
    total = 0
    for _ in range(count):
        total += await context.wait_for_external_event("add", int)
    return total


@app.orchestration
async def be_on_time(context: OrchestrationContext, due_ms: list[int]) -> list[int]:
    """A timer for each time; gives by how many milliseconds each was late."""

    async def one(at_ms: int) -> int:
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        await context.create_timer(at)
        return round((context.now - at).total_seconds() * 1000)

    return list(await asyncio.gather(*(one(at_ms) for at_ms in due_ms)))
