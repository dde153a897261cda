"""An app whose orchestrations tell whether each of them ended exactly once and lost nothing. Workers are processes of it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

from stead.app import App, Settings
from stead.entities import Entity, EntityId
from stead.orchestrations import OrchestrationContext

app = App("orchestrating", settings=Settings(partitions=8, slot_groups=2))

CITIES = ("Tokyo", "Seattle", "London", "Amsterdam", "Seoul")
WIDTH = 20
LOCAL_STEPS = 6


@app.entity
class Ends(Entity):
    """How often each instance came to its end."""

    times: dict[str, int] = {}

    def note(self, instance_id: str) -> None:
        self.times[instance_id] = self.times.get(instance_id, 0) + 1


@app.entity
class Account(Entity):
    balance: int = 0

    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance


@app.activity
async def say_hello(city: str) -> str:
    await asyncio.sleep(0.02)
    return f"Hello {city}!"


@app.activity
def square(number: int) -> int:
    time.sleep(0.002)
    return number * number


def end(trace: str, status: int) -> int:
    """Ends the worker's process at once, and leaves a trace of each time in a file."""
    with Path(trace).open("a") as file:
        file.write(f"{os.getpid()}\n")
    os._exit(status)


ENDS = {"end": end}  # the check at the definition does not look behind this


@app.activity
async def die(trace: str) -> None:
    """Ends the worker's process at once, and leaves a trace of each time in a file."""
    end(trace, 3)


@app.activity(local=True)
async def glance(number: int) -> int:
    if number % 4 == 3:
        await asyncio.sleep(0.01)
    return number


@app.activity(local=True)
async def die_at_once(trace: str) -> None:
    """As `die`, before anything of it is stored."""
    end(trace, 3)


@app.activity(local=True)
async def step(folder: str, number: int) -> int:
    """Leaves a trace of each time that it begins. The third step kills the worker's process, once."""
    with (Path(folder) / "steps").open("a") as file:
        file.write(f"{number}\n")
    killed = Path(folder) / "killed"
    if number == 3 and not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@app.activity(queue="slow")
async def wait_for_go(folder: str, number: int) -> int:
    """Runs until a file "go" is there, and leaves a trace of each time that it begins."""
    with (Path(folder) / "began").open("a") as file:
        file.write(f"{number}\n")
    while not (Path(folder) / "go").exists():
        await asyncio.sleep(0.02)
    return number


@app.orchestration
async def hello(context: OrchestrationContext) -> list[str]:
    greetings = [await context.call_activity(say_hello, city) for city in CITIES]
    context.signal_entity(Ends.note, "hello", context.instance_id)
    return greetings


@app.orchestration
async def steps(context: OrchestrationContext, folder: str) -> list[int]:
    done = [await context.call_activity(step, folder, number) for number in range(1, 6)]
    context.signal_entity(Ends.note, "steps", context.instance_id)
    return done


@app.orchestration
async def glances(context: OrchestrationContext, first: int) -> list[int]:
    seen = [await context.call_activity(glance, first + number) for number in range(LOCAL_STEPS)]
    context.signal_entity(Ends.note, "glances", context.instance_id)
    return seen


@app.orchestration
async def fan_out(context: OrchestrationContext, first: int) -> int:
    total = sum(await asyncio.gather(*(context.call_activity(square, first + number) for number in range(WIDTH))))
    context.signal_entity(Ends.note, "fan_out", context.instance_id)
    return total


@app.orchestration
async def transfer(context: OrchestrationContext, order: tuple[str, str, int]) -> None:
    source, destination, amount = order
    async with context.lock_entities(EntityId(Account, source), EntityId(Account, destination)):
        await context.call_entity(Account.add, source, -amount)
        await context.call_entity(Account.add, destination, amount)
    context.signal_entity(Ends.note, "transfer", context.instance_id)


@app.orchestration
async def take_numbers(context: OrchestrationContext, state: tuple[int, int, int]) -> tuple[int, int]:
    """Takes events that are numbered from 0, until there are so many: how many came, and how many of them out of order."""
    taken, disorder, until = state
    for _ in range(min(70, until - taken)):
        number = await context.wait_for_external_event("number", int)
        disorder += number != taken
        taken += 1
    if taken < until:
        context.continue_as_new((taken, disorder, until))
    return taken, disorder


@app.orchestration
async def patient(context: OrchestrationContext, folder: str) -> list[int]:
    return list(await asyncio.gather(*(context.call_activity(wait_for_go, folder, number) for number in range(3))))


@app.orchestration
async def poisoned(context: OrchestrationContext, trace: str) -> str:
    await context.call_activity(die, trace)
    return "?"


@app.orchestration
async def poisoned_at_once(context: OrchestrationContext, trace: str) -> str:
    await context.call_activity(glance, 1)
    await context.call_activity(die_at_once, trace)
    return "?"


@app.activity
async def weigh(number: int) -> int:
    await asyncio.sleep(0.2)  # suspicion has passed by then
    return number


@app.orchestration
async def deadly(context: OrchestrationContext, trace: str) -> int:
    """Ends the worker's process at once when an activity has given what it was to give."""
    weight = await context.call_activity(weigh, 3)
    return ENDS["end"](trace, weight)


@app.orchestration
async def weighing(context: OrchestrationContext, number: int) -> int:
    return await context.call_activity(weigh, number) + await context.call_activity(weigh, number)


@app.orchestration
async def tick(context: OrchestrationContext, name: str) -> str:
    context.signal_entity(Ends.note, name, context.instance_id)
    await asyncio.sleep(0.3)
    return name


if os.environ.get("STEAD_TEST_SCHEDULES"):
    app.schedule("declared", every=timedelta(seconds=1), overlap="allow").start_new(tick, "declared")
