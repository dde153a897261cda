"""The events of which an instance's history consists, and how they look in the store.

An event is one element of the instance's log: `[type, at_ms, task_id, *fields]` in msgpack. The types' numbers and the
order of their fields never change; a new field goes to the end, and what an older worker wrote is read with its default.
The names are those of Durable Functions.

What an orchestrator schedules (activities, timers, calls, signals, …) has a `task_id`: 1, 2, 3, … in the order in which
its code asked for them, so that a replay gives the same IDs. What answers it has the same `task_id`. All other events
have 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, NamedTuple

from stead.transport import InvalidInput, pack_envelope, unpack


class EventType(IntEnum):
    """What happened. The numbers are stored: they are never used again for anything else."""

    # name, version, input, execution_id, parent or None, tags, scheduled_ms or None; of executions before it: children, and
    # those of them that may still run
    EXECUTION_STARTED = 0
    # status (a number of RuntimeStatus), result, failure map or None, number of the timer by which it failed or 0
    EXECUTION_COMPLETED = 1
    EXECUTION_TERMINATED = 2  # reason, recursive
    EXECUTION_SUSPENDED = 3  # reason
    EXECUTION_RESUMED = 4  # reason
    # reason, execution_id: from here on, what was drawn from the first one stays; children whose beginning is not in the
    # history any more, and those of them that may still run
    EXECUTION_REWOUND = 5
    TASK_SCHEDULED = 6  # name, args, kwargs or None, queue, tags, attempt (1, 2, …)
    TASK_COMPLETED = 7  # result
    TASK_FAILED = 8  # failure map
    SUB_ORCHESTRATION_CREATED = 9  # name, version or None, instance_id, input, tags, attempt
    SUB_ORCHESTRATION_COMPLETED = 10  # result
    SUB_ORCHESTRATION_FAILED = 11  # failure map
    # fire_at_ms, purpose ("" for the code's own, "retry of NAME"); set anew by a rewinding: the time that the code had asked for
    TIMER_CREATED = 12
    TIMER_FIRED = 13  # fire_at_ms
    EVENT_SENT = 14  # instance_id, name, data
    EVENT_RAISED = 15  # name, data, (of a client's text that holds JSON) whether all of it is encoded twice
    ORCHESTRATION_STARTED = (
        16  # one that nobody waits for: name, version or None, instance_id, input, at_ms or None, tags
    )
    ENTITY_SIGNALED = 17  # target, operation, args, kwargs or None, due_ms or None, delay_ms or None
    ENTITY_CALLED = 18  # target, operation, args, kwargs or None, lock request ID or None
    ENTITY_COMPLETED = 19  # result
    ENTITY_FAILED = 20  # failure map
    LOCK_REQUESTED = 21  # lock request ID (bytes), targets in locking order
    LOCK_GRANTED = 22
    UNLOCK_SENT = 23  # lock request ID, targets, granted: directly to each, else along the chain of the request
    PATCHED = 24  # the name given to context.patched; its task_id is 0: it does not count
    ORCHESTRATOR_STARTED = 25  # to how many of the events before it the code came only then


NAMES = {
    EventType.EXECUTION_STARTED: "ExecutionStarted",
    EventType.EXECUTION_COMPLETED: "ExecutionCompleted",
    EventType.EXECUTION_TERMINATED: "ExecutionTerminated",
    EventType.EXECUTION_SUSPENDED: "ExecutionSuspended",
    EventType.EXECUTION_RESUMED: "ExecutionResumed",
    EventType.EXECUTION_REWOUND: "ExecutionRewound",
    EventType.TASK_SCHEDULED: "TaskScheduled",
    EventType.TASK_COMPLETED: "TaskCompleted",
    EventType.TASK_FAILED: "TaskFailed",
    EventType.SUB_ORCHESTRATION_CREATED: "SubOrchestrationInstanceCreated",
    EventType.SUB_ORCHESTRATION_COMPLETED: "SubOrchestrationInstanceCompleted",
    EventType.SUB_ORCHESTRATION_FAILED: "SubOrchestrationInstanceFailed",
    EventType.TIMER_CREATED: "TimerCreated",
    EventType.TIMER_FIRED: "TimerFired",
    EventType.EVENT_SENT: "EventSent",
    EventType.EVENT_RAISED: "EventRaised",
    EventType.ORCHESTRATION_STARTED: "OrchestrationInstanceStarted",
    EventType.ENTITY_SIGNALED: "EntityOperationSignaled",
    EventType.ENTITY_CALLED: "EntityOperationCalled",
    EventType.ENTITY_COMPLETED: "EntityOperationCompleted",
    EventType.ENTITY_FAILED: "EntityOperationFailed",
    EventType.LOCK_REQUESTED: "EntityLockRequested",
    EventType.LOCK_GRANTED: "EntityLockGranted",
    EventType.UNLOCK_SENT: "EntityUnlockSent",
    EventType.PATCHED: "Patched",
    EventType.ORCHESTRATOR_STARTED: "OrchestratorStarted",
}

FIELDS: dict[EventType, tuple[str, ...]] = {
    EventType.EXECUTION_STARTED: (
        *("name", "version", "input", "execution_id", "parent", "tags", "scheduled_ms"),
        *("children", "running_children"),
    ),
    EventType.EXECUTION_COMPLETED: ("status", "result", "failure", "ran_out"),
    EventType.EXECUTION_TERMINATED: ("reason", "recursive"),
    EventType.EXECUTION_SUSPENDED: ("reason",),
    EventType.EXECUTION_RESUMED: ("reason",),
    EventType.EXECUTION_REWOUND: ("reason", "execution_id", "children", "running_children"),
    EventType.TASK_SCHEDULED: ("name", "args", "kwargs", "queue", "tags", "attempt"),
    EventType.TASK_COMPLETED: ("result",),
    EventType.TASK_FAILED: ("failure",),
    EventType.SUB_ORCHESTRATION_CREATED: ("name", "version", "instance_id", "input", "tags", "attempt"),
    EventType.SUB_ORCHESTRATION_COMPLETED: ("result",),
    EventType.SUB_ORCHESTRATION_FAILED: ("failure",),
    EventType.TIMER_CREATED: ("fire_at_ms", "purpose", "asked"),
    EventType.TIMER_FIRED: ("fire_at_ms",),
    EventType.EVENT_SENT: ("instance_id", "name", "input"),
    EventType.EVENT_RAISED: ("name", "input", "encoded_twice"),
    EventType.ORCHESTRATION_STARTED: ("name", "version", "instance_id", "input", "at_ms", "tags"),
    EventType.ENTITY_SIGNALED: ("entity_id", "operation", "args", "kwargs", "due_ms", "delay_ms"),
    EventType.ENTITY_CALLED: ("entity_id", "operation", "args", "kwargs", "lock"),
    EventType.ENTITY_COMPLETED: ("result",),
    EventType.ENTITY_FAILED: ("failure",),
    EventType.LOCK_REQUESTED: ("lock", "entity_ids"),
    EventType.LOCK_GRANTED: (),
    EventType.UNLOCK_SENT: ("lock", "entity_ids", "granted"),
    EventType.PATCHED: ("name",),
    EventType.ORCHESTRATOR_STARTED: ("events",),
}


class Answers(NamedTuple):
    """What answers a scheduled event, with its task ID: if it went well, and if not (None: it cannot fail)."""

    success: EventType
    failure: EventType | None = None
    lasting: bool = False  # it comes however long it takes, also after a rewinding


# Which event answers which. Whatever asks what belongs to what follows from here.
ANSWERS: dict[EventType, Answers] = {
    EventType.TASK_SCHEDULED: Answers(EventType.TASK_COMPLETED, EventType.TASK_FAILED),
    EventType.SUB_ORCHESTRATION_CREATED: Answers(
        EventType.SUB_ORCHESTRATION_COMPLETED, EventType.SUB_ORCHESTRATION_FAILED, lasting=True
    ),
    EventType.TIMER_CREATED: Answers(EventType.TIMER_FIRED),
    EventType.ENTITY_CALLED: Answers(EventType.ENTITY_COMPLETED, EventType.ENTITY_FAILED, lasting=True),
    EventType.LOCK_REQUESTED: Answers(EventType.LOCK_GRANTED),
}
_UNANSWERED = frozenset(
    {
        EventType.EVENT_SENT,
        EventType.ORCHESTRATION_STARTED,
        EventType.ENTITY_SIGNALED,
        EventType.UNLOCK_SENT,
        EventType.PATCHED,
    }
)
ENDS = frozenset({EventType.EXECUTION_COMPLETED, EventType.EXECUTION_TERMINATED})

# Scheduled events that are answered by another one with their task ID.
ANSWERED = frozenset(ANSWERS)
# What the code of an orchestrator brings about, as opposed to what happens to it.
SCHEDULED = ANSWERED | _UNANSWERED
SUCCESSES = frozenset(answers.success for answers in ANSWERS.values())
FAILURES = frozenset(answers.failure for answers in ANSWERS.values() if answers.failure is not None)
# What an answer is the answer to.
ASKED = {kind: asked for asked, answers in ANSWERS.items() for kind in answers[:2] if kind is not None}


class Event(NamedTuple):
    """One event. `fields` are those that the list at `EventType` names, in that order."""

    type: EventType
    at_ms: int
    task_id: int
    fields: tuple[Any, ...]


def encode_event(event: Event) -> bytes:
    """The bytes of an event in the log. Raises `InvalidInput` if one of its values cannot be stored."""
    return pack_envelope((int(event.type), event.at_ms, event.task_id, *event.fields))


def event_with(event: Event, fields: bytes) -> bytes:
    """`encode_event`, where the fields (of which there are at most 12) have been packed already, as a list: in msgpack that is
    a byte that says how many there are, and then one after the other."""
    head = pack_envelope((int(event.type), event.at_ms, event.task_id))
    return b"%c%b%b" % (fields[0] + 3, head[1:], fields[1:])


_EXECUTION_STARTED = EventType.EXECUTION_STARTED
_TYPES = {int(event_type): event_type for event_type in EventType}


def decode_event(data: bytes) -> Event:
    """The event of its bytes. Raises `InvalidInput` for what is none, or was written by a newer stead."""
    parts: list[Any] = unpack(data)
    is_list = type(parts) is list  # pyright: ignore[reportUnnecessaryComparison]
    if not is_list or len(parts) < 3:
        raise InvalidInput("history", "an entry of it is no event")
    number, at_ms, task_id = parts[:3]
    if type(number) is not int or type(at_ms) is not int or type(task_id) is not int:
        raise InvalidInput("history", "an entry of it is no event")
    event_type = _TYPES.get(number)
    if event_type is _EXECUTION_STARTED and len(parts) < 7:
        raise InvalidInput("history", "its beginning is not one of an execution")
    if event_type is None:
        raise InvalidInput(
            "history", f"event type {number!r} is not known to this version of stead, which has to be updated here"
        )
    return Event(event_type, at_ms, task_id, tuple(parts[3:]))


# The first byte of a beginning that tells of the children of those before it: an array of all its fields.
_WITH_CHILDREN = {
    int(kind): 0x90 + 3 + len(FIELDS[kind]) for kind in (EventType.EXECUTION_STARTED, EventType.EXECUTION_REWOUND)
}
_CHILD = int(EventType.SUB_ORCHESTRATION_CREATED)


def may_have_children(log: Iterable[bytes]) -> bool:
    """Whether a history may hold sub-orchestrations, without decoding it: told from the second byte of an event, its type's
    number; and what it says of those before it from the length of the array that the event is, in the first byte."""
    return any(data[1] == _CHILD or (data[1] in _WITH_CHILDREN and data[0] >= _WITH_CHILDREN[data[1]]) for data in log)


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """An event of an instance's history as people see it: `event_type` as Durable Functions names it, the time in UTC with
    milliseconds, the task's number (0 if it belongs to none), and the event's own fields by name.
    """

    event_type: str
    timestamp: datetime
    task_id: int = 0
    fields: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, event: Event) -> HistoryEvent:
        """The public form of an event."""
        names = FIELDS[event.type]
        values = dict(zip(names, event.fields, strict=False))
        return cls(NAMES[event.type], datetime.fromtimestamp(event.at_ms / 1000, UTC), event.task_id, values)
