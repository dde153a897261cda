"""Rewinding: a failed instance goes on from the last point at which everything was well.

What is kept is a prefix of the history, up to the first of the failures that made the instance fail, and then what came
from outside: external events, and the answers to what had been scheduled in that prefix, if they were no failures. So the
code's replay finds what it finds in any replay. What failed is tried again, what was open is waited for again, and what the
code did with the failure is forgotten. Failures that the code had dealt with before are kept: they are what happened.

Which failures made it fail is read from the causes of its last error. If that says nothing, they are the last failures of
the history, unless the code scheduled something after them. If there are none, nothing is dropped but the end: of use after
the code was mended.

A timer that made it fail by running out is such a failure (which one did: `_execution/time_outs`). It gets all of its time
again, and the others that came due while the instance lay failed get what they had left.

Locks went with the failure. A section that was entered before the point is entered again, from its request on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

from stead.orchestrations._history.event_codec import encode_event
from stead.orchestrations._history.event_table import ENDS, FROM_OUTSIDE, SCHEDULED
from stead.orchestrations._history.events import (
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    Event,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionSuspended,
    FailureEvent,
    SubOrchestrationInstanceCreated,
    TaskFailed,
    TimerCreated,
    TimerFired,
)
from stead.orchestrations._history.failures import ENDED_UNSEEN
from stead.orchestrations._history.first_runs import seen_before
from stead.orchestrations._history.ids import timer_id
from stead.orchestrations._history.ledger import Ledger
from stead.orchestrations._history.messages import REUSE_REWIND
from stead.orchestrations._history.record import RuntimeStatus

from .children import former_children
from .driving import take_event, wake_code
from .issuing import issue_event
from .turn import InstanceTurn


class Rewound(NamedTuple):
    """A history as it is after rewinding, the scheduled events that failed and have to be brought about again, and how many
    of the events the code has seen."""

    events: list[Event]
    failed: frozenset[int]
    seen: int


def rewound(history: Sequence[Event], unseen: int = 0) -> Rewound:
    """What is left of the history of a failed instance. `unseen`: how many events before its end the code has not seen."""
    end = max((at for at, event in enumerate(history) if type(event) in ENDS), default=len(history))
    last = history[end] if end < len(history) else None
    failure = last.failure if isinstance(last, ExecutionCompleted) else None
    ran_out = _ran_out(history[:end], last) if isinstance(last, ExecutionCompleted) else None
    timed_out = failure is not None and str(failure.get("type")).endswith("TimeoutError")
    if not timed_out and _named(history[:end], failure) is not None:
        ran_out = None  # another error is that of what failed, if it names it
    cut = _cut(history[:end], failure) if ran_out is None else ran_out
    cut = _before_sections(history, cut)
    kept = [event for event in history[:cut] if type(event) not in ENDS]
    scheduled = {event.task_id for event in kept if type(event) in SCHEDULED and event.task_id}
    failed: set[int] = set()
    for at, event in enumerate(history[cut:], cut):
        kind = type(event)
        if kind in FROM_OUTSIDE:
            kept.append(event)
        elif kind in SCHEDULED or kind in ENDS or event.task_id not in scheduled or kind is EntityLockGranted:
            continue
        elif isinstance(event, FailureEvent) or at == ran_out:
            failed.add(event.task_id)
        else:
            kept.append(event)
    return Rewound(kept, frozenset(failed), seen_before(history, cut, end - unseen))


def _ran_out(events: Sequence[Event], end: ExecutionCompleted) -> int | None:
    """Where the timer fired by which the instance failed, if it did by one. `events`: those before the end."""
    number = end.ran_out
    if number is None:  # of an older worker: as it looks
        own = {event.task_id for event in events if isinstance(event, TimerCreated) and not event.purpose}
        fired = [event.task_id for event in events if isinstance(event, TimerFired)]
        timed_out = end.failure is not None and end.failure.get("type") == "TimeoutError"
        number = next((task_id for task_id in reversed(fired) if timed_out and task_id in own), 0)
    for at in range(len(events) - 1, -1, -1):
        event = events[at]
        if number and isinstance(event, TimerFired) and event.task_id == number:
            return at
    return None


def _set_anew(event: Event, failed: frozenset[int], open_: frozenset[int], ended_ms: int, now_ms: int) -> Event:
    """A timer of a history that is rewound. One that ran out gets all of its time again, and one that came due while the
    instance lay failed what it had left: else the instance would fail again at once."""
    if not isinstance(event, TimerCreated) or event.task_id not in open_:
        return event
    asked_ms = event.fire_at_ms if event.asked_ms is None else event.asked_ms
    if event.task_id in failed:
        left_ms = asked_ms - event.at_ms
    elif event.fire_at_ms <= now_ms:
        left_ms = event.fire_at_ms - ended_ms
    else:
        return event
    return replace(event, fire_at_ms=now_ms + max(0, left_ms), asked_ms=asked_ms)


def _cut(events: Sequence[Event], failure: dict[str, Any] | None) -> int:
    """Where the first of the failures is that made the instance fail; the length if there is none."""
    named = _named(events, failure)
    at = len(events) if named is None else named
    if named is None:
        for index in range(len(events) - 1, -1, -1):
            if type(events[index]) in SCHEDULED:
                break
            if isinstance(events[index], FailureEvent):
                at = index
                break
    # Others that failed at about the same time go with it, as long as nothing the code did since is lost by that.
    for index in range(at - 1, -1, -1):
        if at == len(events) or type(events[index]) in SCHEDULED:
            break
        if isinstance(events[index], FailureEvent):
            at = index
    return at


def _named(events: Sequence[Event], failure: dict[str, Any] | None) -> int | None:
    """Where the last of the failures is that an error names as its causes."""
    causes = set(_causes(failure))
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        if isinstance(event, FailureEvent) and _is_among(event.failure, causes):
            return index
    return None


def _causes(failure: dict[str, Any] | None) -> Iterator[tuple[Any, Any]]:
    if failure is None:
        return
    yield failure.get("type"), failure.get("message")
    cause = failure.get("cause")
    for inner in (cause, *failure.get("more_causes", ())):
        if isinstance(inner, dict):
            yield from _causes(cast("dict[str, Any]", inner))


def _is_among(failure: dict[str, Any], causes: set[tuple[Any, Any]]) -> bool:
    kind, message = failure.get("type"), failure.get("message")
    return (kind, message) in causes or any(
        # The error of a call to an entity says the failure in its text only.
        str(name).endswith("OperationFailed") and str(message) in str(text)
        for name, text in causes
    )


def _before_sections(history: Sequence[Event], cut: int) -> int:
    """A point before the grant of every lock that was held at the cut."""
    while True:
        held = [lock for lock in Ledger(history[:cut]).locks if lock.granted]
        grants = [
            at
            for at, event in enumerate(history[:cut])
            if isinstance(event, EntityLockGranted) and any(lock.task_id == event.task_id for lock in held)
        ]
        if not grants:
            return cut
        cut = min(grants)


def rewind_instance(turn: InstanceTurn, reason: str) -> None:
    """Rewind a failed instance, and let it go on. Its sub-orchestrations that failed are rewound as well."""
    body, record = turn.body, turn.record
    events, failed, seen = rewound(body.history(), record.unseen)
    open_ = frozenset(Ledger(events).open)
    ended_ms = turn.now_ms if record.finished_ms is None else record.finished_ms
    events = [_set_anew(event, failed, open_, ended_ms, turn.now_ms) for event in events]
    if turn.settings.instances_keep_ms:
        turn.effects.cancel_timer(timer_id(turn.target, record.execution_id, "purge"))
    record.former.append(record.execution_id)
    record.progress = None
    record.execution_id = turn.new_id()
    record.status = RuntimeStatus.RUNNING
    record.reason = reason
    record.output = record.failure = record.finished_ms = None
    before = body.ledger
    turn.begin_log()
    for event in events:
        turn.add(event, encode_event(event))
    former = former_children(before, body.ledger)
    turn.log(ExecutionRewound(turn.now_ms, 0, reason, record.execution_id, *former, fresh=True))
    if _suspended(events):
        turn.log(ExecutionResumed(turn.now_ms, 0, reason))
    record.begun = True
    record.unseen = record.history_length - seen
    last_id = max((event.task_id for event in events if type(event) in SCHEDULED), default=0)
    record.again = [last_id, *sorted(failed)]
    turn.changed()
    wake_code(turn, stop=turn.out_of_time)
    ask_again(turn)


def ask_again(turn: InstanceTurn) -> None:
    """Bring about what was open in the history of an instance that was rewound, once its code has come to the end of that: what
    the code had given up is open too in a history, which does not say so, and is not tried again.

    Where no code is that could say what it has given up, nothing was. The rewinding may be another worker's.
    """
    body, record = turn.body, turn.record
    if record.again is None or body.replaying or body.wants is not None:
        return
    last_id, *failed = record.again
    record.again = None
    turn.changed()
    if not turn.running:
        return
    execution = body.execution
    pending = None if execution is None else execution.pending
    ending = () if execution is None else execution.ending
    for event in [event for task_id, event in body.ledger.open.items() if task_id <= last_id]:
        if event.task_id in ending:  # it was called off when the instance failed: there is nothing to wait for any more
            take_event(turn, TaskFailed(turn.now_ms, event.task_id, ENDED_UNSEEN.as_map()))
        elif pending is None or event.task_id in pending:
            _again(turn, event, event.task_id in failed)


def _again(turn: InstanceTurn, event: Event, failed: bool) -> None:
    """What was open has to be brought about again; but calls and sub-orchestrations that have not failed still run."""
    if isinstance(event, (SubOrchestrationInstanceCreated, EntityOperationCalled)) and not failed:
        return
    if isinstance(event, EntityLockRequested) and all(lock.task_id != event.task_id for lock in turn.body.ledger.locks):
        return  # it was given up: nobody would release what it locks
    refused = issue_event(turn, event, reuse=REUSE_REWIND)
    if refused is not None:
        take_event(turn, refused)


def _suspended(events: Sequence[Event]) -> bool:
    suspended = False
    for event in events:
        if isinstance(event, ExecutionSuspended):
            suspended = True
        elif isinstance(event, ExecutionResumed):
            suspended = False
    return suspended
