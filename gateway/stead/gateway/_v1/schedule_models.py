"""What requests about schedules carry, and what their answers look like: see `models`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from stead.orchestrations import RuntimeStatus

from .models import AnswerModel, Milliseconds, RequestModel, Tags


class StartToSchedule(RequestModel):
    """Each run starts an instance."""

    name: str
    input: Any = None
    version: str | None = None
    tags: Tags | None = None


class SignalToSchedule(RequestModel):
    """Each run sends a signal."""

    entity: str
    key: str
    operation: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}


class ScheduleRequest(RequestModel):
    """What a schedule does, and when."""

    cron: str | None = None
    """Five fields."""
    timezone: str | None = None
    """Of the rule's hours; UTC without it."""
    every_ms: Annotated[int, Field(ge=1_000, le=100 * 366 * 86_400_000)] | None = None
    start: datetime | None = None
    """Nothing is run before; an interval counts from it."""
    end: datetime | None = None
    jitter_ms: Milliseconds | None = None
    """Each run is delayed by up to so much."""
    overlap: Literal["skip", "buffer_one", "allow", "terminate"] | None = None
    """If the run before is not over; "skip" without it."""
    catch_up_ms: Milliseconds | None = None
    """What nobody could run for so long at most is made up for."""
    start_new: StartToSchedule | None = None
    signal_entity: SignalToSchedule | None = None


class ScheduleRunShown(AnswerModel):
    """One run; a signal has neither instance nor status."""

    occurrence: datetime
    instance_id: str | None
    status: RuntimeStatus | None


class ScheduleShown(AnswerModel):
    """A schedule, as it is committed."""

    name: str
    paused: bool
    declared: bool
    """Code has declared it; else a client has made it."""
    orphaned: bool
    """Code had declared it, and does not any more."""
    created_time: datetime
    cron: str | None
    timezone: str
    every_ms: int | None
    start: datetime | None
    end: datetime | None
    jitter_ms: int
    overlap: str | None
    catch_up_ms: int
    start_new: dict[str, Any] | None
    signal_entity: dict[str, Any] | None
    next_times: list[datetime]
    last_runs: list[ScheduleRunShown]
    """The newest first."""
    waiting: datetime | None
    missed: int
    skipped: int


class SchedulesShown(AnswerModel):
    """Schedules by name."""

    schedules: list[ScheduleShown]


class Triggered(AnswerModel):
    """What a schedule has started by hand."""

    instance_id: str | None


class ScheduleDeleted(AnswerModel):
    """It is deleted."""

    deleted: bool
