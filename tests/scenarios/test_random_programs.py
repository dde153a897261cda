"""Orchestrations that carry out random programs: plainly, replayed at every turn, and with workers that die, the result, the
entities and the time that it took must be the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, EntityId
from stead.orchestrations import ActivityFailed, InstanceFinished, OrchestrationContext, RetryPolicy, RuntimeStatus
from support.fresh_seeds import fresh_seeds

app = App("programs")

Program = list[Any]
"""An operation's name and its operands; programs within programs."""

KEYS = "abcd"
EVENTS = 60


@app.entity
class Total(Entity):
    value: int = 0

    def add(self, amount: int) -> None:
        self.value += amount


@app.activity
async def double(number: int) -> int:
    return 2 * number


@app.activity
def triple(number: int) -> int:
    return 3 * number


@app.activity
async def fail(text: str) -> None:
    raise ValueError(text)


async def carry_out(context: OrchestrationContext, program: Program) -> Any:
    """One program's result."""
    match program:
        case ["double", number]:
            return await context.call_activity(double, number)
        case ["triple", number]:
            return await context.call_activity(triple, number)
        case ["fail", text, attempts]:
            policy = RetryPolicy(max_attempts=attempts, first_interval=timedelta(milliseconds=97))
            try:
                await context.call_activity(fail.with_options(retry=policy), text)
            except ActivityFailed as failure:
                return f"failed: {failure.message}"
        case ["sleep", milliseconds]:
            await context.create_timer(timedelta(milliseconds=milliseconds))
        case ["sequence", *parts]:
            return [await carry_out(context, part) for part in parts]
        case ["all", *parts]:
            return list(await asyncio.gather(*(carry_out(context, part) for part in parts)))
        case ["group", *parts]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(carry_out(context, part)) for part in parts]
            return [task.result() for task in tasks]
        case ["within", milliseconds, part]:
            return await within(milliseconds, carry_out(context, part))
        case ["event", name]:
            return await context.wait_for_external_event(name)
        case ["child", part]:
            return await context.call_sub_orchestrator(run, [[part], []])
        case ["draw"]:
            return context.random.random() >= 0 and len(str(context.new_uuid()))
        case _:
            await add(context, program)
    return None


async def add(context: OrchestrationContext, program: Program) -> None:
    """Programs that change entities."""
    match program:
        case ["call", key, amount]:
            await context.call_entity(Total.add, key, amount)
        case ["signal", key, amount]:
            context.signal_entity(Total.add, key, amount)
        case ["locked", keys, amount]:
            await context.call_sub_orchestrator(add_locked, (keys, amount))
        case _:
            raise AssertionError(program)


async def within(milliseconds: int, work: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(milliseconds / 1000):
            return await work
    except TimeoutError:
        return "timeout"


@app.orchestration
async def run(context: OrchestrationContext, state: list[list[Any]]) -> list[Any]:
    """Carries out stages, and begins anew after each."""
    stages, results = state
    context.set_custom_status(len(results))
    result = await carry_out(context, stages[0])
    if len(stages) > 1:
        context.continue_as_new([stages[1:], [*results, result]])
    return [*results, result]


@app.orchestration
async def add_locked(context: OrchestrationContext, order: tuple[list[str], int]) -> None:
    keys, amount = order
    async with context.lock_entities(*(EntityId(Total, key) for key in keys)):
        await asyncio.gather(*(context.call_entity(Total.add, key, amount) for key in keys))


class Author:
    """Writes a random program. Sleeps have odd lengths, so that no two things that race end at the same time."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._events = 0

    def stages(self) -> list[Program]:
        return [self.program(4) for _ in range(self._chance.randint(1, 3))]

    def program(self, depth: int) -> Program:
        chance = self._chance
        kinds = ["double", "triple", "fail", "sleep", "event", "call", "signal", "locked", "draw"]
        if depth > 0:
            kinds = [*kinds, *["sequence", "all", "group", "within", "child"] * 2]
        kind = chance.choice(kinds)
        match kind:
            case "double" | "triple":
                return [kind, chance.randrange(1_000)]
            case "fail":
                return [kind, f"text {chance.randrange(100)}", chance.randint(1, 3)]
            case "sleep":
                return [kind, self._time()]
            case "event":
                self._events += 1
                return [kind, f"event-{self._events}"] if self._events < EVENTS else ["draw"]
            case "call" | "signal":
                return [kind, chance.choice(KEYS), chance.randint(1, 9)]
            case "locked":
                return [kind, chance.sample(KEYS, chance.randint(1, 3)), chance.randint(1, 9)]
            case "within":
                return [kind, self._time(), self.program(depth - 1)]
            case "child":
                return [kind, self._without_events(self.program(depth - 1))]
            case "draw":
                return [kind]
            case _:
                return [kind, *(self.program(depth - 1) for _ in range(chance.randint(0, 4)))]

    def _time(self) -> int:
        return self._chance.randrange(1_000, 10_000_000)

    def _without_events(self, part: Any) -> Any:
        """Events are raised for the outermost instance only."""
        match part:
            case ["event", _]:
                return ["draw"]
            case [*parts]:
                return [self._without_events(each) for each in parts]
            case _:
                return part


async def outcome(seed: int, hub: TestHub) -> tuple[Any, dict[str, int], datetime | None]:
    """What the seed's program gives, and leaves behind."""
    async with hub:
        instance_id = await hub.client.start_new(run, [Author(seed).stages(), []])
        with contextlib.suppress(InstanceFinished):  # some are done without waiting for anything
            for number in range(EVENTS):
                await hub.client.raise_event(instance_id, f"event-{number}", number)
        status = await hub.client.wait_for_completion(instance_id, timeout=10_000_000)
        assert status.runtime_status == RuntimeStatus.COMPLETED, status.failure
        await hub.run_until_idle()
        totals = {entity_id.key: total.value async for entity_id, total in hub.client.list_entities(Total)}
        for key in totals:  # no lock is left
            await hub.client.call_entity(Total.add, key, 0)
        return status.output, totals, status.last_updated_time


@pytest.mark.parametrize("seed", range(5))
async def test_a_program_gives_the_same_in_all_circumstances(seed: int) -> None:
    await gives_the_same(seed)


@pytest.mark.slow
async def test_a_random_program_gives_the_same_in_all_circumstances() -> None:
    for seed in fresh_seeds(5):
        await gives_the_same(seed)


async def gives_the_same(seed: int) -> None:
    plain = await outcome(seed, TestHub(app))
    assert await outcome(seed, TestHub(app, replay_every_turn=True)) == plain
    for kill_seed in range(2):
        assert await outcome(seed, TestHub(app, kill_seed=seed * 100 + kill_seed)) == plain
