"""What a worker does for limits over the hub: it declares what its code says, and lets nothing limited pass without its limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stead.transport import DeclaredLimit, LimitNumbers, TaskLimit
from support.activity_bench import ActivityBench, settle

pytestmark = [pytest.mark.anyio, pytest.mark.hazard(113)]

NUMBERS = LimitNumbers.of(3)
BEHIND = TaskLimit("double", NUMBERS.text, "i")


async def double(number: int) -> int:
    return number * 2


def bench_of(limited: bool = True) -> ActivityBench:
    bench = ActivityBench(double, limits=[DeclaredLimit("", "double", NUMBERS.text)])
    if limited:
        bench.activities["double"].numbers = NUMBERS
    return bench


async def test_its_limits_are_declared_once_and_said_again_to_a_new_server() -> None:
    bench = bench_of()
    async with bench.running():
        await settle()
        assert bench.store.opened == [([DeclaredLimit("", "double", NUMBERS.text)], True)]
        shared = bench.runner._shared
        assert shared is not None
        shared._opened.clear()
        await shared._open([""])
    assert [joining for _, joining in bench.store.opened] == [True, False]


async def test_a_limited_activity_is_never_the_partitions_own() -> None:
    """HAZARDS 113."""
    assert bench_of().runner.route("double", "") == "shared"
    assert bench_of(limited=False).runner.route("double", "") == "own"


async def test_what_has_its_place_runs() -> None:
    bench = bench_of()
    taken = replace(bench.taken("double", 4), limit="double")
    async with bench.running():
        bench.put(taken)
        await bench.idle()
    assert bench.store.results[taken.task_id][-2] == 8
    assert bench.store.behind == {}


async def test_what_came_without_its_limit_goes_behind_it() -> None:
    """It was scheduled by older code, or by a worker that does not know the activity."""
    bench = bench_of()
    taken = bench.taken("double", 4)
    async with bench.running():
        bench.put(taken)
        await bench.idle()
    assert bench.store.behind == {taken.task_id: BEHIND}
    assert bench.store.results == {}


async def test_what_an_earlier_owner_left_goes_behind_it_too() -> None:
    bench = bench_of()
    task = bench.task("double", 4)
    async with bench.running():
        bench.hold(task)
        await bench.idle()
    assert bench.store.behind == {task.task_id: BEHIND}


async def test_what_its_queue_could_not_take_is_shared_before_it_runs() -> None:
    bench = bench_of()
    task = bench.task("double", 4)
    bench.store.own[task.task_id] = task.payload
    async with bench.running():
        bench.grant(task)
        await bench.idle()
    assert bench.store.behind == {task.task_id: BEHIND}


@pytest.mark.parametrize("own", [True, False])
async def test_what_has_no_key_fails(own: bool) -> None:
    bench = bench_of()
    async with bench.running():
        if own:
            bench.hold(bench.task("double"))
        else:
            bench.put(bench.taken("double"))
        await bench.idle()
    [failed] = [args for _, args in bench.board.delivered] if own else bench.store.results.values()
    assert "its key" in str(failed)
    assert bench.store.behind == {}
