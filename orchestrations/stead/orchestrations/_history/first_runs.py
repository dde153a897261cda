"""How far the code of an instance has run, and when it came to what: events come also while no worker has the code.

The record counts the events at the end of the history that the code has not come to (`unseen`): for them it is not
replaying. If they are older than a moment when it does come to them, that time is written into the history
(`OrchestratorStarted`), and is theirs for the code, in each replay: an instance that waited for days for its code does not
find the timers of its first hour over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .events import Event, OrchestratorStarted


def as_seen(history: Sequence[Event]) -> Sequence[Event]:
    """A history in which each event has the time at which the code came to it."""
    marks = [(at, event) for at, event in enumerate(history) if isinstance(event, OrchestratorStarted)]
    if not marks:
        return history
    events = list(history)
    for at, mark in marks:
        for index in range(max(0, at - mark.events), at):
            event = events[index]
            events[index] = replace(event, at_ms=max(event.at_ms, mark.at_ms))
    return events


def seen_before(history: Sequence[Event], cut: int, seen: int) -> int:
    """How many of a history's events the code has seen, if what comes from `cut` on is forgotten: what it came to late only
    if that is still said."""
    for at in range(cut, len(history)):
        mark = history[at]
        if isinstance(mark, OrchestratorStarted):
            seen = min(seen, at - mark.events)
    return max(0, min(seen, cut))
