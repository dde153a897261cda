"""What is wrong with an instance is seen, whichever of its rules is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from stead.orchestrations._history.events import (
    EntityLockGranted,
    EntityLockRequested,
    Event,
    ExecutionStarted,
    SubOrchestrationInstanceCreated,
    TaskCompleted,
    TaskScheduled,
)
from stead.orchestrations._history.record import InstanceRecord, RuntimeStatus
from stead.orchestrations._history.well_formed import ill_formed

HISTORY = [
    ExecutionStarted(1, 0, "name", None, None, "x", None, None, None, [], []),
    TaskScheduled(1, 1, "one", [], None, "", None, 1),
    SubOrchestrationInstanceCreated(1, 2, "child", None, "child-1", None, None, 1),
    TaskCompleted(2, 1, 7),
    EntityLockRequested(2, 3, b"lock", ["@a@a"]),
    EntityLockGranted(3, 3),
]


def in_use() -> tuple[InstanceRecord, list[Event]]:
    record = InstanceRecord(RuntimeStatus.RUNNING, "name", None, "x", 1, 3, history_length=len(HISTORY))
    return record, [*HISTORY]


def lose_an_event(record: InstanceRecord, history: list[Event]) -> None:
    del history[-1]


def see_less_than_nothing(record: InstanceRecord, history: list[Event]) -> None:
    record.unseen = 7


def end_without_a_time(record: InstanceRecord, history: list[Event]) -> None:
    record.status = RuntimeStatus.COMPLETED


def end_and_run(record: InstanceRecord, history: list[Event]) -> None:
    record.finished_ms = 3


def fail_and_run(record: InstanceRecord, history: list[Event]) -> None:
    record.failure = {"type": "ValueError"}


def answer_twice(record: InstanceRecord, history: list[Event]) -> None:
    history.append(history[3])
    record.history_length += 1


def answer_what_nobody_asked(record: InstanceRecord, history: list[Event]) -> None:
    history[1] = history[0]


def lock_twice(record: InstanceRecord, history: list[Event]) -> None:
    history.append(replace(history[4], task_id=4))
    record.history_length += 1


BREAKS: dict[Callable[[InstanceRecord, list[Event]], None], str] = {
    lose_an_event: "is said to have 6 events, and has 5",
    see_less_than_nothing: "said to be unseen",
    end_without_a_time: "Completed, and finished at None",
    end_and_run: "Running, and finished at 3",
    fail_and_run: "has a failure",
    answer_twice: "event 6 answers 1",
    answer_what_nobody_asked: "event 3 answers 1",
    lock_twice: "a lock is held twice",
}


def test_an_instance_in_use_is_well_formed() -> None:
    assert ill_formed(*in_use()) is None


@pytest.mark.parametrize(("damage", "words"), BREAKS.items())
def test_each_rule_that_is_broken_is_named(damage: Callable[[InstanceRecord, list[Event]], None], words: str) -> None:
    record, history = in_use()
    damage(record, history)
    assert words in (ill_formed(record, history) or "")
