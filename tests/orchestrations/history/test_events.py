"""The table of events: every class is in it once, and which event answers which can only be said in one way."""

from __future__ import annotations

import inspect

import pytest

from stead.orchestrations._execution import recorded
from stead.orchestrations._history import events as classes
from stead.orchestrations._history.event_codec import encode_event, may_have_children
from stead.orchestrations._history.event_table import (
    ANSWERED,
    ANSWERS,
    ASKED,
    BY_NAME,
    BY_NUMBER,
    ENDS,
    FORM_OF,
    FORMS,
    FROM_OUTSIDE,
    SCHEDULED,
    answer_to,
    name_of,
)
from stead.orchestrations._history.events import (
    EndEvent,
    Event,
    ExecutionRewound,
    ExecutionStarted,
    FailureEvent,
    OutsideEvent,
    Patched,
    ResultEvent,
    ScheduledEvent,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
)

BASES = {Event, ScheduledEvent, OutsideEvent, EndEvent, ResultEvent, FailureEvent}


def name_of_class(cls: type[Event]) -> str:
    return cls.__name__


def test_every_class_of_events_has_a_number_of_its_own() -> None:
    defined = {cls for _, cls in inspect.getmembers(classes, inspect.isclass) if issubclass(cls, Event)}
    assert set(FORM_OF) == defined - BASES
    assert len(FORMS) == len(FORM_OF) == len(BY_NUMBER) == len(BY_NAME)
    assert [form.number for form in FORMS] == list(range(len(FORMS)))


def test_events_have_slots_and_are_told_apart_by_their_class() -> None:
    for form in FORMS:
        event = form.cls(1, 2, *form.names)
        assert not hasattr(event, "__dict__"), form.cls
        others = [other.cls(1, 2, *other.names) for other in FORMS if other is not form]
        assert event not in others
    with pytest.raises(TypeError):
        hash(TaskScheduled(1, 1, "work", [], None, "", None, 1))


def test_no_event_answers_two_and_none_is_scheduled_and_an_answer() -> None:
    answers = [cls for each in ANSWERS.values() for cls in (each.success, each.failure) if cls is not None]
    assert len(answers) == len(set(answers)) == len(ASKED)
    assert set(ASKED) >= {form.cls for form in FORMS if issubclass(form.cls, (ResultEvent, FailureEvent))}
    assert SCHEDULED.isdisjoint(ASKED)
    assert ENDS.isdisjoint(SCHEDULED | set(ASKED))
    assert FROM_OUTSIDE.isdisjoint(SCHEDULED | set(ASKED) | ENDS)


@pytest.mark.parametrize("asked", list(ANSWERS), ids=name_of_class)
def test_what_is_asked_and_its_answers_name_each_other(asked: type[Event]) -> None:
    assert asked in ANSWERED
    scheduled = asked(1, 7, *FORM_OF[asked].names)
    well, badly = answer_to(scheduled, 5, True, 1), answer_to(scheduled, 5, False, {"type": "ValueError"})
    assert well is not None and ASKED[type(well)] is asked
    assert (well.at_ms, well.task_id) == (5, 7)
    assert name_of(well) == type(well).__name__
    assert (badly is None) is (ANSWERS[asked].failure is None)
    if badly is not None:
        assert ASKED[type(badly)] is asked
        assert isinstance(badly, FailureEvent) and badly.failure == {"type": "ValueError"}


def test_all_that_counts_in_a_replay_is_compared() -> None:
    assert set(recorded.COMPARED) == SCHEDULED - {Patched}


@pytest.mark.parametrize("cls", list(recorded.COMPARED), ids=name_of_class)
def test_what_is_scheduled_can_be_described(cls: type[Event]) -> None:
    described = recorded.describe_event(cls(1, 1, *(f"<{name}>" for name in FORM_OF[cls].names)))
    assert described
    assert "{" not in described


@pytest.mark.parametrize("cls", list(recorded.COMPARED), ids=name_of_class)
def test_what_is_compared_are_fields_of_the_event(cls: type[Event]) -> None:
    compared = recorded.COMPARED[cls]
    event = cls(1, 1, *FORM_OF[cls].names)
    for name in (*compared.identity, *compared.inputs, *sum(compared.owned, ())):
        assert hasattr(event, name)
    assert type(compared.is_flat(event)) is bool


def test_children_are_told_from_the_first_bytes() -> None:
    begun = ExecutionStarted(1, 0, "order", None, 1, "e" * 32)
    later = ExecutionStarted(1, 0, "order", None, 1, "e" * 32, children=["i:1"], running_children=[])
    child = SubOrchestrationInstanceCreated(1, 1, "child", None, "i:1", None, None, 1)
    task = TaskScheduled(1, 1, "work", [], None, "", None, 1)
    cases: list[tuple[list[Event], bool]] = [
        ([begun, task], False),
        ([begun, child], True),
        ([later, task], True),
        ([ExecutionRewound(1, 0, "because", "f" * 32)], False),
        ([ExecutionRewound(1, 0, "because", "f" * 32, ["i:1"], [])], True),
    ]
    for events, expected in cases:
        assert may_have_children(map(encode_event, events)) is expected
