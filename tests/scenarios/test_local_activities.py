"""Local activities, as a program uses them: what is stored of them, and that all else of an activity is as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity, EntityId, InvalidDefinition, InvalidInput
from stead.orchestrations import (
    ActivityFailed,
    OrchestrationContext,
    RetryPolicy,
    RuntimeStatus,
    activity_context,
)
from stead.transport import Commit, MemoryStore
from support.guards import HANGS_S

app = App("local-activities")
SECOND = timedelta(seconds=1)
CITIES = ["Tokyo", "Seattle", "London", "Amsterdam", "Seoul"]


class World:
    """What the activities of a test do outside: reset by each test."""

    began: list[str]
    fails: int


world = World()


@pytest.fixture(autouse=True)
def _new_world() -> None:
    world.began, world.fails = [], 0


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[Commit]:
    """All commits that are sent from now on. However slow the machine is, a batch of turns, and each instance in it, has all the time that it
    needs."""
    monkeypatch.setattr("stead.entities._worker.turn_runner._SLICE_S", HANGS_S)
    monkeypatch.setattr("stead.entities._partition.partition._QUANTUM_S", HANGS_S)
    sent: list[Commit] = []

    async def commit(self: MemoryStore, commits: Sequence[Commit], generation: int) -> Any:
        sent.extend(commits)
        return await written(self, commits, generation)

    written = MemoryStore.commit
    monkeypatch.setattr(MemoryStore, "commit", commit)
    return sent


@pytest.fixture(params=[False, True], ids=["in memory", "replayed"])
async def hub(request: pytest.FixtureRequest) -> AsyncIterator[TestHub]:
    async with TestHub(app, request.param) as hub:
        yield hub


def of(commits: Sequence[Commit], instance_id: str) -> list[Commit]:
    """Those that have something of an instance's history."""
    return [each for each in commits if any(log.target == instance_id for log in each.logs)]


@app.entity
class Box(Entity):
    total: int = 0

    def add(self, number: int) -> int:
        self.total += number
        return self.total


@app.activity(local=True)
async def greet(city: str) -> str:
    world.began.append(city)
    return f"hello {city}"


@app.activity(local=True)
async def greet_slowly(city: str) -> str:
    world.began.append(city)
    await asyncio.sleep(0.01)
    return f"hello {city}"


@app.activity(local=True, retry=RetryPolicy(max_attempts=3, first_interval=SECOND))
async def try_hard(what: str) -> str:
    world.began.append(f"{what} {activity_context().attempt}")
    if len(world.began) <= world.fails:
        raise ValueError(what)
    return what


@app.activity(local=True, timeout=SECOND)
async def hang(what: str) -> None:
    world.began.append(what)
    await asyncio.Event().wait()


@app.activity(local=True, await_cleanup=True)
async def rent(what: str) -> None:
    world.began.append(what)
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        world.began.append(f"{what} given back")


@app.orchestration
async def renting(context: OrchestrationContext, whats: list[str]) -> list[str]:
    """Gives up what it has rented, before that is stored."""
    rented = [context.call_activity(rent, what) for what in whats]
    await context.call_activity(greet, "Oslo")
    for each in rented:
        each.cancel()
    await asyncio.wait(rented)
    return [*world.began]


@app.activity
async def ordinary(what: str) -> str:
    return what


@app.orchestration
async def hello(context: OrchestrationContext, cities: list[str]) -> list[str]:
    return [await context.call_activity(greet, city) for city in cities]


@app.orchestration
async def by_name(context: OrchestrationContext, cities: list[str]) -> list[str]:
    return [await context.call_activity("GREET", city) for city in cities]


@app.orchestration
async def not_this_time(context: OrchestrationContext, city: str) -> str:
    return await context.call_activity(greet.with_options(local=False), city)


@app.orchestration
async def this_time(context: OrchestrationContext, what: str) -> str:
    return await context.call_activity(ordinary.with_options(local=True), what)


@app.orchestration
async def slowly(context: OrchestrationContext, cities: list[str]) -> list[str]:
    return [await context.call_activity(greet_slowly, city) for city in cities]


@app.orchestration
async def trying(context: OrchestrationContext, what: str) -> str:
    return await context.call_activity(try_hard, what)


@app.orchestration
async def hanging(context: OrchestrationContext, what: str) -> str:
    try:
        await context.call_activity(hang, what)
    except ActivityFailed as error:
        return error.error_type
    return "?"


@app.orchestration
async def in_time(context: OrchestrationContext, what: str) -> str:
    try:
        async with asyncio.timeout(5):
            await context.call_activity(hang.with_options(timeout=timedelta(hours=1)), what)
    except TimeoutError:
        return "late"
    return "?"


@app.orchestration
async def locking(context: OrchestrationContext, key: str) -> int:
    async with context.lock_entities(EntityId(Box, key)):
        said = await context.call_activity(greet, "Oslo")
        return await context.call_entity(Box.add, key, len(said))


@app.orchestration
async def parent(context: OrchestrationContext, cities: list[str]) -> list[str]:
    first = await context.call_sub_orchestrator(hello, cities)
    return [*first, await context.call_activity(greet, "Oslo")]


@app.orchestration
async def going_round(context: OrchestrationContext, left: int) -> str:
    said = await context.call_activity(greet, str(left))
    if left:
        context.continue_as_new(left - 1)
    return said


@app.orchestration
async def for_ever(context: OrchestrationContext) -> None:
    while True:
        await context.call_activity(greet, "x")


async def output_of(hub: TestHub, orchestration: Any, given: Any, instance_id: str = "one") -> Any:
    await hub.client.start_new(orchestration, given, instance_id=instance_id)
    return (await hub.client.wait_for_completion(instance_id)).result()


async def names_of(hub: TestHub, instance_id: str = "one") -> list[str]:
    status = await hub.client.get_status(instance_id, show_history=True)
    assert status is not None and status.history is not None
    return [event.event_type for event in status.history]


@pytest.mark.parametrize("orchestration", [hello, by_name])
async def test_an_orchestration_of_five_steps_is_one_commit(
    hub: TestHub, commits: list[Commit], orchestration: Any
) -> None:
    assert await output_of(hub, orchestration, CITIES) == [f"hello {city}" for city in CITIES]
    (commit,) = of(commits, "one")
    assert not commit.tasks and not commit.dropped
    assert world.began == CITIES
    expected = ["ExecutionStarted", *["TaskScheduled", "TaskCompleted"] * 5, "ExecutionCompleted"]
    assert await names_of(hub) == expected


async def test_options_say_it_for_one_call(hub: TestHub, commits: list[Commit]) -> None:
    assert await output_of(hub, not_this_time, "Oslo") == "hello Oslo"
    assert [len(commit.tasks) for commit in of(commits, "one")] == [1, 0]
    commits.clear()
    assert await output_of(hub, this_time, "x", "two") == "x"
    assert await output_of(hub, this_time, "x", "three") == "x"
    assert [len(commit.tasks) for commit in of(commits, "three")] == [0]


async def test_what_waits_is_stored_and_begins_once(hub: TestHub, commits: list[Commit]) -> None:
    assert await output_of(hub, slowly, CITIES) == [f"hello {city}" for city in CITIES]
    assert world.began == CITIES
    assert len(of(commits, "one")) == 6


async def test_a_retry_waits_for_its_timer(hub: TestHub, commits: list[Commit]) -> None:
    world.fails = 2
    assert await output_of(hub, trying, "it") == "it"
    assert world.began == ["it 1", "it 2", "it 3"]
    assert len(of(commits, "one")) == 3
    expected = [*["TaskScheduled", "TaskFailed", "TimerCreated", "TimerFired"] * 2, "TaskScheduled", "TaskCompleted"]
    assert await names_of(hub) == ["ExecutionStarted", *expected, "ExecutionCompleted"]


async def test_a_time_out_ends_it(hub: TestHub) -> None:
    for orchestration, expected in ((hanging, "TimeoutError"), (in_time, "late")):
        instance_id = await hub.client.start_new(orchestration, expected)
        status = await hub.client.get_status(instance_id)
        for _ in range(20):
            if status is not None and status.is_finished:
                break
            hub._driver.clock.advance_to(hub._driver.clock.now_ms() + 1_000)
            await asyncio.sleep(0.01)  # what looks at the clock comes to it
            status = await hub.client.get_status(instance_id)
        assert status is not None and status.result() == expected
    assert world.began == ["TimeoutError", "late"]


async def test_the_outcome_is_the_same_whatever_befalls_the_worker(make_hub: Callable[[App], TestHub]) -> None:
    async with make_hub(app) as hub:
        assert await output_of(hub, locking, "box") == len("hello Oslo")
        assert await output_of(hub, locking, "box", "two") == 2 * len("hello Oslo")
        assert await output_of(hub, parent, ["Rome"], "three") == ["hello Rome", "hello Oslo"]
        assert await output_of(hub, slowly, CITIES, "four") == [f"hello {city}" for city in CITIES]
        assert await output_of(hub, trying, "it", "five") == "it"
        assert await output_of(hub, going_round, 4, "six") == "hello 0"
        for instance_id, activities in (("one", 1), ("four", 5), ("five", 1)):
            names = await names_of(hub, instance_id)
            assert names.count("TaskScheduled") == names.count("TaskCompleted") == activities


async def test_who_cancels_one_waits_for_its_clean_up() -> None:
    async with TestHub(app) as hub:
        began = await output_of(hub, renting, ["a", "b"])
    assert began == ["a", "b", "Oslo", "a given back", "b given back"]


async def test_what_goes_on_as_new_goes_on(hub: TestHub, commits: list[Commit]) -> None:
    assert await output_of(hub, going_round, 4) == "hello 0"
    assert len(of(commits, "one")) == 1


async def test_one_without_end_can_be_terminated_and_leaves_room_for_others(hub: TestHub) -> None:
    await hub.client.start_new(for_ever, instance_id="endless")
    assert await output_of(hub, hello, CITIES) == [f"hello {city}" for city in CITIES]
    await hub.client.terminate("endless", "enough")
    status = await hub.client.wait_for_completion("endless")
    assert status.runtime_status in (
        RuntimeStatus.TERMINATED,
        RuntimeStatus.FAILED,
    )  # or its history is too long by then


async def test_a_fake_stands_in_its_place(hub: TestHub, commits: list[Commit]) -> None:
    hub.fake_activity(greet).returns("faked")
    assert await output_of(hub, hello, CITIES) == ["faked"] * 5
    assert len(of(commits, "one")) == 1
    assert world.began == []


# -- definitions -------------------------------------------------------------------------------------------------------


async def quick(number: int) -> int:
    return number


def plain(number: int) -> int:
    return number


@pytest.mark.parametrize(
    ("options", "function", "part"),
    [
        ({"queue": "gpu"}, quick, "queue='gpu'"),
        ({"concurrency": 3}, quick, "concurrency=3"),
        ({"rate": "5/s"}, quick, "rate='5/s'"),
        ({"heartbeat_timeout": SECOND}, quick, "heartbeat_timeout"),
        ({}, plain, "local=True"),
    ],
)
def test_what_contradicts_is_refused_and_named(
    options: dict[str, Any], function: Callable[..., Any], part: str
) -> None:
    with pytest.raises(InvalidDefinition, match="does not go with `local=True`") as caught:
        App("refusing").activity(local=True, **options)(function)
    assert f"`{part}`" in str(caught.value)
    activity = App("allowing").activity(**options)(function)
    with pytest.raises(InvalidInput, match="does not go with `local=True`") as caught_later:
        activity.with_options(local=True)
    assert part in str(caught_later.value)


def test_options_may_end_what_contradicts() -> None:
    activity = App("allowing").activity(local=True)(quick)
    with pytest.raises(InvalidInput, match="queue='gpu'"):
        activity.with_options(queue="gpu")
    with pytest.raises(InvalidInput, match="heartbeat_timeout"):
        activity.with_options(heartbeat_timeout=SECOND)
    assert activity.with_options(local=False, queue="gpu").queue == "gpu"
    assert activity.local and not activity.with_options(local=False).local


def test_it_is_true_or_false() -> None:
    wrong: Any = "yes"
    with pytest.raises(InvalidInput, match="True or False"):
        App("refusing").activity(local=wrong)(quick)
