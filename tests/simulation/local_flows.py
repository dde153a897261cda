"""What the scenarios of local activities have in common: what is run in them, and on what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, TypeVar

from stead.entities import EntityId
from stead.orchestrations import OrchestrationContext
from support.local_bench import WAITS, LocalBench

Scenario = Callable[[], None]
T = TypeVar("T", bound=Scenario)

FOUND: list[Scenario] = []
CITIES = ["a", "b", "c", "d", "e"]


def scenario(one: T) -> T:
    """One of them."""
    FOUND.append(one)
    return one


def scenarios_in(*modules: ModuleType) -> dict[str, Scenario]:
    """Those that are written in a module, by name."""
    found = (one for module in modules for one in vars(module).values())
    return {one.__name__: one for one in found if isinstance(one, FunctionType) and one in FOUND}


def greet(city: str) -> str:
    return f"hello {city}"


def greeting(bench: LocalBench, *, local: bool = True) -> None:
    """Let the orchestrations call an activity `greet`."""
    called.activity = bench.activity("greet", greet, local=local)


class Called:
    """What the orchestrations call, as a scenario has given it."""

    activity: Any
    other: Any


called = Called()


async def flow(context: OrchestrationContext, cities: list[str]) -> list[str]:
    """One activity after the other."""
    return [await context.call_activity(called.activity, city) for city in cities]


async def both(context: OrchestrationContext, city: str) -> list[Any]:
    """An activity, and then another one."""
    return [await context.call_activity(called.activity, city), await context.call_activity(called.other, city)]


async def telling(context: OrchestrationContext, entity: str) -> None:
    """An activity, and then a signal."""
    await context.call_activity(called.activity, entity)
    context.signal_entity(EntityId("list", entity), "do", "second", [])


async def told(context: OrchestrationContext) -> str:
    """What it waits for, and an activity of that."""
    city = await context.wait_for_external_event("city")
    said: str = await context.call_activity(called.activity, city)
    return said


async def asking(context: OrchestrationContext, other: str) -> None:
    """Sends an event to another instance."""
    context.send_event(other, "city", "a")
    await context.wait_for_external_event("never")


async def rounds(context: OrchestrationContext, left: int) -> str:
    """Goes on as new."""
    said: str = await context.call_activity(called.activity, str(left))
    if left:
        context.continue_as_new(left - 1)
    return said


async def waiting(context: OrchestrationContext, city: str) -> str:
    """An activity and then an event."""
    said: str = await context.call_activity(called.activity, city)
    await context.wait_for_external_event("go")
    return said


async def together(context: OrchestrationContext, count: int) -> list[str]:
    """All at once."""
    return list(await asyncio.gather(*(context.call_activity(called.activity, str(n)) for n in range(count))))


FLOWS = (flow, both, telling, told, asking, rounds, waiting, together)


def bench_of(partitions: int = 1, **settings: int) -> LocalBench:
    """A worker that holds all, and has read all."""
    bench = LocalBench(*FLOWS, partitions=partitions, **settings)
    bench.hold(*range(partitions))
    bench.read()
    greeting(bench)
    return bench


def steps_of(count: int) -> list[str]:
    """The history of so many activities in sequence."""
    return ["ExecutionStarted", *["TaskScheduled", "TaskCompleted"] * count, "ExecutionCompleted"]


def come(bench: LocalBench) -> None:
    """What is in the inboxes takes its turns, and nothing is committed."""
    bench.read()
    bench.turns()


def taking(bench: LocalBench, seconds: float) -> None:
    """Let each activity take some of the worker's time."""

    def takes(city: str) -> str:
        bench.elapsed_s += seconds
        return greet(city)

    called.activity = bench.activity("greet", takes)


def waiting_for_its_end(bench: LocalBench) -> None:
    """Let the activity wait."""

    def waits(city: str) -> object:
        return WAITS

    called.activity = bench.activity("greet", waits)
