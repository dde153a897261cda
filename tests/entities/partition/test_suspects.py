"""A message that kills its worker is found, and does not kill one worker after another (HAZARDS 20)."""

from __future__ import annotations

import pytest

from stead.entities._message.envelope import TaskAddress, decode_message
from stead.entities._partition.suspects import UNDECODED, Suspects
from stead.transport import Acquired, Running
from support.core_bench import Bench

A, B = "@list@a", "@list@b"


def acquired(unclean: int = 0, suspect_until: bytes = b"0-0", running: Running | None = None) -> Acquired:
    return Acquired(0, b"token", 1, b"", 0, None, {}, {}, unclean, suspect_until, running)


def test_after_a_clean_end_nothing_is_under_suspicion() -> None:
    suspects = Suspects(acquired())
    assert not suspects.active
    assert not suspects.careful


def test_one_unclean_end_may_be_anything() -> None:
    suspects = Suspects(acquired(unclean=1, suspect_until=b"5-0"))
    assert suspects.active
    assert not suspects.careful


def test_two_in_a_row_or_a_marker_ask_for_care() -> None:
    assert Suspects(acquired(unclean=2, suspect_until=b"5-0")).careful
    assert Suspects(acquired(unclean=1, suspect_until=b"5-0", running=Running(A, b"3-0", 1))).careful


def test_suspicion_passes_with_the_last_suspect_message() -> None:
    suspects = Suspects(acquired(unclean=1, suspect_until=b"5-0"))
    suspects.heard(b"4-0")
    suspects.heard(b"5-0")
    suspects.heard(b"6-0")  # it came after the end
    assert not suspects.passed
    suspects.scanned(b"5-0", caught_up=False)
    suspects.done(b"4-0")
    assert not suspects.passed
    suspects.done(b"5-0")
    assert suspects.passed


def test_suspicion_does_not_pass_before_the_inbox_has_been_read() -> None:
    suspects = Suspects(acquired(unclean=1, suspect_until=b"5-0"))
    suspects.scanned(b"4-9", caught_up=False)
    assert not suspects.passed
    suspects.scanned(b"4-9", caught_up=True)
    assert suspects.passed


def test_a_marker_counts_tries_on_its_own_message_only() -> None:
    suspects = Suspects(acquired(unclean=2, suspect_until=b"5-0", running=Running(A, b"3-0", 2)))
    assert suspects.marker_for(A, b"3-0") == Running(A, b"3-0", 3)
    assert suspects.marker_for(A, b"4-0") == Running(A, b"4-0", 1)
    assert suspects.marker_for(B, b"3-0") == Running(B, b"3-0", 1)  # stream IDs repeat after a fail-over (HAZARDS 2)


# -- on a partition ------------------------------------------------------------------------------------------------------


def test_an_unclean_end_is_forgotten_once_its_messages_have_run() -> None:
    bench = Bench()
    bench.put(A, 1)
    bench.deliver(bench.acquire())  # and it dies
    heir = bench.acquire()
    assert bench.store.unclean == 1
    bench.work(heir)
    assert bench.store.unclean == 0
    assert bench.store.suspect_until == (0, 0)


def test_an_unclean_end_with_nothing_left_is_forgotten_too() -> None:
    bench = Bench()
    bench.acquire()
    bench.work(bench.acquire())
    assert bench.store.unclean == 0


def die(bench: Bench, killer: str) -> None:
    """A worker works until it comes to a message of `killer`, and dies in it."""
    heir = bench.acquire()
    while True:
        bench.deliver(heir)
        turn = heir.next_careful() if heir.suspects.careful else None
        if turn is None or turn[0].target == killer:
            break
        bench.careful_turn(heir, [])
        bench.commit(heir)
    if heir.suspects.careful:
        bench.careful_turn(heir, [])  # in careful mode the marker is written first
    # It dies here: whatever the turn did is not committed.


@pytest.mark.hazard(20)
def test_a_message_that_kills_three_workers_becomes_a_dead_letter_and_its_neighbours_run() -> None:
    bench = Bench(poison_tries_max=3)
    bench.put(B, 1)
    bench.put(A, "poison")
    bench.put(A, 2)
    bench.put(B, 2)
    for _ in range(2):
        die(bench, A)  # without care nobody knows which message it was
    for tries in (1, 2, 3):
        die(bench, A)
        assert bench.store.running is not None
        assert (bench.store.running.target, bench.store.running.tries) == (A, tries)
    heir = bench.acquire()
    bench.work(heir)
    [letter] = bench.letters
    assert (letter.failure.kind, letter.tries) == ("poison", 3)
    assert (bench.state(A), bench.state(B)) == ([2], [1, 2])
    assert bench.store.running is None
    assert bench.store.unclean == 0
    assert not heir.suspects.careful


@pytest.mark.hazard(20)
def test_in_careful_mode_each_turn_is_marked_and_committed_before_the_next() -> None:
    bench = Bench()
    bench.put_range(A, 1, 2)
    for _ in range(2):
        bench.deliver(bench.acquire())
    heir = bench.acquire()
    bench.deliver(heir)
    turn = heir.next_careful()
    assert turn is not None
    bench.careful_turn(heir, [])
    assert heir.next_careful() is None
    commit = heir.next_commit()
    assert heir.next_careful() is None
    assert commit.clear_running
    assert len(commit.consumed) == 1
    bench.apply(commit)
    heir.committed()
    assert bench.store.running is None
    assert heir.next_careful() is not None


def test_in_careful_mode_an_asynchronous_operation_runs_alone_and_keeps_its_marker() -> None:
    bench = Bench()
    bench.put(A, 1, operation="wait")
    bench.put(B, 1)
    for _ in range(2):
        bench.deliver(bench.acquire())
    heir = bench.acquire()
    [started] = bench.work(heir)
    assert bench.state(B) == []
    assert bench.store.running is not None
    heir.finish(started.activation, None, None)
    bench.work(heir)
    assert (bench.state(A), bench.state(B)) == ([1], [1])
    assert bench.store.running is None


def test_suspicion_does_not_pass_while_suspect_messages_are_in_a_park() -> None:
    bench = Bench(mailbox_length_max=2)
    bench.put(A, 0, operation="wait")
    bench.put_range(A, 1, 6)
    partition = bench.acquire()
    [started] = bench.work(partition)
    partition.finish(started.activation, None, None)
    bench.turn(partition)
    bench.commit(partition)
    assert bench.store.parks
    heir = bench.acquire()
    bench.deliver(heir)  # the inbox is empty
    heir.settle_suspects()
    assert heir.suspects.active
    bench.put(A, 7)  # what is younger does not matter
    bench.work(heir)
    assert not heir.suspects.active
    assert bench.state(A) == list(range(8))


def test_suspicion_passes_while_younger_messages_wait_for_a_park() -> None:
    bench = Bench(mailbox_length_max=2)
    bench.put(A, 0, operation="wait")
    bench.acquire()
    heir = bench.acquire()
    [started] = bench.work(heir)
    bench.put_range(A, 1, 6)
    bench.read(heir)
    assert heir.activations[A].park is not None
    heir.finish(started.activation, None, None)
    heir.settle_suspects()
    assert not heir.suspects.active


def test_messages_that_went_to_a_park_are_still_under_suspicion() -> None:
    bench = Bench(mailbox_length_max=2)
    bench.put(A, 0, operation="wait")
    bench.put_range(A, 1, 6)
    bench.deliver(bench.acquire())
    heir = bench.acquire()
    [started] = bench.work(heir)
    assert bench.store.parks
    assert bench.store.unclean == 1
    heir.finish(started.activation, None, None)
    bench.work(heir)
    assert bench.store.unclean == 0
    assert bench.state(A) == list(range(7))


def test_a_call_of_an_orchestration_that_kills_is_answered_and_can_be_seen() -> None:
    bench = Bench()
    bench.put(A, "harmful", task=TaskAddress("an instance", "execution", 1))
    partition = bench.acquire()
    for _ in range(bench.settings.poison_tries_max + 2):
        partition = bench.acquire()
        bench.deliver(partition)
        if partition.suspects.careful:
            bench.careful_turn(partition, [])
    commit = bench.commit(partition)
    assert [decode_message(envelope).args[2] for _, envelope in commit.sends] == [False]
    assert [letter.failure.kind for letter in bench.letters] == ["poison"]


def test_a_marker_is_handed_on_by_an_owner_that_did_not_die() -> None:
    """A release takes back one try: what was found is found again, until the suspect messages are passed."""
    found = Running("@list@a", b"5-0", 2)
    suspects = Suspects(acquired(running=found, suspect_until=b"9-0"))
    handed = suspects.handed_on()
    assert handed == Running("@list@a", b"5-0", 3)
    suspects.settle()
    assert suspects.handed_on() is None
    assert Suspects(acquired()).handed_on() is None


def test_the_turn_that_killed_comes_before_what_it_kept_from_being_decoded() -> None:
    suspects = Suspects(acquired(running=Running("@list@a", b"5-0", 2), suspect_until=b"9-0"))
    assert suspects.was_decoded(b"4-0") and suspects.was_decoded(b"5-0") and not suspects.was_decoded(b"6-0")
    assert not suspects.comes_first(b"6-0")
    suspects.heard(b"5-0")
    assert suspects.comes_first(b"6-0") and not suspects.comes_first(b"4-0")
    suspects.done(b"5-0")
    assert not suspects.comes_first(b"6-0")


def test_who_died_while_decoding_has_decoded_nothing_for_certain() -> None:
    suspects = Suspects(acquired(running=Running(UNDECODED, b"5-0", 1), suspect_until=b"9-0"))
    suspects.heard(b"5-0")
    assert not suspects.was_decoded(b"4-0") and suspects.comes_first(b"6-0")
