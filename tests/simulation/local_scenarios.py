"""What would go wrong with activities that begin before their commit, case by case, on the bench of `local_bench`: within a batch.

Each scenario ends with what everybody can see: the output and the history of an instance, how often an activity began, and whether
the store had it by then. `test_local_scenarios.py` runs them all, and breaks the rule of each (`local_breaks`) to see that it is seen.
"""

from __future__ import annotations

import contextlib

from simulation.local_flows import (
    CITIES,
    bench_of,
    called,
    come,
    greet,
    greeting,
    scenario,
    steps_of,
    taking,
    waiting_for_its_end,
)

# -- within a batch ----------------------------------------------------------------------------------------------------


@scenario
def five_steps_are_one_commit() -> None:
    bench = bench_of()
    bench.start("flow", CITIES)
    come(bench)
    bench.commit()
    assert len(bench.commits) == 1
    assert not bench.commits[0].tasks and not bench.commits[0].dropped
    assert bench.record().output == [greet(city) for city in CITIES]
    assert [began.stored for began in bench.began] == [False] * 5
    bench.settle()
    assert len(bench.began) == 5
    assert bench.names() == steps_of(5)
    assert not bench.stored_tasks() and not any(bench.jobs.values())


@scenario
def a_history_is_as_that_of_ordinary_ones() -> None:
    logs: list[list[bytes]] = []
    for local in (True, False):
        bench = bench_of()
        greeting(bench, local=local)
        bench.start("flow", CITIES)
        bench.settle()
        assert {began.stored for began in bench.began} == {not local}
        logs.append(bench.log())
    assert logs[0] == logs[1]


@scenario
def an_ordinary_one_begins_when_it_is_stored() -> None:
    bench = bench_of()
    called.other = bench.activity("pay", greet, local=False)
    bench.start("both", "a")
    come(bench)
    assert [began.name for began in bench.began] == ["greet"]
    bench.settle()
    assert [(began.name, began.stored) for began in bench.began] == [("greet", False), ("pay", True)]
    assert bench.record().output == ["hello a"] * 2


@scenario
def all_at_once_are_one_commit() -> None:
    bench = bench_of()
    bench.start("together", 7)
    come(bench)
    bench.commit()
    assert bench.record().output == [greet(str(number)) for number in range(7)]
    assert len(bench.commits) == 1


@scenario
def what_goes_on_as_new_goes_on_in_the_batch() -> None:
    bench = bench_of()
    bench.start("rounds", 3)
    come(bench)
    bench.commit()
    assert bench.record().output == "hello 0"
    assert bench.names() == steps_of(1)
    assert len(bench.commits) == 1 and not bench.stored_tasks()


@scenario
def one_comes_to_its_end_before_the_next_begins() -> None:
    bench = bench_of()
    bench.stop_at = 0.009
    taking(bench, 0.0003)
    for number in range(10):
        bench.start("flow", CITIES, f"i{number}")
    bench.read()
    bench.turn(0)
    bench.commit()
    done = [each for each in range(10) if bench.names(f"i{each}")[-1:] == ["ExecutionCompleted"]]
    assert len(done) >= 3, "the time was spent on beginning all of them"


@scenario
def one_without_end_leaves_time_to_its_neighbours() -> None:
    bench = bench_of()
    bench.stop_at = 0.020
    taking(bench, 0.001)
    bench.start("flow", ["x"] * 100, "long")
    bench.start("flow", ["y"], "short")
    bench.read()
    bench.turn(0)
    bench.commit()
    assert bench.record("short").output == ["hello y"]
    assert bench.record("long").status.value == "Running"


@scenario
def what_goes_wrong_as_one_begins_is_no_turns_fault() -> None:
    bench = bench_of()
    bench.start("flow", CITIES)
    bench.read()

    def fails(city: str) -> str:
        raise RuntimeError(city)

    called.activity = bench.activity("greet", fails)
    with contextlib.suppress(RuntimeError):
        bench.turn(0)
    assert not bench.held[0].blamed, "the start would fail when it is taken anew"


@scenario
def what_an_activity_takes_is_not_its_orchestrations() -> None:
    bench = bench_of()
    bench.elapsed_s = 1.0
    taking(bench, 0.0003)
    bench.start("flow", CITIES)
    bench.read()
    bench.turn(0)
    assert len(bench.began) == len(CITIES)
    assert bench.measures.meter("turn", "flow").total < 0.0001


# -- when there is no time, or no room ---------------------------------------------------------------------------------


@scenario
def when_the_time_is_over_the_rest_are_ordinary_ones() -> None:
    bench = bench_of()
    bench.stop_at = 0.003
    taking(bench, 0.002)
    bench.start("flow", CITIES)
    bench.read()
    bench.turn(0)
    assert len(bench.began) == 2
    assert len(bench.build().commits[0].tasks) == 1
    bench = bench_of()
    bench.stop_at = 0.003
    taking(bench, 0.002)
    bench.start("flow", CITIES)
    bench.read()
    bench.turn(0)
    bench.commit()
    assert [began.stored for began in bench.began] == [False, False, True]
    bench.stop_at = float("inf")
    bench.settle()
    assert bench.names() == steps_of(5)
    assert len(bench.began) == 5


@scenario
def many_at_once_stop_when_the_time_is_over() -> None:
    bench = bench_of()
    bench.stop_at = 0.020
    taking(bench, 0.001)
    bench.start("together", 200)
    bench.read()
    bench.turn(0)
    assert bench.elapsed_s < 0.050, "they have held the worker"
    bench.stop_at = float("inf")
    bench.settle()
    assert len(bench.began) == 200
    assert len(bench.record().output) == 200


@scenario
def when_a_commit_is_full_the_rest_are_ordinary_ones() -> None:
    bench = bench_of(batch_length_max=6)
    bench.start("flow", CITIES)
    bench.settle()
    assert bench.record().output == [greet(city) for city in CITIES]
    assert bench.names() == steps_of(5)
    assert len(bench.began) == 5
    assert any(began.stored for began in bench.began) and not all(began.stored for began in bench.began)


# -- what waits --------------------------------------------------------------------------------------------------------


@scenario
def what_waits_is_stored_and_does_not_begin_again() -> None:
    bench = bench_of()
    waiting_for_its_end(bench)
    bench.start("waiting", "a")
    come(bench)
    bench.commit()
    assert len(bench.stored_tasks()) == 1
    assert bench.began == [("greet", 1, False)]
    bench.end_activity("greet", "late")
    bench.tell("one", "event", "go", None)
    bench.settle()
    assert bench.record().output == "late"
    assert len(bench.began) == 1
    assert not bench.stored_tasks() and not any(bench.jobs.values())


@scenario
def what_ends_before_its_commit_is_built_is_never_a_task() -> None:
    bench = bench_of()
    waiting_for_its_end(bench)
    bench.start("flow", ["a"])
    come(bench)
    bench.end_activity("greet", "soon")
    bench.turns()
    bench.commit()
    assert not bench.commits[0].tasks
    assert bench.record().output == ["soon"]
    assert not any(bench.jobs.values()), "whoever ran it was not told"
    bench.settle()
    assert len(bench.began) == 1 and bench.names() == steps_of(1)


@scenario
def what_ends_while_its_commit_is_in_flight_is_recorded_once() -> None:
    bench = bench_of()
    waiting_for_its_end(bench)
    bench.start("flow", ["a"])
    come(bench)
    flight = bench.build()
    bench.end_activity("greet", "soon")
    bench.turns()
    bench.land(flight)
    bench.settle()
    assert bench.record().output == ["soon"]
    assert len(bench.began) == 1 and bench.names() == steps_of(1)
    assert not bench.stored_tasks() and not any(bench.jobs.values())


@scenario
def an_answer_that_waits_for_room_is_not_begun_again() -> None:
    bench = bench_of(batch_length_max=5)
    waiting_for_its_end(bench)
    bench.start("flow", ["a"])
    come(bench)
    for number in range(4):
        bench.start("told", None, f"other{number}")
    come(bench)  # the commit is full now
    assert bench.held[0].slice.full
    bench.end_activity("greet", "soon")
    bench.settle()
    assert bench.record().output == ["soon"]
    assert len(bench.began) == 1 and bench.names() == steps_of(1)


@scenario
def one_that_nobody_wants_any_more_is_told_so() -> None:
    bench = bench_of()
    waiting_for_its_end(bench)
    bench.start("waiting", "a")
    come(bench)
    bench.tell("one", "terminate", "enough", False)
    come(bench)
    bench.commit()
    assert not bench.commits[0].tasks
    assert not any(bench.jobs.values()), "it would go on for nobody"
    bench.settle()
    assert bench.record().status.value == "Terminated"


@scenario
def what_ends_in_the_turn_that_began_it_runs_nothing() -> None:
    bench = bench_of()
    bench.start("waiting", "a")
    bench.tell("one", "terminate", "enough", False)
    bench.settle()
    assert bench.record().status.value == "Terminated"
    assert bench.began == []


@scenario
def a_suspended_one_keeps_the_answer() -> None:
    bench = bench_of()
    bench.start("flow", ["a", "b"])
    bench.tell("one", "suspend", "wait")
    come(bench)
    bench.commit()
    assert bench.record().status.value == "Suspended"
    assert len(bench.began) == 1 and "TaskCompleted" in bench.names()
    bench.tell("one", "resume", "go on")
    bench.settle()
    assert bench.record().output == ["hello a", "hello b"]
    assert len(bench.began) == 2
