"""The hub of which the pictures in the documentation are taken: some of the patterns of `examples`, and players in indexes."""

from __future__ import annotations

import asyncio
import random

from examples.patterns import approval as approvals
from examples.patterns import bank
from stead.app import App, Settings
from stead.entities import Entity, Indexed, indexed
from stead.orchestrations import OrchestrationContext

app = App("patterns", settings=Settings(partitions=32, slot_groups=4))

app.entity(bank.Account)
app.orchestrations.add_orchestration(bank.transfer)
app.orchestrations.add_orchestration(approvals.approval)
for activity in (approvals.request_approval, approvals.process_approval, approvals.escalate):
    app.orchestrations.add_activity(activity)


@app.entity
class Player(Entity):
    """Somebody who plays."""

    score: Indexed[int] = indexed(0)
    country: Indexed[str] = indexed("")
    games: int = 0
    badges: list[str] = []

    def win(self, points: int, country: str, badge: str | None = None) -> int:
        """A game is won."""
        self.score += points
        self.country = country
        self.games += 1
        if badge is not None:
            self.badges.append(badge)
        return self.score

    async def ponder(self, seconds: float) -> None:
        """Think before the next move."""
        await asyncio.sleep(seconds)

    def forfeit(self, reason: str) -> None:
        """Give up, which nobody may."""
        raise ValueError(f"nobody may forfeit: {reason}")


@app.activity
async def weigh(parcel: int) -> int:
    """How heavy it is."""
    await asyncio.sleep(random.uniform(0.02, 0.2))
    return parcel * 3


@app.orchestration
async def shipment(context: OrchestrationContext, parcels: int) -> int:
    """Weighs parcels side by side, then the rest one by one, and has the money moved."""
    weights = await asyncio.gather(*(context.call_activity(weigh, number) for number in range(parcels)))
    weights += [await context.call_activity(weigh, number) for number in range(2)]
    order = bank.Transfer(source="ann", destination="bob", amount=1)
    await context.call_sub_orchestrator(bank.transfer, order)
    return sum(weights)
