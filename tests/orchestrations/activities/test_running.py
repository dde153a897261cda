"""Own activities: run as soon as their commit is in the store, within limits, and never for a tenure that has ended."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import time
from types import FrameType
from typing import Any

import pytest

from stead.orchestrations._activities.context import ActivityContext, activity_context
from support.activity_bench import ActivityBench, settle
from support.guards import HANGS_S

pytestmark = pytest.mark.anyio


class Hopeless(Exception):
    non_retriable = True


async def double(number: int) -> int:
    return number * 2


def thread_name(_: Any = None) -> str:
    return threading.current_thread().name


async def test_a_granted_activity_answers_its_instance() -> None:
    bench = ActivityBench(double)
    async with bench.running():
        bench.grant(bench.task("double", 21))
        await bench.idle()
    assert bench.board.delivered == [("i", ["x", 1, True, 42])]
    assert [what for what, _ in bench.store.asked] == ["open", "take"]  # and nothing for the activity


async def test_a_plain_one_runs_in_a_thread_with_what_was_set_where_the_worker_was_made() -> None:
    variable = contextvars.ContextVar[str]("variable")

    def look() -> list[str]:
        return [variable.get(), thread_name()]

    variable.set("seen")
    bench = ActivityBench(look)
    async with bench.running():
        variable.set("set later")
        bench.grant(bench.task("look"))
        await bench.idle()
    assert bench.answers[1][0] == "seen"
    assert bench.answers[1][1].startswith("stead-activity")


async def test_activities_see_nothing_of_one_another() -> None:
    variable = contextvars.ContextVar[int]("variable", default=0)

    async def look(number: int) -> int:
        before = variable.get()
        variable.set(number)
        return before

    bench = ActivityBench(look, activities_running_max=1)
    async with bench.running():
        bench.grant(*(bench.task("look", number) for number in (1, 2, 3)))
        await bench.idle()
    assert bench.answers == {1: 0, 2: 0, 3: 0}


async def test_threads_are_used_again_and_end_with_the_worker() -> None:
    def before() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name.startswith("stead-activity")}

    others = before()
    bench = ActivityBench(thread_name, activity_threads_max=4)
    async with bench.running():
        for _ in range(5):
            bench.grant(*(bench.task("thread_name") for _ in range(2)))
            await bench.idle()
        assert len(before() - others) <= 2
    async with asyncio.timeout(HANGS_S):
        while before() - others:
            await asyncio.sleep(0.001)


async def test_failures_of_every_kind_are_answers() -> None:
    async def fail(how: str) -> object:
        match how:
            case "error":
                raise ValueError(how)
            case "never again":
                raise Hopeless(how)
            case "cancel":
                raise asyncio.CancelledError
            case "cancel me":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(1)
            case "exit":
                sys.exit(3)
            case "large":
                return "x" * 2_000
            case _:
                return object()
        return None

    ways = ["error", "never again", "cancel", "cancel me", "exit", "large", "unstorable"]
    bench = ActivityBench(fail, payload_bytes_max=1_024)
    async with bench.running():
        bench.grant(*(bench.task("fail", how) for how in ways))
        await bench.idle()
    failures = {args[1]: args[3] for _, args in bench.board.delivered}
    types = [failures[number]["type"] for number in range(1, len(ways) + 1)]
    assert types[0] == "ValueError"
    assert failures[2]["kind"] == "non_retriable"
    assert types[2:5] == ["asyncio.exceptions.CancelledError"] * 2 + ["SystemExit"]
    assert types[5].endswith("PayloadTooLarge")
    assert types[6].endswith("InvalidInput")


async def test_a_plain_ones_exit_and_stop_iteration_are_failures_too() -> None:
    def leave() -> None:
        sys.exit(1)

    def stop() -> None:
        raise StopIteration

    bench = ActivityBench(leave, stop)
    async with bench.running():
        bench.grant(bench.task("leave"), bench.task("stop"))
        await bench.idle()
    assert bench.answers == {1: "SystemExit", 2: "StopIteration"}


def interrupt() -> None:
    raise KeyboardInterrupt


async def interrupt_softly() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("activity", [interrupt, interrupt_softly])
def test_an_interrupt_is_nobodys_failure(activity: Any) -> None:
    benches: list[ActivityBench] = []

    async def main() -> None:
        benches.append(bench := ActivityBench(activity))
        bench.grant(bench.task(activity.__name__))
        await asyncio.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert [type(failure) for failure in benches[0].board.failures] == [KeyboardInterrupt], "the worker ends with it"


async def test_no_more_run_than_may_and_the_rest_in_order() -> None:
    running: list[int] = []
    most = 0
    begun: list[int] = []

    async def work(number: int) -> None:
        nonlocal most
        running.append(number)
        begun.append(number)
        most = max(most, len(running))
        await asyncio.sleep(0.001)
        running.remove(number)

    bench = ActivityBench(work, activities_running_max=3)
    async with bench.running():
        bench.grant(*(bench.task("work", number) for number in range(10)))
        assert not bench.runner.idle
        await bench.idle()
    assert most == 3
    assert begun == list(range(10))
    assert len(bench.answers) == 10


async def test_plain_ones_that_wait_for_a_thread_do_not_hold_up_the_others() -> None:
    go = threading.Event()
    both = threading.Event()
    running = 0
    most = 0
    lock = threading.Lock()

    def wait() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if most == 2:
            both.set()
        go.wait(HANGS_S)
        with lock:
            running -= 1

    bench = ActivityBench(wait, double, activity_threads_max=2)
    async with bench.running():
        bench.grant(*(bench.task("wait") for _ in range(5)), bench.task("double", 1))
        await settle()
        assert bench.answers == {6: 2}
        assert await asyncio.to_thread(both.wait, 5)  # a thread begins when the machine lets it
        go.set()
        await bench.idle()
    assert most == 2
    assert len(bench.answers) == 6


async def test_an_activity_knows_who_waits_for_it() -> None:
    seen: list[ActivityContext] = []

    async def look() -> None:
        await asyncio.sleep(0)
        seen.append(activity_context())

    bench = ActivityBench(look)
    async with bench.running():
        bench.grant(bench.task("look"))
        await bench.idle()
    context = seen[0]
    assert (context.name, context.instance_id, context.execution_id, context.task_id) == ("look", "i", "x", 1)
    assert (context.attempt, context.cancelled) == (1, False)
    with pytest.raises(RuntimeError, match="running activity"):
        activity_context()


async def test_what_is_unwanted_is_cancelled_or_thrown_away() -> None:
    ended: list[str] = []
    begun, go, asleep = threading.Event(), threading.Event(), asyncio.Event()

    async def sleep() -> None:
        asleep.set()
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    def busy() -> None:
        context = activity_context()
        begun.set()
        while not context.cancelled:
            time.sleep(0.001)
        ended.append("looked")
        go.set()

    bench = ActivityBench(sleep, busy, double, activities_running_max=2)
    tasks = [bench.task("sleep"), bench.task("busy"), bench.task("double", 1)]
    async with bench.running():
        bench.grant(*tasks)
        await asleep.wait()
        assert await asyncio.to_thread(begun.wait, 5)
        bench.unwanted(*tasks)
        await bench.idle()
        assert await asyncio.to_thread(go.wait, 5)
        await asyncio.sleep(0.01)
        assert bench.runner.slots.running == 0
    assert sorted(ended) == ["cancelled", "looked"]
    assert bench.answers == {}


async def test_one_dropped_before_its_first_step_never_begins_and_frees_its_slot() -> None:
    begun: list[int] = []

    async def work(number: int) -> None:
        begun.append(number)

    bench = ActivityBench(work, activities_running_max=1)
    first, second = bench.task("work", 1), bench.task("work", 2)
    async with bench.running():
        bench.grant(first, second)
        bench.unwanted(first)
        await bench.idle()
    assert begun == [2]


async def test_a_recorded_result_is_forgotten() -> None:
    bench = ActivityBench(double)
    task = bench.task("double", 1)
    async with bench.running():
        bench.grant(task)
        await bench.idle()
        bench.grant(task)  # as when the tasks are read and granted too
        await bench.idle()
        assert len(bench.board.delivered) == 1
        bench.unwanted(task)
        await bench.give_back()
    assert bench.store.results == {}


async def test_an_interceptor_has_another_call_made() -> None:
    bench = ActivityBench(double, thread_name)

    def fail() -> None:
        raise OSError("no")

    bench.runner.slots.intercept = lambda name, call: fail if name == "double" else call
    async with bench.running():
        bench.grant(bench.task("double", 1), bench.task("thread_name"))
        await bench.idle()
    assert bench.answers[1] == "OSError"
    assert bench.answers[2].startswith("stead-activity")


async def test_ten_times_the_activities_are_ten_times_the_work() -> None:
    few, many = await calls_for(300), await calls_for(3_000)
    assert many < 20 * few  # what went through all of them for each would be a hundred times it


async def calls_for(count: int) -> int:
    """How many of stead's own functions are called, or go on, for so many activities at once."""
    bench = ActivityBench(double)
    tasks = [bench.task("double", number) for number in range(count)]
    calls = 0

    def note(frame: FrameType, what: str, _: object) -> None:
        nonlocal calls
        calls += what == "call" and str(frame.f_globals.get("__name__")).startswith("stead.")

    async with bench.running():
        sys.setprofile(note)
        try:
            bench.grant(*tasks)
            await bench.idle()
        finally:
            sys.setprofile(None)
        bench.unwanted(*tasks)
    assert len(bench.answers) == count
    return calls
