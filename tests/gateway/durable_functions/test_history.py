"""The Durable Functions surface: histories, of real runs and of every kind of event."""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest

from stead.gateway._durable_functions.history import history_events
from stead.orchestrations import FailureDetails, HistoryEvent
from stead.orchestrations._history.event_table import FORM_OF
from stead.orchestrations._history.events import (
    Event,
    ExecutionStarted,
    ExecutionTerminated,
    TaskCompleted,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from support.df_gateway import BASE, Gateway, gateway
from support.valkey_server import ValkeyServer

AT = datetime(2018, 2, 28, 5, 18, 49, 345_000, UTC)
TIME = "2018-02-28T05:18:49.3450000Z"
AT_MS = int(AT.timestamp() * 1000)


@pytest.fixture(scope="module")
def df(module_server: ValkeyServer) -> Generator[Gateway]:
    with gateway(module_server) as running:
        yield running


def history(df: Gateway, instance_id: str, **query: str) -> list[dict[str, Any]]:
    """An instance's history, without its times."""
    answer = df.http.get(f"{BASE}/instances/{instance_id}", params={"showHistory": "true", **query})
    payload = answer.json()
    assert list(payload)[-1] == "historyEvents"
    events: list[dict[str, Any]] = payload["historyEvents"]
    for event in events:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", event.pop("Timestamp"))
        assert event.pop("ScheduledTime", "") <= "3"
    return events


def test_the_history_is_shown_only_if_it_is_wanted(df: Gateway) -> None:
    instance_id = df.run("E1_HelloSequence")
    for query in ("", "?showHistory=false", "?showHistoryOutput=true"):
        assert "historyEvents" not in df.http.get(f"{BASE}/instances/{instance_id}{query}").json()


def test_what_was_scheduled_is_part_of_its_completion(df: Gateway) -> None:
    instance_id = df.run("E1_HelloSequence")
    completed = {"EventType": "TaskCompleted", "FunctionName": "E1_SayHello"}
    assert history(df, instance_id) == [
        {"EventType": "ExecutionStarted", "Input": None, "FunctionName": "E1_HelloSequence"},
        {**completed, "Input": "Tokyo"},
        {**completed, "Input": "Seattle"},
        {**completed, "Input": "London"},
        {"EventType": "ExecutionCompleted", "OrchestrationStatus": "Completed"},
    ]
    assert history(df, instance_id, showHistoryOutput="true", showInput="false") == [
        {"EventType": "ExecutionStarted", "FunctionName": "E1_HelloSequence"},
        {**completed, "Result": "Hello Tokyo!"},
        {**completed, "Result": "Hello Seattle!"},
        {**completed, "Result": "Hello London!"},
        {
            "EventType": "ExecutionCompleted",
            "OrchestrationStatus": "Completed",
            "Result": ["Hello Tokyo!", "Hello Seattle!", "Hello London!"],
        },
    ]


def test_a_long_history_is_the_same(df: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{BASE}/instances/{df.run('E1_HelloSequence')}?showHistory=true&showHistoryOutput=true"
    at_once = df.http.get(path)
    monkeypatch.setattr("stead.gateway._durable_functions.instances.HISTORY_LENGTH_AT_ONCE", 1)
    beside = df.http.get(path)
    assert (beside.status_code, beside.content) == (200, at_once.content)


def test_sub_orchestrations_failures_and_events(df: Gateway) -> None:
    assert history(df, df.run("parent", 5), showHistoryOutput="true")[1] == {
        "EventType": "SubOrchestrationInstanceCompleted",
        "FunctionName": "echo",
        "Input": 5,
        "Result": 5,
    }
    _, failed, end = history(df, df.run("failing", "door"))
    assert failed["EventType"] == "TaskFailed"
    assert (failed["FunctionName"], failed["Reason"]) == ("enter", "ValueError: door is closed")
    assert failed["FailureDetails"]["ErrorMessage"] == "door is closed"
    assert failed["FailureDetails"]["StackTrace"] is None
    assert end["OrchestrationStatus"] == "Failed"
    assert end["FailureDetails"]["InnerFailure"]["ErrorType"] == "ValueError"
    _, failed, end = history(df, df.run("failing", "door"), showHistoryOutput="true")
    assert "ValueError" in failed["FailureDetails"]["StackTrace"]
    assert "door is closed" in end["Result"]
    instance_id = df.start("approval")
    df.http.post(f"{BASE}/instances/{instance_id}/raiseEvent/ApprovalReceived", json=[1])
    df.ended(instance_id)
    assert history(df, instance_id)[1] == {"EventType": "EventRaised", "Name": "ApprovalReceived", "Input": [1]}
    assert history(df, instance_id, showInput="false")[1] == {"EventType": "EventRaised", "Name": "ApprovalReceived"}
    instance_id = df.start("approval")
    df.http.post(f"{BASE}/instances/{instance_id}/terminate?reason=enough")
    df.ended(instance_id)
    assert {"EventType": "ExecutionTerminated", "Input": "enough", "Recursive": False} in history(df, instance_id)


# -- every kind of event -----------------------------------------------------------------------------------------------

FAILURE = FailureDetails("ValueError", "no", "Traceback", FailureDetails("OSError", "disk")).as_map()
LEFT_OUT = {
    "EventId",
    "IsPlayed",
    "Version",
    "TaskScheduledId",
    "TimerId",
    "OrchestrationInstance",
    "ParentInstance",
    "Tags",
}


def event(cls: type[Event], task_id: int = 0, **fields: Any) -> HistoryEvent:
    values = [fields.get(name) for name in FORM_OF[cls].names]
    return HistoryEvent.of(cls(AT_MS, task_id, *values))


def shown(*events: HistoryEvent, show_input: bool = True, show_output: bool = True) -> list[dict[str, Any]]:
    return history_events(events, show_input=show_input, show_output=show_output)


@pytest.mark.parametrize("cls", list(FORM_OF))
def test_every_event_can_be_shown(cls: type[Event]) -> None:
    names = FORM_OF[cls].names
    failures = {"failure": FAILURE} if "failure" in names else {}
    given = {"status": 3, "name": "n", "args": [1], "fire_at_ms": AT_MS, "input": 1, **failures}
    for full in (True, False):
        (line,) = shown(event(cls, 1, **given), show_input=full, show_output=full)
        assert next(iter(line)) == "EventType"
        assert line["Timestamp"] == TIME
        assert not LEFT_OUT & set(line)
        assert ("Traceback" in str(line)) is (full and bool(failures))
        assert ("Input" in line) is (full and bool({"args", "input"} & set(names) or cls is ExecutionTerminated))


def test_events_of_timers_and_starts() -> None:
    fields = {"fire_at_ms": AT_MS, "purpose": ""}
    assert shown(event(TimerCreated, 1, **fields)) == [{"EventType": "TimerCreated", "FireAt": TIME, "Timestamp": TIME}]
    assert shown(event(TimerFired, 1, fire_at_ms=AT_MS)) == [
        {"EventType": "TimerFired", "FireAt": TIME, "Timestamp": TIME}
    ]
    assert shown(event(ExecutionStarted, name="f", input=1, scheduled_ms=AT_MS)) == [
        {
            "EventType": "ExecutionStarted",
            "Input": 1,
            "ScheduledStartTime": TIME,
            "Timestamp": TIME,
            "FunctionName": "f",
        }
    ]


def test_what_is_not_completed_is_shown_as_scheduled() -> None:
    scheduled = event(TaskScheduled, 1, name="f", args=[], attempt=1)
    other = event(TaskScheduled, 2, name="g", args=[1, 2], attempt=1)
    completed = event(TaskCompleted, 2, result="r")
    lines = shown(scheduled, other, completed)
    assert lines == [
        {"EventType": "TaskScheduled", "Name": "f", "Input": None, "Attempt": 1, "Timestamp": TIME},
        {
            "EventType": "TaskCompleted",
            "Result": "r",
            "Timestamp": TIME,
            "ScheduledTime": TIME,
            "FunctionName": "g",
            "Input": [1, 2],
        },
    ]
    keywords = event(TaskScheduled, 3, name="h", args=[1], kwargs={"a": 2}, attempt=1)
    assert shown(keywords)[0]["Input"] == {"args": [1], "kwargs": {"a": 2}}
    # A completion whose beginning is not there, as after a rewind, stands for itself.
    assert shown(completed) == [{"EventType": "TaskCompleted", "Result": "r", "Timestamp": TIME}]
