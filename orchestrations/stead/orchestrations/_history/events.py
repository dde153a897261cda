"""The events of which an instance's history consists: a class each, with its fields by name, in the order in which they are
stored. The names are those of Durable Functions.

What an orchestrator schedules (activities, timers, calls, signals, …) has a `task_id`: 1, 2, 3, … in the order in which
its code asked for them, so that a replay gives the same IDs. What answers it has the same `task_id`. All other events
have 0.

The order of a class's fields never changes. A new field goes to the end and has a default, with which what an older worker
wrote is read. Numbers, and which event answers which: `event_table`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from typing_extensions import dataclass_transform

C = TypeVar("C")

TIME_OUT_OF = "time-out of "
"""With which the purpose of a timer begins by which an activity fails."""


@dataclass_transform(frozen_default=True)
def _event(cls: type[C]) -> type[C]:
    """A data class, frozen for the type checkers, which see every line that has an event. Were it frozen at run time as well,
    making one would take four times as long, and a replay makes one for each entry of a log."""
    return dataclass(slots=True)(cls)


@_event
class Event:
    """What all events say. Times are milliseconds since the epoch."""

    number: ClassVar[int]
    """What stands for the class in a log: given to it by `event_table`."""
    at_ms: int
    task_id: int


# -- by which kind an event is treated ---------------------------------------------------------------------------------


@_event
class ScheduledEvent(Event):
    """What the code of an orchestrator brings about, as opposed to what happens to it."""


@_event
class OutsideEvent(Event):
    """What came from outside, without having been asked for. A rewinding keeps all of it."""


@_event
class EndEvent(Event):
    """The end of the execution."""


@_event
class ResultEvent(Event):
    """What was scheduled went well."""

    result: Any


@_event
class FailureEvent(Event):
    """What was scheduled failed."""

    failure: dict[str, Any]
    """`FailureDetails.as_map`."""


# -- an execution ------------------------------------------------------------------------------------------------------


@_event
class ExecutionStarted(Event):
    """The first event of each history."""

    name: str
    version: str | None
    input: Any
    execution_id: str
    parent: list[Any] | None = None
    """Who waits for it: instance, execution ID, task ID."""
    tags: dict[str, str] | None = None
    scheduled_ms: int | None = None
    """It is not to begin before."""
    children: list[str] | None = None
    """Of executions before it: their sub-orchestrations, …"""
    running_children: list[str] | None = None
    """… and those of them that may still run."""
    closing: dict[str, str] | None = None
    """What is to become of these at the end, where it was said."""
    trace: str | list[str] | None = None
    """To which trace it belongs, as messages carry it. No code sees it."""


@_event
class ExecutionCompleted(EndEvent):
    """It has ended, whether or not it went well."""

    status: int
    """The number of a `RuntimeStatus`."""
    result: Any
    failure: dict[str, Any] | None
    ran_out: int | None = None
    """The number of the timer by which it failed, or 0. None: an older worker did not say."""


@_event
class ExecutionTerminated(EndEvent):
    """Somebody has ended it."""

    reason: str
    recursive: bool


@_event
class ExecutionCancelRequested(OutsideEvent):
    """Its code is asked to end: it finds itself cancelled where it waits."""

    reason: str


@_event
class ExecutionSuspended(OutsideEvent):
    """Its code pauses."""

    reason: str


@_event
class ExecutionResumed(OutsideEvent):
    """Its code goes on."""

    reason: str


@_event
class ExecutionRewound(OutsideEvent):
    """It goes on after it had failed. From here on, what was drawn from the first execution ID stays."""

    reason: str
    execution_id: str | None = None
    children: list[str] | None = None
    """Sub-orchestrations whose beginning is not in the history any more, …"""
    running_children: list[str] | None = None
    """… and those of them that may still run."""
    closing: dict[str, str] | None = None
    """What is to become of these at the end, where it was said."""
    fresh: bool | None = None
    """What is open is tried by its retry policy from the beginning."""


@_event
class OrchestratorStarted(Event):
    """The code came late to what had happened."""

    events: int
    """To how many of the events before it it came only then."""


# -- what its code schedules, and the answers --------------------------------------------------------------------------


@_event
class TaskScheduled(ScheduledEvent):
    """An activity is called."""

    name: str
    args: list[Any]
    kwargs: dict[str, Any] | None
    queue: str
    tags: dict[str, str] | None
    attempt: int
    """1, 2, …"""
    timeout_ms: int | None = None
    """How long the attempt may run, …"""
    heartbeat_ms: int | None = None
    """… and how long without a heartbeat."""
    details: Any = None
    """What the last heartbeat of the attempt before said."""
    limit: str | None = None
    """Behind which limit it waits: the activity's, or that of one key of it, …"""
    priority: int | None = None
    """… and how much sooner than others."""
    await_cleanup: bool | None = None
    """Whether the code, should it cancel it, waits until it has ended."""


@_event
class TaskCompleted(ResultEvent):
    """An activity has a result."""


@_event
class TaskFailed(FailureEvent):
    """An activity failed."""


@_event
class SubOrchestrationInstanceCreated(ScheduledEvent):
    """A sub-orchestration is called."""

    name: str
    version: str | None
    instance_id: str
    input: Any
    tags: dict[str, str] | None
    attempt: int
    parent_close: str | None = None
    """What becomes of it if its parent ends first, or gives it up: "terminate", "cancel", "abandon". None: as of its parent."""


@_event
class SubOrchestrationInstanceCompleted(ResultEvent):
    """A sub-orchestration has a result."""


@_event
class SubOrchestrationInstanceFailed(FailureEvent):
    """A sub-orchestration failed, was terminated, or could not be started."""


@_event
class TimerCreated(ScheduledEvent):
    """A timer is set."""

    fire_at_ms: int
    purpose: str
    """"" for the code's own, "retry of NAME", "time-out of NAME"."""
    asked_ms: int | None = None
    """Of one that a rewinding has set anew: the time that the code had asked for."""


@_event
class TimerFired(Event):
    """A timer is due."""

    fire_at_ms: int


@_event
class OrchestrationInstanceStarted(ScheduledEvent):
    """An orchestration is started that nobody waits for."""

    name: str
    version: str | None
    instance_id: str
    input: Any
    start_at_ms: int | None
    tags: dict[str, str] | None


@_event
class EventSent(ScheduledEvent):
    """An external event for another instance."""

    instance_id: str
    name: str
    input: Any


@_event
class EventRaised(OutsideEvent):
    """An external event. Its data: `data.event_data`."""

    name: str
    input: Any
    encoded_twice: bool | None = None
    """Of a client's text that holds JSON: whether all of it is encoded twice."""


@_event
class UpdateAccepted(OutsideEvent):
    """A client has told the instance something that its code takes."""

    update_id: str
    """The ID of the message."""
    name: str
    args: list[Any]
    kwargs: Mapping[str, object] | None
    waiter: list[Any] | None
    """Who is told what comes of it: group, client, call ID."""


@_event
class UpdateCompleted(ScheduledEvent):
    """What has come of it."""

    update_id: str
    ok: bool
    value: Any
    """The result, or a failure's map."""


@_event
class Patched(ScheduledEvent):
    """The code goes the way that a patch added. Its `task_id` is 0: it does not count."""

    name: str


# -- entities ----------------------------------------------------------------------------------------------------------


@_event
class EntityOperationSignaled(ScheduledEvent):
    """An entity is sent a signal."""

    entity_id: str
    operation: str
    args: list[Any]
    kwargs: Mapping[str, object] | None
    due_ms: int | None
    delay_ms: int | None


@_event
class EntityOperationCalled(ScheduledEvent):
    """An entity is called."""

    entity_id: str
    operation: str
    args: list[Any]
    kwargs: Mapping[str, object] | None
    lock: bytes | None
    """The ID of the lock's request, within a critical section."""


@_event
class EntityOperationCompleted(ResultEvent):
    """An entity's operation has a result."""


@_event
class EntityOperationFailed(FailureEvent):
    """An entity's operation failed."""


@_event
class EntityLockRequested(ScheduledEvent):
    """Locks are asked for."""

    lock: bytes
    """The request's ID."""
    entity_ids: list[str]
    """In locking order."""


@_event
class EntityLockGranted(Event):
    """All of the locks are held."""


@_event
class EntityUnlockSent(ScheduledEvent):
    """Locks are given back."""

    lock: bytes
    entity_ids: list[str]
    granted: bool
    """Directly to each, else along the chain of the request."""
