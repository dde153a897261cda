"""The orchestrations whose histories are kept in this folder. Change one only as a user may whose instances run."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from stead.app import App
from stead.entities import Entity, EntityId
from stead.orchestrations import OrchestrationContext, RetryPolicy

app = App("histories")


@app.entity
class Account(Entity):
    balance: int = 0

    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance


@app.activity
async def greet(city: str) -> str:
    return f"Hello {city}!"


@app.activity
def square(number: int) -> int:
    return number * number


@app.activity(retry=RetryPolicy(max_attempts=2, first_interval=timedelta(seconds=5)))
async def break_down(reason: str) -> None:
    raise ValueError(reason)


@app.activity(concurrency=1, rate="100/min", key=lambda shop: shop)
async def charge(shop: str, amount: int) -> int:
    return amount


@app.orchestration
async def chain(context: OrchestrationContext, cities: list[str]) -> list[str]:
    return [await context.call_activity(greet, city) for city in cities]


@app.orchestration
async def fan_out(context: OrchestrationContext, width: int) -> int:
    return sum(await asyncio.gather(*(context.call_activity(square, number) for number in range(width))))


@app.orchestration
async def approval(context: OrchestrationContext, amount: int) -> str:
    context.set_custom_status({"amount": amount})
    try:
        async with asyncio.timeout(72 * 3600):
            approved = await context.wait_for_external_event("Approval", bool)
    except TimeoutError:
        return "escalated"
    return "approved" if approved else "refused"


@app.orchestration
async def fails(context: OrchestrationContext) -> None:
    await context.call_activity(break_down, "out of order")


@app.orchestration
async def charges(context: OrchestrationContext) -> list[int]:
    urgent = charge.with_options(priority=5)
    return [
        await context.call_activity(charge, "one", 1),
        *await asyncio.gather(context.call_activity(charge, "two", 2), context.call_activity(urgent, "two", 3)),
    ]


@app.orchestration
async def parent(context: OrchestrationContext) -> list[str]:
    first = await context.call_sub_orchestrator(chain, ["Oslo"])
    await context.create_timer(timedelta(minutes=1))
    return first + await context.call_sub_orchestrator(chain, ["Paris"])


@app.orchestration
async def transfer(context: OrchestrationContext, amount: int) -> int:
    one, other = EntityId(Account, "one"), EntityId(Account, "other")
    async with context.lock_entities(one, other):
        await context.call_entity(Account.add, "one", -amount)
        left = await context.call_entity(Account.add, "other", amount)
    context.signal_entity(Account.add, "audit", amount)
    return left


@app.orchestration
async def undoes(context: OrchestrationContext, city: str) -> str:
    booked = await context.call_activity(greet, city)
    child = context.call_sub_orchestrator(chain.with_options(parent_close="cancel"), [city])
    try:
        async with asyncio.timeout(72 * 3600):
            return await context.wait_for_external_event("Paid", str)
    except asyncio.CancelledError as error:
        await child
        await asyncio.sleep(10)
        await context.call_activity(greet, f"{booked} {error}")
        raise


@app.orchestration
async def is_told(context: OrchestrationContext) -> list[str]:
    greetings = context.share(list[str]())
    await context.wait_for_external_event("Enough")
    return greetings


@is_told.update
async def greet_too(context: OrchestrationContext, greetings: list[str], city: str) -> int:
    greetings.append(await context.call_activity(greet, city))
    await asyncio.sleep(5)
    return len(greetings)


@is_told.query
def greeted(greetings: list[str]) -> int:
    return len(greetings)


@app.orchestration
async def counts_down(context: OrchestrationContext, left: int) -> str:
    await asyncio.sleep(10)
    if left:
        context.continue_as_new(left - 1)
    return "lift-off"


@app.orchestration
async def patched(context: OrchestrationContext) -> list[str]:
    greetings = [await context.call_activity(greet, "Rome")]
    if context.patched("greet the second city"):
        greetings.append(await context.call_activity(greet, str(context.new_uuid())))
    return greetings
