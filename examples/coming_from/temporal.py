"""Temporal's first tutorial: a transfer of money whose deposit fails and is refunded; and a cart that waits for signals.

python -m examples.coming_from.temporal
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic import BaseModel

from stead.app import App
from stead.app.testing import TestHub
from stead.orchestrations import ActivityFailed, NonRetriable, OrchestrationContext, RetryPolicy

app = App("transfers")

PATIENT = RetryPolicy(max_attempts=3, first_interval=timedelta(seconds=1), backoff_coefficient=2.0)


class Payment(BaseModel):
    """What is to go where."""

    source: str
    target: str
    amount: int


class InvalidAccount(NonRetriable):
    """`non_retryable_error_types=["InvalidAccountError"]` is the error's own class here."""


@app.activity(retry=PATIENT)
async def withdraw(payment: Payment) -> str:
    """`@activity.defn`; the retry policy stands where the activity does, `with_options` changes it for a call."""
    return f"withdrawn {payment.amount} from {payment.source}"


@app.activity(retry=PATIENT)
async def deposit(payment: Payment) -> str:
    """Fails for good if there is no such account."""
    if payment.target == "nobody":
        raise InvalidAccount(f"no account {payment.target!r}")
    return f"deposited {payment.amount} to {payment.target}"


@app.activity(retry=PATIENT)
async def refund(payment: Payment) -> str:
    """Undoes `withdraw`."""
    return f"refunded {payment.amount} to {payment.source}"


@app.orchestration
async def transfer(context: OrchestrationContext, payment: Payment) -> str:
    """`@workflow.run`: a function, since what it has to remember is in its variables."""
    withdrawn = await context.call_activity(withdraw, payment)
    try:
        deposited = await context.call_activity(deposit, payment)
    except ActivityFailed as failure:
        return f"{failure.message}; {await context.call_activity(refund, payment)}"
    return f"{withdrawn}, {deposited}"


@app.orchestration
async def cart(context: OrchestrationContext) -> list[str]:
    """Signals are external events: kept, in order, whether or not anybody waits for them yet."""
    items: list[str] = []
    checkout = context.wait_for_external_event("checkout")
    while True:
        item = context.wait_for_external_event("add", str)
        await asyncio.wait({item, checkout}, return_when=asyncio.FIRST_COMPLETED)
        if not item.done():
            return items
        items.append(item.result())
        context.set_custom_status({"items": len(items)})  # what anybody may see of it meanwhile


async def main() -> None:
    """Two payments and a cart, in virtual time."""
    async with TestHub(app) as hub:
        for target in ("bob", "nobody"):
            payment = Payment(source="ann", target=target, amount=70)
            instance_id = await hub.client.start_new(transfer, payment, instance_id=f"pay-{target}")
            print((await hub.client.wait_for_completion(instance_id)).output)
        shopping = await hub.client.start_new(cart)
        for item in ("bread", "wine"):
            await hub.client.raise_event(shopping, "add", item)
        await hub.client.raise_event(shopping, "checkout")
        print((await hub.client.wait_for_completion(shopping)).output)


if __name__ == "__main__":
    asyncio.run(main())
