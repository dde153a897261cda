"""What there is to show of a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from stead.orchestrations._history.record import RuntimeStatus

from .occurrences import next_occurrence
from .schedule import Schedule
from .spec import Overlap, ScheduledSignal, ScheduledStart, Spec

NEXT_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """When a schedule is due, and what it does then."""

    cron: str | None
    timezone: str
    every: timedelta | None
    start: datetime | None
    end: datetime | None
    jitter: timedelta
    overlap: Overlap | None
    """None for one that sends signals: nothing of those overlaps."""
    catch_up: timedelta
    orchestration: str | None
    input: Any
    version: str | None
    tags: dict[str, str] | None
    entity_id: str | None
    operation: str | None
    args: Sequence[Any]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """One run: `instance_id` and `status` are None for a signal."""

    occurrence: datetime
    instance_id: str | None
    status: RuntimeStatus | None


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """A schedule at one moment, as it is committed."""

    name: str
    spec: ScheduleSpec
    paused: bool
    created_time: datetime
    next_times: Sequence[datetime]
    """The next five occurrences, without jitter; what they are once it is resumed, if it is paused."""
    last_runs: Sequence[ScheduleRun]
    """The newest first, ten at most."""
    waiting: datetime | None
    """The occurrence that waits for the end of another run."""
    missed: int
    """Occurrences that nobody could run in time, and that `catch_up` does not cover."""
    skipped: int
    """Occurrences that were left out because another run was in the way."""
    declared: bool
    """Whether code has declared it; else a client has made it."""
    orphaned: bool
    """Whether code has declared it, and none of the workers that are there does so any more."""


def status_of(name: str, state: Schedule, spec: Spec, now_ms: int, *, orphaned: bool) -> ScheduleStatus:
    """What there is to show of a schedule's state."""
    runs = [
        ScheduleRun(
            _time(run.occurrence_ms), run.instance_id, None if run.status is None else RuntimeStatus(run.status)
        )
        for run in reversed(state.runs)
    ]
    return ScheduleStatus(
        name,
        _shown(spec),
        state.paused,
        _time(state.created_ms),
        _next_times(state, spec, now_ms),
        runs,
        None if state.waiting is None else _time(state.waiting.occurrence_ms),
        state.missed,
        state.skipped,
        bool(state.declared),
        orphaned,
    )


def _next_times(state: Schedule, spec: Spec, now_ms: int) -> list[datetime]:
    found: list[datetime] = []
    at: int | None = state.next_ms
    if at is None or state.former or (state.paused and at <= now_ms):
        at = next_occurrence(spec, state.created_ms, now_ms)
    while at is not None and len(found) < NEXT_SHOWN:
        found.append(_time(at))
        at = next_occurrence(spec, state.created_ms, at)
    return found


def _shown(spec: Spec) -> ScheduleSpec:
    start, signal = (
        spec.start or ScheduledStart(name=""),
        spec.signal or ScheduledSignal(target="", operation="", args=[]),
    )
    return ScheduleSpec(
        spec.cron,
        spec.timezone,
        _span(spec.every_ms),
        None if spec.start_ms is None else _time(spec.start_ms),
        None if spec.end_ms is None else _time(spec.end_ms),
        timedelta(milliseconds=spec.jitter_ms),
        spec.overlap if spec.signal is None else None,
        timedelta(milliseconds=spec.catch_up_ms),
        start.name or None,
        start.input,
        start.version,
        start.tags,
        signal.target or None,
        signal.operation or None,
        signal.args,
        signal.kwargs or {},
    )


def _span(milliseconds: int | None) -> timedelta | None:
    return None if milliseconds is None else timedelta(milliseconds=milliseconds)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
