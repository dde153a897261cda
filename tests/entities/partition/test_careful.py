"""What careful mode does besides marking: what comes first, when it ends, and what it leaves for the next owner (HAZARDS 20)."""

from __future__ import annotations

import pytest

from stead.entities._message.envelope import Message
from stead.entities._partition.activation import Blocked, Phase
from stead.entities._partition.deadly import reason_of
from stead.transport import Running
from stead.transport._memory import steps
from support.core_bench import Bench, Died

A, B = "an instance", "another"
DEADLY = "what its code cannot bear"


def local(target: str, value: object) -> Message:
    return Message(target, "add", [value], b"", None, None, None, None, None)


@pytest.fixture
def bench() -> Bench:
    bench = Bench(poison_tries_max=3)
    for target in (A, B):
        bench.put(target, 1)
    first = bench.acquire()
    bench.work(first)
    bench.release(first)
    bench.kind.deadly = {DEADLY}
    return bench


@pytest.mark.hazard(20)
def test_the_message_that_killed_has_its_turn_before_what_comes_in_memory_for_its_target(bench: Bench) -> None:
    """Else the marker of that would be written over its own, with the deaths that it counts: a message would end more
    workers than the settings say."""
    at = bench.put(A, DEADLY)
    for _ in range(4):  # the first two without care
        with pytest.raises(Died):
            bench.work(bench.acquire())
    assert bench.store.running == Running(A, at, 2)
    heir = bench.acquire()
    assert heir.suspects.careful
    bench.load(heir)
    bench.read(heir)
    heir.deliver_local(A, local(A, 2))  # of an activity that was begun in this tenure: nobody is suspicious of it
    with pytest.raises(Died):
        bench.work(heir)
    assert bench.store.running == Running(A, at, 3)
    heir = bench.acquire()
    bench.load(heir)
    bench.read(heir)
    heir.deliver_local(A, local(A, 2))
    bench.work(heir)
    assert (len(bench.letters), bench.state(A)) == (1, [1, 2])


@pytest.mark.hazard(20)
def test_the_lease_is_told_that_a_target_is_well_though_nothing_waits_for_a_marker(bench: Bench) -> None:
    """Else an instance that is well for months would be blocked by the first death after them."""
    bench.store.running = Running(f"!waking 0a {A}", b"0-0", 2)
    heir = bench.acquire()
    bench.work(heir)
    assert not heir.suspects.active and not heir.wants_care
    heir.forgive(A)
    assert heir.wants_care
    bench.work(heir)
    assert bench.store.deaths == b"" and not heir.wants_care


@pytest.mark.hazard(20)
def test_what_is_put_aside_wants_care_though_the_lease_knows_of_all_deaths(bench: Bench) -> None:
    """Else a result that came when suspicion had passed would wait until something else is wrong: its instance hangs."""
    heir = bench.acquire()
    bench.work(heir)
    assert not heir.wants_care
    heir.deliver_local(A, local(A, 2), True)
    assert heir.wants_care and not heir.deaths.unsaid
    bench.work(heir)
    assert bench.state(A) == [1, 2] and not heir.wants_care


@pytest.mark.hazard(20)
def test_suspicion_does_not_pass_before_the_lease_has_been_told_of_the_death(bench: Bench) -> None:
    """Passing takes the marker away. If the worker ended then, nobody would know of that death, and of none of the next ones
    either: what kills would go on doing so for ever."""
    marker = Running(f"!waking 0a {A}", b"0-0", 1)
    bench.store.running = marker
    heir = bench.acquire()
    bench.load(heir)
    bench.read(heir)
    bench.read(heir)
    heir.settle_suspects()
    assert heir.suspects.active and not heir.wants_commit
    assert bench.store.running == marker
    assert steps.mark_running(bench.store, heir.token, None, heir.deaths.said())
    heir.settle_suspects()
    assert not heir.suspects.active
    bench.commit(heir)
    assert bench.store.running is None
    assert bench.acquire().deaths.targets == [A]


@pytest.mark.hazard(20)
def test_an_instance_that_stays_blocked_does_not_keep_its_partition_careful(bench: Bench) -> None:
    """Else a whole partition would go on one message at a time for as long as the code of one instance is missing."""
    bench.store.blocked[A] = "no orchestration of its name is registered"
    bench.kind.reasons[A] = Blocked("no orchestration of its name is registered")
    for _ in range(2):
        bench.acquire()
    heir = bench.acquire()
    assert heir.suspects.careful
    bench.put(B, 2)
    bench.work(heir)
    assert heir.activations[A].phase is Phase.BLOCKED
    assert not heir.suspects.active and not heir.wants_care
    assert bench.state(B) == [1, 2]
    heir.deliver_local(A, local(A, 2), True)
    bench.work(heir)
    assert not heir.wants_care  # it waits where all that is for a blocked target does
    bench.kind.reasons.clear()
    assert heir.load_again(1)
    bench.work(heir)
    assert bench.state(A) == [1, 2]


@pytest.mark.hazard(20)
def test_the_marked_turn_is_that_of_the_message_and_not_of_work_that_was_left(bench: Bench) -> None:
    """Work left (a long replay) comes before messages: its turn would take the marker, and the message then run without one.
    Who died of it would be counted nowhere, and the instance never be blocked."""
    heir = bench.acquire()
    bench.work(heir)
    heir.deliver_local(A, local(A, 2))
    bench.work(heir)
    activation = heir.activations[A]
    activation.more = True
    heir.queue(activation)
    heir.deliver_local(A, local(A, DEADLY), True)
    assert heir.next_waking() is None
    with pytest.raises(Died):
        bench.work(heir)
    assert bench.kind.ran[-2:] == [(A, "more"), (A, DEADLY)]
    assert bench.store.running == Running(f"!waking 0a {A}", b"0-0", 1)


@pytest.mark.hazard(20)
def test_the_marked_turn_is_that_of_what_was_put_aside_and_not_of_another_local_message(bench: Bench) -> None:
    """Else another one would take its marker, and the death that it is there for be counted nowhere."""
    heir = bench.acquire()
    bench.work(heir)
    heir.deliver_local(A, local(A, 2))
    bench.load(heir)
    heir.deliver_local(A, local(A, "suspicious"), True)
    marked = heir.next_waking()
    assert marked is not None
    heir.wake_next(marked)
    assert bench.kind.ran[-1] == (A, "suspicious")
    assert bench.commit(heir).clear_running
    bench.work(heir)
    assert bench.state(A) == [1, "suspicious", 2]


@pytest.mark.hazard(20)
@pytest.mark.parametrize("turns", [False, True])
def test_the_commit_that_blocks_a_target_takes_away_the_marker_that_told_of_it(bench: Bench, turns: bool) -> None:
    """Else who takes over before the rest is done would count its deaths once more: people read of workers that never
    ended, and the partition would go carefully for what is long out of the way."""
    bench.store.running = Running(f"!{'waking' if turns else 'loading'} 0a {A}", b"0-0", 3)
    heir = bench.acquire()
    assert bench.commit(heir).blocked == [(A, reason_of(3, "0a", None, turns=turns))]
    assert bench.store.running is None
    assert bench.store.blocked == {A: reason_of(3, "0a", None, turns=turns)}
    heir = bench.acquire()
    assert not heir.suspects.careful
    bench.work(heir)
    assert bench.store.blocked == {A: reason_of(3, "0a", None, turns=turns)}
