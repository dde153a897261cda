"""Rewinding: a failed instance goes on from the last point at which everything was well.

What is kept is a prefix of the history, up to the first of the failures that made the instance fail, and then what came
from outside: external events, and the answers to what had been scheduled in that prefix, if they were no failures. So the
code's replay finds what it finds in any replay. What failed is tried again, what was open is waited for again, and what the
code did with the failure is forgotten. Failures that the code had dealt with before are kept: they are what happened.

Which failures made it fail is read from the causes of its last error. If that says nothing, they are the last failures of
the history, unless the code scheduled something after them. If there are none, nothing is dropped but the end: of use after
the code was mended.

A timer that made it fail by running out is such a failure. It gets all of its time again, and the others that came due while
the instance lay failed get what they had left.

Locks went with the failure. A section that was entered before the point is entered again, from its request on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from stead.orchestrations._history.events import ENDS, FAILURES, SCHEDULED, Event, EventType, encode_event
from stead.orchestrations._history.first_runs import seen_before
from stead.orchestrations._history.ids import timer_id
from stead.orchestrations._history.ledger import Ledger
from stead.orchestrations._history.messages import REUSE_REWIND
from stead.orchestrations._history.record import RuntimeStatus

from .children import former_children
from .driving import happen, wake
from .issuing import cancel, issue
from .turn import Turn

_FROM_OUTSIDE = frozenset(
    {
        EventType.EVENT_RAISED,
        EventType.EXECUTION_SUSPENDED,
        EventType.EXECUTION_RESUMED,
        EventType.EXECUTION_REWOUND,
    }
)


class Rewound(NamedTuple):
    """A history as it is after rewinding, the scheduled events that failed and have to be brought about again, and how many
    of the events the code has seen."""

    events: list[Event]
    failed: frozenset[int]
    seen: int


def rewound(history: Sequence[Event], unseen: int = 0) -> Rewound:
    """What is left of the history of a failed instance. `unseen`: how many events before its end the code has not seen."""
    end = max((at for at, event in enumerate(history) if event.type in ENDS), default=len(history))
    failure = None
    if end < len(history) and history[end].type is EventType.EXECUTION_COMPLETED:
        failure = history[end].fields[2]
    ran_out = _ran_out(history, end)
    timed_out = failure is not None and str(failure.get("type")).endswith("TimeoutError")
    if not timed_out and _named(history[:end], failure) is not None:
        ran_out = None  # another error is that of what failed, if it names it
    cut = _cut(history[:end], failure) if ran_out is None else ran_out
    cut = _before_sections(history, cut)
    kept = [event for event in history[:cut] if event.type not in ENDS]
    scheduled = {event.task_id for event in kept if event.type in SCHEDULED and event.task_id}
    failed: set[int] = set()
    for event in history[cut:]:
        kind = event.type
        if kind in _FROM_OUTSIDE:
            kept.append(event)
        elif kind in SCHEDULED or kind in ENDS or event.task_id not in scheduled or kind is EventType.LOCK_GRANTED:
            continue
        elif kind in FAILURES or (ran_out is not None and event == history[ran_out]):
            failed.add(event.task_id)
        else:
            kept.append(event)
    return Rewound(kept, frozenset(failed), seen_before(history, cut, end - unseen))


def _ran_out(history: Sequence[Event], end: int) -> int | None:
    """Where the timer fired by which the instance failed, if it did by one."""
    if end == len(history) or history[end].type is not EventType.EXECUTION_COMPLETED:
        return None
    _, _, failure, *rest = history[end].fields
    if rest:
        number = rest[0]
    else:  # of an older worker: as it looks
        own = {
            event.task_id for event in history[:end] if event.type is EventType.TIMER_CREATED and not event.fields[1]
        }
        fired = [event.task_id for event in history[:end] if event.type is EventType.TIMER_FIRED]
        timed_out = failure is not None and failure.get("type") == "TimeoutError"
        number = next((task_id for task_id in reversed(fired) if timed_out and task_id in own), 0)
    for at in range(end - 1, -1, -1):
        if number and history[at].type is EventType.TIMER_FIRED and history[at].task_id == number:
            return at
    return None


def _set_anew(event: Event, failed: frozenset[int], open_: frozenset[int], ended_ms: int, now_ms: int) -> Event:
    """A timer of a history that is rewound. One that ran out gets all of its time again, and one that came due while the
    instance lay failed what it had left: else the instance would fail again at once."""
    if event.type is not EventType.TIMER_CREATED or event.task_id not in open_:
        return event
    fire_at_ms, purpose = event.fields[:2]
    asked_ms = event.fields[2] if len(event.fields) > 2 else fire_at_ms
    if event.task_id in failed:
        left_ms = asked_ms - event.at_ms
    elif fire_at_ms <= now_ms:
        left_ms = fire_at_ms - ended_ms
    else:
        return event
    return event._replace(fields=(now_ms + max(0, left_ms), purpose, asked_ms))


def _cut(events: Sequence[Event], failure: dict[str, Any] | None) -> int:
    """Where the first of the failures is that made the instance fail; the length if there is none."""
    named = _named(events, failure)
    at = len(events) if named is None else named
    if named is None:
        for index in range(len(events) - 1, -1, -1):
            if events[index].type in SCHEDULED:
                break
            if events[index].type in FAILURES:
                at = index
                break
    # Others that failed at about the same time go with it, as long as nothing the code did since is lost by that.
    for index in range(at - 1, -1, -1):
        if at == len(events) or events[index].type in SCHEDULED:
            break
        if events[index].type in FAILURES:
            at = index
    return at


def _named(events: Sequence[Event], failure: dict[str, Any] | None) -> int | None:
    """Where the last of the failures is that an error names as its causes."""
    causes = set(_causes(failure))
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        if event.type in FAILURES and _is_among(event.fields[0], causes):
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
            if event.type is EventType.LOCK_GRANTED and any(lock.task_id == event.task_id for lock in held)
        ]
        if not grants:
            return cut
        cut = min(grants)


def rewind(turn: Turn, reason: str) -> None:
    """Rewind a failed instance, and let it go on. Its sub-orchestrations that failed are rewound as well."""
    body, record = turn.body, turn.record
    events, failed, seen = rewound(body.history(), record.unseen)
    open_ = frozenset(Ledger(events).open)
    ended_ms = turn.now_ms if record.finished_ms is None else record.finished_ms
    events = [_set_anew(event, failed, open_, ended_ms, turn.now_ms) for event in events]
    if turn.settings.instances_keep_ms:
        turn.effects.cancel_timer(timer_id(turn.target, record.execution_id, "purge"))
    record.former.append(record.execution_id)
    record.execution_id = turn.new_id()
    record.status = RuntimeStatus.RUNNING
    record.reason = reason
    record.output = record.failure = record.finished_ms = None
    before = body.ledger
    turn.begin_log()
    for event in events:
        turn.add(event, encode_event(event))
    former = former_children(before, body.ledger)
    turn.log(Event(EventType.EXECUTION_REWOUND, turn.now_ms, 0, (reason, record.execution_id, *former)))
    if _suspended(events):
        turn.log(Event(EventType.EXECUTION_RESUMED, turn.now_ms, 0, (reason,)))
    record.begun = True
    record.unseen = record.history_length - seen
    for event in list(body.ledger.open.values()):
        _again(turn, event, event.task_id in failed)
    turn.changed()
    wake(turn)
    _call_off_again(turn)


def _call_off_again(turn: Turn) -> None:
    """What the code had given up before is open in a history, which does not say so: it is not tried again."""
    body = turn.body
    if body.execution is None:
        return
    pending = body.execution.pending
    for task_id in list(body.ledger.open):
        if task_id not in pending:
            cancel(turn, task_id)


def _again(turn: Turn, event: Event, failed: bool) -> None:
    """What was open has to be brought about again; but calls and sub-orchestrations that have not failed still run."""
    if event.type in (EventType.SUB_ORCHESTRATION_CREATED, EventType.ENTITY_CALLED) and not failed:
        return
    if event.type is EventType.LOCK_REQUESTED and all(lock.task_id != event.task_id for lock in turn.body.ledger.locks):
        return  # it was given up: nobody would release what it locks
    refused = issue(turn, event, reuse=REUSE_REWIND)
    if refused is not None:
        happen(turn, Event(refused.answer, turn.now_ms, event.task_id, (refused.failure.as_map(),)))


def _suspended(events: Sequence[Event]) -> bool:
    suspended = False
    for event in events:
        if event.type is EventType.EXECUTION_SUSPENDED:
            suspended = True
        elif event.type is EventType.EXECUTION_RESUMED:
            suspended = False
    return suspended
