"""Shared activities: taken as there is room, kept alive, taken over from the dead, completed once."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from support.activity_bench import ActivityBench, settle
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio


async def double(number: int) -> int:
    return number * 2


async def sleep() -> None:
    await asyncio.sleep(10)


async def test_a_shared_activity_is_completed_in_the_store() -> None:
    bench = ActivityBench(double)
    taken = bench.taken("double", 4)
    async with bench.running():
        bench.put(taken)
        await bench.idle()
    assert bench.store.results == {taken.task_id: [3, "i", "x", 1, True, 8, True]}
    assert bench.board.delivered == []


async def test_no_more_are_taken_than_can_begin() -> None:
    bench = ActivityBench(double, sleep, activities_running_max=2)
    async with bench.running():
        bench.grant(bench.task("sleep"))
        bench.put(*(bench.taken("double", number) for number in range(5)))
        await bench.idle_but(1)
    assert {count for what, count in bench.store.asked if what == "take"} == {1}
    assert len(bench.results) == 5


async def test_nothing_is_taken_while_something_waits_here() -> None:
    bench = ActivityBench(double, sleep, activities_running_max=1)
    async with bench.running():
        bench.grant(bench.task("sleep"), bench.task("sleep"))
        bench.put(bench.taken("double", 1))
        await settle()
        assert not any(what == "take" for what, _ in bench.store.asked)


async def test_what_waited_and_is_not_wanted_makes_room() -> None:
    go = threading.Event()

    def plain() -> None:
        go.wait(HANGS_S)

    bench = ActivityBench(double, plain, activity_threads_max=1)
    first, second = bench.task("plain"), bench.task("plain")
    async with bench.running():
        bench.grant(first, second)
        bench.put(bench.taken("double", 1))
        await settle()
        assert bench.results == {}
        bench.unwanted(second)
        await bench.idle_but(1)
        assert bench.results == {3: 2}
        go.set()


async def test_plain_ones_are_taken_as_there_are_threads() -> None:
    def plain() -> None: ...

    bench = ActivityBench(double, plain, activity_threads_max=3)
    async with bench.running():
        await settle()
    assert ("take", 3) in bench.store.asked


async def test_what_runs_is_kept_alive_and_ended_when_nobody_wants_it() -> None:
    bench = ActivityBench(sleep)
    first, second = bench.taken("sleep"), bench.taken("sleep")
    async with bench.running():
        bench.put(first, second)
        await bench.keep()
        assert ("keep", [first.task_id, second.task_id]) in bench.store.asked
        bench.store.unwanted = [first.task_id]
        await bench.keep()
        await bench.keep()
        assert bench.store.asked[-1] == ("keep", [second.task_id])
        assert bench.runner.slots.running == 1
    assert bench.results == {}


async def test_a_commit_that_drops_a_shared_task_ends_it_at_once_if_it_runs_here() -> None:
    bench = ActivityBench(sleep)
    taken = bench.taken("sleep")
    async with bench.running():
        bench.put(taken)
        await settle()
        assert not bench.runner.idle
        bench.runner.unwanted(bench.partition, [taken.task_id])  # type: ignore[arg-type]
        await bench.idle()


async def test_the_tasks_of_dead_workers_are_taken_over() -> None:
    bench = ActivityBench(double)
    async with bench.running():
        await settle()
        bench.store.idle = [bench.taken("double", 5, deliveries=2)]
        await bench.keep()
        await bench.idle()
    assert bench.results == {1: 10}


async def test_a_task_that_this_worker_takes_over_from_itself_runs_once() -> None:
    bench = ActivityBench(sleep)
    taken = bench.taken("sleep")
    async with bench.running():
        bench.put(taken)
        await settle()
        bench.store.idle = [taken]
        await bench.keep()
        assert bench.runner.slots.running == 1


async def test_an_activity_that_ended_too_many_workers_fails() -> None:
    runs: list[int] = []

    async def harmful() -> None:
        runs.append(1)

    bench = ActivityBench(harmful, activity_tries_max=2)
    async with bench.running():
        bench.put(bench.taken("harmful", deliveries=2))
        bench.put(bench.taken("harmful", deliveries=3))
        await bench.idle()
    assert len(runs) == 1
    assert bench.results == {1: None, 2: "PoisonActivity"}
    message = next(result[5]["message"] for result in bench.store.results.values() if not result[4])
    assert message == "2 workers ended while they were running 'harmful'; it is not tried again"


async def test_one_that_nobody_knows_fails() -> None:
    bench = ActivityBench(double)
    async with bench.running():
        bench.put(bench.taken("nothing"))
        await bench.idle()
    assert bench.results == {1: "ActivityNotFound"}


async def test_one_that_another_worker_knows_is_left_to_it_with_its_queue() -> None:
    bench = ActivityBench(double, queues=["", "gpu"])
    bench.board.workers = [bench.view("there", ["rare"], ["gpu"])]
    async with bench.running():
        bench.put(bench.taken("rare", queue="gpu"))
        await settle()
        bench.put(bench.taken("double", 1, queue="gpu"), bench.taken("double", 2))
        await bench.idle()
        assert bench.results == {3: 4}
        assert not any(what == "keep" for what, _ in bench.store.asked)
        bench.store.clock.advance_to(bench.store.clock.now_ms() + 4 * bench.settings.activity_keep_ms)
        bench.put(bench.taken("double", 3))
        await bench.idle()
    assert set(bench.results) == {2, 3, 4}


async def test_a_worker_that_stops_finishes_what_it_took_but_takes_no_more() -> None:
    async def work() -> str:
        await asyncio.sleep(0.01)
        return "done"

    bench = ActivityBench(work)
    async with bench.running():
        bench.put(bench.taken("work"))
        await settle()
        bench.board.stopping = True
    assert bench.results == {1: "done"}


async def test_a_worker_that_dies_completes_nothing_and_gives_nothing_back() -> None:
    bench = ActivityBench(sleep)
    async with bench.running():
        bench.put(bench.taken("sleep"))
        await settle()
    await settle()
    assert bench.runner.slots.running == 0
    assert bench.results == {}
    assert bench.given_back == []


async def test_a_worker_that_stops_gives_back_at_once_what_waits() -> None:
    go = threading.Event()
    began: list[int] = []

    def plain(number: int) -> int:
        began.append(number)
        go.wait(HANGS_S)
        return number

    bench = ActivityBench(plain, activity_threads_max=1)
    first, second = bench.taken("plain", 1), bench.taken("plain", 2)
    async with bench.running():
        bench.put(first, second)
        await settle()
        bench.board.stopping = True
        await bench.give_back()
        assert bench.given_back == [second.task_id]
        go.set()
    assert bench.given_back == [second.task_id]
    assert bench.results == {1: 1}
    assert began == [1]


async def test_a_worker_that_stops_gives_back_what_does_not_end_in_time() -> None:
    bench = ActivityBench(double, sleep, drain_ms=10)
    slow, dropped = bench.taken("sleep"), bench.taken("sleep")
    async with bench.running():
        bench.put(slow, dropped, bench.taken("double", 4))
        await settle()
        bench.runner.unwanted(bench.partition, [dropped.task_id])  # type: ignore[arg-type]
        bench.board.stopping = True
    assert bench.given_back == [slow.task_id], "not what has ended, nor what nobody wants"
    assert bench.results == {3: 8}, "nothing is told of what was cancelled"
    await settle()
    assert bench.runner.slots.running == 0


async def test_own_and_shared_activities_have_one_drain_time_together() -> None:
    """Whoever stops a worker kills it in the end: what it has not given back by then counts as a death."""
    bench = ActivityBench(sleep, drain_ms=600)
    shared = bench.taken("sleep")
    async with bench.running():
        bench.put(shared)
        bench.grant(bench.task("sleep"))
        await settle()
        bench.board.stopping = True
        began = time.monotonic()
        await bench.give_back()
        assert time.monotonic() - began > 0.5, "they may use all of it"
        assert bench.runner._drain_s() == 0, "and nothing of it is left for the shared ones"
        bench.let_go()
        assert bench.given_back == []
    assert bench.given_back == [shared.task_id]


async def test_what_a_worker_that_stops_had_asked_for_goes_back_unbegun() -> None:
    bench = ActivityBench(double)
    taken, retaken = bench.taken("double", 1), bench.taken("double", 2, deliveries=99)
    async with bench.running():
        await settle()
        bench.store.idle = [retaken]
        bench.board.stopping = True
        bench.put(taken)
        await settle()
        assert bench.given_back == [taken.task_id]
    assert bench.store.idle == [retaken], "it takes nothing over any more"
    assert bench.results == {}


async def test_what_is_given_back_is_given_back_until_the_store_answers() -> None:
    bench = ActivityBench(sleep, drain_ms=10)
    taken = bench.taken("sleep")
    async with bench.running():
        bench.put(taken)
        await settle()
        bench.board.stopping = True
        bench.store.lost_answers = 2
    assert bench.given_back == [taken.task_id] * 3


async def test_a_worker_that_stops_does_not_wait_for_ever_for_a_store_that_is_away() -> None:
    bench = ActivityBench(sleep, drain_ms=10)
    async with bench.running():
        bench.put(bench.taken("sleep"))
        await settle()
        bench.board.stopping = True
        bench.store.lost_answers = 1_000_000_000
    assert bench.runner.slots.running == 0


async def test_what_waits_gets_another_chance_when_the_store_is_away_at_first() -> None:
    go = threading.Event()

    def plain() -> None:
        go.wait(HANGS_S)

    bench = ActivityBench(plain, activity_threads_max=1, drain_ms=300)
    first, second = bench.taken("plain"), bench.taken("plain")
    async with bench.running():
        bench.put(first, second)
        await settle()
        bench.board.stopping = True
        bench.store.lost_answers = 1_000_000_000
        await bench.give_back()
        bench.store.lost_answers = 0
        bench.store.asked.clear()
        go.set()
        while bench.runner.slots.running:
            await asyncio.sleep(0.001)
    assert bench.given_back == [second.task_id]


async def test_without_queues_nothing_is_asked() -> None:
    bench = ActivityBench(double, queues=[])
    async with bench.running():
        await settle()
    assert bench.store.asked == []
