"""What is wrong with a partition is seen, whichever of its rules is broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stead.entities._partition.activation import Activation, Park, Phase
from stead.entities._partition.partition import Partition
from stead.entities._partition.well_formed import ill_formed
from support.core_bench import Bench

A, B = "@list@a", "@list@b"


def in_use() -> Partition:
    """A partition with everything: work that waits, an operation that runs, a commit in flight, and effects of the next."""
    bench = Bench()
    bench.put(B, 1)
    partition = bench.acquire()
    bench.deliver(partition)
    bench.turn(partition)
    partition.next_commit()
    bench.put(B, 2)
    bench.deliver(partition)
    bench.turn(partition)
    bench.put(A, 3, operation="wait")
    bench.put(A, 4)
    bench.deliver(partition)
    bench.turn(partition)
    bench.put(B, 5)
    bench.put(B, 6)
    bench.deliver(partition)
    return partition


def a(partition: Partition) -> Activation:
    return partition.activations[A]


def b(partition: Partition) -> Activation:
    return partition.activations[B]


def count_one_more(partition: Partition) -> None:
    partition.runnable += 1


def forget_to_queue(partition: Partition) -> None:
    partition._ready.clear()
    b(partition).queued = False


def queue_twice(partition: Partition) -> None:
    partition._ready.append(b(partition))


def put_in_two_mailboxes(partition: Partition) -> None:
    a(partition).mailbox.append(b(partition).mailbox[-1])


def consume_and_keep(partition: Partition) -> None:
    partition.effects.consume_entries((b(partition).mailbox[0].stream_id,))


def fly_and_keep(partition: Partition) -> None:
    flying = partition._flying
    assert flying is not None
    flying.consumed = [*flying.consumed, b(partition).mailbox[0].stream_id]


def change_the_order(partition: Partition) -> None:
    b(partition).mailbox.reverse()


def drop_what_flies(partition: Partition) -> None:
    partition._flying_activations |= {Activation("@list@c")}


def drop_what_changed(partition: Partition) -> None:
    partition.effects.changed(Activation("@list@c"))


def forget_a_change(partition: Partition) -> None:
    b(partition).dirty = False


def forget_what_runs(partition: Partition) -> None:
    partition._busy.clear()


def run_another(partition: Partition) -> None:
    mailbox = a(partition).mailbox
    mailbox.append(mailbox.popleft())


def unlock_badly(partition: Partition) -> None:
    b(partition).locked = True


def lose_the_kind(partition: Partition) -> None:
    b(partition).kind = None


def park_and_tell_nobody(partition: Partition) -> None:
    b(partition).park = Park(b"9-0", waiting=[b"999999999999999-0"])


def count_what_is_parked_badly(partition: Partition) -> None:
    b(partition).park = Park(b"9-0", outstanding=1)
    partition.parking.needs(b(partition))


def take_from_no_park(partition: Partition) -> None:
    pending = b(partition).mailbox.pop()
    b(partition).mailbox.append(pending._replace(from_park=True))


def suspect_too_many(partition: Partition) -> None:
    partition.suspects.active = True
    partition.effects.suspects = partition.suspects
    partition.suspects._waiting = 1


def remember_a_mark_that_is_none(partition: Partition) -> None:
    partition.suspects.active = True
    partition.effects.suspects = partition.suspects
    partition.suspects._marked_waits = True


def be_careful_of_nothing(partition: Partition) -> None:
    partition.suspects.careful = True


def load_a_stranger(partition: Partition) -> None:
    partition.to_load.append(Activation("@list@c"))


def block_what_runs_on(partition: Partition) -> None:
    b(partition).blocked = True


def set_and_cancel(partition: Partition) -> None:
    partition.effects.set_timer(b"t", 1, A, "add", [])
    partition.effects._cancelled[b"t"] = None


def do_what_counts_nothing(partition: Partition) -> None:
    partition.effects._dropped[b"1"] = None


def end_by_halves(partition: Partition) -> None:
    partition.gone = True


BREAKS: dict[Callable[[Partition], None], str] = {
    count_one_more: "are said to be runnable",
    forget_to_queue: "is in no queue",
    queue_twice: "holds one twice",
    put_in_two_mailboxes: "is in two places",
    consume_and_keep: "is in two places",
    fly_and_keep: "is in two places",
    change_the_order: "its mailbox is not in order",
    drop_what_flies: "has been dropped from memory",
    drop_what_changed: "has been dropped from memory",
    forget_a_change: "whether it changed",
    forget_what_runs: "what is busy is not what runs",
    run_another: "is not the first of its queue",
    unlock_badly: "its kind says the contrary",
    lose_the_kind: "has no kind",
    park_and_tell_nobody: "and nobody will",
    count_what_is_parked_badly: "of its park are said to be here",
    take_from_no_park: "and no park",
    suspect_too_many: "suspect messages are said to wait",
    remember_a_mark_that_is_none: "on whose turn the last owner died",
    be_careful_of_nothing: "suspects nothing",
    load_a_stranger: "to be loaded twice, or is not known",
    block_what_runs_on: "it is blocked, and ready",
    set_and_cancel: "both set and cancelled",
    do_what_counts_nothing: "does not count",
    end_by_halves: "still holds activations",
}


def test_a_partition_in_use_is_well_formed() -> None:
    partition = in_use()
    assert a(partition).phase is Phase.BUSY
    assert ill_formed(partition) is None
    partition.end()
    assert ill_formed(partition) is None


@pytest.mark.parametrize(("damage", "words"), BREAKS.items())
def test_each_rule_that_is_broken_is_named(damage: Callable[[Partition], None], words: str) -> None:
    partition = in_use()
    damage(partition)
    assert words in (ill_formed(partition) or "")
