"""A hub whose one request goes through everything: its spans are told into a file, if the environment names one."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from stead.app import App
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext

SPANS_VARIABLE = "TRACED_APP_SPANS"
HOLD_VARIABLE = "TRACED_APP_HOLD"  # a file: while it is there, the activity does not end

# What is to be told of one request, and of what it brings about: each span with what is within it.
BEHIND_THE_REQUEST: list[Any] = [
    ("entity:order:place PRODUCER", [
        ("entity:order:place CONSUMER", [
            ("entity:order:note CONSUMER", []),
            ("orchestration:ship SERVER", [
                ("activity:fetch SERVER", []),
                ("entity:order:pay SERVER", []),
                ("orchestration:send SERVER", [
                    ("activity:wrap SERVER", []),
                    ("orchestration:send:timer INTERNAL", []),
                ]),
            ]),
        ]),
    ]),
    ("orchestration_event:delivered PRODUCER", [("orchestration_event:delivered CONSUMER", [])]),
]  # fmt: skip

app = App("traced")


@app.entity
class Order(Entity):
    """What is ordered, and paid."""

    placed: int = 0
    paid: int = 0

    def place(self, amount: int) -> None:
        self.placed += amount
        self.context.signal_entity(Order.note, "all", amount)
        self.context.start_new(ship, amount, instance_id=f"ship-{self.context.entity_id.key}")

    def note(self, amount: int) -> None:
        self.placed += amount

    async def pay(self, amount: int) -> int:
        await asyncio.sleep(0)
        self.paid += amount
        return self.paid

    def refuse(self) -> None:
        raise ValueError("no such order")


@app.activity
async def fetch(amount: int) -> int:
    """Fetch it from the shelf; one hold-up is as long as the test wants."""
    hold = os.environ.get(HOLD_VARIABLE)
    while hold and Path(hold).exists():
        await asyncio.sleep(0.01)
    return amount


@app.activity
def wrap(amount: int) -> int:
    """In a thread."""
    return amount


@app.orchestration
async def send(context: OrchestrationContext, amount: int) -> int:
    """The parcel itself."""
    await context.create_timer(timedelta(seconds=0.2))
    return await context.call_activity(wrap, amount)


@app.orchestration
async def ship(context: OrchestrationContext, amount: int) -> int:
    """From the shelf to the customer."""
    fetched = await context.call_activity(fetch, amount)
    sent = await context.call_sub_orchestrator(send, fetched)
    await context.wait_for_external_event("delivered")
    return await context.call_entity(Order.pay, "one", sent)


@app.activity
def lose(amount: int) -> int:
    """Nobody finds it again."""
    raise ValueError("it is lost")


@app.orchestration
async def mislay(context: OrchestrationContext, amount: int) -> int:
    """Fails as its only step does."""
    return await context.call_activity(lose, amount)


if spans := os.environ.get(SPANS_VARIABLE):
    from support.spans import tell_file

    tell_file(Path(spans))
