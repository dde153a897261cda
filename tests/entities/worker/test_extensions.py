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
from stead.transport import Batch, MemoryStore, ServerClock, Settings, partition_of

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

    def activate(self, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        return target

    def run(self, activation: Activation, effects: Effects, slice: Slice) -> Awaitable[object] | None:
        activation.more = False
        while (pending := activation.next) is not None:
            (activation.express or activation.mailbox).popleft()
            self.heard.append(activation.target)
            self.rung.set()
            effects.consume(activation, pending)
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
        board.listen(self)
        return []

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


async def send(store: MemoryStore, target: str) -> None:
    message = encode_message(target, "hear", [], b"m" + target.encode())
    number = partition_of(target, 2)
    await store.enqueue([Batch(number, f"session {target}", 0, -1, 0, [message], 1_000, 60_000)])


async def test_each_kind_gets_its_targets_and_each_hook_is_told() -> None:
    store = MemoryStore("several", SETTINGS, ServerClock())
    rest, left, longer, watcher = Ear(""), Ear("left:"), Ear("left:er:"), Watcher("left:")
    ears = [rest, left, longer]
    async with Worker(store, Registry(), SETTINGS, extensions=[*ears, watcher]):
        assert [ear.holding for ear in (*ears, watcher)] == [{0, 1}] * 4
        for target in ("left:a", "left:er:b", "right:c"):
            await send(store, target)
        await asyncio.gather(*[asyncio.wait_for(ear.rung.wait(), 10) for ear in ears])
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
        await asyncio.wait_for(ear.rung.wait(), 10)
        assert orchestrations.activities._tenures, "its hooks are told as well"
        assert ear.holding == {0, 1}


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
