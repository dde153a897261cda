"""Where a worker puts activities: what it may run and has room for it runs, the rest goes to others."""

from __future__ import annotations

from support.activity_bench import ActivityBench, settle


async def double(number: int) -> int:
    return number * 2


def plain() -> None: ...


def test_alone_everything_is_its_own() -> None:
    bench = ActivityBench(double, activities_running_max=1)
    assert {bench.runner.route("double", "") for _ in range(10)} == {"own"}
    assert bench.runner.route("double", "gpu") == "shared"
    assert bench.runner.route("triple", "") == "unknown"


def test_with_others_only_so_many_are_kept_here() -> None:
    bench = ActivityBench(double, plain, activities_running_max=2, activity_threads_max=1)
    bench.board.workers = [bench.view("there", ["double", "plain"])]
    assert [bench.runner.route("double", "") for _ in range(6)] == ["own"] * 4 + ["shared"] * 2
    assert [bench.runner.route("plain", "") for _ in range(3)] == ["own"] * 2 + ["shared"]
    bench.board.workers = [bench.view("there", ["double"], ["gpu"])]
    assert {bench.runner.route("double", "") for _ in range(6)} == {"own"}


async def test_what_was_promised_counts_until_it_is_here() -> None:
    bench = ActivityBench(double, activities_running_max=1)
    bench.board.workers = [bench.view("there", ["double"])]
    assert [bench.runner.route("double", "") for _ in range(3)] == ["own", "own", "shared"]
    async with bench.running():
        bench.grant(bench.task("double", 1), bench.task("double", 2))
        assert bench.runner.route("double", "") == "shared"
        await bench.idle()
        assert bench.runner.route("double", "") == "own"


async def test_promises_end_with_a_tenure_and_with_the_next_heartbeat() -> None:
    bench = ActivityBench(double, activities_running_max=1)
    bench.board.workers = [bench.view("there", ["double"])]
    assert [bench.runner.route("double", "") for _ in range(3)] == ["own", "own", "shared"]
    bench.board.workers = [bench.view("there", ["double"])]
    assert [bench.runner.route("double", "") for _ in range(3)] == ["own", "own", "shared"]
    async with bench.running():
        bench.grant(bench.task("double", 1))
        bench.let_go()
        assert bench.runner.route("double", "") == "own"
        await settle()


async def test_left_over_tasks_that_this_worker_may_not_run_go_to_their_queues() -> None:
    bench = ActivityBench(double, queues=["gpu"])
    bench.board.workers = [bench.view("there", ["rare"])]
    rare, lost, here, other = (
        bench.task("rare"),
        bench.task("lost"),
        bench.task("double", 1, queue="gpu"),
        bench.task("double", 2),
    )
    async with bench.running():
        bench.hold(rare, lost, here, other)
        await bench.idle()
    shared = [task for what, tasks in bench.store.asked if what == "share" for task in tasks]
    assert sorted(shared) == [(rare.task_id, ""), (other.task_id, "")]
    assert sorted(bench.given_back) == [rare.task_id, other.task_id], "to share them is not to take them"
    assert bench.answers == {2: "ActivityNotFound", 3: 2}
