"""A call beside something that is always busy: how much the busy one does until the call is answered.

The clock that slices are measured by goes on by a tick with every look, so all of it is counted, and nothing depends on
how fast the machine is. Whole workers, over a hub in memory.
"""

from __future__ import annotations

from typing import cast

import pytest

from stead.app import App
from stead.entities import Entity
from stead.orchestrations import OrchestrationContext
from stead.transport import Settings

TICK_S = 0.0001
LOOKS_MAX = 150
"""Looks at the clock until a call is answered: it takes a few round trips, and each may wait for one short slice. With one
slice of 20 ms for each of them it would be above 600."""


class Clock:
    """Counts how often somebody looks at it."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.looks * TICK_S


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)
    return clock


class Quiet(Entity):
    count: int = 0

    def add(self) -> int:
        self.count += 1
        return self.count


def make_app(name: str) -> App:
    """An app with a hub of its own: what a test has left in another one would be busy here as well."""
    app = App(name, settings=Settings(partitions=4, slow_operation_ms=60_000))
    app.entity(Quiet)
    return app


async def looks_for_calls(app: App, clock: Clock, start: object, input: object) -> list[int]:
    """The looks at the clock that each of some calls took, the median of them first."""
    async with app.worker("memory://"), app.connect("memory://") as client:
        await client.call_entity(Quiet.add, "warm")
        instance = cast("str", await client.start_new(start, input))  # type: ignore[call-overload]
        while (await client.get_status(instance)).runtime_status.value == "Pending":  # type: ignore[union-attr]
            await client.call_entity(Quiet.add, "warm")
        looks: list[int] = []
        for number in range(9):
            before = clock.looks
            await client.call_entity(Quiet.add, f"k{number}")
            looks.append(clock.looks - before)
        await client.terminate(instance, "enough")
        looks.sort()
        return [looks[len(looks) // 2], *looks]


async def test_a_loop_of_continue_as_new(clock: Clock) -> None:
    app = make_app("busy-one")

    @app.orchestration
    async def forever(context: OrchestrationContext, number: int) -> None:
        context.continue_as_new(number + 1)

    median, *all_of_them = await looks_for_calls(app, clock, forever, 0)
    assert median <= LOOKS_MAX, all_of_them


async def test_many_such_loops(clock: Clock) -> None:
    app = make_app("busy-many")

    @app.orchestration
    async def forever(context: OrchestrationContext, number: int) -> None:
        context.continue_as_new(number + 1)

    @app.orchestration
    async def several(context: OrchestrationContext, number: int) -> None:
        for place in range(number):
            context.start_new(forever, 0, instance_id=f"loop-{place}")
        await context.wait_for_external_event("never")

    median, *all_of_them = await looks_for_calls(app, clock, several, 8)
    assert median <= 8 * LOOKS_MAX, all_of_them
