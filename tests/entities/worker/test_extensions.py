"""Several extensions at once: each has its targets, and each hears of what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import pytest

from stead.entities import InvalidDefinition, Registry, Worker
from stead.entities.extending import (
    Activation,
    Board,
    Effects,
    Environment,
    Failure,
    Hooks,
    Kind,
    Partition,
    Pending,
    Slice,
    Turns,
    encode_message,
)
from stead.orchestrations import OrchestrationRegistry, Orchestrations
from stead.transport import Batch, MemoryStore, ServerClock, Settings, Task, partition_of
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio

SETTINGS = Settings(partitions=2, slot_groups=1, heartbeat_ms=50)


class Ear(Hooks):
    """A kind that notes what its targets hear, and the extension that adds it."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.heard: list[str] = []
        self.holding: set[int] = set()
        self.given_back: list[int] = []
        self.rung = asyncio.Event()
        self.failure: BaseException | None = None  # raised when a tenure ends
        self.granted_tasks: list[bytes] = []
        self.unwanted_tasks: list[bytes] = []
        self.told = asyncio.Event()

    def activate(self, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        return target

    def run(self, activation: Activation, effects: Effects, slice: Slice) -> Awaitable[object] | None:
        activation.more = False
        while (pending := activation.next) is not None:
            (activation.express or activation.mailbox).popleft()
            self.heard.append(activation.target)
            self.rung.set()
            effects.consume(activation, pending)
            task_id = activation.target.encode() + b"|x|1"
            if pending.message.operation == "work":
                effects.schedule_task(activation, Task(task_id, f"{self.prefix}queue", shared=False, payload=b"work"))
            elif pending.message.operation == "leave it":
                effects.drop_task(task_id)
        return None

    def finish(self, activation: Activation, effects: Effects, result: object, error: BaseException | None) -> None:
        raise AssertionError("nothing is asynchronous")

    def record(self, activation: Activation, now_ms: int) -> bytes | None:
        return None

    def poisoned(self, activation: Activation, pending: Pending, failure: Failure, effects: Effects) -> None:
        raise AssertionError("nothing ends a worker")

    def forget(self, activation: Activation) -> None:
        pass

    def kind(self, environment: Environment) -> Kind | None:
        return self

    def names(self) -> Mapping[str, Mapping[str, Any]]:
        return {f"ear/{self.prefix}": {"name": self.prefix}}

    def parts(self, board: Board, turns: Turns) -> Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        board.listen(self, self.listens_for)
        return []

    @property
    def listens_for(self) -> str | None:
        return self.prefix

    def granted(self, partition: Partition, tasks: Sequence[Task]) -> None:
        self.granted_tasks += [task.task_id for task in tasks]
        self.told.set()

    def unwanted(self, partition: Partition, task_ids: Sequence[bytes]) -> None:
        self.unwanted_tasks += task_ids
        self.told.set()

    def held(self, partition: Partition) -> None:
        self.holding.add(partition.number)

    def let_go(self, partition: Partition) -> None:
        self.holding.discard(partition.number)
        if self.failure is not None:
            raise self.failure

    async def giving_back(self, partition: Partition) -> None:
        self.given_back.append(partition.number)


class Watcher(Ear):
    """One that adds no kind."""

    def kind(self, environment: Environment) -> Kind | None:
        return None

    @property
    def listens_for(self) -> str | None:
        return None


async def send(store: MemoryStore, target: str, operation: str = "hear") -> None:
    message = encode_message(target, operation, [], f"{operation} {target}".encode())
    number = partition_of(target, 2)
    await store.enqueue([Batch(number, f"session {operation} {target}", 0, -1, 0, [message], 1_000, 60_000)])


async def until_told(count: int, *ears: Ear, what: str) -> None:
    """Until each has heard of so many tasks."""
    for ear in ears:
        async with asyncio.timeout(HANGS_S):
            while len(getattr(ear, what)) < count:
                ear.told.clear()
                await ear.told.wait()


async def test_each_kind_gets_its_targets_and_each_hook_is_told() -> None:
    store = MemoryStore("several", SETTINGS, ServerClock())
    rest, left, longer, watcher = Ear(""), Ear("left:"), Ear("left:er:"), Watcher("left:")
    ears = [rest, left, longer]
    async with Worker(store, Registry(), SETTINGS, extensions=[*ears, watcher]):
        assert [ear.holding for ear in (*ears, watcher)] == [{0, 1}] * 4
        for target in ("left:a", "left:er:b", "right:c"):
            await send(store, target)
        await asyncio.gather(*[asyncio.wait_for(ear.rung.wait(), HANGS_S) for ear in ears])
        assert [ear.heard for ear in ears] == [["right:c"], ["left:a"], ["left:er:b"]]
        assert {"ear/", "ear/left:", "ear/left:er:"} <= set(await store.published())
    assert [sorted(ear.given_back) for ear in (*ears, watcher)] == [[0, 1]] * 4
    assert [ear.holding for ear in (*ears, watcher)] == [set()] * 4


async def test_another_extension_beside_orchestrations() -> None:
    store = MemoryStore("beside", SETTINGS, ServerClock())
    ear = Ear("ear:")
    orchestrations = Orchestrations(OrchestrationRegistry(SETTINGS), SETTINGS)
    async with Worker(store, Registry(), SETTINGS, extensions=[orchestrations, ear]):
        await send(store, "ear:a")
        await asyncio.wait_for(ear.rung.wait(), HANGS_S)
        assert orchestrations.activities._tenures, "its hooks are told as well"
        assert ear.holding == {0, 1}


async def test_each_extension_hears_of_the_tasks_of_its_own_targets() -> None:
    store = MemoryStore("tasks", SETTINGS, ServerClock())
    rest, left, longer, watcher = Ear(""), Ear("left:"), Ear("left:er:"), Watcher("")
    targets = ["right|c", "left:a", "left:er:b"]
    ids = [target.encode() + b"|x|1" for target in targets]
    async with Worker(store, Registry(), SETTINGS, extensions=[rest, left, longer, watcher]):
        for operation, what in [("work", "granted_tasks"), ("leave it", "unwanted_tasks")]:
            for target in targets:
                await send(store, target, operation)
            await until_told(1, rest, left, longer, what=what)
            await until_told(3, watcher, what=what)
            assert [getattr(ear, what) for ear in (rest, left, longer)] == [[task_id] for task_id in ids]
            assert sorted(getattr(watcher, what)) == sorted(ids), "who adds no kind hears of all"


async def test_the_tasks_of_another_extension_are_no_activities(caplog: pytest.LogCaptureFixture) -> None:
    """Neither those that a commit grants, nor those that an earlier owner of the partition has left."""
    store = MemoryStore("no activities", SETTINGS, ServerClock())
    for first in (True, False):
        ear = Ear("ear:")
        orchestrations = Orchestrations(OrchestrationRegistry(SETTINGS), SETTINGS)
        async with Worker(store, Registry(), SETTINGS, extensions=[orchestrations, ear]):
            if first:
                await send(store, "ear:a", "work")
                await until_told(1, ear, what="granted_tasks")
            async with asyncio.timeout(HANGS_S):
                while not orchestrations.activities.idle:
                    await asyncio.sleep(0)
            assert not any(tenure.jobs for tenure in orchestrations.activities._tenures.values())
    assert "cannot be run" not in caplog.text
    page, _ = await store.tasks(partition_of("ear:a", 2), b"", 10)
    assert [task_id for task_id, _ in page] == [b"ear:a|x|1"], "it is still there for who can run it"


async def test_two_kinds_cannot_have_the_same_targets() -> None:
    store = MemoryStore("same", SETTINGS, ServerClock())
    worker = Worker(store, Registry(), SETTINGS, extensions=[Ear(""), Ear("")])
    with pytest.raises(InvalidDefinition, match="a `prefix` of its own"):
        await worker.start()


async def test_a_hook_that_raises_ends_the_worker_and_the_others_are_told() -> None:
    store = MemoryStore("raises", SETTINGS, ServerClock())
    broken, other = Ear("a"), Ear("b")
    worker = Worker(store, Registry(), SETTINGS, extensions=[broken, other])
    await worker.start()
    broken.failure = ValueError("a slip")
    board = worker._board
    assert board is not None
    board.drop(board.partitions[0], "for the test")
    assert isinstance(worker.failure, ValueError)
    assert other.holding == set(), "all of it was let go"
    assert worker.partitions == frozenset()
    broken.failure = None
    await worker.stop()
