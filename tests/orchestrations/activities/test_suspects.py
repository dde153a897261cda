"""An activity that ends its workers is found, fails, and takes no other one with it."""

from __future__ import annotations

import asyncio

import pytest

from support.activity_bench import ActivityBench, FakeSuspects, settle

pytestmark = pytest.mark.anyio


async def test_after_a_clean_end_nothing_is_marked() -> None:
    async def work() -> None: ...

    bench = ActivityBench(work)
    async with bench.running():
        bench.hold(bench.task("work"), bench.task("work"))
        await bench.idle()
    assert not any(what == "mark" for what, _ in bench.store.asked)
    assert len(bench.answers) == 2


async def test_after_one_unclean_end_each_is_marked_but_they_run_together() -> None:
    together = asyncio.Barrier(3)

    async def work() -> None:
        await together.wait()

    bench = ActivityBench(work)
    tasks = [bench.task("work") for _ in range(3)]
    bench.partition.suspects = FakeSuspects(active=True)
    async with bench.running():
        bench.hold(*tasks)
        await bench.idle()
    assert [key for what, key in bench.store.asked if what == "mark"] == [task.task_id for task in tasks]
    assert len(bench.answers) == 3


@pytest.mark.parametrize("careful", [True, False])
async def test_after_more_they_run_one_at_a_time(careful: bool) -> None:
    running = most = 0

    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    bench = ActivityBench(work)
    tasks = [bench.task("work") for _ in range(3)]
    bench.partition.suspects = FakeSuspects(active=True, careful=careful)
    if not careful:
        bench.store.tries = {task.task_id: 1 for task in tasks}  # a worker died with them once
    async with bench.running():
        bench.hold(*tasks)
        new = bench.task("work")
        await settle()
        bench.grant(new)  # what came later is not under suspicion
        await bench.idle()
    assert len(bench.answers) == 4
    assert most == 2


async def test_one_that_ended_too_many_fails_without_running() -> None:
    runs: list[str] = []

    async def work(name: str) -> None:
        runs.append(name)

    bench = ActivityBench(work, activity_tries_max=3)
    harmful, harmless, gone = (bench.task("work", name) for name in ("harmful", "harmless", "gone"))
    bench.store.tries = {harmful.task_id: 3}
    bench.store.gone = {gone.task_id}
    bench.partition.suspects = FakeSuspects(active=True, careful=True)
    async with bench.running():
        bench.hold(harmful, harmless, gone)
        await bench.idle()
    assert runs == ["harmless"]
    assert bench.answers == {1: "PoisonActivity", 2: None}


async def test_a_suspect_that_takes_long_does_not_hold_up_the_others_for_ever() -> None:
    async def work(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    bench = ActivityBench(work, activity_keep_ms=20)
    bench.partition.suspects = FakeSuspects(active=True, careful=True)
    async with bench.running():
        bench.hold(bench.task("work", 10), bench.task("work", 0))
        async with asyncio.timeout(10):
            while not bench.answers:
                await asyncio.sleep(0.001)
        assert bench.answers == {2: 0}


async def test_suspects_of_a_tenure_that_ended_do_not_run() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    bench = ActivityBench(work)
    bench.partition.suspects = FakeSuspects(active=True, careful=True)
    async with bench.running():
        bench.hold(*(bench.task("work") for _ in range(3)))
        await settle()
        bench.let_go()
        await bench.idle()
    assert sum(what == "mark" for what, _ in bench.store.asked) == 1
