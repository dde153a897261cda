"""An activity that ends its workers is found, fails, and takes no other one with it."""

from __future__ import annotations

import asyncio

import pytest

from stead.entities._partition.waking import Deaths
from stead.transport import Running, pack
from support.activity_bench import ActivityBench, FakeSuspects, settle
from support.guards import HANGS_S

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


async def test_the_next_one_waits_until_the_result_is_in_the_store() -> None:
    """Else it would end the worker before that, and the one before would be counted as well, until it fails for nothing."""
    runs: list[str] = []

    async def work(name: str) -> str:
        runs.append(name)
        return name

    bench = ActivityBench(work)
    harmless, harmful = bench.task("work", "harmless"), bench.task("work", "harmful")
    bench.store.tries = {harmless.task_id: 1, harmful.task_id: 1}
    bench.partition.suspects = FakeSuspects(active=True)
    bench.board.settles = False
    async with bench.running():
        bench.hold(harmless, harmful)
        await settle()
        assert runs == ["harmless"] and bench.answers == {1: "harmless"}
        bench.unwanted(harmless)
        await settle()
        assert runs == ["harmless", "harmful"]
        bench.let_go()
        await bench.idle()


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
        async with asyncio.timeout(HANGS_S):
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


@pytest.mark.hazard(20)
@pytest.mark.parametrize("active", [True, False])
async def test_what_those_give_that_were_there_when_an_owner_died_is_said_to_be_suspicious(active: bool) -> None:
    async def work() -> None: ...

    bench = ActivityBench(work)
    bench.partition.suspects = FakeSuspects(active=active)
    async with bench.running():
        bench.hold(bench.task("work"))
        await bench.idle()
        bench.grant(bench.task("work"))
        await bench.idle()
    assert len(bench.board.delivered) == 2
    assert bench.board.suspicious == ["i"] * active


@pytest.mark.hazard(20)
async def test_an_activity_is_not_blamed_for_the_turn_that_its_result_brought_about() -> None:
    async def work() -> None: ...

    bench = ActivityBench(work, activity_tries_max=3)
    bench.partition.suspects = FakeSuspects(active=True, careful=True)
    bench.partition.deaths = Deaths(b"", Running("!waking 0a i", b"0-0", 2))
    task = bench.task("work")
    bench.store.tries = {task.task_id: 3}
    async with bench.running():
        bench.hold(task)
        await bench.idle()
    assert not any(what == "mark" for what, _ in bench.store.asked)
    assert bench.answers == {1: None}


@pytest.mark.hazard(20)
async def test_activities_of_an_instance_that_waits_because_it_kills_are_left_to_others() -> None:
    ran: list[str] = []

    async def work(name: str) -> None:
        ran.append(name)

    bench = ActivityBench(work)
    bench.partition.alone = {"i"}
    async with bench.running():
        bench.hold(bench.task("work", "of no use"))
        await bench.idle()
        await bench.give_back()
    assert (ran, bench.board.delivered, bench.store.results) == ([], [], {})


@pytest.mark.hazard(20)
async def test_deaths_are_forgiven_when_all_that_was_left_is_recorded() -> None:
    async def work() -> None: ...

    bench = ActivityBench(work)
    bench.partition.suspects = FakeSuspects(active=True)
    bench.partition.deaths = Deaths(pack({"i": 2, "no task of it": 1}), None)
    bench.board.settles = False
    first, second = bench.task("work"), bench.task("work")
    async with bench.running():
        bench.hold(first, second)
        await bench.idle()
        assert bench.partition.deaths.targets == ["i"]  # no other has anything that could wake it
        assert bench.board.woken == 1
        bench.unwanted(first)
        assert bench.partition.deaths.targets == ["i"]
        bench.unwanted(second)
    assert bench.partition.deaths.targets == []
    assert bench.board.woken == 2
