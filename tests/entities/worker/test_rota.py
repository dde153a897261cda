"""Whose turn it is: nobody waits for more than one slice of each of the others, and the event loop is let in between."""

from __future__ import annotations

import itertools

from stead.entities._worker.rota import RESTS, Rota


def one_round(rota: Rota[str], slices: int = 1_000) -> list[str]:
    """Those that take turns in a round with time for so many slices."""
    return list(itertools.islice(rota.round(), slices))


def test_who_wakes_comes_before_who_was_cut_off() -> None:
    rota: Rota[str] = Rota()
    rota.goes_on("busy", rest=False)
    rota.wake("calls")
    assert one_round(rota) == ["calls", "busy"]
    assert not rota


def test_those_that_were_cut_off_are_served_in_turn() -> None:
    rota: Rota[str] = Rota()
    for name in "abc":
        rota.goes_on(name, rest=False)
    served: list[str] = []
    for _ in range(9):
        (name,) = one_round(rota, 1)
        served.append(name)
        rota.goes_on(name, rest=False)
    assert served == [*"abcabcabc"]


def test_those_that_wake_again_and_again_do_not_keep_who_was_cut_off_from_going_on() -> None:
    rota: Rota[str] = Rota()
    rota.goes_on("busy", rest=False)
    served: list[str] = []
    for number in range(10):
        rota.wake(f"w{number}")
        served += one_round(rota, 1)
        if served[-1] == "busy":
            rota.goes_on("busy", rest=False)
    assert served.count("busy") == 5  # every other round


def test_after_unfinished_work_the_event_loop_goes_round_before_the_next_slice_of_it() -> None:
    rota: Rota[str] = Rota()
    rota.goes_on("loop", rest=True)
    for _ in range(RESTS):
        assert rota  # its round comes
        assert one_round(rota) == []
    assert one_round(rota) == ["loop"]


def test_who_wakes_meanwhile_does_not_rest() -> None:
    rota: Rota[str] = Rota()
    rota.goes_on("loop", rest=True)
    rota.wake("calls")
    assert one_round(rota) == ["calls"]


def test_who_is_not_asked_for_keeps_its_place() -> None:
    rota: Rota[str] = Rota()
    for name in "abc":
        rota.wake(name)
    assert one_round(rota, 2) == ["a", "b"]
    rota.wake("d")
    assert one_round(rota) == ["c", "d"]


def test_who_was_cut_off_and_wakes_gets_no_second_slice() -> None:
    rota: Rota[str] = Rota()
    rota.goes_on("busy", rest=False)
    rota.wake("busy")
    assert one_round(rota) == ["busy"]
    assert not rota


def test_who_is_dropped_takes_no_turn() -> None:
    rota: Rota[str] = Rota()
    rota.wake("a")
    rota.goes_on("b", rest=False)
    rota.drop("a")
    rota.drop("b")
    assert not rota
    assert one_round(rota) == []
