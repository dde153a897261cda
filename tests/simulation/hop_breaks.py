"""One rule of local hops broken at a time, and the scenarios that have to see it (`hop_scenarios.py`).

Each is broken as a slip in a change would break it: what is done is what is done else, but for one thing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stead.entities._partition.effects import Effects
from stead.entities._partition.hops import Cause, Hopping, Hops
from stead.entities._partition.pending import Offer
from support.hop_bench import Flight, HopBench

Break = Callable[[pytest.MonkeyPatch], None]

# -- what is broken ----------------------------------------------------------------------------------------------------


class Breaks(dict[str, tuple[Break, list[str]]]):
    """Rules that are broken, by name."""

    def __call__(self, *scenarios: str) -> Callable[[Break], Break]:
        """A rule is broken, and these are the scenarios that have to see it, each by itself."""

        def add(broken: Break) -> Break:
            self[broken.__name__] = (broken, list(scenarios))
            return broken

        return add


breaks = Breaks()


def says(owner: type, name: str, value: Any) -> Break:
    """A property that always gives one thing."""
    return lambda monkeypatch: monkeypatch.setattr(owner, name, property(lambda self: value))


def does_nothing(owner: type, name: str) -> Break:
    def nothing(*args: object) -> None:
        """Nothing."""

    return lambda monkeypatch: monkeypatch.setattr(owner, name, nothing)


@breaks(
    "what_is_stored_first_runs_first", "who_is_told_of_something_comes_after_it", "a_locked_one_takes_what_is_express"
)
def a_lane_is_closed_when_the_commit_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_closed(self: Hopping, receiver: int) -> bool:
        unbuilt = {each._stored for each in self._hops.tenures.values()}
        closed = self._hops.closed.get(receiver, {})
        return not (closed.keys() - unbuilt).isdisjoint(self._causes)

    monkeypatch.setattr(Hopping, "_is_closed", is_closed)


@breaks("a_lane_stays_closed_until_a_read_that_was_sent_after_the_verdict")
def a_lane_is_opened_by_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Hopping.landed

    def landed(self: Hopping) -> None:
        cause = self._flying
        real(self)
        for receiver in list(cause.receivers) if cause is not None else ():
            self._hops.open(receiver, cause or Cause())

    monkeypatch.setattr(Hopping, "landed", landed)


@breaks("a_lane_stays_closed_until_a_read_that_was_sent_after_the_verdict")
def a_lane_is_opened_by_a_read_that_was_sent_before(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Hopping.landed

    def landed(self: Hopping) -> None:
        cause = self._flying
        real(self)
        if cause is not None:
            cause.read = self._hops.reads_sent - 1

    monkeypatch.setattr(Hopping, "landed", landed)


@breaks("a_lane_stays_closed_until_the_verdict")
def a_lane_is_opened_before_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Hopping.built

    def built(self: Hopping) -> None:
        self._stored.read = self._hops.reads_sent
        real(self)

    monkeypatch.setattr(Hopping, "built", built)


@breaks("who_was_told_before_knows_nothing_of_what_comes_later")
def a_cause_that_others_know_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Hopping.built

    def built(self: Hopping) -> None:
        if self._stored.receivers:
            real(self)

    monkeypatch.setattr(Hopping, "built", built)


@breaks("a_lane_opens_again")
def a_cause_of_what_was_stored_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    does_nothing(Hopping, "built")(monkeypatch)


@breaks("a_lane_stays_closed_until_its_receiver_is_read_to_its_end")
def a_lane_is_opened_by_any_read(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Hops.read_ends

    def read_ends(self: Hops, number: int, seen: Any) -> None:
        real(self, number, list(self.tenures))
        self.not_whole = frozenset()

    monkeypatch.setattr(Hops, "read_ends", read_ends)


def _inherits_not(those: Callable[[Hopping, Cause], bool]) -> Break:
    """Who is offered something does not learn of some of what its sender knows."""

    def broken(monkeypatch: pytest.MonkeyPatch) -> None:
        real = Hopping._offer

        def offer(self: Hopping, to: Hopping, target: str, envelope: bytes) -> Offer | None:
            before = dict(to._causes)
            given = real(self, to, target, envelope)
            for cause in [cause for cause in to._causes if cause not in before and those(self, cause)]:
                del to._causes[cause]
            return given

        monkeypatch.setattr(Hopping, "_offer", offer)

    return broken


breaks["what the sender stores is not inherited"] = (
    _inherits_not(lambda sender, cause: cause is sender._stored),
    [
        "who_is_told_of_something_comes_after_it",
        "what_is_stored_after_the_offer_counts_too",
        "who_was_told_earlier_comes_after_what_is_withdrawn",
    ],
)
breaks["what the sender has in flight is not inherited"] = (
    _inherits_not(lambda sender, cause: cause is sender._flying),
    ["who_was_told_comes_after_what_is_in_flight"],
)
breaks["what nobody has read is not inherited"] = (
    _inherits_not(lambda sender, cause: cause.read is not None),
    ["who_was_told_comes_after_what_was_written_and_not_read"],
)
breaks["what the sender has inherited is not inherited"] = (
    _inherits_not(lambda sender, cause: cause not in (sender._stored, sender._flying)),
    ["what_was_inherited_is_inherited"],
)


@breaks(
    "who_was_told_earlier_comes_after_what_is_withdrawn",
    "who_was_told_of_an_offer_that_is_withdrawn_a_generation_later",
)
def what_is_withdrawn_closes_the_lane_of_its_sender_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def decide(self: Hopping) -> None:
        for each in self._component:
            each._withdraw()
            own = Cause()
            each._causes[own] = None
            for receiver in each._tenure.effects.withdrawn:
                own.receivers.add(receiver)
                each._hops.closed.setdefault(receiver, {})[own] = None

    monkeypatch.setattr(Hopping, "decide", decide)


@breaks("what_is_withdrawn_runs_once_and_in_its_place", "who_was_told_earlier_comes_after_what_is_withdrawn")
def what_is_withdrawn_closes_no_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Effects, "withdrawn", property(lambda self: []))


@breaks("a_new_tenure_of_the_receiver_is_not_whole")
def a_new_tenure_counts_as_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = property(lambda self: self._tenure.number not in self._hops.not_whole)
    monkeypatch.setattr(Hopping, "is_whole", whole)


@breaks("what_the_former_owner_of_the_sender_sent_is_read_first")
def what_the_former_owner_has_sent_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:

    def heard(self: Hopping) -> bool:
        hops, suspects = self._hops, self._tenure.suspects
        return hops.last_read >= self._memory_read and not hops.receiving and not suspects.active

    monkeypatch.setattr(Hopping, "_may_send", property(heard))


@breaks("who_was_cut_off_is_not_whole", "who_was_left_out_of_a_read_is_not_whole")
def all_are_whole_after_a_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hopping, "is_whole", property(lambda self: self._hops.last_read > self._began))


@breaks("all_of_a_read_is_received_first", "a_read_of_which_the_rest_never_comes")
def turns_need_not_wait_for_the_rest_of_a_read(monkeypatch: pytest.MonkeyPatch) -> None:
    does_nothing(Hops, "read_comes")(monkeypatch)


@breaks(
    "what_comes_in_memory_comes_after_what_it_has_seen",
    "a_local_message_comes_after_what_it_has_seen",
    "a_read_that_was_sent_before_is_too_early",
)
def what_comes_in_memory_is_as_if_it_were_read(monkeypatch: pytest.MonkeyPatch) -> None:
    does_nothing(Hopping, "came_in_memory")(monkeypatch)


@breaks("a_read_that_was_sent_before_is_too_early")
def any_read_will_do_after_what_came_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def came(self: Hopping) -> None:
        self._memory_read = self._hops.last_read + 1

    monkeypatch.setattr(Hopping, "came_in_memory", came)


@breaks("an_inbox_gets_what_was_sent_in_the_order_of_sending", "a_start_has_its_place_in_that_order")
def members_are_sent_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    real = HopBench.apply

    def apply(self: HopBench, flight: Any) -> Any:
        for commit in flight.commits:
            commit.stamps = ()
        return real(self, flight)

    monkeypatch.setattr(HopBench, "apply", apply)


@breaks("a_start_has_its_place_in_that_order")
def starts_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Effects.send_start

    def send_start(self: Effects, target: str, envelope: bytes, message_id: bytes) -> None:
        real(self, target, envelope, message_id)
        start = self._starts[-1]
        self._starts[-1] = type(start)(start.partition, start.target, start.message_id, start.payload, start.place)

    monkeypatch.setattr(Effects, "send_start", send_start)
    real_apply = HopBench.apply

    def apply(self: HopBench, flight: Flight) -> Any:
        both = sorted(zip(flight.commits, flight.partitions, strict=True), key=lambda one: bool(one[0].starts))
        flight.commits, flight.partitions = [one[0] for one in both], [one[1] for one in both]
        for commit in flight.commits:  # those that send no start have sent before
            commit.stamps = commit.stamps if commit.starts else [0] * len(commit.sends)
        return real_apply(self, flight)

    monkeypatch.setattr(HopBench, "apply", apply)
