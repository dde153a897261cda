"""A saga: steps in other people's systems, each with its undoing, and types that hold from one to the next.

python -m examples.patterns.saga
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from pydantic import BaseModel

from stead.app import App
from stead.orchestrations import Activity, ActivityFailed, DurableTask, OrchestrationContext

app = App("saga")

R = TypeVar("R")


class Order(BaseModel):
    """What is ordered."""

    product: str
    count: int
    card: str


class Reservation(BaseModel):
    """What the warehouse has put aside."""

    shelf: str
    count: int


class Payment(BaseModel):
    """What was paid."""

    cents: int
    card: str


class Saga:
    """Remembers how to undo what has been done, and undoes it in reverse if its block fails or is cancelled."""

    def __init__(self, context: OrchestrationContext) -> None:
        self._context = context
        self._undoing: list[Callable[[], DurableTask[None]]] = []

    def undo_by(self, undo: Activity[[R], None], result: R) -> R:
        """Say how to undo it; the checkers see to it that the undoing takes what the step has given."""
        self._undoing.append(lambda: self._context.call_activity(undo, result))
        return result

    async def undo(self) -> None:
        """One after the other. What cannot be undone fails the instance, and is for a person to see to."""
        while self._undoing:
            await self._undoing.pop()()


@asynccontextmanager
async def saga(context: OrchestrationContext) -> AsyncGenerator[Saga]:
    """All of the block, or nothing of it. What `client.cancel` asks for undoes it too."""
    steps = Saga(context)
    try:
        yield steps
    except (ActivityFailed, asyncio.CancelledError):
        await steps.undo()
        raise


@app.activity
async def reserve(order: Order) -> Reservation:
    """Put the goods aside."""
    return Reservation(shelf="b7", count=order.count)


@app.activity
async def release(reservation: Reservation) -> None:
    """Put them back; doing it twice does no harm, as with every activity."""


@app.activity
async def charge(order: Order) -> Payment:
    """Take the money."""
    return Payment(cents=1_000 * order.count, card=order.card)


@app.activity
async def refund(payment: Payment) -> None:
    """Give it back."""


@app.activity
async def ship(shelf: str, cents: int) -> str:
    """Send it; gives the parcel's number."""
    return f"parcel from {shelf}, {cents} cents"


@app.orchestration
async def buy(context: OrchestrationContext, order: Order) -> str:
    """Gives the parcel's number, or fails as the step that failed, with nothing left done."""
    async with saga(context) as steps:
        reservation = steps.undo_by(release, await context.call_activity(reserve, order))
        payment = steps.undo_by(refund, await context.call_activity(charge, order))
        return await context.call_activity(ship, reservation.shelf, payment.cents)


async def main() -> None:
    """Buy something."""
    url = "memory://"
    async with app.worker(url), app.connect(url) as client:
        instance_id = await client.start_new(buy, Order(product="clock", count=2, card="4711"))
        print((await client.wait_for_completion(instance_id)).output)


if __name__ == "__main__":
    asyncio.run(main())
