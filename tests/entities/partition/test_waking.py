"""A turn that no message of the store brings about may end whoever takes it: its target is found, and others run (HAZARDS 20)."""

from __future__ import annotations

import pytest

from stead.entities._message.envelope import Message
from stead.entities._partition.deadly import is_deadly_for, looked_at_again, reason_of
from stead.entities._partition.partition import Partition
from stead.entities._partition.waking import Deaths, DiedWaking
from stead.transport import Running, pack
from support.core_bench import Bench, Died

A, B, C = "an instance", "another", "@list@c"
DEADLY = "what its code cannot bear"


def local(target: str, value: object) -> Message:
    return Message(target, "add", [value], b"", None, None, None, None, None)


def heir_of(bench: Bench, *results: tuple[str, object], suspicious: bool | None = None) -> Partition:
    """An owner to whom what activities gave comes after it has done all else, as it does when they take long."""
    heir = bench.acquire()
    left = heir.suspects.active if suspicious is None else suspicious
    bench.work(heir)
    for target, value in results:
        if not heir.leaves_alone(target):
            heir.deliver_local(target, local(target, value), left)
    bench.work(heir)
    return heir


def died(bench: Bench, *results: tuple[str, object]) -> None:
    with pytest.raises(Died):
        heir_of(bench, *results)


@pytest.fixture
def bench() -> Bench:
    bench = Bench(poison_tries_max=3)
    for target in (A, B, C):
        bench.put(target, 1)
    bench.release(heir_of(bench))
    bench.kind.deadly = {DEADLY}
    return bench


@pytest.mark.hazard(20)
def test_a_target_whose_local_messages_kill_is_blocked_and_its_neighbours_run(bench: Bench) -> None:
    died(bench, (A, DEADLY))  # nobody was suspicious yet
    for tries in (1, 2, 3):
        bench.put(C, tries + 1)
        died(bench, (B, tries), (A, DEADLY))
        assert bench.store.running == Running(f"!waking 0a {A}", b"0-0", tries)
        assert (
            bench.state(C)[-1] == tries + 1
        )  # though suspicion had passed long before: nobody waits for a slow activity
    heir = heir_of(bench, (A, DEADLY), (B, 4))
    assert heir.leaves_alone(A) and not heir.leaves_alone(B)
    assert bench.store.blocked == {A: reason_of(3, "0a", None, turns=True)}
    assert (bench.state(A), bench.state(B)) == ([1], [1, 1, 2, 3, 4])
    assert (bench.store.running, bench.store.deaths, bench.store.unclean, bench.letters) == (None, b"", 0, [])
    bench.release(heir)

    bench.program, bench.kind.deadly = "0b", set()
    bench.release(heir_of(bench, (A, "mended")))
    assert bench.state(A) == [1, "mended"]


@pytest.mark.hazard(20)
def test_deaths_are_counted_for_each_target_though_others_die_in_between(bench: Bench) -> None:
    """All instances of one orchestration do, after a bad deployment: a single marker would be written over for ever."""
    died(bench, (A, DEADLY))
    for turn in range(5):
        died(bench, ((A, B)[turn % 2], DEADLY))
    heir_of(bench)
    assert list(bench.store.blocked) == [A]
    died(bench, (B, DEADLY))
    heir_of(bench)
    assert list(bench.store.blocked) == [A, B]
    assert bench.store.blocked[B] == reason_of(3, "0a", None, turns=True)


@pytest.mark.hazard(20)
def test_a_graceful_stop_or_a_lost_lease_is_no_death_and_takes_no_count_away(bench: Bench) -> None:
    died(bench, (A, DEADLY))
    died(bench, (A, DEADLY))
    for _ in range(5):  # given back before the activity has ended
        bench.release(heir_of(bench))
        assert (bench.store.running, bench.store.deaths) == (None, pack({A: 1}))
    for _ in range(5):  # given back when the marker was written, and nothing was run
        heir = bench.acquire()
        bench.work(heir)
        heir.deliver_local(A, local(A, DEADLY))
        heir.draining = True
        assert not heir.wants_waking
        bench.release(heir)
    for _ in range(2):
        died(bench, (A, DEADLY))
    heir_of(bench)
    assert list(bench.store.blocked) == [A]


@pytest.mark.hazard(20)
def test_what_was_done_of_all_that_was_left_forgives_and_nothing_less(bench: Bench) -> None:
    died(bench, (A, DEADLY))
    died(bench, (A, DEADLY))
    heir = heir_of(bench, (A, "well"))
    assert heir.deaths.targets == [A]
    heir.deliver_local(A, local(A, "on its way"))
    heir.forgive(A)
    assert heir.deaths.targets == [A]
    bench.work(heir)
    heir.forgive(B)
    heir.forgive(A)
    bench.work(heir)
    assert bench.store.deaths == b""
    assert bench.state(A) == [1, "well", "on its way"]


@pytest.mark.hazard(20)
def test_code_that_comes_to_be_known_for_a_blocked_instance_and_kills_is_found(bench: Bench) -> None:
    bench.store.blocked[A] = "no orchestration of its name is registered"
    bench.kind.deadly = {A}
    with pytest.raises(Died):
        bench.work(bench.acquire())
    for tries in (1, 2, 3):
        with pytest.raises(Died):
            bench.work(bench.acquire())
        assert bench.store.running == Running(f"!waking 0a {A}", b"0-0", tries)
    bench.put(B, 2)
    bench.release(heir_of(bench))
    assert bench.store.blocked[A].startswith("its turns ended 3 workers (of programs 0a)")
    assert bench.state(B) == [1, 2]


@pytest.mark.hazard(20)
def test_each_other_program_tries_once_what_has_killed(bench: Bench) -> None:
    bench.store.blocked[A] = reason_of(3, "0a", None, turns=True)
    bench.program = "0b"
    died(bench, (A, DEADLY))
    heir = heir_of(bench, (A, DEADLY))
    assert heir.leaves_alone(A)
    assert bench.store.blocked[A] == reason_of(1, "0b", reason_of(3, "0a", None), turns=True)


def test_a_marked_turn_waits_for_commits_that_clear_markers(bench: Bench) -> None:
    heir = heir_of(bench)
    heir.deliver_local(A, local(A, 2), True)
    heir.deliver_local(B, local(B, 2), True)
    assert heir.next_waking() is None  # they are on their way from the store
    bench.load(heir)
    marked = heir.next_waking()
    assert heir.wants_waking and marked is not None
    assert heir.wake_next(marked) == []
    assert not heir.wants_waking  # the commit to come clears what was marked
    commit = heir.next_commit()
    assert commit.clear_running and not heir.wants_waking
    bench.apply(commit)
    heir.committed()
    assert heir.wants_waking
    assert heir.wake_next(marked) == []  # of another target: whatever was first when it was marked is not any more
    assert bench.state(B) == [1]


def test_other_messages_of_the_same_target_go_on_and_wait_for_no_marker(bench: Bench) -> None:
    bench.put(A, 2, operation="wait")
    heir = bench.acquire()
    [started] = bench.work(heir)
    heir.deliver_local(A, local(A, "local"), True)
    assert heir.next_waking() is None  # an operation of it runs
    bench.put(B, 2)
    bench.work(heir)
    heir.finish(started.activation, None, None)
    bench.put(A, 3)
    bench.work(heir)
    assert (bench.state(A), bench.state(B)) == ([1, 2, "local", 3], [1, 2])


def test_an_asynchronous_turn_keeps_its_marker_until_it_has_ended(bench: Bench) -> None:
    heir = heir_of(bench)
    heir.deliver_local(A, Message(A, "wait", ["slow"], b"", None, None, None, None, None), True)
    [started] = bench.work(heir)
    bench.put(B, 2)
    bench.work(heir)
    marked = bench.store.running
    assert marked == Running(f"!waking 0a {A}", b"0-0", 1)
    heir.finish(started.activation, None, None)
    bench.work(heir)
    left = bench.store.running
    assert (left, bench.state(A)) == (None, [1, "slow"])


def test_what_the_lease_remembers_is_read_with_care() -> None:
    known = pack({A: 2, B: 1})
    deaths = Deaths(known, Running(f"!waking 0a {B}", b"0-0", 3))
    assert deaths.last == DiedWaking("0a", B, 3)
    assert deaths.was_last(B) and not deaths.was_last(A)
    assert deaths.unsaid and deaths.marker("0b", B) == Running(f"!waking 0b {B}", b"0-0", 4)
    assert Deaths(deaths.said(), None).targets == [B, A] and not deaths.unsaid
    assert not Deaths(known, Running(f"!waking 0a {A}", b"0-0", 2)).unsaid
    for garbled in (b"\xc1", pack([1]), pack({1: 1, "x": "y"})):
        assert Deaths(garbled, Running(A, b"1-0", 1)).targets == []
    many = Deaths(b"", None)
    for number in range(1_500):
        many.count(f"i{number}", number + 1)
    assert len(Deaths(many.said(), None).targets) == 1_000
    assert "i1499" in Deaths(many.said(), None) and "i1" not in Deaths(many.said(), None)


def test_a_block_says_by_what_workers_ended() -> None:
    by_turns, by_loading = reason_of(3, "0a", None, turns=True), reason_of(3, "0a", None)
    assert by_turns.startswith("its turns ended 3 workers") and by_loading.startswith("its loading ended 3 workers")
    assert is_deadly_for("0a", by_turns)
    assert looked_at_again({A: by_turns, B: by_loading, C: "else"}, "0b") == [A, B]
    assert looked_at_again({A: by_turns, B: by_loading}, "0a") == []
