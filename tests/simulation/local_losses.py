"""What would go wrong with local activities when their batch is lost, or is written with those of others (see `local_scenarios`)."""

from __future__ import annotations

from simulation.local_flows import CITIES, bench_of, called, come, greet, scenario, steps_of
from stead.transport import CommitVerdict
from support.local_bench import LocalBench

# -- what becomes of a batch -------------------------------------------------------------------------------------------


@scenario
def nothing_is_left_of_a_refused_batch() -> None:
    bench = bench_of()
    bench.start("flow", CITIES)
    come(bench)
    bench.steal(0)
    assert bench.commit() == [CommitVerdict.FENCED]
    assert not bench.log() and not bench.stored_tasks() and not any(bench.jobs.values())
    bench.settle()
    assert bench.record().output == [greet(city) for city in CITIES]
    assert bench.names() == steps_of(5)
    assert len(bench.began) == 10, "at least once"


@scenario
def nothing_is_left_of_a_torn_batch() -> None:
    bench = bench_of()
    bench.start("flow", CITIES)
    come(bench)
    bench.hub.partitions[0].applying = b"torn"
    assert bench.commit() == [CommitVerdict.TORN]
    assert 0 not in bench.held and not bench.log()
    bench.hub.partitions[0].applying = bench.hub.partitions[0].commit_id  # mended by hand
    bench.settle()
    assert bench.names() == steps_of(5)
    assert len(bench.began) == 10


@scenario
def what_was_applied_and_is_sent_again_is_there_once() -> None:
    bench = bench_of()
    bench.start("flow", CITIES)
    come(bench)
    flight = bench.build()
    bench.apply(flight)  # the answer is lost
    bench.land(flight)
    assert flight.answers == [CommitVerdict.ALREADY]
    bench.settle()
    assert bench.names() == steps_of(5)
    assert len(bench.began) == 5


@scenario
def a_death_between_two_steps_loses_what_was_not_committed() -> None:
    bench = bench_of()
    told_by: list[str] = []

    def dies(city: str) -> str:
        told_by.append(city)
        if told_by == ["a", "b"]:
            raise _Death
        return greet(city)

    called.activity = bench.activity("greet", dies)
    bench.start("flow", CITIES)
    bench.read()
    try:
        bench.turn(0)
    except _Death:
        bench.die()
    assert not bench.log()
    bench.settle()
    assert told_by == ["a", "b", *CITIES]
    assert bench.record().output == [greet(city) for city in CITIES]
    assert bench.names() == steps_of(5)


class _Death(BaseException):
    """The process ends here."""


@scenario
def what_ends_its_process_is_stored_the_next_time() -> None:
    bench = bench_of()
    deaths = 0

    def dies(city: str) -> str:
        if city == "e" and not bench.began[-1].stored:
            raise _Death
        return greet(city)

    called.activity = bench.activity("greet", dies)
    bench.start("flow", CITIES)
    while not bench.log() or bench.names()[-1] != "ExecutionCompleted":
        try:
            bench.settle()
        except _Death:
            deaths += 1
            assert deaths == 1, "it comes one step further with each death"
            bench.die()
    assert bench.names() == steps_of(5)


@scenario
def after_a_death_each_is_stored_before_it_begins() -> None:
    bench = bench_of()
    bench.start("flow", CITIES)
    come(bench)
    bench.die()
    before = len(bench.began)
    bench.hold(0)
    assert bench.held[0].suspects.active
    bench.settle()
    assert [began.stored for began in bench.began[before:]][:1] == [True]
    bench.start("flow", ["z"], "later")  # the suspicion is over
    bench.settle()
    assert not bench.began[-1].stored
    assert bench.names() == steps_of(5)


@scenario
def a_turn_that_is_taken_alone_begins_nothing() -> None:
    bench = bench_of()
    bench.start("flow", CITIES)
    bench.read()
    bench.one_turn(0)
    bench.turn(0)
    assert bench.began == []
    bench.commit()
    assert [began.stored for began in bench.began] == [True]


# -- with others of the worker -----------------------------------------------------------------------------------------


def two_instances(bench: LocalBench) -> tuple[str, str]:
    """One that sends an event to another, which waits for it, in another partition; both are in memory."""
    one, other = bench.instance(0), bench.instance(1)
    bench.start("told", None, other)
    bench.settle()
    bench.start("asking", other, one)
    bench.read()
    return one, other


@scenario
def what_was_handed_over_and_its_local_steps_are_written_together() -> None:
    bench = bench_of(2)
    one, other = two_instances(bench)
    bench.turn(0)
    bench.turn(1)
    assert bench.held[0].linked == [1]
    assert len(bench.began) == 1
    assert len(bench.commit()) == 2
    assert bench.record(other).output == "hello a"
    assert "EventSent" in bench.names(one)


@scenario
def what_was_handed_over_is_lost_with_who_sent_it() -> None:
    bench = bench_of(2)
    _, other = two_instances(bench)
    bench.turn(0)
    bench.turn(1)
    bench.steal(0)
    assert set(bench.commit()) == {CommitVerdict.FENCED, CommitVerdict.VOID}
    assert bench.record(other).status.value == "Running"
    assert "TaskScheduled" not in bench.names(other)
    bench.settle()
    assert bench.record(other).output == "hello a"
    assert bench.names(other).count("TaskScheduled") == 1
    assert len(bench.began) == 2


@scenario
def what_an_activity_sends_comes_before_what_follows_it() -> None:
    bench = bench_of(2)
    entity = bench.target(1)
    bench.ready(entity)
    key = entity.removeprefix("@list@")

    def puts(_: str) -> str:
        bench.put(entity, "first")
        return "put"

    called.activity = bench.activity("greet", puts)
    one = bench.instance(0)
    bench.start("telling", key, one)
    come(bench)
    bench.settle()
    assert bench.state(entity) == ["first", "second"]
