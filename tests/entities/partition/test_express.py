"""Messages that pass by mailbox and park, work without a message, and activations that are locked (HAZARDS 11, 12)."""

from __future__ import annotations

import pytest

from stead.entities._message.envelope import Message, decode_message, encode_message
from stead.entities._partition.activation import Activation, Locked, Phase
from stead.entities._partition.effects import Effects
from stead.entities._partition.partition import Partition
from stead.entities._partition.slice import Slice
from support.core_bench import Awaited, Bench

A, B = "@list@a", "@list@b"
INSTANCE = "an instance"


def local(target: str, number: object, operation: str = "add") -> Message:
    return Message(target, operation, [number], b"", None, None, None, None, None)


def locked_bench(**settings: int) -> tuple[Bench, Partition]:
    """A bench whose target A is locked by message 0."""
    bench = Bench(**settings)
    bench.put(A, 0, operation="lock")
    partition = bench.acquire()
    bench.work(partition)
    assert partition.activations[A].phase is Phase.LOCKED
    return bench, partition


def unlock(bench: Bench, partition: Partition) -> None:
    bench.put(A, "free", operation="unlock", lock=b"it")
    bench.work(partition)


# -- which messages are express ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "extras", "express"),
    [
        ("add", None, False),
        ("add", {"k": {"a": 1}}, False),
        ("add", {"l": b"lock"}, True),
        ("!lock", None, False),
        ("!release", None, True),
        ("!release", {"s": A}, True),
    ],
)
def test_the_message_alone_says_whether_it_is_express(
    operation: str, extras: dict[str, object] | None, express: bool
) -> None:
    assert decode_message(encode_message(A, operation, [], b"id", extras)).express is express


# -- local messages ------------------------------------------------------------------------------------------------------


def test_a_local_message_runs_and_nothing_of_it_is_consumed() -> None:
    bench = Bench()
    partition = bench.acquire()
    partition.deliver_local(A, local(A, 1))
    assert partition.to_load
    bench.load(partition)
    bench.turn(partition)
    commit = bench.commit(partition)
    assert [*commit.consumed, *commit.unparked] == []
    assert bench.state(A) == [1]
    assert partition.settled


def test_a_local_message_passes_by_the_mailbox() -> None:
    bench = Bench()
    bench.put_range(A, 1, 3)
    partition = bench.acquire()
    bench.deliver(partition)
    partition.deliver_local(A, local(A, "first"))
    bench.work(partition)
    assert bench.state(A) == ["first", 1, 2, 3]


def test_a_local_message_passes_by_the_park() -> None:
    bench = Bench(mailbox_length_max=2)
    bench.put(A, 0, operation="wait")
    partition = bench.acquire()
    [started] = bench.work(partition)
    bench.put_range(A, 1, 6)
    bench.work(partition)
    assert bench.store.parks
    partition.deliver_local(A, local(A, "first"))
    partition.finish(started.activation, None, None)
    bench.work(partition)
    assert bench.state(A) == [0, "first", 1, 2, 3, 4, 5, 6]
    assert partition.runnable == 0


def test_a_local_message_that_fails_leaves_no_letter() -> None:
    bench = Bench()
    partition = bench.acquire()
    partition.deliver_local(A, local(A, 1, "fail"))
    bench.work(partition)
    assert bench.letters == []
    assert partition.settled


def test_an_asynchronous_operation_may_come_from_an_express_message() -> None:
    bench = Bench()
    bench.put(A, 1)
    partition = bench.acquire()
    bench.deliver(partition)
    partition.deliver_local(A, local(A, "slow", "wait"))
    [started] = bench.turn(partition)
    assert isinstance(started.awaitable, Awaited)
    bench.put(A, 2)
    bench.deliver(partition)
    partition.deliver_local(A, local(A, "next"))
    assert not partition.has_turns
    partition.finish(started.activation, None, None)
    bench.work(partition)
    assert bench.state(A) == ["slow", "next", 1, 2]
    assert partition.runnable == 0


def test_no_turn_is_taken_while_the_partition_drains() -> None:
    bench = Bench()
    partition = bench.acquire()
    bench.put(A, 1)
    bench.work(partition)
    partition.draining = True
    partition.deliver_local(A, local(A, 2))
    assert not partition.has_turns
    assert partition.settled


def test_a_tenure_that_ended_takes_no_local_message() -> None:
    bench = Bench()
    partition = bench.acquire()
    partition.end()
    partition.deliver_local(A, local(A, 1))
    assert not partition.activations


def test_what_waits_express_or_without_a_message_is_not_evicted() -> None:
    bench = Bench()
    bench.put(A, 1)
    partition = bench.acquire()
    bench.work(partition)
    bench.read(partition)
    activation = partition.activations[A]
    partition.deliver_local(A, local(A, 2))
    assert partition.evict(-1) == 0
    bench.work(partition)
    activation.more = True
    assert partition.evict(-1) == 0
    activation.more = False
    assert partition.evict(-1) == 1
    assert bench.kind.forgotten == [A]


def test_a_kind_forgets_what_a_tenure_leaves() -> None:
    bench = Bench()
    bench.put(A, 1)
    bench.put(B, 1)
    partition = bench.acquire()
    bench.read(partition)
    partition.end()
    assert bench.kind.forgotten == [], "its kind has not seen it yet"
    partition = bench.acquire()
    bench.work(partition)
    partition.end()
    assert sorted(bench.kind.forgotten) == [A, B]


# -- work without a message ----------------------------------------------------------------------------------------------


def test_work_without_a_message_is_done_once_a_commit_has_room() -> None:
    class Chunks:
        """Does one piece a commit."""

        def __init__(self) -> None:
            self.left = 3

        def run(self, activation: Activation, effects: Effects, slice: Slice) -> None:
            if activation.mailbox:
                effects.consume(activation, activation.mailbox.popleft())
            while not slice.full:
                self.left -= 1
                effects.send(B, encode_message(B, "add", [self.left], effects.next_message_id()))
                effects.send(B, encode_message(B, "add", [self.left], effects.next_message_id()))
                activation.more = self.left > 0
                if not activation.more:
                    return

    chunks = Chunks()
    bench = Bench(batch_length_max=2)
    list_run = bench.kind.run
    bench.kind.run = lambda a, e, s: chunks.run(a, e, s) if a.target == A else list_run(a, e, s)  # type: ignore[assignment]
    bench.put(A, 1)
    bench.work(bench.acquire())
    assert bench.state(B) == [2, 2, 1, 1, 0, 0]


def test_an_instance_that_was_blocked_is_loaded_and_run_when_a_tenure_begins() -> None:
    bench = Bench()
    bench.store.blocked[INSTANCE] = "no such version"
    bench.store.blocked[A] = "no such state"
    bench.store.logs[INSTANCE] = [b"event"]
    partition = bench.acquire()
    assert [activation.target for activation in partition.take_loads()] == [INSTANCE]
    partition.loaded(partition.activations[INSTANCE], bench.stored(INSTANCE))
    bench.turn(partition)
    assert bench.kind.ran == [(INSTANCE, "more")]
    assert bench.store.blocked.keys() == {INSTANCE, A}, "whether it still is, is for its kind to say"


# -- locked --------------------------------------------------------------------------------------------------------------


def test_only_express_messages_run_while_it_is_locked() -> None:
    bench, partition = locked_bench()
    bench.put_range(A, 1, 3)
    bench.put(A, "holder's", lock=b"it")
    bench.work(partition)
    assert bench.state(A) == [0, "holder's"]
    assert partition.runnable == 0, "what waits for a lock keeps nobody from reading"
    unlock(bench, partition)
    assert bench.state(A) == [0, "holder's", "free", 1, 2, 3]


def test_messages_behind_a_lock_go_to_the_park_and_come_back_in_order() -> None:
    bench, partition = locked_bench(mailbox_length_max=4)
    bench.put_range(A, 1, 20)
    bench.work(partition)
    assert len(bench.store.inbox) <= 4
    unlock(bench, partition)
    assert bench.state(A) == [0, "free", *range(1, 21)]
    assert not bench.store.parks
    assert partition.runnable == 0


def test_old_messages_behind_a_lock_go_to_the_park() -> None:
    bench, partition = locked_bench(mailbox_age_ms_max=1_000)
    bench.put_range(A, 1, 3)
    bench.work(partition)
    bench.now_ms += 1_000
    partition.park_the_old()
    bench.work(partition)
    assert not bench.store.inbox
    assert len(bench.store.parks[A]) == 3
    unlock(bench, partition)
    assert bench.state(A) == [0, "free", 1, 2, 3]


def test_a_lock_that_is_taken_and_released_in_turn_with_parked_messages_keeps_the_order() -> None:
    bench, partition = locked_bench(mailbox_length_max=3, mailbox_age_ms_max=1_000)
    bench.put_range(A, 1, 4)
    bench.put(A, 5, operation="lock")
    bench.put_range(A, 6, 12)
    bench.work(partition)
    unlock(bench, partition)
    assert bench.state(A) == [0, "free", 1, 2, 3, 4, 5]
    heir = bench.acquire()
    bench.kind.activate = lambda target, record, log: Locked(list(bench.state(A)))  # type: ignore[method-assign]
    bench.work(heir)
    assert heir.activations[A].phase is Phase.LOCKED
    unlock(bench, heir)
    assert bench.state(A) == [0, "free", 1, 2, 3, 4, 5, "free", *range(6, 13)]


def test_a_locked_activation_may_be_evicted_when_nothing_waits() -> None:
    bench, partition = locked_bench()
    bench.read(partition)
    bench.put(A, 1)
    bench.work(partition)
    assert partition.evict(-1) == 0
    unlock(bench, partition)
    bench.put(A, 2, operation="lock")
    bench.work(partition)
    assert partition.evict(-1) == 1


def test_a_lock_does_not_keep_a_partition_under_suspicion() -> None:
    bench, partition = locked_bench(mailbox_age_ms_max=1_000)
    bench.put_range(A, 1, 3)
    bench.work(partition)
    bench.kind.activate = lambda target, record, log: Locked(list(bench.state(A)))  # type: ignore[method-assign]
    heir = bench.acquire()
    bench.work(heir)
    assert heir.suspects.active
    bench.now_ms += 1_000
    heir.park_the_old()
    bench.work(heir)
    assert not heir.suspects.active


def test_careful_mode_runs_what_has_no_message() -> None:
    bench, partition = locked_bench()
    for _ in range(2):
        partition = bench.acquire()
    assert partition.suspects.careful
    partition.suspects.until = (2**60, 0)  # something will always be suspect
    partition.deliver_local(A, local(A, "local"))
    partition.deliver_local(B, local(B, "other"))
    bench.load(partition)
    bench.work(partition)
    partition.activations[B].more = True
    partition.queue(partition.activations[B])
    bench.put(A, "holder's", lock=b"it")
    bench.work(partition)
    assert bench.state(A) == [0, "local", "holder's"]
    assert bench.state(B) == ["other"]
    assert (B, "more") in bench.kind.ran


def test_an_express_message_that_kills_becomes_a_dead_letter() -> None:
    bench, partition = locked_bench()
    bench.put(A, "harmful", lock=b"it")
    for _ in range(bench.settings.poison_tries_max + 2):
        partition = bench.acquire()
        bench.deliver(partition)
        turn = partition.next_careful() if partition.suspects.careful else None
        if turn is not None:
            bench.careful_turn(partition, [])
    bench.work(partition)
    assert [letter.failure.kind for letter in bench.letters] == ["poison"]
    assert not bench.store.inbox
