"""Human interaction: wait three days for somebody's answer, then go on without it.

python -m examples.patterns.approval        # three days of it, in virtual time
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic import BaseModel

from stead.app import App
from stead.app.testing import TestHub
from stead.orchestrations import OrchestrationContext, RetryPolicy

app = App("approval")


class Expense(BaseModel):
    """What somebody wants to be paid back."""

    amount: int
    what: str = ""


@app.activity
async def request_approval(expense: Expense) -> None:
    """Send the manager a message, with the instance's ID in it."""


@app.activity
async def process_approval(approved: bool) -> str:
    """Pay or refuse."""
    return "paid" if approved else "refused"


@app.activity
async def escalate(expense: Expense) -> str:
    """Give it to the manager's manager."""
    return "escalated"


@app.orchestration
async def approval(context: OrchestrationContext, expense: Expense) -> str:
    """Gives "paid", "refused" or "escalated"."""
    patient = request_approval.with_options(retry=RetryPolicy(max_attempts=3, first_interval=timedelta(seconds=1)))
    await context.call_activity(patient, expense)
    try:
        async with asyncio.timeout(72 * 3600):  # a durable timer
            approved = await context.wait_for_external_event("ApprovalEvent", bool)
    except TimeoutError:
        return await context.call_activity(escalate, expense)
    return await context.call_activity(process_approval, approved)


async def main() -> None:
    """One expense that is approved on the second day, and one that nobody looks at."""
    async with TestHub(app) as hub:
        first = await hub.client.start_new(approval, Expense(amount=12))
        second = await hub.client.start_new(approval, Expense(amount=1_200))
        await hub.advance(timedelta(hours=30))
        await hub.client.raise_event(first, "ApprovalEvent", True)
        await hub.advance(timedelta(hours=73))
        for instance_id in (first, second):
            status = await hub.client.wait_for_completion(instance_id)
            print(status.input, "-", status.output)


if __name__ == "__main__":
    asyncio.run(main())
