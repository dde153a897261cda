"""Durable Functions' quick start: a chain of greetings, a counter, and an approval that escalates.

python -m examples.coming_from.durable_functions
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import EntityContext, EntityId, UnknownOperation
from stead.orchestrations import OrchestrationContext

app = App("greetings")


@app.activity
async def hello(city: str) -> str:
    """One greeting."""
    return f"Hello {city}"


@app.activity
async def escalate(what: str) -> str:
    """Nobody has answered."""
    return f"escalated: {what}"


@app.entity_function("Counter")
def counter(context: EntityContext) -> int | None:
    """The function form, as in Durable Functions; a class is shorter (`docs/tutorial/first-entities.md`)."""
    value = context.get_state(int, default=0)
    match context.operation_name:
        case "add":
            context.set_state(value + context.get_input(int))
        case "get":
            return value
        case other:
            raise UnknownOperation(other)
    return None


@app.orchestration
async def hello_cities(context: OrchestrationContext) -> list[str]:
    """`yield context.call_activity(…)` is `await context.call_activity(…)`."""
    greetings = [await context.call_activity(hello, city) for city in ("Tokyo", "Seattle", "London")]
    context.signal_entity(EntityId("Counter", "greetings"), "add", len(greetings))
    return greetings


@app.orchestration
async def approval(context: OrchestrationContext, what: str) -> str:
    """`context.task_any([event, timer])` is what asyncio has for it."""
    try:
        async with asyncio.timeout(timedelta(hours=72).total_seconds()):
            approved = await context.wait_for_external_event("ApprovalEvent", bool)
    except TimeoutError:
        return await context.call_activity(escalate, what)
    return "approved" if approved else "refused"


async def main() -> None:
    """All three, in virtual time."""
    async with TestHub(app) as hub:
        greeted = await hub.client.start_new(hello_cities)
        print((await hub.client.wait_for_completion(greeted)).output)
        print("greetings:", await hub.client.call_entity(EntityId("Counter", "greetings"), "get"))
        asked = await hub.client.start_new(approval, "a bicycle")
        await hub.advance(timedelta(hours=73))
        print((await hub.client.wait_for_completion(asked)).output)


if __name__ == "__main__":
    asyncio.run(main())
