"""What is stored of a target may end whoever loads it: it is found, its target is blocked, and others run (HAZARDS 20)."""

from __future__ import annotations

import pytest

from stead.entities._partition.activation import Blocked, Phase
from stead.entities._partition.deadly import is_deadly, is_deadly_for, reason_of
from stead.entities._partition.suspects import UNDECODED, DiedLoading, Suspects
from stead.transport import Acquired, Running
from support.core_bench import Bench, Died

A, B = "@list@a", "@list@b"


def acquired(suspect_until: bytes = b"0-0", running: Running | None = None) -> Acquired:
    return Acquired(0, b"token", 1, b"", 0, None, {}, {}, 0, suspect_until, running)


def test_a_marker_of_loading_counts_for_its_target_only_whatever_the_program_and_is_of_no_message() -> None:
    suspects = Suspects(acquired(running=Running("!loading 0a @list@a b", b"0-0", 2), suspect_until=b"9-0"))
    assert suspects.careful
    assert suspects.died_loading == DiedLoading("0a", "@list@a b", 2)
    assert suspects.first == "@list@a b"
    assert suspects.marker_of_loading("0b", "@list@a b") == Running("!loading 0b @list@a b", b"0-0", 3)
    assert suspects.marker_of_loading("0a", B) == Running(f"!loading 0a {B}", b"0-0", 1)
    assert suspects.marker_for("@list@a b", b"0-0").tries == 1  # a turn of it
    suspects.heard(b"1-0")
    assert not suspects.was_decoded(b"1-0") and not suspects.was_loaded("@list@a b")
    assert not suspects.comes_first(b"2-0") and not suspects.turn_comes_first


def test_who_died_on_a_turn_has_loaded_its_target() -> None:
    suspects = Suspects(acquired(running=Running(A, b"5-0", 2)))
    assert suspects.died_loading is None
    assert suspects.first == A
    assert suspects.was_loaded(A) and not suspects.was_loaded(B)
    suspects.heard(b"5-0")
    assert suspects.turn_comes_first
    decoding = Suspects(acquired(running=Running(UNDECODED, b"5-0", 2)))
    assert decoding.first is None and not decoding.was_loaded(A)


def test_a_block_names_the_programs_that_ended_and_only_those_leave_its_target_alone() -> None:
    one = reason_of(3, "0a", None)
    both = reason_of(1, "0b", one)
    assert is_deadly_for("0a", one) and not is_deadly_for("0b", one) and not is_deadly_for("0a", None)
    assert is_deadly_for("0a", both) and is_deadly_for("0b", both)
    assert both.startswith("its loading ended 4 workers (of programs 0a, 0b)")
    assert reason_of(1, "0a", both).startswith("its loading ended 5 workers (of programs 0b, 0a)")
    for reason in (f"it said: {one}", "no entity named '0a' is registered", "its loading ended", ""):
        assert not is_deadly(reason) and not is_deadly_for("0a", reason)
    many = "it cannot be read"
    for number in range(100):
        many = reason_of(3, f"{number:04x}", many)
    assert is_deadly(many)
    assert is_deadly_for("0063", many) and not is_deadly_for("0000", many) and len(many) < 1_000


def killed_by_loading(bench: Bench, tenures: int) -> None:
    """So many owners, each of which dies when it looks into what is stored of A."""
    for _ in range(tenures):
        with pytest.raises(Died):
            bench.work(bench.acquire())


@pytest.mark.hazard(20)
def test_a_target_whose_loading_kills_is_blocked_and_its_neighbours_run() -> None:
    bench = Bench(poison_tries_max=3)
    bench.put(A, 1)
    bench.put(B, 1)
    first = bench.acquire()
    bench.work(first)
    bench.release(first)
    bench.kind.kills = {A}
    bench.put(B, 2)
    bench.put(A, 2)
    bench.put(B, 3)
    killed_by_loading(bench, 2)  # without care nobody knows what it was
    for tries in (1, 2, 3):
        killed_by_loading(bench, 1)
        assert bench.store.running == Running(f"!loading 0a {A}", b"0-0", tries)
    heir = bench.acquire()
    bench.work(heir)
    assert bench.store.blocked == {A: reason_of(3, "0a", None)}
    assert (bench.state(A), bench.state(B)) == ([1], [1, 2, 3])
    assert not heir.suspects.active
    assert (bench.store.unclean, bench.store.running, bench.letters) == (0, None, [])
    bench.release(heir)

    bench.put(A, 3)
    later = bench.acquire()  # of the same program
    bench.work(later)
    assert bench.state(A) == [1]
    assert not later.load_again(10)  # it is not looked at again by itself
    bench.release(later)

    bench.program, bench.kind.kills = "0b", set()
    bench.work(bench.acquire())
    assert bench.state(A) == [1, 2, 3]
    assert bench.store.blocked == {}


@pytest.mark.hazard(20)
def test_each_other_program_looks_once_at_what_has_killed_though_they_take_turns() -> None:
    """While a deployment is under way, programs that do not die of it because they leave it alone come in between."""
    bench = Bench(poison_tries_max=3)
    bench.put(A, 1)
    first = bench.acquire()
    bench.work(first)
    bench.release(first)
    bench.store.blocked[A] = reason_of(3, "0a", None)
    bench.kind.kills = {A}
    deaths = 0
    for program in ["0b", "0a", "0c", "0b", "0b", "0a", "0c", "0c", "0a", "0b"]:
        bench.program = program
        heir = bench.acquire()
        try:
            bench.work(heir)
        except Died:
            deaths += 1
        else:
            bench.release(heir)
    assert deaths == 2
    assert bench.store.blocked == {A: reason_of(1, "0c", reason_of(1, "0b", reason_of(3, "0a", None)))}
    bench.program, bench.kind.kills = "0d", set()
    bench.work(bench.acquire())  # no message has to come for it
    assert bench.store.blocked == {}


@pytest.mark.hazard(20)
def test_what_the_last_owner_died_of_loading_is_loaded_before_anything_is_decoded() -> None:
    bench = Bench()
    bench.put(B, 1)
    bench.put(A, 1)
    bench.acquire()
    bench.kind.kills = {A}
    killed_by_loading(bench, 2)
    assert bench.store.running is not None
    heir = bench.acquire()
    heir.put_aside(bench.store.inbox.read(b"0", 10))
    assert not heir.wants_decoding
    (loading,) = heir.take_loads()
    assert loading.target == A
    heir.put_loaded_aside(loading, bench.stored(A))
    assert heir.wants_opening and not heir.wants_decoding
    bench.kind.kills = set()
    heir.open_next()
    assert heir.wants_decoding


@pytest.mark.hazard(20)
def test_suspicion_does_not_pass_while_something_is_on_its_way_from_the_store() -> None:
    """It may be what killed, and nobody would know it if it were not marked."""
    bench = Bench()
    for _ in range(2):
        bench.acquire()
    bench.store.blocked["an instance"] = "no orchestration of its name is registered"
    heir = bench.acquire()
    loads = heir.take_loads()
    bench.read(heir)
    heir.settle_suspects()
    assert heir.suspects.careful
    heir.loaded(loads[0], bench.stored("an instance"))
    heir.settle_suspects()
    assert heir.suspects.careful  # its code, which may be known here, was not run yet
    assert bench.wake(heir, [])
    bench.commit(heir)
    heir.settle_suspects()
    assert not heir.suspects.active


def test_a_blocked_targets_messages_hold_up_nothing_under_suspicion() -> None:
    bench = Bench()
    bench.put(A, 1)
    bench.put(A, 2)
    bench.kind.reasons[A] = Blocked("it does not fit")
    bench.acquire()
    heir = bench.acquire()
    bench.work(heir)
    assert heir.activations[A].phase is Phase.BLOCKED
    assert not heir.suspects.active
    assert len(bench.store.parks[A].entries) == 2
