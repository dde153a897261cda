"""What type checkers know of the events of a history: checked by mypy and pyright (strict), never run.

Each `type: ignore` stands where both checkers have to report an error: an unused one is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import Any, assert_type

from stead.orchestrations._execution.commands import Commands
from stead.orchestrations._history.events import (
    Event,
    FailureEvent,
    ResultEvent,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
)


def fields_have_types(scheduled: TaskScheduled, timer: TimerCreated) -> None:
    assert_type(scheduled.name, str)
    assert_type(scheduled.kwargs, dict[str, Any] | None)
    assert_type(timer.asked_ms, int | None)
    TaskScheduled(1, 1, "work", [], None, "", None, "once")  # type: ignore[arg-type]
    TaskScheduled(1, 1, "work")  # type: ignore[call-arg]
    scheduled.nmae  # type: ignore[attr-defined]  # noqa: B018


def events_are_frozen(event: Event, scheduled: TaskScheduled) -> None:
    event.at_ms = 2  # type: ignore[misc]
    scheduled.attempt = 2  # type: ignore[misc]


def a_class_says_which_fields_there_are(event: Event) -> None:
    event.result  # type: ignore[attr-defined]  # noqa: B018
    if isinstance(event, ResultEvent):
        assert_type(event.result, Any)
    elif isinstance(event, FailureEvent):
        assert_type(event.failure, dict[str, Any])
    match event:
        case TaskCompleted() | TaskFailed():
            assert_type(event.task_id, int)
        case _:
            pass


def what_is_scheduled_is_what_comes_back(commands: Commands) -> None:
    assert_type(commands.schedule(TimerCreated(1, 1, 2, "")), TimerCreated)
