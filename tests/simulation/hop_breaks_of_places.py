"""Rules of local hops that are not about order, broken one at a time: see `hop_breaks.py`."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import pytest

from simulation.hop_breaks import Breaks, does_nothing, says
from stead.entities._message.envelope import Message, decode_message
from stead.entities._partition import hops
from stead.entities._partition import partition as partition_module
from stead.entities._partition.activation import Activation, Phase
from stead.entities._partition.effects import Effects
from stead.entities._partition.hops import Cause, Hopping, Hops
from stead.entities._partition.parking import Parking
from stead.entities._partition.partition import Partition
from stead.entities._partition.pending import Offer, Pending
from stead.entities._partition.slice import Slice
from stead.transport import Commit
from support.hop_bench import HopBench, ProgramKind

breaks = Breaks()


def _hops_into(monkeypatch: pytest.MonkeyPatch, spare: str, value: Any) -> None:
    """One thing about an activation or a message is not looked at."""
    real = Hopping._hops_into

    def hops_into(self: Hopping, activation: Activation, message: Any) -> bool:
        of = activation if hasattr(activation, spare) else message
        before = getattr(of, spare)
        setattr(of, spare, value)
        try:
            return real(self, activation, message)
        finally:
            setattr(of, spare, before)

    monkeypatch.setattr(Hopping, "_hops_into", hops_into)


def _has_limit(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    """Whatever the settings say."""
    real = Hops.__init__

    def init(self: Hops, settings: Any) -> None:
        real(self, settings)
        setattr(self, limit, value)

    monkeypatch.setattr(Hops, "__init__", init)


breaks["what has a park is offered things"] = (
    lambda monkeypatch: _hops_into(monkeypatch, "park", None),
    ["who_has_a_park_is_offered_nothing"],
)
breaks["who is locked or busy is offered things"] = (
    lambda monkeypatch: _hops_into(monkeypatch, "phase", Phase.READY),
    ["who_is_locked_or_busy_or_not_there_is_offered_nothing"],
)
breaks["what is delayed hops"] = (
    lambda monkeypatch: _hops_into(monkeypatch, "delay_ms", None),
    ["what_is_scheduled_does_not_hop"],
)
breaks["what is due later hops"] = (
    lambda monkeypatch: _hops_into(monkeypatch, "due_ms", None),
    ["what_is_scheduled_does_not_hop"],
)


@breaks("what_was_offered_is_not_moved_to_a_park", "what_was_offered_is_not_parked_for_its_age")
def what_was_offered_is_moved_to_a_park(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Parking.overflow

    def overflow(self: Parking, activation: Activation, keep: int) -> list[Pending]:
        offers = [pending for pending in activation.mailbox if type(pending) is Offer]
        if offers and keep < len(activation.mailbox):
            for place, pending in enumerate(activation.mailbox):
                if type(pending) is Offer:
                    activation.mailbox[place] = Pending(b"0", pending.envelope, pending.message, False)
        moved = real(self, activation, keep)
        if activation.park is not None:
            activation.park.waiting = [b"" if one == b"0" else one for one in activation.park.waiting]
        return moved

    monkeypatch.setattr(Parking, "overflow", overflow)


@breaks("what_holds_an_offer_stays_in_memory")
def what_holds_an_offer_is_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    def idle_of(activations: Iterable[Activation], before: int, flying: object) -> list[Activation]:
        return [each for each in activations if each.phase is Phase.READY and not each.more and not each.dirty]

    monkeypatch.setattr(partition_module, "idle_of", idle_of)


@breaks("a_lane_opens_again")
def a_lane_stays_closed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    does_nothing(Hops, "open")(monkeypatch)


@breaks("the_dead_letter_of_a_hop_has_its_bytes")
def nobody_has_the_bytes_of_a_hop(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Hopping._offer

    def offer(self: Hopping, to: Hopping, target: str, envelope: bytes) -> Offer | None:
        given = real(self, to, target, envelope)
        if given is not None:
            bare = Offer(b"", b"", given.message, False)
            to._tenure.activations[target].mailbox[-1] = bare
        return given

    monkeypatch.setattr(Hopping, "_offer", offer)


@breaks("a_mailbox_is_filled_to_its_half")
def a_mailbox_is_filled_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    _has_limit(monkeypatch, "length_max", 1_000)


@breaks("what_is_withdrawn_runs_once_and_in_its_place", "some_are_taken_and_some_withdrawn")
def what_is_withdrawn_stays_in_the_mailbox(monkeypatch: pytest.MonkeyPatch) -> None:
    does_nothing(Hopping, "_withdraw")(monkeypatch)


@breaks("what_is_withdrawn_runs_once_and_in_its_place")
def what_is_withdrawn_is_appended(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Hopping.decide

    def decide(self: Hopping) -> None:
        real(self)
        for each in self._component:
            effects = each._tenure.effects
            offered = [place for place, offer in effects._offers if not offer.taken]
            effects._sends = [s for place, s in enumerate(effects._sends) if place not in offered] + [
                effects._sends[place] for place in reversed(offered)
            ]

    monkeypatch.setattr(Hopping, "decide", decide)


@breaks("what_is_withdrawn_runs_once_and_in_its_place")
def what_is_withdrawn_is_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Hopping._withdraw

    def withdraw(self: Hopping) -> None:
        before = self._tenure.runnable
        real(self)
        self._tenure.runnable = before

    monkeypatch.setattr(Hopping, "_withdraw", withdraw)


@breaks("some_are_taken_and_some_withdrawn")
def places_count_what_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Effects._keep_what_is_stored

    def keep(self: Effects) -> None:
        starts = self._starts
        real(self)
        self._starts = starts

    monkeypatch.setattr(Effects, "_keep_what_is_stored", keep)


@breaks("a_chain_is_done_in_one_step")
def what_was_taken_is_sent_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    does_nothing(Effects, "_keep_what_is_stored")(monkeypatch)


@breaks("what_one_sends_to_itself_does_not_hop")
def what_one_sends_to_itself_hops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hopping, "turning", property(lambda self: None, lambda self, value: None), raising=False)


@breaks("what_is_asynchronous_does_not_hop")
def what_is_asynchronous_hops(monkeypatch: pytest.MonkeyPatch) -> None:
    def takes_offer(self: ProgramKind, activation: Activation, message: Message) -> bool:
        return True

    monkeypatch.setattr(ProgramKind, "takes_offer", takes_offer)


@breaks("bytes_hop_and_no_objects")
def objects_hop(monkeypatch: pytest.MonkeyPatch) -> None:
    once = functools.cache(decode_message)
    shared: dict[str, Any] = {}

    def decode(envelope: bytes) -> Any:
        message = once(envelope)
        message.args = shared.setdefault(repr(message.args), message.args)
        return message

    monkeypatch.setattr(hops, "decode_message", decode)


@breaks("a_consumer_that_changes_nothing_is_written_all_the_same")
def an_empty_consumer_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Effects._take

    def take(self: Effects, offer: Offer) -> None:
        real(self, offer)
        self._extra_length -= 1

    monkeypatch.setattr(Effects, "_take", take)


@breaks(
    "a_consumer_that_changes_nothing_is_written_all_the_same",
    "a_sender_whose_effects_were_all_taken_is_written_with_them",
)
def members_are_judged_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    real = HopBench.build

    def build(self: HopBench, *numbers: int) -> Any:
        flight = real(self, *numbers)
        for commit in flight.commits:
            commit.component = 0
        return flight

    monkeypatch.setattr(HopBench, "build", build)


@breaks("no_turn_comes_between_the_commits_of_a_component")
def a_turn_comes_between_the_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Partition.build

    def build(self: Partition, batch_id: bytes | None = None, *, linked: bool = False) -> Commit:
        commit = real(self, batch_id, linked=linked)
        for each in self.hopping._component if self.hopping is not None else ():
            assert isinstance(each._tenure, Partition)
            each._tenure.take_turns(float("inf"))
        return commit

    monkeypatch.setattr(Partition, "build", build)


@breaks(
    "if_one_ends_all_begin_anew",
    "if_the_receiver_ends_the_sender_begins_anew",
    "what_rests_on_what_was_void_begins_anew_too",
)
def only_the_one_that_ended_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Partition, "linked", property(lambda self: []))


@breaks("what_a_tenure_that_ended_had_in_flight_keeps_lanes_closed")
def what_a_tenure_had_in_flight_is_forgotten_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Hopping.end

    def end(self: Hopping) -> None:
        real(self)
        for receiver in list(self._flying.receivers) if self._flying is not None else ():
            self._hops.open(receiver, self._flying or Cause())

    monkeypatch.setattr(Hopping, "end", end)


@breaks("a_tenure_that_ends_in_flight_is_judged_by_the_verdict")
def nobody_hears_of_the_verdict_on_a_tenure_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Partition.landed

    def landed(self: Partition) -> None:
        if not self.gone:
            real(self)

    monkeypatch.setattr(Partition, "landed", landed)


@breaks("a_chain_without_end_is_cut")
def what_comes_in_memory_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Effects.fill

    def fill(self: Effects, length: int, size_bytes: int) -> bool:
        before, self._extra_length = self._extra_length, 0
        sends, self._sends = self._sends, []
        full = real(self, length, size_bytes)
        self._extra_length, self._sends = before, sends
        return full

    monkeypatch.setattr(Effects, "fill", fill)


@breaks("a_chain_without_end_is_cut")
def the_limit_is_the_members(monkeypatch: pytest.MonkeyPatch) -> None:
    does_nothing(Slice, "share")(monkeypatch)


@breaks("a_component_is_no_larger_than_a_commit")
def a_component_has_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    _has_limit(monkeypatch, "batch_length_max", 1_000_000)


@breaks("nothing_hops_into_what_is_given_back")
def something_hops_into_what_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hopping, "may_receive", property(lambda self: self.is_whole))


@breaks("what_holds_an_offer_is_not_settled")
def what_holds_an_offer_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    says(Hopping, "in_component", value=False)(monkeypatch)


@breaks("nothing_hops_from_or_to_what_is_under_suspicion")
def something_hops_to_what_is_under_suspicion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hopping, "may_receive", property(lambda self: self.is_whole and not self._tenure.draining))


@breaks("nothing_hops_from_or_to_what_is_under_suspicion")
def something_hops_from_what_is_under_suspicion(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = property(lambda self: self._hops.last_read > self._began)
    monkeypatch.setattr(Hopping, "_may_send", heard)
