"""How far the code of an instance has run, and when it came to what: events come also while no worker has the code.

The record counts the events at the end of the history that the code has not come to (`unseen`): for them it is not
replaying. If they are older than a moment when it does come to them, that time is written into the history
(`OrchestratorStarted`), and is theirs for the code, in each replay: an instance that waited for days for its code does not
find the timers of its first hour over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stead.orchestrations._history.events import Event, EventType

if TYPE_CHECKING:
    from stead.orchestrations._instance.turn import Turn

LATE_MS = 1_000
"""Events that are older than this when the code comes to them get the time of then. What is younger is on time."""


def come_to_unseen(turn: Turn) -> tuple[list[Event], int]:
    """The code is about to be run through the history: the history, and how many of its events the code has seen."""
    record = turn.record
    history = turn.body.history()
    seen = len(history) - record.unseen if record.begun else 0
    if seen < len(history):
        oldest = history[seen]
        at_ms = oldest.at_ms
        if oldest.type is EventType.EXECUTION_STARTED and len(oldest.fields) > 6:
            at_ms = max(at_ms, oldest.fields[6] or 0)  # it was not to begin before
        if turn.now_ms - at_ms > LATE_MS:
            late = Event(EventType.ORCHESTRATOR_STARTED, turn.now_ms, 0, (len(history) - seen,))
            turn.log(late)
            history.append(late)
    return history, seen


def as_seen(history: Sequence[Event]) -> Sequence[Event]:
    """A history in which each event has the time at which the code came to it."""
    marks = [at for at, event in enumerate(history) if event.type is EventType.ORCHESTRATOR_STARTED]
    if not marks:
        return history
    events = list(history)
    for at in marks:
        mark = events[at]
        for index in range(max(0, at - mark.fields[0]), at):
            event = events[index]
            events[index] = event._replace(at_ms=max(event.at_ms, mark.at_ms))
    return events


def seen_before(history: Sequence[Event], cut: int, seen: int) -> int:
    """How many of a history's events the code has seen, if what comes from `cut` on is forgotten: what it came to late only
    if that is still said."""
    for at in range(cut, len(history)):
        if history[at].type is EventType.ORCHESTRATOR_STARTED:
            seen = min(seen, at - history[at].fields[0])
    return max(0, min(seen, cut))
