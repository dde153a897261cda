"""What wakes an instance whose code cannot be replayed any more is not lost: it is there again after the rewinding."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from stead.entities import EntityId
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._history.events import SubOrchestrationInstanceCreated
from support.kind_bench import KindHub, messages_to
from support.kind_modes import Make

Function = Callable[..., Coroutine[Any, Any, Any]]
ACCOUNT = EntityId("Account", "a")


async def other_way(context: OrchestrationContext) -> None:
    """What each of the others is changed into, by mistake."""
    await context.call_activity("other")


def deploy(hub: KindHub, function: Function, name: str) -> None:
    """The workers get this code, and start anew."""
    hub.register(function, name)
    hub.crash().run()


def begun(make: Make, function: Function) -> KindHub:
    """An instance that waits for something, and whose code is broken by then."""
    hub = make(function)
    hub.activities.update(first=lambda: "first", slow=lambda: "slow", fragile=fragile)
    hub.run_tasks = False
    hub.start(function.__name__)
    hub.run()
    hub.perform(next(iter(hub.tasks)))  # the call of `first`
    hub.run()
    deploy(hub, other_way, function.__name__)
    assert hub.status() in ("Running", "Suspended")
    return hub


def mended(hub: KindHub, function: Function) -> KindHub:
    """It was found to fail by what came, its code is mended, and it is rewound."""
    hub.run()
    assert hub.status() == "Failed" and "NonDeterminismError" in hub.record().failure["type"]  # type: ignore[index]
    deploy(hub, function, function.__name__)
    hub.send("one", "rewind", "")
    return hub.run()


def fragile() -> None:
    raise RuntimeError("it is broken")


async def awaits_an_event(context: OrchestrationContext) -> list[object]:
    await context.call_activity("first")
    return [await context.wait_for_external_event("go") for _ in range(3)]


async def awaits_an_activity(context: OrchestrationContext) -> object:
    await context.call_activity("first")
    return await context.call_activity("slow")


async def awaits_a_failure(context: OrchestrationContext) -> object:
    await context.call_activity("first")
    return await context.call_activity("fragile")


async def awaits_a_timer(context: OrchestrationContext) -> float:
    await context.call_activity("first")
    before = context.now
    await context.create_timer(datetime.timedelta(minutes=1))
    return (context.now - before).total_seconds()


async def awaits_a_child(context: OrchestrationContext) -> object:
    await context.call_activity("first")
    return await context.call_sub_orchestrator("child")


async def child(context: OrchestrationContext) -> object:
    return await context.wait_for_external_event("answer")


async def awaits_an_entity(context: OrchestrationContext) -> object:
    await context.call_activity("first")
    return await context.call_entity(ACCOUNT, "balance")


async def awaits_a_lock(context: OrchestrationContext) -> object:
    await context.call_activity("first")
    async with context.lock_entities(ACCOUNT):
        return "locked"


async def runs_beside(context: OrchestrationContext) -> object:
    await context.call_activity("first")
    one, other = context.wait_for_external_event("one"), context.call_activity("slow")
    return await asyncio.gather(one, other)


def test_an_event(make: Make) -> None:
    hub = begun(make, awaits_an_event)
    hub.send("one", "event", "go", 1)
    hub.send("one", "event", "go", 2)
    hub.run()
    hub.send("one", "event", "go", 3)  # was on its way when the instance failed
    assert mended(hub, awaits_an_event).output() == [1, 2, 3]


def test_the_result_of_an_activity(make: Make) -> None:
    hub = begun(make, awaits_an_activity)
    (task,) = hub.tasks
    hub.perform(task)
    mended(hub, awaits_an_activity)
    assert (hub.output(), hub.tasks) == ("slow", {})  # it was not run again


def test_the_failure_of_an_activity_is_tried_again(make: Make) -> None:
    hub = begun(make, awaits_a_failure)
    (task,) = hub.tasks
    hub.perform(task)
    mended(hub, awaits_a_failure)
    hub.activities["fragile"] = lambda: "mended"
    (task,) = hub.tasks
    hub.perform(task)
    assert hub.run().output() == "mended"


def test_a_timer(make: Make) -> None:
    hub = begun(make, awaits_a_timer)
    hub.advance(120_000)
    assert mended(hub, awaits_a_timer).output() == 120.0  # when its code came to it
    assert not hub.timers


def test_the_answer_of_a_child(make: Make) -> None:
    hub = begun(make, awaits_a_child)
    hub.register(child)
    (instance_id,) = (
        event.instance_id for event in hub.history() if isinstance(event, SubOrchestrationInstanceCreated)
    )
    hub.crash().run()
    hub.send(instance_id, "event", "answer", 42)
    assert mended(hub, awaits_a_child).output() == 42


def test_the_answer_of_an_entity(make: Make) -> None:
    hub = begun(make, awaits_an_entity)
    (call,) = messages_to(hub, str(ACCOUNT))
    hub.answer(call, 5)
    assert mended(hub, awaits_an_entity).output() == 5
    assert len(messages_to(hub, str(ACCOUNT))) == 1


def test_the_grant_of_a_lock(make: Make) -> None:
    hub = begun(make, awaits_a_lock)
    (lock,) = messages_to(hub, str(ACCOUNT))
    hub.answer(lock)
    mended(hub, awaits_a_lock)
    lock, released, again = messages_to(hub, str(ACCOUNT))
    assert [lock.operation, released.operation, again.operation] == ["!lock", "!release", "!lock"]
    hub.answer(again)
    assert hub.run().output() == "locked"


@pytest.mark.parametrize("news", ["suspend", "resume"])
def test_a_suspension_and_a_resumption(make: Make, news: str) -> None:
    hub = make(awaits_an_event)
    hub.activities["first"] = lambda: "first"
    hub.start("awaits_an_event")
    if news == "resume":
        hub.run()
        hub.send("one", "suspend", "for a while")
    hub.run()
    deploy(hub, other_way, "awaits_an_event")
    hub.send("one", news, "now")
    for number in range(3):
        hub.send("one", "event", "go", number)
    assert mended(hub, awaits_an_event).output() == [0, 1, 2]
    assert ("ExecutionSuspended" if news == "suspend" else "ExecutionResumed") in hub.names()


def test_what_came_beside_the_bad_news(make: Make) -> None:
    hub = begun(make, runs_beside)
    hub.send("one", "event", "one", 1)
    hub.run()
    assert not hub.tasks  # called off
    mended(hub, runs_beside)
    (task,) = hub.tasks
    hub.perform(task)
    assert hub.run().output() == [1, "slow"]


def test_a_failed_instance_keeps_no_more_than_a_history_may_have(make: Make) -> None:
    hub = make(awaits_an_event, history_length_max=100)
    hub.start("awaits_an_event")  # there is no activity `first`: it fails
    hub.run()
    assert hub.status() == "Failed"
    for number in range(300):
        hub.send("one", "event", "go", number)
    hub.run()
    assert len(hub.history()) == hub.record().history_length == 200
