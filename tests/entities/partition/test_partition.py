"""A partition's tenure: what it received, who takes turns, what is committed (no I/O, no event loop)."""

from __future__ import annotations

import pytest

from stead.transport import Commit, CommitVerdict, Loaded
from support.core_bench import Bench

A, B = "@list@a", "@list@b"


@pytest.mark.invariant(4)
def test_messages_of_a_target_run_in_the_order_of_their_arrival() -> None:
    bench = Bench()
    for number in range(5):
        bench.put(A, number)
        bench.put(B, number)
    bench.work(bench.acquire())
    assert bench.state(A) == bench.state(B) == [0, 1, 2, 3, 4]


def test_a_commit_takes_its_messages_out_of_the_inbox() -> None:
    bench = Bench()
    first, second = bench.put(A, 1), bench.put(A, 2)
    partition = bench.acquire()
    bench.deliver(partition)
    bench.turn(partition)
    commit = bench.commit(partition)
    assert list(commit.consumed) == [first, second]
    assert not bench.store.inbox


@pytest.mark.invariant(2)
def test_nothing_is_visible_before_the_commit() -> None:
    bench = Bench()
    bench.put(A, 1, B, operation="tell")
    partition = bench.acquire()
    bench.deliver(partition)
    bench.turn(partition)
    assert not bench.store.records
    assert len(bench.store.inbox) == 1  # what it told is not there yet, and what it was told still is
    commit = partition.next_commit()
    assert not bench.store.records
    bench.apply(commit)
    assert bench.state(A) == [1]
    assert len(bench.store.inbox) == 1


def test_turns_that_end_while_a_commit_is_in_flight_go_into_the_next_one() -> None:
    bench = Bench()
    bench.put(A, 1)
    partition = bench.acquire()
    bench.deliver(partition)
    bench.turn(partition)
    first = partition.next_commit()
    for number in (2, 3, 4):
        bench.put(A, number)
        bench.deliver(partition)
        bench.turn(partition)
        assert not partition.wants_commit  # one at a time
    bench.apply(first)
    assert bench.state(A) == [1]
    partition.committed()
    second = bench.commit(partition)
    assert len(second.consumed) == 3
    assert second.previous == first.commit_id
    assert bench.state(A) == [1, 2, 3, 4]


@pytest.mark.hazard(7)
def test_two_commits_in_flight_are_refused() -> None:
    bench = Bench()
    bench.put(A, 1)
    partition = bench.acquire()
    bench.deliver(partition)
    bench.turn(partition)
    partition.next_commit()
    with pytest.raises(AssertionError, match="one commit at a time"):
        partition.next_commit()


@pytest.mark.invariant(1)
def test_a_commit_sent_again_changes_nothing() -> None:
    bench = Bench()
    bench.put(A, 1, A, operation="tell")
    partition = bench.acquire()
    bench.deliver(partition)
    bench.turn(partition)
    commit = partition.next_commit()
    assert bench.apply(commit) is CommitVerdict.APPLIED
    assert bench.apply(commit) is CommitVerdict.ALREADY
    assert bench.state(A) == [1]
    assert len(bench.store.inbox) == 1


def test_nothing_more_is_committed_when_nothing_happened() -> None:
    bench = Bench()
    partition = bench.acquire()
    bench.work(partition)
    assert not partition.wants_commit
    assert partition.settled


def test_a_new_owner_runs_what_was_not_committed_again_from_the_committed_state() -> None:
    bench = Bench()
    bench.put(A, 1)
    first = bench.acquire()
    bench.work(first)
    bench.put(A, 2)
    bench.deliver(first)
    bench.turn(first)  # and then it dies
    bench.work(bench.acquire())
    assert bench.state(A) == [1, 2]
    assert bench.kind.ran == [(A, 1), (A, 2), (A, 2)]


@pytest.mark.hazard(9)
def test_the_commit_of_a_tenure_that_ended_changes_nothing() -> None:
    bench = Bench()
    bench.put(A, 1)
    old = bench.acquire()
    bench.deliver(old)
    bench.turn(old)
    late = old.next_commit()
    new = bench.acquire()
    bench.put(A, 2)
    assert bench.apply(late) is CommitVerdict.FENCED
    bench.work(new)
    assert bench.apply(late) is CommitVerdict.FENCED
    assert bench.state(A) == [1, 2]


@pytest.mark.hazard(9)
def test_a_worker_that_takes_its_partition_back_is_not_confused_by_its_own_earlier_tenure() -> None:
    """HAZARDS 9: an operation that began in an earlier tenure ends in a later one."""
    bench = Bench()
    bench.put(A, 1, operation="wait")
    old = bench.acquire()
    [started] = bench.work(old)
    old.end()
    new = bench.acquire()
    [again] = bench.work(new)
    old.finish(started.activation, "late", None)
    new.finish(started.activation, "late", None)  # an activation of another tenure, however it gets there
    assert not old.wants_commit
    assert not new.wants_commit
    new.finish(again.activation, "in time", None)
    bench.work(new)
    assert bench.state(A) == [1]


# -- one at a time -------------------------------------------------------------------------------------------------------


@pytest.mark.invariant(3)
def test_while_an_asynchronous_operation_runs_its_target_waits_and_others_go_on() -> None:
    bench = Bench()
    bench.put(A, 1, operation="wait")
    bench.put(A, 2)
    bench.put(B, 1)
    partition = bench.acquire()
    [started] = bench.work(partition)
    bench.put(A, 3)
    bench.put(B, 2)
    assert bench.work(partition) == []
    assert (bench.state(A), bench.state(B)) == ([], [1, 2])
    partition.finish(started.activation, None, None)
    bench.work(partition)
    assert bench.state(A) == [1, 2, 3]


@pytest.mark.invariant(5)
def test_a_failed_operation_leaves_a_dead_letter_and_those_around_it_untouched() -> None:
    bench = Bench()
    bench.put(A, 1)
    bench.put(A, 2, operation="fail")
    bench.put(A, 3, operation="wait")
    bench.put(A, 4)
    partition = bench.acquire()
    [started] = bench.work(partition)
    partition.finish(started.activation, None, ValueError("no"))
    bench.work(partition)
    assert bench.state(A) == [1, 4]
    assert [letter.failure.message for letter in bench.letters] == ["None", "no"]
    assert not bench.store.inbox


def test_an_operation_that_was_abandoned_stays_in_the_store() -> None:
    """A graceful release waits only so long; then the message runs again at the next owner (HAZARDS 9)."""
    bench = Bench()
    bench.put(A, 1, operation="wait")
    bench.put(B, 1)
    partition = bench.acquire()
    [started] = bench.work(partition)
    partition.draining = True
    assert not partition.settled
    partition.abandon()
    assert partition.settled
    partition.finish(started.activation, None, None)
    assert not partition.wants_commit
    bench.release(partition)
    assert len(bench.store.inbox) == 1


def test_a_draining_partition_takes_no_turns() -> None:
    bench = Bench()
    bench.put(A, 1)
    partition = bench.acquire()
    bench.deliver(partition)
    partition.draining = True
    assert not partition.has_turns
    assert bench.turn(partition) == []
    assert bench.kind.ran == []


def test_turns_stop_when_their_time_is_over_and_go_on_where_they_stopped() -> None:
    bench = Bench()
    for target in (A, B):
        bench.put_range(target, 1, 3)
    partition = bench.acquire()
    bench.deliver(partition)
    assert partition.runnable == 6
    bench.elapsed = 5.0
    partition.take_turns(stop_at=5.0)
    assert bench.kind.ran == [(A, 1)]
    assert partition.runnable == 5
    partition.take_turns(stop_at=5.0)
    assert bench.kind.ran == [(A, 1), (B, 1)]  # the neighbour first
    bench.work(partition)
    assert partition.runnable == 0
    assert bench.state(A) == bench.state(B) == [1, 2, 3]


@pytest.mark.invariant(9)
def test_a_commit_is_bounded_and_the_rest_comes_in_the_next() -> None:
    bench = Bench(batch_length_max=3)
    bench.put_range(A, 1, 10)
    partition = bench.acquire()
    bench.deliver(partition)
    sizes: list[int] = []
    while partition.has_turns:
        bench.turn(partition)
        assert not partition.has_turns  # full
        sizes.append(len(bench.commit(partition).consumed))
        if len(sizes) == 3:
            break
    assert sizes == [3, 3, 3]
    bench.work(partition)
    assert bench.state(A) == list(range(1, 11))


def test_operations_that_end_together_do_not_make_a_commit_too_large() -> None:
    bench = Bench(batch_length_max=3)
    targets = [f"@list@{number}" for number in range(10)]
    for target in targets:
        bench.put(target, 1, operation="wait")
        bench.put(target, 2)
    partition = bench.acquire()
    started = bench.work(partition)
    for start in started:
        partition.finish(start.activation, None, None)
    assert partition.busy
    assert not partition.settled
    sizes: list[int] = []
    while partition.wants_commit:
        sizes.append(len(bench.commit(partition).consumed))
    assert sizes == [3, 3, 3, 1]
    assert not partition.busy
    bench.work(partition)
    assert all(bench.state(target) == [1, 2] for target in targets)


# -- loading and evicting (HAZARDS 8) ------------------------------------------------------------------------------------


def test_a_target_takes_no_turn_before_its_record_is_there() -> None:
    bench = Bench()
    bench.put(A, 1)
    partition = bench.acquire()
    bench.read(partition)
    assert not partition.has_turns
    bench.turn(partition)
    assert bench.kind.ran == []
    [activation] = partition.take_loads()
    assert partition.take_loads() == []  # each is named once
    partition.loaded(activation, Loaded(None, ()))
    bench.turn(partition)
    assert bench.kind.ran == [(A, 1)]


def test_an_idle_activation_is_evicted_and_loaded_again() -> None:
    bench = Bench()
    bench.put(A, 1)
    partition = bench.acquire()
    bench.work(partition)
    bench.put(B, 1)
    bench.work(partition)
    assert partition.evict(1_000) == 0
    for _ in range(3):
        bench.read(partition)
    assert partition.evict(2) == 2
    bench.put(A, 2)
    bench.work(partition)
    assert bench.state(A) == [1, 2]


@pytest.mark.hazard(8)
def test_an_activation_with_effects_that_are_not_committed_is_kept() -> None:
    bench = Bench()
    bench.put(A, 1)
    partition = bench.acquire()
    bench.deliver(partition)
    bench.turn(partition)
    assert partition.evict(0) == 0  # dirty
    commit = partition.next_commit()
    assert partition.evict(0) == 0  # in flight: a load would race it
    bench.apply(commit)
    assert partition.evict(0) == 0  # its answer is not here yet
    partition.committed()
    assert partition.evict(0) == 1


def test_an_activation_that_has_something_to_do_is_kept() -> None:
    bench = Bench()
    bench.put(A, 1)
    bench.put(B, 1, operation="wait")
    partition = bench.acquire()
    bench.read(partition)
    assert partition.evict(0) == 0  # loading
    bench.load(partition)
    assert partition.evict(0) == 0  # a message waits
    bench.work(partition)
    assert partition.evict(0) == 1  # A; the operation of B runs
    assert set(partition.activations) == {B}


@pytest.mark.hazard(8)
def test_a_record_that_comes_for_an_evicted_state_is_the_last_committed_one() -> None:
    bench = Bench()
    bench.put(A, 1)
    partition = bench.acquire()
    bench.work(partition)
    partition.evict(0)
    bench.put(A, 2)
    bench.deliver(partition)
    bench.turn(partition)
    first = partition.next_commit()
    assert [target for target, _ in first.states] == [A]
    assert first.created == []  # it was there before
    bench.apply(first)
    assert bench.state(A) == [1, 2]


def test_a_target_enters_the_index_once() -> None:
    bench = Bench()
    partition = bench.acquire()
    commits: list[Commit] = []
    for number in range(3):
        bench.put(A, number)
        bench.deliver(partition)
        bench.turn(partition)
        commits.append(bench.commit(partition))
    assert [commit.created for commit in commits] == [[A], [], []]
