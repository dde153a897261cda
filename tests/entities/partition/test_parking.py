"""Parks keep a target's order through everything (HAZARDS 11). The rules' numbers are those in `parking.py`'s head."""

from __future__ import annotations

import pytest

from stead.entities._partition.activation import Park
from stead.entities._partition.parking import goes_behind
from stead.entities._partition.partition import Partition, Started
from support.core_bench import Bench

A, B = "@list@a", "@list@b"


def busy_bench(**settings: int) -> tuple[Bench, Partition, Started]:
    """A bench whose target A runs an asynchronous operation, message 0."""
    bench = Bench(**settings)
    bench.put(A, 0, operation="wait")
    partition = bench.acquire()
    [started] = bench.work(partition)
    return bench, partition, started


def in_park(bench: Bench) -> int:
    park = bench.store.parks.get(A)
    return 0 if park is None else len(park)


@pytest.mark.hazard(11)
def test_the_order_of_hazards_11() -> None:
    """1 to 1000 in the mailbox, 1001 to 5000 parked, hand-over, 5001 arrives."""
    bench, partition, _ = busy_bench(mailbox_length_max=2_000)
    bench.put_range(A, 1, 5_000)
    bench.work(partition)
    assert in_park(bench) == 4_001  # the first 1000 stay: the one that runs, and 1 to 999
    assert len(bench.store.inbox) == 1_000
    heir = bench.acquire()
    bench.put(A, 5_001)
    [started] = bench.work(heir)  # message 0 runs again
    heir.finish(started.activation, None, None)
    bench.work(heir)
    assert bench.state(A) == list(range(5_002))
    assert not bench.store.parks
    assert not bench.store.inbox


def test_a_target_that_overflows_does_not_keep_its_neighbours_waiting() -> None:
    bench, partition, started = busy_bench(mailbox_length_max=10)
    bench.put_range(A, 1, 500)
    bench.put(B, 1)
    bench.work(partition)
    assert bench.state(B) == [1]
    assert partition.runnable == 0
    assert len(bench.store.inbox) <= 10
    partition.finish(started.activation, None, None)
    bench.work(partition)
    assert bench.state(A) == list(range(501))


def test_old_messages_are_parked_so_that_they_do_not_pin_the_inbox() -> None:
    bench, partition, started = busy_bench(mailbox_age_ms_max=5_000)
    bench.put_range(A, 1, 3)
    bench.work(partition)
    bench.now_ms += 4_999
    partition.park_the_old()
    assert not partition.wants_parking
    bench.now_ms += 1
    partition.park_the_old()
    bench.work(partition)
    assert in_park(bench) == 3
    assert len(bench.store.inbox) == 1  # what runs stays
    partition.finish(started.activation, None, None)
    bench.work(partition)
    assert bench.state(A) == [0, 1, 2, 3]


def test_messages_keep_their_stream_ids_in_the_park() -> None:
    bench, partition, _ = busy_bench(mailbox_length_max=2)
    ids = [bench.put(A, number) for number in range(1, 6)]
    bench.work(partition)
    parked = [entry[0] for entry in bench.store.parks[A].read(b"0", 100)]
    assert parked == ids[-len(parked) :]


# -- rule 1 --------------------------------------------------------------------------------------------------------------


def test_rule_1_what_arrives_goes_behind_the_park() -> None:
    bench, partition, started = busy_bench(mailbox_length_max=4)
    bench.put_range(A, 1, 4)
    bench.work(partition)
    parked = in_park(bench)
    assert parked
    bench.put(A, 5)  # there is room in the mailbox, but it is not its turn
    bench.work(partition)
    assert in_park(bench) == parked + 1
    partition.finish(started.activation, None, None)
    bench.work(partition)
    assert bench.state(A) == [0, 1, 2, 3, 4, 5]


def test_rule_1_what_arrives_follows_in_the_mailbox_once_the_whole_park_is_there() -> None:
    bench, partition, started = busy_bench(mailbox_length_max=4)
    bench.put_range(A, 1, 8)
    bench.work(partition)
    partition.finish(started.activation, None, None)
    bench.turn(partition)
    bench.commit(partition)
    assert bench.refill(partition) == 1
    bench.put(A, 9)
    bench.read(partition)
    assert bench.park(partition) == 0
    bench.work(partition)
    assert bench.state(A) == list(range(10))
    assert not bench.store.parks


def test_rule_1_what_arrives_goes_behind_what_overflowed_behind_the_park() -> None:
    bench, partition, started = busy_bench(mailbox_length_max=4, mailbox_age_ms_max=1_000)
    bench.put(A, 1, operation="wait")
    bench.read(partition)
    bench.now_ms += 1_000
    partition.park_the_old()
    bench.park(partition)
    partition.finish(started.activation, None, None)
    [started] = bench.work(partition)  # the whole park, message 1, is in the mailbox and runs
    bench.put_range(A, 2, 5)
    bench.read(partition)  # 2 stays with it, 3 to 5 overflow
    bench.put(A, 6)
    bench.read(partition)
    partition.finish(started.activation, None, None)
    bench.work(partition)
    assert bench.state(A) == [0, 1, 2, 3, 4, 5, 6]


def test_rule_1_the_park_is_read_in_pieces_and_what_arrives_meanwhile_stays_behind() -> None:
    bench, partition, started = busy_bench(mailbox_length_max=4)
    bench.put_range(A, 1, 10)
    bench.work(partition)
    partition.finish(started.activation, None, None)
    bench.turn(partition)
    bench.commit(partition)
    for number in range(11, 20):
        bench.refill(partition, count=2)
        bench.put(A, number)
        bench.read(partition)
        bench.turn(partition)
        bench.park(partition)
        bench.commit(partition)
    bench.work(partition)
    assert bench.state(A) == list(range(20))


def test_a_target_into_which_messages_pour_goes_on_all_the_same() -> None:
    """What waits to be moved to the park does not hold up reading it: there would always be more."""
    bench, partition, started = busy_bench(mailbox_length_max=4)
    bench.put_range(A, 1, 20)
    bench.work(partition)
    partition.finish(started.activation, None, None)
    bench.turn(partition)
    bench.commit(partition)
    before = len(bench.kind.ran)
    for number in range(21, 40):
        bench.put(A, number)
        bench.read(partition)  # between any two steps something arrives
        bench.park(partition)
        bench.put(A, number)
        bench.read(partition)
        bench.refill(partition, count=4)
        bench.turn(partition)
        if partition.wants_commit:
            bench.commit(partition)
    assert len(bench.kind.ran) > before + 10


# -- rule 2 --------------------------------------------------------------------------------------------------------------


def refilled_bench() -> tuple[Bench, Partition]:
    """The whole park, messages 5 to 8, is in the mailbox of A, and 9 to 13 overflowed behind it; a new operation runs."""
    bench, partition, started = busy_bench(mailbox_length_max=4)
    bench.put_range(A, 1, 4)
    bench.put(A, 5, operation="wait")
    bench.put_range(A, 6, 8)
    bench.work(partition)
    partition.finish(started.activation, None, None)
    [again] = bench.work(partition)
    assert again.activation.mailbox[0].message.args == [5]
    bench.put_range(A, 9, 13)
    bench.read(partition)
    return bench, partition


def test_rule_2_nothing_is_moved_to_a_park_that_is_being_emptied() -> None:
    bench, partition = refilled_bench()
    activation = partition.activations[A]
    assert activation.park is not None
    assert activation.park.waiting  # something overflowed behind the park
    assert bench.park(partition) == 0
    partition.finish(activation, None, None)
    bench.turn(partition)
    commit = partition.next_commit()
    assert commit.unparked[0].drained
    assert bench.park(partition) == 0  # the commit that forgets the park is still under way
    bench.apply(commit)
    partition.committed()
    bench.work(partition)
    assert bench.state(A) == list(range(14))


def test_rule_2_a_hand_over_while_a_park_is_emptied_keeps_the_order() -> None:
    bench, partition = refilled_bench()
    heir = bench.acquire()
    [started] = bench.work(heir)
    heir.finish(started.activation, None, None)
    bench.work(heir)
    assert bench.state(A) == list(range(14))
    partition.end()


def test_rule_2_what_is_older_than_a_park_is_not_moved_there() -> None:
    """Else what is still unread in the inbox would come between, and the next owner would read the park first."""
    bench, partition, _ = busy_bench(mailbox_length_max=12)
    bench.put_range(A, 1, 20)
    bench.work(partition)
    heir = bench.acquire()
    heir_settings = bench.settings.model_copy(update={"mailbox_length_max": 2})  # a deployment with another setting
    vars(heir)["_settings"] = heir_settings
    bench.read(heir, count=3)
    bench.load(heir)
    bench.park(heir)
    last = bench.acquire()
    bench.read(last, count=2)
    bench.load(last)
    for started in bench.turn(last):
        last.finish(started.activation, None, None)
    bench.turn(last)
    bench.commit(last)
    bench.park(last)
    bench.refill(last)
    for started in bench.work(last):
        last.finish(started.activation, None, None)
    bench.work(last)
    assert bench.state(A) == list(range(21))


# -- rule 3 --------------------------------------------------------------------------------------------------------------


def test_rule_3_an_heir_reads_the_park_only_after_the_inbox_up_to_there() -> None:
    bench, partition, _ = busy_bench(mailbox_length_max=4)
    bench.put_range(A, 1, 10)
    bench.work(partition)
    assert in_park(bench)
    heir = bench.acquire()
    bench.load(heir)
    assert bench.refill(heir) == 0
    bench.read(heir, count=1)
    assert bench.refill(heir) == 0
    bench.work(heir)
    assert heir.activations[A].mailbox[0].message.args == [0]


def test_rule_3_an_heir_of_an_empty_inbox_reads_the_park() -> None:
    bench, partition, started = busy_bench(mailbox_age_ms_max=1)
    bench.put_range(A, 1, 3)
    bench.work(partition)
    bench.now_ms += 10
    partition.park_the_old()
    bench.park(partition)
    partition.finish(started.activation, None, None)
    bench.commit(partition)
    assert not bench.store.inbox
    bench.work(bench.acquire())
    assert bench.state(A) == [0, 1, 2, 3]


def test_rule_3_whether_a_message_runs_before_the_park() -> None:
    park = Park(b"100-5")
    assert not goes_behind(park, b"99-0")
    assert not goes_behind(park, b"100-4")
    assert goes_behind(park, b"100-6")
    assert goes_behind(park, b"1000-0")


# -- what the store is told ----------------------------------------------------------------------------------------------


def test_a_commit_names_what_it_took_from_a_park() -> None:
    bench, partition, started = busy_bench(mailbox_length_max=2)
    bench.put_range(A, 1, 4)
    bench.work(partition)
    parked = in_park(bench)
    partition.finish(started.activation, None, None)
    bench.turn(partition)
    bench.commit(partition)
    bench.refill(partition)
    bench.turn(partition)
    commit = bench.commit(partition)
    [unpark] = commit.unparked
    assert (unpark.target, len(unpark.stream_ids), unpark.drained) == (A, parked, True)
    assert commit.consumed == []


def test_parked_messages_count_towards_the_size_of_a_commit() -> None:
    bench, partition, started = busy_bench(mailbox_length_max=2, batch_length_max=5)
    bench.put_range(A, 1, 30)
    bench.work(partition)
    partition.finish(started.activation, None, None)
    bench.turn(partition)
    bench.commit(partition)
    bench.refill(partition)
    bench.turn(partition)
    [unpark] = bench.commit(partition).unparked
    assert len(unpark.stream_ids) == 5
    assert not unpark.drained
    bench.work(partition)
    assert bench.state(A) == list(range(31))


def test_an_activation_with_a_park_is_not_evicted() -> None:
    bench, partition, started = busy_bench(mailbox_length_max=2)
    bench.put_range(A, 1, 4)
    bench.work(partition)
    partition.finish(started.activation, None, None)
    bench.turn(partition)
    bench.commit(partition)
    bench.read(partition)
    assert partition.evict(0) == 0
    bench.work(partition)
    bench.read(partition)
    assert partition.evict(0) == 1


def test_a_parked_message_that_cannot_be_read_any_more_becomes_a_dead_letter() -> None:
    bench, partition, started = busy_bench(mailbox_length_max=2)
    bench.put_range(A, 1, 4)
    bench.work(partition)
    order = list(bench.store.parks[A])[1]
    bench.store.parks[A].entries[order] = b"garbage"
    partition.finish(started.activation, None, None)
    bench.work(partition)
    assert len(bench.letters) == 1
    assert len(bench.state(A)) == 4
    assert not bench.store.parks
