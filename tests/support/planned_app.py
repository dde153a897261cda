"""An app whose work takes its hours, for tests of schedules in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, EntityId
from stead.orchestrations import OrchestrationContext, ScheduleStatus

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def make_app(declare: Callable[[App], None] = lambda app: None) -> App:
    app = App("planned")

    @app.entity
    class Seen(Entity):
        at: list[datetime] = []

        def note(self, word: str = "") -> None:
            self.at.append(self.context.now)

    @app.orchestration(name="work")
    async def work(context: OrchestrationContext, hours: float) -> float:
        context.signal_entity(EntityId("Seen", "work"), "note")
        await asyncio.sleep(3600 * hours)
        return hours

    @app.orchestration(name="fails")
    async def fails(context: OrchestrationContext) -> None:
        raise ValueError("no")

    @app.orchestration(name="again")
    async def again(context: OrchestrationContext, rounds: int) -> None:
        await asyncio.sleep(1800)
        if rounds:
            context.continue_as_new(rounds - 1)

    declare(app)
    return app


async def seen(hub: TestHub, key: str) -> list[datetime]:
    state = await hub.client.read_entity(EntityId("Seen", key))
    return [] if state is None else state["at"]


async def shown(hub: TestHub, name: str) -> ScheduleStatus:
    schedule = await hub.client.schedules.get(name)
    assert schedule is not None
    return schedule


def hours(schedule: ScheduleStatus) -> list[tuple[float, str | None]]:
    """The runs, the oldest first: at which hour, and how it went."""
    return [((run.occurrence - BEGIN) / HOUR, run.status) for run in reversed(schedule.last_runs)]
