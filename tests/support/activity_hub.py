"""A hub in memory whose workers run activities, for instances of the simplest kind that schedules any."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from stead.entities import Worker
from stead.entities.extending import (
    Activation,
    Board,
    Effects,
    Environment,
    Failure,
    Pending,
    Registry,
    Slice,
    Turns,
    encode_message,
)
from stead.orchestrations._activities.job import encode_task
from stead.orchestrations._activities.routes import PREFIX, Serving
from stead.orchestrations._activities.runner import ActivityRunner
from stead.transport import Batch, MemoryStore, Settings, Task, Verdict, pack, partition_of, unpack
from support.activity_bench import FakeActivity
from support.guards import HANGS_S

ONE = 4  # partitions


@dataclass
class Instance:
    left: set[int] = field(default_factory=set[int])
    results: list[Any] = field(default_factory=list[Any])


class FanOut:
    """A kind whose instances schedule one activity for each argument of `start`, and record the results."""

    def __init__(self, runner: ActivityRunner) -> None:
        self._runner = runner

    def activate(self, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
        if record is None:
            return Instance()
        left, results = cast("tuple[list[int], list[Any]]", unpack(record))
        return Instance(set(left), results)

    def run(self, activation: Activation, effects: Effects, slice: Slice) -> Awaitable[object] | None:
        for queue in (activation.express, activation.mailbox):
            while queue and not slice.full:
                self._turn(activation, queue[0], effects)
                effects.consume(activation, queue.popleft())
        return None

    def _turn(self, activation: Activation, pending: Pending, effects: Effects) -> None:
        body = cast("Instance", activation.body)
        message = pending.message
        effects.changed(activation)
        if message.operation == "start":
            name, queue, arguments = cast("tuple[str, str, list[Any]]", message.args)
            for number, argument in enumerate(arguments, 1):
                place = self._runner.route(name, queue)
                assert place != "unknown"
                payload = encode_task(name, [argument], None, (activation.target, "x", number), 1, queue)
                key = f"{activation.target}|x|{number}".encode()
                effects.schedule_task(activation, Task(key, queue, place == "shared", payload))
                body.left.add(number)
            return
        _, number, ok, value = cast("tuple[str, int, bool, Any]", message.args)
        if number in body.left:
            body.left.discard(number)
            body.results.append(value if ok else value["type"])
            effects.drop_task(f"{activation.target}|x|{number}".encode())

    def finish(self, activation: Activation, effects: Effects, result: object, error: BaseException | None) -> None:
        raise AssertionError("nothing here is asynchronous")

    def record(self, activation: Activation, now_ms: int) -> bytes | None:
        body = cast("Instance", activation.body)
        return pack((sorted(body.left), body.results))

    def poisoned(self, activation: Activation, pending: Pending, failure: Failure, effects: Effects) -> None:
        raise AssertionError("no message here ends a worker")

    def forget(self, activation: Activation) -> None: ...


class FanOuts:
    """The extension of a worker with that kind."""

    def __init__(self, settings: Settings, functions: Sequence[Callable[..., Any]], queues: Sequence[str]) -> None:
        activities = {activity.canonical: activity for activity in map(FakeActivity, functions)}
        here = Serving(frozenset(activities), frozenset(queues))
        plain = any(not activity.is_async for activity in activities.values())
        self.runner = ActivityRunner(here, activities.get, settings, plain)

    def kind(self, environment: Environment) -> FanOut:
        return FanOut(self.runner)

    def names(self) -> Mapping[str, Mapping[str, Any]]:
        return {PREFIX + name: {} for name in self.runner.here.names}

    def parts(self, board: Board, turns: Turns) -> Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        return self.runner.attach(board, turns)


class Hub:
    """A hub in memory with as many workers as a test starts."""

    def __init__(self, *functions: Callable[..., Any], **settings: Any) -> None:
        # Nobody loses anything because the machine is slow: that is for tests in which a worker dies.
        usual: dict[str, Any] = {
            "heartbeat_ms": 20,
            "lease_ms": 600_000,
            "activity_heartbeat_ms": 20,
            "activity_keep_ms": 600_000,
        }
        self.settings = Settings(partitions=ONE, **{**usual, **settings})
        self.functions = functions
        self.store = MemoryStore("test", self.settings)
        self._sent: Counter[int] = Counter()

    @contextlib.asynccontextmanager
    async def worker(self, *, queues: Sequence[str] = ("",)) -> AsyncGenerator[tuple[Worker, ActivityRunner]]:
        extension = FanOuts(self.settings, self.functions, queues)
        async with Worker(self.store, Registry(), self.settings, extensions=[extension]) as worker:
            yield worker, extension.runner

    async def start(self, instance_id: str, name: str, arguments: Sequence[Any], queue: str = "") -> None:
        partition = partition_of(instance_id, ONE)
        payload = encode_message(instance_id, "start", [name, queue, list(arguments)], b"m")
        last = self._sent[partition]
        self._sent[partition] += 1
        (result,) = await self.store.enqueue([Batch(partition, "s", 0, last - 1, last, [payload], 1_000, 60_000)])
        assert result.verdict is Verdict.ACCEPTED

    async def held_by(self, worker: Worker, *others: Worker) -> str:
        """The ID of an instance of this worker, once it and the others have their shares."""
        async with asyncio.timeout(HANGS_S):
            while not all(one.partitions for one in (worker, *others)):
                await asyncio.sleep(0.001)
        return next(name for name in "abcdefghijklm" if partition_of(name, ONE) in worker.partitions)

    async def all_heard_of(self, *workers: Worker) -> None:
        """Until each of these knows what the others serve."""
        async with asyncio.timeout(HANGS_S):
            while not all(len(cast("Any", worker)._board.workers) == len(workers) for worker in workers):
                await asyncio.sleep(0.001)

    async def results(self, instance_id: str) -> list[Any] | None:
        """The results of an instance, none as long as some are missing."""
        (record,) = await self.store.read_records(partition_of(instance_id, ONE), [instance_id])
        if record is None:
            return None
        left, results = unpack(record)
        return None if left else list(results)

    async def finished(self, *instance_ids: str) -> list[list[Any]]:
        async with asyncio.timeout(HANGS_S):
            while True:
                found = [await self.results(instance_id) for instance_id in instance_ids]
                if None not in found:
                    return cast("list[list[Any]]", found)
                await asyncio.sleep(0.005)
