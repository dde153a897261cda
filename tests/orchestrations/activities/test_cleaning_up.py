"""Activities that are told to end while somebody waits for that: they clean up, once, and their outcome counts."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from stead.orchestrations._activities.context import activity_context
from support.activity_bench import ActivityBench, settle
from support.guards import HANGS_S

pytestmark = [pytest.mark.anyio, pytest.mark.hazard(113)]

CANCELLED = "asyncio.exceptions.CancelledError"


class Cleaning:
    """An activity that cleans up as long as `go` is not set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.told = 0
        self.begun: list[str] = []

    async def work(self, how: str = "raises") -> str:
        self.begun.append(how)
        if how == "says":
            activity_context().heartbeat("at work")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.told += 1
            await self.go.wait()
            if how == "returns":
                return "all the same"
            if how == "fails":
                raise ValueError("it is not clean") from None
            raise
        return "never"


@pytest.mark.parametrize(
    ("how", "answer"), [("raises", CANCELLED), ("returns", "all the same"), ("fails", "ValueError")]
)
async def test_its_outcome_comes_when_it_has_cleaned_up(how: str, answer: str) -> None:
    cleaning = Cleaning()
    bench = ActivityBench(cleaning.work)
    async with bench.running():
        bench.grant(task := bench.task("work", how))
        await settle()
        bench.end_tasks(task)
        bench.end_tasks(task)
        await settle()
        assert cleaning.told == 1 and bench.answers == {}
        assert not bench.runner.idle
        cleaning.go.set()
        await bench.idle()
    assert bench.answers == {1: answer}


async def test_what_waits_for_a_slot_or_was_not_reached_does_not_begin() -> None:
    cleaning = Cleaning()
    bench = ActivityBench(cleaning.work, activities_running_max=2)
    async with bench.running():
        first, second, third = (bench.task("work") for _ in range(3))
        bench.grant(first, second, third)
        bench.end_tasks(second, third)  # the one has a slot, the other has none
        await settle()
        assert bench.answers == {2: CANCELLED, 3: CANCELLED}
        assert len(cleaning.begun) == 1
        bench.end_tasks(first)
        cleaning.go.set()
        await bench.idle()
        assert bench.runner.slots.running == bench.runner.slots.waiting == 0
    assert bench.answers[1] == CANCELLED


async def test_a_plain_one_sees_it_and_its_thread_is_free_when_it_has_ended() -> None:
    began, over = threading.Event(), threading.Event()

    def plain(number: int) -> int:
        context = activity_context()
        began.set()
        while number == 1 and not context.cancelled:
            over.wait(0.005)
        return number

    bench = ActivityBench(plain, activity_threads_max=1)
    async with bench.running():
        bench.grant(task := bench.task("plain", 1), bench.task("plain", 2))
        await asyncio.to_thread(began.wait, HANGS_S)
        bench.end_tasks(task)
        await bench.idle()
    assert bench.answers == {1: 1, 2: 2}


async def test_one_that_takes_too_long_for_it_has_taken_too_long() -> None:
    cleaning = Cleaning()
    bench = ActivityBench(cleaning.work)
    async with bench.running():
        bench.grant(task := bench.task("work", timeout_ms=50))
        await settle()
        bench.end_tasks(task)
        bench.store.clock.advance_to(bench.store.clock.now_ms() + 60)
        await bench.idle()
    assert bench.answers == {1: "TimeoutError"}


async def test_a_new_owner_answers_for_those_whose_worker_has_gone() -> None:
    bench = ActivityBench(Cleaning().work)
    async with bench.running():
        bench.hold(replace(bench.task("work"), payload=b""))
        await bench.idle()
    assert bench.answers == {1: CANCELLED}


async def test_a_shared_one_hears_of_it_when_its_worker_says_that_it_runs() -> None:
    cleaning = Cleaning()
    bench = ActivityBench(cleaning.work)
    async with bench.running():
        bench.put(taken := bench.taken("work", "returns"))
        await settle()
        bench.store.ending = [taken.task_id]
        await bench.keep()
        assert cleaning.told == 1 and bench.results == {}
        bench.store.ending = [taken.task_id]  # as long as it has not ended
        await bench.keep()
        cleaning.go.set()
        await bench.idle()
    assert cleaning.told == 1
    assert bench.results == {1: "all the same"}


async def test_whoever_takes_over_a_shared_one_answers_for_it() -> None:
    cleaning = Cleaning()
    bench = ActivityBench(cleaning.work)
    async with bench.running():
        bench.put(replace(bench.taken("work"), payload=b"", deliveries=2))
        await bench.idle()
    assert bench.results == {1: CANCELLED}
    assert cleaning.begun == []


async def test_what_a_shared_ones_heartbeat_says_is_told_with_the_next_sign_of_life_of_its_worker() -> None:
    cleaning = Cleaning()
    bench = ActivityBench(cleaning.work)
    async with bench.running():
        bench.put(bench.taken("work", "says"))
        await settle()
        assert bench.store.said == []
        await bench.keep()
        await bench.keep()
        assert [args[1:] for args in bench.store.said] == [[1, "at work"]], "once"
        cleaning.go.set()
