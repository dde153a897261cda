"""The Durable Functions surface: a history as that shows it.

What was scheduled (an activity, a sub-orchestration) is not shown by itself once it is completed: its completion says its name,
when it was scheduled, and its input. Fields are named as there; what Durable Functions does not have is named in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from stead.gateway._http.json_values import ticks
from stead.orchestrations import FailureDetails, HistoryEvent
from stead.orchestrations.histories import ASKED, STATUSES, SubOrchestrationInstanceCreated, TaskScheduled

_SCHEDULES = frozenset({TaskScheduled.__name__, SubOrchestrationInstanceCreated.__name__})
_SCHEDULED = {answer.__name__: asked.__name__ for answer, asked in ASKED.items() if asked.__name__ in _SCHEDULES}

# What Durable Functions leaves out as well, or what is of use to workers alone.
_LEFT_OUT = frozenset(
    {
        *("execution_id", "parent", "version", "tags", "queue", "lock", "kwargs", "purpose", "encoded_twice"),
        *("children", "running_children", "ran_out", "asked"),
    }
)


def history_events(events: Sequence[HistoryEvent], *, show_input: bool, show_output: bool) -> list[dict[str, Any]]:
    """The events as JSON data. `show_input`: with what things were given; `show_output`: with what they gave."""
    merged = {(_SCHEDULED[event.event_type], event.task_id) for event in events if event.event_type in _SCHEDULED}
    scheduled: dict[tuple[str, int], HistoryEvent] = {}
    shown: list[dict[str, Any]] = []
    for event in events:
        key = event.event_type, event.task_id
        if event.event_type in _SCHEDULES:
            scheduled[key] = event
            if key in merged:
                continue
        line = _line(event, show_input=show_input, show_output=show_output)
        before = scheduled.get((_SCHEDULED.get(event.event_type, ""), event.task_id))
        if before is not None:
            line["ScheduledTime"] = ticks(before.timestamp)
            line["FunctionName"] = before.fields["name"]
            if show_input:
                line["Input"] = _input(before.fields)
        shown.append(line)
    return shown


def _line(event: HistoryEvent, *, show_input: bool, show_output: bool) -> dict[str, Any]:
    """One event: its type, its own fields, its time."""
    fields = event.fields
    line: dict[str, Any] = {"EventType": event.event_type}
    for name, value in fields.items():
        if name == "status":
            line["OrchestrationStatus"] = STATUSES[value].value
        elif name == "result":
            if show_output:
                line["Result"] = _result(fields)
        elif name == "failure":
            line |= _failure(event.event_type, value, show_output=show_output)
        elif name in ("input", "args"):
            if show_input:
                line["Input"] = _input(fields)
        elif name.endswith("_ms"):
            if value is not None:
                line[_TIMES.get(name, "FireAt")] = _instant(name, value)
        elif name == "reason" and event.event_type == "ExecutionTerminated":
            if show_input:
                line["Input"] = value
        elif name not in _LEFT_OUT:
            line[_pascal(name)] = value
    line["Timestamp"] = ticks(event.timestamp)
    if event.event_type == "ExecutionStarted":
        line["FunctionName"] = line.pop("Name")
    return line


_TIMES = {
    "scheduled_ms": "ScheduledStartTime",
    "at_ms": "ScheduledStartTime",
    "due_ms": "ScheduledTime",
    "delay_ms": "Delay",
}


def _instant(name: str, milliseconds: int) -> Any:
    if name == "delay_ms":
        return milliseconds / 1000
    return ticks(datetime.fromtimestamp(milliseconds / 1000, UTC))


def _input(fields: Mapping[str, Any]) -> Any:
    """What something was given: of an activity its argument, if it has one alone."""
    if "args" not in fields:
        return fields.get("input")
    args, kwargs = list(fields["args"]), fields.get("kwargs")
    if kwargs:
        return {"args": args, "kwargs": kwargs}
    return None if not args else args[0] if len(args) == 1 else args


def _result(fields: Mapping[str, Any]) -> Any:
    failure = fields.get("failure")
    return fields["result"] if failure is None else str(FailureDetails.from_map(failure))


def _failure(event_type: str, data: Mapping[str, Any] | None, *, show_output: bool) -> dict[str, Any]:
    """Why something failed. The stack is part of what the code gave: it is shown with the outputs only."""
    if event_type == "ExecutionCompleted":
        return {} if data is None else {"FailureDetails": _details(FailureDetails.from_map(data), show_output)}
    if data is None:
        return {}
    failure = FailureDetails.from_map(data)
    return {"Reason": str(failure), "FailureDetails": _details(failure, show_output)}


def _details(failure: FailureDetails, show_stack: bool) -> dict[str, Any]:
    inner = failure.cause
    return {
        "ErrorType": failure.error_type,
        "ErrorMessage": failure.message,
        "StackTrace": failure.traceback if show_stack else None,
        "InnerFailure": None if inner is None else _details(inner, show_stack),
        "IsNonRetriable": failure.non_retriable,
    }


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
