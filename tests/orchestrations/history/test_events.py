"""Which event answers which, and what can be told from an event's first bytes."""

from __future__ import annotations

import pytest

from stead.orchestrations._execution import recorded
from stead.orchestrations._history.events import (
    ANSWERED,
    ANSWERS,
    ASKED,
    ENDS,
    FAILURES,
    FIELDS,
    NAMES,
    SCHEDULED,
    SUCCESSES,
    Event,
    EventType,
    encode_event,
    may_have_children,
)


def test_every_event_has_a_name_and_fields() -> None:
    assert set(NAMES) == set(FIELDS) == set(EventType)
    assert len(set(NAMES.values())) == len(EventType)


def test_no_event_answers_two_and_none_is_scheduled_and_an_answer() -> None:
    answers = [kind for each in ANSWERS.values() for kind in (each.success, each.failure) if kind is not None]
    assert len(answers) == len(set(answers)) == len(ASKED)
    assert set(ASKED) == SUCCESSES | FAILURES
    assert SUCCESSES.isdisjoint(FAILURES)
    assert SCHEDULED.isdisjoint(ASKED)
    assert ENDS.isdisjoint(SCHEDULED | set(ASKED))


@pytest.mark.parametrize("asked", sorted(ANSWERS), ids=lambda kind: kind.name)
def test_what_is_asked_and_its_answers_name_each_other(asked: EventType) -> None:
    assert asked in ANSWERED
    assert ASKED[ANSWERS[asked].success] is asked
    failure = ANSWERS[asked].failure
    assert failure is None or ASKED[failure] is asked


def test_all_that_counts_in_a_replay_is_compared() -> None:
    assert set(recorded.GIVEN) == SCHEDULED - {EventType.PATCHED}


@pytest.mark.parametrize("kind", sorted(recorded.GIVEN), ids=lambda kind: kind.name)
def test_what_is_scheduled_can_be_described(kind: EventType) -> None:
    fields = tuple(f"<{name}>" for name in FIELDS[kind])
    assert recorded.describe(kind, fields)
    assert "{" not in recorded.describe(kind, fields)


def test_children_are_told_from_the_first_bytes() -> None:
    begun = ("order", None, 1, "e" * 32, None, None, None)
    child = Event(EventType.SUB_ORCHESTRATION_CREATED, 1, 1, ("child", None, "i:1", None, None, 1))
    task = Event(EventType.TASK_SCHEDULED, 1, 1, ("work", [], None, "", None, 1))
    rewound = ("because", "f" * 32)
    for events, expected in [
        ([Event(EventType.EXECUTION_STARTED, 1, 0, begun), task], False),
        ([Event(EventType.EXECUTION_STARTED, 1, 0, begun), child], True),
        ([Event(EventType.EXECUTION_STARTED, 1, 0, (*begun, ["i:1"], [])), task], True),
        ([Event(EventType.EXECUTION_REWOUND, 1, 0, rewound)], False),
        ([Event(EventType.EXECUTION_REWOUND, 1, 0, (*rewound, ["i:1"], []))], True),
    ]:
        assert may_have_children(map(encode_event, events)) is expected
