"""One rule of local activities broken at a time, and the scenarios that have to see it (`local_scenarios.py`).

Each is broken as a slip in a change would break it: what is done is what is done else, but for one thing.
"""

from __future__ import annotations

from typing import Any

import pytest

from simulation.hop_breaks import Breaks, does_nothing, says
from stead.entities._partition.at_once import AtOnce
from stead.entities._partition.effects import Effects
from stead.entities._partition.hops import Hopping
from stead.entities._partition.partition import Partition
from stead.entities._worker import at_once
from stead.orchestrations._execution.commands import Commands
from stead.orchestrations._instance import driving, issuing
from stead.orchestrations._instance.turn import InstanceTurn
from stead.transport import Commit
from support.local_bench import LocalBench

breaks = Breaks()


@breaks(
    "an_ordinary_one_begins_when_it_is_stored",
    "a_history_is_as_that_of_ordinary_ones",
)
def ordinary_ones_begin_at_once_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def schedule(turn: InstanceTurn, event: Any, *, at_once: bool = False, size_bytes: int | None = None) -> Any:
        return issuing.schedule_task(turn, event, at_once=True, size_bytes=size_bytes)

    monkeypatch.setattr(driving, "schedule_task", schedule)


@breaks(
    "five_steps_are_one_commit",
    "all_at_once_are_one_commit",
    "what_goes_on_as_new_goes_on_in_the_batch",
    "what_waits_is_stored_and_does_not_begin_again",
)
def none_begins_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    does_nothing(Commands, "begin_at_once")(monkeypatch)


@breaks("five_steps_are_one_commit", "what_ends_before_its_commit_is_built_is_never_a_task")
def what_has_ended_is_stored_as_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def drop_task(self: Effects, task_id: bytes, limited_in: str | None = None) -> None:
        if task_id not in self._tasks:
            self._dropped[task_id] = limited_in
            self._count()

    monkeypatch.setattr(Effects, "drop_task", drop_task)


@breaks(
    "five_steps_are_one_commit",
    "what_was_applied_and_is_sent_again_is_there_once",
    "what_ends_while_its_commit_is_in_flight_is_recorded_once",
    "an_answer_that_waits_for_room_is_not_begun_again",
)
def an_answer_is_recorded_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def append(self: Effects, activation: Any, events: Any, reset: bool = False) -> None:
        appended(self, activation, [*events, events[-2]] if len(events) == 2 and not reset else events, reset)

    appended = Effects.append
    monkeypatch.setattr(Effects, "append", append)


@breaks(
    "what_ends_before_its_commit_is_built_is_never_a_task",
    "one_that_nobody_wants_any_more_is_told_so",
    "five_steps_are_one_commit",
)
def who_runs_it_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def take_settled(self: AtOnce) -> list[bytes]:
        return []

    monkeypatch.setattr(AtOnce, "take_settled", take_settled)


@breaks("what_ends_in_the_turn_that_began_it_runs_nothing", "a_suspended_one_keeps_the_answer")
def what_was_called_off_begins_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    does_nothing(AtOnce, "dropped")(monkeypatch)


@breaks("when_the_time_is_over_the_rest_are_ordinary_ones", "when_a_commit_is_full_the_rest_are_ordinary_ones")
def they_begin_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_followed(partition: Partition, stop_at: float) -> bool:
        return True

    monkeypatch.setattr(at_once, "_is_followed", is_followed)


@breaks("many_at_once_stop_when_the_time_is_over")
def all_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stead.entities._partition.at_once._TAKEN_AT_ONCE", 10_000)


@breaks("one_comes_to_its_end_before_the_next_begins")
def who_asked_goes_behind_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    says(AtOnce, "begins", False)(monkeypatch)


@breaks("one_without_end_leaves_time_to_its_neighbours")
def who_asked_has_no_quantum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stead.entities._partition.partition._QUANTUM_S", 1.0)


@breaks("what_goes_wrong_as_one_begins_is_no_turns_fault")
def what_goes_wrong_is_a_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(self: AtOnce) -> None:
        assert self.start is not None
        self.start(self.take())

    monkeypatch.setattr(AtOnce, "begin", begin)


@breaks("what_an_activity_takes_is_not_its_orchestrations")
def all_time_is_that_of_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(self: InstanceTurn) -> float:
        if not self._began_s:
            begun(self)
        return self._began_s

    begun = InstanceTurn.begin
    monkeypatch.setattr(InstanceTurn, "begin", begin)


@breaks("after_a_death_each_is_stored_before_it_begins", "a_turn_that_is_taken_alone_begins_nothing")
def suspicion_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def begins_early(self: InstanceTurn) -> bool:
        return True

    monkeypatch.setattr(InstanceTurn, "begins_early", begins_early)


@breaks("what_ends_its_process_is_stored_the_next_time")
def suspicion_is_forgotten_when_it_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    def begins_early(self: InstanceTurn) -> bool:
        time = self.slice
        return time is not None and not time.one_turn and self.effects.suspects is None

    monkeypatch.setattr(InstanceTurn, "begins_early", begins_early)


@breaks("what_an_activity_sends_comes_before_what_follows_it")
def what_an_activity_did_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    does_nothing(Hopping, "came_in_memory")(monkeypatch)


@breaks("what_was_handed_over_and_its_local_steps_are_written_together")
def nobody_is_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    says(Partition, "linked", [])(monkeypatch)


@breaks("what_was_handed_over_is_lost_with_who_sent_it")
def who_was_handed_something_is_written_without_its_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(self: Hopping, batch_id: bytes, number: int) -> list[Commit]:
        commits = built(self, batch_id, number)
        for commit in commits:
            commit.component = 0
        return commits

    built = Hopping.build
    monkeypatch.setattr(Hopping, "build", build)


@breaks(
    "a_death_between_two_steps_loses_what_was_not_committed",
    "nothing_is_left_of_a_refused_batch",
    "nothing_is_left_of_a_torn_batch",
)
def what_has_run_once_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: set[bytes] = set()

    def begin(self: LocalBench, partition: Partition, key: bytes, payload: bytes) -> None:
        if key not in ran:
            ran.add(key)
            begun(self, partition, key, payload)

    begun = LocalBench._begin
    monkeypatch.setattr(LocalBench, "_begin", begin)
