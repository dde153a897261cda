"""Random workflows: no kill, batch or chunk changes what happens, and a replay repeats it."""

from __future__ import annotations

import asyncio
import gc
import logging
import zlib
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stead.entities import EntityId
from stead.orchestrations._definition.activity import make_activity
from stead.orchestrations._definition.retry import RetryPolicy
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._execution.outcome import Outcome
from stead.orchestrations._history.events import (
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    Event,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
)
from stead.orchestrations._history.failures import FailureDetails
from support.instance_driver import Driver, PlainCode, Running

Tree = tuple[Any, ...]


async def flaky(n: int) -> int:
    return n


FLAKY: Any = make_activity(flaky)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """Random workflows leave failed tasks behind; that this is logged is tested elsewhere."""
    logger = logging.getLogger("stead.orchestration")
    logger.disabled = True
    yield
    gc.collect()
    logger.disabled = False


leaves = st.one_of(
    st.tuples(st.just("activity"), st.integers(0, 9)),
    st.tuples(st.just("sleep"), st.integers(0, 4)),
    st.tuples(st.just("event"), st.sampled_from(["a", "B", "b"])),
    st.tuples(st.just("retry"), st.integers(1, 3)),
    st.tuples(st.just("child"), st.integers(0, 9)),
    st.tuples(st.just("signal")),
    st.tuples(st.just("draw")),
    st.tuples(st.just("spin")),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(
            st.sampled_from(["sequence", "gather", "tasks", "group", "first", "completed", "catching"]),
            st.lists(inner, min_size=1, max_size=4),
        ),
        st.tuples(st.sampled_from(["timeout", "move_on", "wait_for"]), st.integers(0, 3), inner),
        st.tuples(st.just("try"), inner),
        st.tuples(st.just("locked"), st.sampled_from(["x", "y"]), inner),
    ),
    max_leaves=12,
)


class Workflow:
    """Runs a tree."""

    def __init__(self, context: OrchestrationContext) -> None:
        self.context = context
        self.seen: list[Any] = []

    async def run(self, tree: Tree) -> Any:
        result = await getattr(self, tree[0])(*tree[1:])
        self.seen.append((tree[0], str(result)))
        return result

    async def activity(self, n: int) -> Any:
        return await self.context.call_activity(f"a{n}", n)

    async def sleep(self, seconds: int) -> None:
        await asyncio.sleep(seconds)

    async def event(self, name: str) -> Any:
        return await self.context.wait_for_external_event(name)

    async def retry(self, attempts: int) -> Any:
        return await self.context.call_activity(FLAKY.with_options(retry=RetryPolicy(attempts)), attempts)

    async def child(self, n: int) -> Any:
        return await self.context.call_sub_orchestrator(f"c{n}", n)

    async def signal(self) -> None:
        self.context.signal_entity(EntityId("Log", "x"), "note", len(self.seen))

    async def draw(self) -> Any:
        return self.context.new_uuid(), self.context.random.random()

    async def spin(self) -> None:
        await anyio.sleep(0)

    async def sequence(self, inner: list[Tree]) -> list[Any]:
        return [await self.run(tree) for tree in inner]

    async def gather(self, inner: list[Tree]) -> list[Any]:
        return list(await asyncio.gather(*(self.run(tree) for tree in inner)))

    async def catching(self, inner: list[Tree]) -> list[Any]:
        results = await asyncio.gather(*(self.run(tree) for tree in inner), return_exceptions=True)
        return [type(result).__name__ if isinstance(result, Exception) else result for result in results]

    async def tasks(self, inner: list[Tree]) -> list[Any]:
        async with asyncio.TaskGroup() as group:
            made = [group.create_task(self.run(tree)) for tree in inner]
        return [task.result() for task in made]

    async def group(self, inner: list[Tree]) -> None:
        async with anyio.create_task_group() as group:
            for tree in inner:
                group.start_soon(self.run, tree)

    async def first(self, inner: list[Tree]) -> Any:
        made = [asyncio.ensure_future(self.run(tree)) for tree in inner]
        finished, others = await asyncio.wait(made, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        return [str(task.exception() or task.result()) for task in finished]

    async def completed(self, inner: list[Tree]) -> list[Any]:
        return [await following for following in asyncio.as_completed([self.run(tree) for tree in inner])]

    async def timeout(self, seconds: int, inner: Tree) -> Any:
        async with asyncio.timeout(seconds + 0.5):
            return await self.run(inner)

    async def wait_for(self, seconds: int, inner: Tree) -> Any:
        return await asyncio.wait_for(self.run(inner), seconds + 0.5)

    async def move_on(self, seconds: int, inner: Tree) -> Any:
        with anyio.move_on_after(seconds + 0.5) as scope:
            return await self.run(inner)
        return scope.cancelled_caught

    async def locked(self, key: str, inner: Tree) -> Any:
        async with self.context.lock_entities(EntityId("Lock", key)):
            await self.context.call_entity(EntityId("Lock", key), "go")
            return await self.run(inner)


async def _attempt(workflow: Workflow, inner: Tree) -> Any:
    try:
        return await workflow.run(inner)
    except Exception as error:  # noqa: BLE001
        workflow.context.send_event("other", "failed", type(error).__name__)
        return await workflow.context.call_activity("clean up")


setattr(Workflow, "try", _attempt)


def answers(seed: int) -> Any:
    """The same answer to the same question, whenever it is asked."""

    def answer(event: Event) -> Any:
        drawn = zlib.crc32(f"{seed}|{event.task_id}".encode())
        delay_ms = drawn % 3_000
        fails = drawn // 3_000 % 4 == 0
        failure = FailureDetails("ValueError", f"no {event.task_id}").as_map()
        match event:
            case TaskScheduled():
                return (delay_ms, TaskFailed, (failure,)) if fails else (delay_ms, TaskCompleted, (event.task_id,))
            case SubOrchestrationInstanceCreated():
                if fails:
                    return delay_ms, SubOrchestrationInstanceFailed, (failure,)
                return delay_ms, SubOrchestrationInstanceCompleted, (event.task_id,)
            case EntityOperationCalled():
                return delay_ms, EntityOperationCompleted, (1,)
            case EntityLockRequested():
                return delay_ms, EntityLockGranted, ()
            case _:
                return None

    return answer


def driven(tree: Tree, seed: int, **options: Any) -> Driver:
    async def flow(context: OrchestrationContext) -> Any:
        workflow = Workflow(context)
        await workflow.run(tree)
        return [[name, result] for name, result in workflow.seen]

    kill_at, chunk = options.pop("kill_at", set()), options.pop("chunk", None)
    driver = Driver(flow, answer=answers(seed), **options)
    driver.kill_at, driver.chunk = kill_at, chunk
    for n in range(8):
        driver.raise_event("aAbB"[(seed >> n) % 4], n, after_ms=n * 700)
    driver.run()
    return driver


def shown(outcome: Outcome | None) -> str:
    """Without tracebacks, whose lines are of no interest."""
    return repr(getattr(outcome, "result", None)) + repr(getattr(getattr(outcome, "failure", None), "error_type", None))


@settings(max_examples=60)
@given(trees, st.integers(0, 2**16))
def test_a_replay_at_every_turn_changes_nothing(tree: Tree, seed: int) -> None:
    once = driven(tree, seed)
    always = driven(tree, seed, replay_every_turn=True)
    assert shown(once.outcome) == shown(always.outcome)
    assert once.log == always.log
    assert once.cancelled == always.cancelled
    once.kill()
    always.kill()


@settings(max_examples=60)
@given(trees, st.integers(0, 2**16), st.sets(st.integers(1, 40)), st.sampled_from([None, 1, 2, 3]))
def test_kills_between_commits_and_in_turns_change_nothing(
    tree: Tree, seed: int, kill_at: set[int], chunk: int | None
) -> None:
    calm = driven(tree, seed)
    killed = driven(tree, seed, kill_at=kill_at, chunk=chunk)
    assert shown(calm.outcome) == shown(killed.outcome)
    assert calm.log == killed.log
    calm.kill()
    killed.kill()


@settings(max_examples=40)
@given(trees, st.integers(0, 2**16), st.integers(2, 9))
def test_batches_replay_to_what_they_were(tree: Tree, seed: int, batch: int) -> None:
    once = driven(tree, seed, batch=batch)
    always = driven(tree, seed, batch=batch, replay_every_turn=True)
    assert shown(once.outcome) == shown(always.outcome)
    assert once.log == always.log
    once.kill()
    always.kill()


@settings(max_examples=40)
@given(trees, st.integers(0, 2**16), st.data())
def test_a_prefix_replays_to_a_prefix(tree: Tree, seed: int, data: st.DataObject) -> None:
    driver = driven(tree, seed)
    history = driver.history
    length = data.draw(st.integers(1, len(history)))
    execution = Running(PlainCode(driver.code.function), history[:length])
    had = {event.task_id for event in history[:length]}
    wanted = [event for event in driver.wanted if event.task_id not in had]
    new = execution.take()
    assert new == wanted[: len(new)]
    execution.close()
    driver.kill()
