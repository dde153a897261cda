"""The tests' app, with entities that can be queried, run for as long as a test wants, are locked and have reminders."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

from stead.app import App
from stead.entities import Entity, EntityId, Indexed, indexed
from stead.orchestrations import OrchestrationContext
from support.gateway_app import make_app

RELEASED = threading.Event()  # ends all that `ponder`


def make_hub_app() -> App:
    """The app, of a hub of its own."""
    app = make_app()

    @app.entity
    class Player(Entity):
        score: Indexed[int] = indexed(0)
        country: Indexed[str] = indexed("")

        def win(self, points: int, country: str) -> None:
            self.score += points
            self.country = country

        async def ponder(self) -> None:
            while not RELEASED.is_set():
                await asyncio.sleep(0.01)

        def plan(self) -> None:
            self.context.reminder("party", after=timedelta(days=3)).signal(Player.win, 1, "NO")

    @app.orchestration
    async def family(context: OrchestrationContext, generations: int) -> int:
        if generations == 0:
            return 1
        children = [context.call_sub_orchestrator("family", generations - 1) for _ in range(2)]
        return sum([await child for child in children])

    @app.orchestration
    async def holds(context: OrchestrationContext, key: str) -> None:
        async with context.lock_entities(EntityId("Player", key)):
            await context.wait_for_external_event("over")

    return app
