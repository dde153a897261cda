"""Activities in real workers over a store in memory, for instances of the simplest kind that schedules any."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import pytest

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
from support.dying_worker import die

pytestmark = pytest.mark.anyio

ONE = 4  # partitions
# What dies is noticed within a moment.
SOON_GONE = {"lease_ms": 600, "activity_keep_ms": 200}


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
        async with asyncio.timeout(10):
            while not all(one.partitions for one in (worker, *others)):
                await asyncio.sleep(0.001)
        return next(name for name in "abcdefghijklm" if partition_of(name, ONE) in worker.partitions)

    async def all_heard_of(self, *workers: Worker) -> None:
        """Until each of these knows what the others serve."""
        async with asyncio.timeout(10):
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
        async with asyncio.timeout(20):
            while True:
                found = [await self.results(instance_id) for instance_id in instance_ids]
                if None not in found:
                    return cast("list[list[Any]]", found)
                await asyncio.sleep(0.005)


runs: Counter[int] = Counter()


finish = asyncio.Event()


@pytest.fixture(autouse=True)
def no_runs() -> None:
    runs.clear()
    finish.clear()


async def work(number: int) -> int:
    runs[number] += 1
    await asyncio.sleep(0.05)
    return number


async def long(number: int) -> int:
    """Takes longer than any worker lives, until a test lets it end."""
    runs[number] += 1
    if not finish.is_set():
        await asyncio.sleep(60)
    return number


async def instant(number: int) -> int:
    runs[number] += 1
    return number


async def test_own_activities_leave_nothing_behind() -> None:
    hub = Hub(instant)
    async with hub.worker() as (_, runner):
        for instance in "abc":
            await hub.start(instance, "instant", range(100))
        assert [sorted(results) for results in await hub.finished("a", "b", "c")] == [list(range(100))] * 3
        assert runner.idle
        for partition in range(ONE):
            assert await hub.store.tasks(partition, b"", 100) == ([], b"")
    assert set(runs.values()) == {3}


async def test_a_crowd_is_shared_among_workers() -> None:
    ran_by: Counter[str] = Counter()

    hub = Hub(work, activities_running_max=5)
    async with hub.worker() as (first, one), hub.worker() as (second, two):
        for runner in (one, two):

            def count(_: str, call: partial[Any], runner: ActivityRunner = runner) -> partial[Any]:
                ran_by.update([str(id(runner))])
                return call

            runner.interceptor = count
        await hub.all_heard_of(first, second)
        await hub.start("a", "work", range(60))
        await hub.finished("a")
    assert set(runs.values()) == {1}
    assert len(ran_by) == 2
    assert min(ran_by.values()) > 10


async def test_a_queue_that_the_owner_does_not_serve_goes_to_one_that_does() -> None:
    hub = Hub(instant)
    async with hub.worker() as (first, here), hub.worker(queues=["gpu"]) as (second, there):
        seen: list[str] = []

        def note(place: str, _: str, call: partial[Any]) -> partial[Any]:
            seen.append(place)
            return call

        here.interceptor = partial(note, "here")
        there.interceptor = partial(note, "there")
        await hub.all_heard_of(first, second)
        for instance in "abcd":
            await hub.start(instance, "instant", range(5), queue="gpu")
        await hub.finished(*"abcd")
        assert seen == ["there"] * 20
        seen.clear()
        for instance in "efgh":
            await hub.start(instance, "instant", range(5))
        await hub.finished(*"efgh")
        assert seen == ["here"] * 20


async def test_a_partition_that_moves_takes_no_running_activity_with_it() -> None:
    hub = Hub(work)
    async with hub.worker():
        for instance in "abcdefgh":
            await hub.start(instance, "work", range(5))
        while sum(runs.values()) < 40:
            await asyncio.sleep(0.001)
        async with hub.worker() as (worker, _):  # half of the partitions become its own
            while not worker.partitions:
                await asyncio.sleep(0.001)
            await hub.finished(*"abcdefgh")
    assert set(runs.values()) == {8}


async def test_a_worker_that_stops_loses_nothing_and_repeats_nothing() -> None:
    hub = Hub(work)
    async with hub.worker():
        for instance in "abcdefgh":
            await hub.start(instance, "work", range(5))
        while sum(runs.values()) < 40:
            await asyncio.sleep(0.001)
    async with hub.worker():
        await hub.finished(*"abcdefgh")
    assert set(runs.values()) == {8}


async def test_a_worker_that_dies_has_its_activities_run_again() -> None:
    hub = Hub(work, **SOON_GONE)
    async with hub.worker() as (worker, runner):
        await hub.start("a", "work", range(5))
        while sum(runs.values()) < 5:
            await asyncio.sleep(0.001)
        await worker.abandon()
        assert runner.slots.idle
    async with hub.worker():
        assert sorted((await hub.finished("a"))[0]) == list(range(5))
    assert set(runs.values()) == {2}


async def test_shared_ones_of_a_worker_that_dies_are_taken_over() -> None:
    hub = Hub(work, **SOON_GONE)
    async with hub.worker(queues=[]) as (owner, _):
        async with hub.worker() as (worker, _):
            await hub.all_heard_of(owner, worker)
            instance = await hub.held_by(owner, worker)
            await hub.start(instance, "work", range(3))
            while sum(runs.values()) < 3:
                await asyncio.sleep(0.001)
            await worker.abandon()
        async with hub.worker():
            assert sorted((await hub.finished(instance))[0]) == list(range(3))


async def test_shared_ones_survive_any_number_of_workers_that_stop() -> None:
    """A deployment is not the activity's fault, and nobody waits for `activity_keep_ms` for what it interrupts."""
    hub = Hub(long, activity_tries_max=2, drain_ms=1)
    instance = ""
    async with hub.worker(queues=[]) as (owner, _):
        for stops in range(6):
            async with hub.worker() as (worker, _):
                if not instance:
                    instance = await hub.held_by(owner, worker)
                    await hub.start(instance, "long", range(3))
                async with asyncio.timeout(10):
                    while sum(runs.values()) < 3 * (stops + 1):
                        await asyncio.sleep(0.001)
        finish.set()
        async with hub.worker():
            assert sorted((await hub.finished(instance))[0]) == [0, 1, 2]
    assert runs == {0: 7, 1: 7, 2: 7}


@pytest.mark.parametrize("deaths", [0, 1, 2])
async def test_own_ones_do_so_too_though_workers_died_before(deaths: int) -> None:
    hub = Hub(long, lease_ms=100, activity_keep_ms=200, activity_tries_max=3, drain_ms=1)
    await hub.start("a", "long", range(3))
    for ends in range(deaths + 6):
        async with hub.worker() as (worker, _), asyncio.timeout(10):
            while sum(runs.values()) < 3 * (ends + 1):
                await asyncio.sleep(0.001)
            if ends < deaths:
                await kill(worker)
    finish.set()
    async with hub.worker():
        assert sorted((await hub.finished("a"))[0]) == [0, 1, 2]


@pytest.mark.parametrize("answers_after_s", [0, 0.1])
async def test_a_worker_that_waits_goes_on_at_once_with_what_another_one_gives_back(
    monkeypatch: pytest.MonkeyPatch, answers_after_s: float
) -> None:
    """However little time the other one has for what runs: the store may take longer."""
    hub = Hub(long, activity_heartbeat_ms=600_000, drain_ms=1)
    give_back = hub.store.give_back_tasks

    async def give_back_late(*arguments: Any) -> int:
        await asyncio.sleep(answers_after_s)
        return await give_back(*arguments)

    monkeypatch.setattr(hub.store, "give_back_tasks", give_back_late)
    async with hub.worker(queues=[]) as (owner, _), hub.worker() as (first, _):
        instance = await hub.held_by(owner, first)
        await hub.start(instance, "long", range(3))
        async with asyncio.timeout(10):
            while sum(runs.values()) < 3:
                await asyncio.sleep(0.001)
        async with hub.worker() as (second, _):
            await hub.held_by(second)
            finish.set()
            await first.stop()
            assert sorted((await hub.finished(instance))[0]) == [0, 1, 2]
    assert runs == {0: 2, 1: 2, 2: 2}


async def test_failures_come_back() -> None:
    def fail(number: int) -> None:
        raise LookupError(number)

    hub = Hub(fail)
    async with hub.worker():
        await hub.start("a", "fail", range(3))
        assert await hub.finished("a") == [["LookupError"] * 3]


async def kill(worker: Worker) -> None:
    """End a worker as the end of its process does, but that it is not counted among the living any more."""
    await die(worker)
    await worker._store.leave(worker.name)


async def test_one_that_ends_its_workers_is_found_and_fails() -> None:
    async def harmful(number: int) -> None:
        runs[number] += 1
        await asyncio.sleep(60)

    hub = Hub(harmful, lease_ms=100, activity_keep_ms=200, activity_tries_max=2)
    await hub.start("a", "harmful", [1])
    for deaths in (1, 2, 3):  # the first of them is not counted: it may have been anything
        async with hub.worker() as (worker, _):
            while runs[1] < deaths:
                await asyncio.sleep(0.001)
            await kill(worker)
    async with hub.worker():
        assert await hub.finished("a") == [["PoisonActivity"]]
    assert runs[1] == 3
