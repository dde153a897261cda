"""Activities whose clean-up an orchestration waits for when it cancels them, over crashes and replays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import anyio
import pytest

from stead.app import App
from stead.app.testing import TestHub
from stead.entities import Entity
from stead.orchestrations import NonRetriable, OrchestrationContext, RetryPolicy, RuntimeStatus, activity_context
from support.guards import HANGS_S

pytestmark = pytest.mark.hazard(113)

MakeHub = Callable[[App], TestHub]

app = App("clean-up")


class World:
    """What the activities of a test do outside: reset by each test."""

    began = asyncio.Event()
    left: list[str]


world = World()


@pytest.fixture(autouse=True)
def _new_world() -> None:
    world.began, world.left = asyncio.Event(), []


@app.entity
class Notes(Entity):
    """What happened, in order."""

    all: list[str] = []

    def add(self, text: str) -> None:
        self.all.append(text)


@app.activity(await_cleanup=True, retry=RetryPolicy(max_attempts=5))
async def rent(what: str) -> str:
    world.began.set()
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.01)
        world.left.append(what)
        if what == "fails":
            raise NonRetriable("it cannot be given back")
    return what


@app.activity
async def how_many() -> int:
    return len(world.left)


@app.orchestration
async def stay(context: OrchestrationContext, what: str) -> int:
    try:
        await context.call_activity(rent, what)
    except asyncio.CancelledError:
        left = await context.call_activity(how_many)
        await context.call_entity(Notes.add, "n", f"left {left > 0}")
        raise
    return 0


@app.orchestration
async def in_time(context: OrchestrationContext, how: str) -> str:
    try:
        if how == "timeout":
            await context.wait_for_external_event("go")
            async with asyncio.timeout(10):
                await context.call_activity(rent, how)
        elif how == "scope":
            async with anyio.create_task_group() as group:
                for number in range(3):
                    group.start_soon(_renting, context, f"{how} {number}")
                await context.wait_for_external_event("go")
                group.cancel_scope.cancel()
            raise TimeoutError
        elif how == "several":
            both = asyncio.gather(*(context.call_activity(rent, f"{how} {number}") for number in range(2)))
            await context.wait_for_external_event("go")
            both.cancel()
            try:
                await both
            except asyncio.CancelledError:
                raise TimeoutError from None
        else:
            task = context.call_activity(rent, how)
            never = context.call_activity(rent, "never begun")
            assert never.cancel() and never.cancelled(), "nobody was told to run it"
            await context.wait_for_external_event("go")
            assert task.cancel() and task.cancel() and not task.done()
            await asyncio.wait([task])
            assert task.cancelled()
            raise TimeoutError
    except TimeoutError:
        pass
    return f"left {await context.call_activity(how_many) > 0}"


async def _renting(context: OrchestrationContext, what: str) -> None:
    await context.call_activity(rent, what)


@app.orchestration
async def busy_beside(context: OrchestrationContext, steps: int) -> str:
    async def beside() -> None:
        with anyio.CancelScope(shield=True):
            await context.wait_for_external_event("more")
            for _ in range(steps):
                await asyncio.sleep(0)

    async with anyio.create_task_group() as group:
        group.start_soon(_renting, context, "beside")
        group.start_soon(beside)
        await context.wait_for_external_event("go")
        group.cancel_scope.cancel()
    return f"left {await context.call_activity(how_many) > 0}"


async def test_steps_beside_what_is_cancelled_again_and_again_count_as_often_as_they_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stead.orchestrations._execution.loop.STEPS_MAX", 20_000)
    async with TestHub(app) as hub:
        instance = await hub.client.start_new(busy_beside, 2_000)
        await asyncio.wait_for(world.began.wait(), HANGS_S)
        await hub.client.raise_event(instance, "go")
        await hub.client.raise_event(instance, "more")
        await hub.run_until_idle()
        status = await hub.client.get_status(instance)
        assert status is not None and status.output == "left True", status


@pytest.fixture
def left(request: pytest.FixtureRequest) -> set[str]:
    """What the code may find: where its worker is killed, nobody can clean up."""
    return {"left True", "left False"} if "kills" in request.node.name else {"left True"}


@pytest.mark.anyio
async def test_an_instance_that_is_cancelled_waits_for_the_clean_up_of_its_activity(
    make_hub: MakeHub, left: set[str]
) -> None:
    await _cancel(make_hub(app), "a car", left)


@pytest.mark.anyio
async def test_a_clean_up_that_fails_is_the_end_of_it_too(left: set[str]) -> None:
    await _cancel(TestHub(app), "fails", left)


async def _cancel(hub: TestHub, what: str, left: set[str]) -> None:
    async with hub:
        instance_id = await hub.client.start_new(stay, what)
        async with asyncio.timeout(HANGS_S):
            await world.began.wait()
        await hub.client.cancel(instance_id, "enough")
        status = await hub.client.wait_for_completion(instance_id)
        assert status.runtime_status is RuntimeStatus.CANCELED and str(status.output) == "enough"
        notes = await hub.client.read_entity(Notes, "n")
        assert notes is not None and len(notes.all) == 1 and left.issuperset(notes.all)


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["scope", "several", "task"])
async def test_whatever_cancels_it_waits(make_hub: MakeHub, how: str, left: set[str]) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(in_time, how)
        async with asyncio.timeout(HANGS_S):
            await world.began.wait()
        await hub.client.raise_event(instance_id, "go")
        assert (await hub.client.wait_for_completion(instance_id)).result() in left
        assert "never begun" not in world.left


@app.activity(await_cleanup=True, total_timeout=timedelta(milliseconds=200))
async def clings() -> None:
    world.began.set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        world.left.append("told")
        while not activity_context().cancelled or len(world.left) < 2:  # it does not end before nobody waits any more
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                world.left.append("told again")
        raise


@app.orchestration
async def impatient(context: OrchestrationContext) -> str:
    task = context.call_activity(clings)
    await context.wait_for_external_event("go")
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    return "not"


@pytest.mark.anyio
async def test_its_total_time_holds_for_the_clean_up_too() -> None:
    async with app.worker("memory://"), app.connect("memory://") as client:
        instance_id = await client.start_new(impatient)
        async with asyncio.timeout(HANGS_S):
            await world.began.wait()
        await client.raise_event(instance_id, "go")
        assert (await client.wait_for_completion(instance_id)).result() == "cancelled"
        async with asyncio.timeout(HANGS_S):
            while len(world.left) < 2:
                await asyncio.sleep(0.001)
    assert world.left == ["told", "told again"]


@app.orchestration
async def fails_meanwhile(context: OrchestrationContext) -> str:
    task = context.call_activity(rent, "a car")
    await context.wait_for_external_event("go")
    task.cancel()
    await context.call_activity(breaks)
    await asyncio.wait([task])
    return f"{task.cancelled()}"


@app.activity
async def breaks() -> None:
    if not world.left:
        raise NonRetriable("not yet")


@pytest.mark.anyio
async def test_one_that_was_to_end_when_its_instance_failed_is_not_run_again_by_a_rewinding(make_hub: MakeHub) -> None:
    async with make_hub(app) as hub:
        instance_id = await hub.client.start_new(fails_meanwhile)
        async with asyncio.timeout(HANGS_S):
            await world.began.wait()
        hub.fail_activity(breaks, NonRetriable("not yet"))
        await hub.client.raise_event(instance_id, "go")
        status = await hub.client.wait_for_completion(instance_id)
        assert status.runtime_status is RuntimeStatus.FAILED
        world.began.clear()
        world.left.append("whatever")
        await hub.client.rewind(instance_id, "mended")
        assert (await hub.client.wait_for_completion(instance_id)).result() == "True"
        assert not world.began.is_set()


@pytest.mark.parametrize("wrong", ["yes", 1, None])
def test_the_option_is_true_or_false(wrong: object) -> None:
    with pytest.raises(ValueError, match="it is True or False"):
        App("wrong").activity(await_cleanup=wrong)(breaks.function)  # type: ignore[call-overload]
    assert rent.with_options(await_cleanup=False).await_cleanup is False
    assert rent.with_options(tags={"a": "b"}).await_cleanup is True
