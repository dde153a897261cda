"""The table of events: which number stands for which class in a log, and which event answers which. All else follows.

The numbers are stored: they are never used again for anything else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from .events import (
    EndEvent,
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    EntityUnlockSent,
    Event,
    EventRaised,
    EventSent,
    ExecutionCancelRequested,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    FailureEvent,
    OrchestrationInstanceStarted,
    OrchestratorStarted,
    OutsideEvent,
    Patched,
    ResultEvent,
    ScheduledEvent,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
    UpdateAccepted,
    UpdateCompleted,
)

Success: TypeAlias = ResultEvent | TimerFired | EntityLockGranted


class Answers(NamedTuple):
    """What answers a scheduled event, with its task ID: if it went well, and if not (None: it cannot fail)."""

    wait: str
    """What people are told that an instance waits for."""
    success: type[Success]
    failure: type[FailureEvent] | None = None
    lasting: bool = False
    """It comes however long it takes, also after a rewinding."""


HEAD = ("number", "at_ms", "task_id")
"""What every event is stored with, before its own fields."""


class Form(NamedTuple):
    """How events of one class are stored."""

    number: int
    cls: type[Event]
    answers: Answers | None
    names: tuple[str, ...]
    """Of its own fields, as people see them."""
    least: int
    """How many of them have to be there."""
    written: int
    """How many of them are written whatever they are. Those behind them came later: they are left out where they are None."""
    values: Callable[[Event], tuple[Any, ...]]
    """All that may be stored of one: number, time, task ID, its own fields."""
    later: tuple[None, ...]
    """What the fields that came later are, of most events."""


_RENAMED = {"start_at_ms": "at_ms", "asked_ms": "asked"}


def _form(number: int, cls: type[Event], answers: Answers | None = None, *, later: int = 0) -> Form:
    fields = dataclasses.fields(cls)
    own = fields[len(HEAD) - 1 :]
    names = tuple(_RENAMED.get(field.name, field.name) for field in own)
    least = sum(field.default is dataclasses.MISSING for field in own)
    cls.number = number
    values = attrgetter("number", *(field.name for field in fields))
    return Form(number, cls, answers, names, least, len(own) - later, values, (None,) * later)


FORMS = (
    _form(0, ExecutionStarted, later=4),
    _form(1, ExecutionCompleted, later=1),
    _form(2, ExecutionTerminated),
    _form(3, ExecutionSuspended),
    _form(4, ExecutionResumed),
    _form(5, ExecutionRewound, later=5),
    _form(6, TaskScheduled, Answers("activity", TaskCompleted, TaskFailed), later=6),
    _form(7, TaskCompleted),
    _form(8, TaskFailed),
    _form(
        9,
        SubOrchestrationInstanceCreated,
        Answers("sub-orchestration", SubOrchestrationInstanceCompleted, SubOrchestrationInstanceFailed, lasting=True),
        later=1,
    ),
    _form(10, SubOrchestrationInstanceCompleted),
    _form(11, SubOrchestrationInstanceFailed),
    _form(12, TimerCreated, Answers("timer", TimerFired), later=1),
    _form(13, TimerFired),
    _form(14, EventSent),
    _form(15, EventRaised, later=1),
    _form(16, OrchestrationInstanceStarted),
    _form(17, EntityOperationSignaled),
    _form(18, EntityOperationCalled, Answers("entity", EntityOperationCompleted, EntityOperationFailed, lasting=True)),
    _form(19, EntityOperationCompleted),
    _form(20, EntityOperationFailed),
    _form(21, EntityLockRequested, Answers("lock", EntityLockGranted)),
    _form(22, EntityLockGranted),
    _form(23, EntityUnlockSent),
    _form(24, Patched),
    _form(25, OrchestratorStarted),
    _form(26, ExecutionCancelRequested),
    _form(27, UpdateAccepted),
    _form(28, UpdateCompleted),
)

FORM_OF: dict[type[Event], Form] = {form.cls: form for form in FORMS}
BY_NUMBER: dict[int, Form] = {form.number: form for form in FORMS}
BY_NAME: dict[str, Form] = {form.cls.__name__: form for form in FORMS}

# Which event answers which.
ANSWERS: dict[type[Event], Answers] = {form.cls: form.answers for form in FORMS if form.answers is not None}
# What an answer is the answer to.
ASKED: dict[type[Event], type[Event]] = {
    cls: asked for asked, answers in ANSWERS.items() for cls in (answers.success, answers.failure) if cls is not None
}


def _all(base: type[Event]) -> frozenset[type[Event]]:
    return frozenset(form.cls for form in FORMS if issubclass(form.cls, base))


SCHEDULED = _all(ScheduledEvent)
FROM_OUTSIDE = _all(OutsideEvent)
ENDS = _all(EndEvent)
# Scheduled events that are answered by another one with their task ID.
ANSWERED = frozenset(ANSWERS)


def name_of(event: Event) -> str:
    """What people call an event."""
    return type(event).__name__


def fields_of(event: Event) -> tuple[Any, ...]:
    """An event's own fields, as they are stored."""
    return stored_values(event)[len(HEAD) :]


def shown_fields(event: Event) -> dict[str, Any]:
    """An event's own fields, as far as they are stored, by the names under which people see them."""
    return dict(zip(FORM_OF[type(event)].names, fields_of(event), strict=False))


def stored_values(event: Event) -> tuple[Any, ...]:
    """What is stored of an event: number, time, task ID, its own fields."""
    form = FORM_OF[type(event)]
    values = form.values(event)
    return values if values[-1] is not None else without_later(form, values)


def without_later(form: Form, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """All values of an event, but for those that need not be written."""
    end = len(HEAD) + form.written
    if values[end:] == form.later:  # most have none of them
        return values[:end]
    end = len(values)
    while values[end - 1] is None and end > len(HEAD) + form.written:
        end -= 1
    return values[:end]


def answer_to(scheduled: Event, at_ms: int, ok: bool, value: Any) -> Event | None:
    """The event with which something that was scheduled is answered; None if it cannot be answered so."""
    answers = ANSWERS[type(scheduled)]
    if not ok:
        return None if answers.failure is None else answers.failure(at_ms, scheduled.task_id, value)
    if issubclass(answers.success, EntityLockGranted):
        return answers.success(at_ms, scheduled.task_id)
    return answers.success(at_ms, scheduled.task_id, value)
