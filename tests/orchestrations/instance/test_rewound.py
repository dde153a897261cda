"""What is under way when an instance fails and is rewound: answers that come late, and what had been given up."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from stead.entities import EntityId
from stead.orchestrations._execution.context import OrchestrationContext
from support.kind_bench import KindHub, messages_to
from support.kind_modes import Make


class Fragile:
    """Activities of which one can be broken."""

    def __init__(self) -> None:
        self.broken = True
        self.slow_runs = 0

    def fragile(self) -> str:
        if self.broken:
            raise RuntimeError("it is broken")
        return "fine"

    def slow(self) -> None:
        self.slow_runs += 1

    def hub(self, make: Make, function: Callable[..., Coroutine[Any, Any, Any]]) -> KindHub:
        hub = make(function)
        hub.activities.update(fragile=self.fragile, slow=self.slow)
        hub.start(function.__name__)
        hub.run()
        return hub

    def mend(self, hub: KindHub) -> None:
        assert hub.status() == "Failed"
        self.broken = False
        hub.send("one", "rewind", "")
        hub.run()


async def compensates(context: OrchestrationContext) -> object:
    try:
        await context.call_activity("fragile")
    except Exception:
        context.call_entity(EntityId("Account", "a"), "compensate")  # number 2
        await context.create_timer(datetime.timedelta(seconds=1))
        raise
    return await context.call_entity(EntityId("Account", "b"), "balance")  # number 2 as well


async def gives_up_a_lock(context: OrchestrationContext) -> object:
    try:
        async with asyncio.timeout(1), context.lock_entities(EntityId("Account", "a")):
            pass
    except TimeoutError:
        pass
    return await context.call_activity("fragile")


async def gives_up_an_activity(context: OrchestrationContext) -> object:
    slow = context.call_activity("slow")
    try:
        async with asyncio.timeout(1):
            await slow
    except TimeoutError:
        pass
    return await context.call_activity("fragile")


@pytest.mark.hazard(15)
def test_a_late_answer_is_not_taken_for_that_to_a_later_call_of_its_number(make: Make) -> None:
    fragile = Fragile()
    hub = fragile.hub(make, compensates)
    hub.advance(2_000)
    fragile.mend(hub)
    (compensate,) = messages_to(hub, "@account@a")
    hub.answer(compensate, "compensated")
    hub.run()
    assert hub.status() == "Running"
    (balance,) = messages_to(hub, "@account@b")
    hub.answer(balance, 5)
    hub.run()
    assert hub.output() == 5


def test_a_lock_that_was_given_up_is_not_asked_for_again(make: Make) -> None:
    fragile = Fragile()
    hub = fragile.hub(make, gives_up_a_lock)
    hub.advance(2_000)
    fragile.mend(hub)
    assert hub.output() == "fine"
    assert [message.operation for message in messages_to(hub, "@account@a")] == ["!lock", "!release"]


def test_an_activity_that_was_given_up_is_not_run_again(make: Make) -> None:
    fragile = Fragile()
    hub = make(gives_up_an_activity)
    hub.activities.update(fragile=fragile.fragile, slow=fragile.slow)
    hub.run_tasks = False
    hub.start("gives_up_an_activity")
    hub.advance(2_000)
    hub.run_tasks = True
    (last,) = hub.tasks
    hub.perform(last)
    hub.run()
    fragile.mend(hub)
    assert (hub.output(), fragile.slow_runs, hub.tasks) == ("fine", 0, {})
