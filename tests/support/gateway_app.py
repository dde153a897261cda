"""An app that has something of everything, for tests of what the gateway gives and takes."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

from stead.app import App, Settings
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext

_numbers = itertools.count()


def _add_talkative(app: App) -> None:
    """An orchestration that is asked and told things."""

    @app.orchestration
    async def talks(context: OrchestrationContext) -> None:
        context.share(list[str]())
        await context.wait_for_external_event("never")

    @talks.query
    def notes(state: list[str], most: int = 10) -> list[str]:
        return state[:most]

    @talks.update
    def note(context: OrchestrationContext, state: list[str], text: str) -> int:
        state.append(text)
        return len(state)

    @note.validator
    def check_note(state: list[str], text: str) -> None:
        if not text:
            raise ValueError("nothing to note")


def make_app(name: str | None = None) -> App:
    """The app; without a name, of a hub of its own."""
    app = App(name or f"served-{next(_numbers):03}", settings=Settings(partitions=4, slot_groups=2))
    _add_talkative(app)

    @app.entity
    class Station(Entity):
        count: int = 0
        total: float = 0.0
        raw: bytes = b""

        def record(self, celsius: float) -> None:
            self.count += 1
            self.total += celsius

        def keep(self, raw: bytes) -> None:
            self.raw = raw

        def mean(self) -> float | None:
            return self.total / self.count if self.count else None

        def fail(self, message: str) -> None:
            raise ValueError(message)

        async def nap(self, seconds: float) -> str:
            await asyncio.sleep(seconds)
            return "awake"

    @app.activity
    async def say_hello(city: str) -> str:
        return f"Hello {city}!"

    @app.orchestration
    async def hello(context: OrchestrationContext, cities: list[str] | None = None) -> list[str]:
        return [await context.call_activity(say_hello, city) for city in cities or ["Tokyo", "Seattle"]]

    @app.orchestration(version="1.0")
    async def versioned(context: OrchestrationContext) -> None:
        """There are no others."""

    @app.orchestration
    async def approval(context: OrchestrationContext, order: Any = None) -> Any:
        context.set_custom_status({"waits for": "approval"})
        return await context.wait_for_external_event("approval", Any)

    @app.orchestration
    async def failing(context: OrchestrationContext, message: str = "no") -> None:
        raise ValueError(message)

    @app.orchestration
    async def sleeper(context: OrchestrationContext, seconds: float) -> str:
        await context.create_timer(timedelta(seconds=seconds))
        return "awake"

    return app
