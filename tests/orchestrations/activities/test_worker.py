"""Activities in real workers over a store in memory, for instances of the simplest kind that schedules any."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import Any

import pytest

from stead.entities import Worker
from stead.orchestrations._activities.runner import ActivityRunner
from support.activity_hub import ONE, Hub
from support.dying_worker import die
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio

# What dies is noticed within a moment.
SOON_GONE = {"lease_ms": 600, "activity_keep_ms": 200}

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

            runner.slots.intercept = count
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

        here.slots.intercept = partial(note, "here")
        there.slots.intercept = partial(note, "there")
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
                async with asyncio.timeout(HANGS_S):
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
        async with hub.worker() as (worker, _), asyncio.timeout(HANGS_S):
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
        async with asyncio.timeout(HANGS_S):
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
