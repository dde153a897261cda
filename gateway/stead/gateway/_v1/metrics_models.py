"""What `GET /api/v1/metrics` answers with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from .models import AnswerModel


class Series(AnswerModel):
    """How often something happened, how long it took (or how much it was), and how that went over time."""

    total_count: int
    """Since the hub began. It never goes back; what has run and was undone by the end of its worker is in it twice."""
    total_failed: int
    count: int
    """Within the minutes that were asked for."""
    failed: int
    rate: Annotated[float, Field(ge=0)]
    """A second, within those minutes."""
    mean: float | None
    """In seconds; messages, for `commit_messages`; events, for `replays`. Null if there was nothing, as the next ones."""
    p50: float | None
    p90: float | None
    p99: float | None
    counts: list[int]
    """Minute by minute."""
    failures: list[int]
    p50s: list[float | None]
    p99s: list[float | None]


class OperationSeries(Series):
    """Operations of entities."""

    entity: str
    operation: str


class NamedSeries(Series):
    """Activities, or turns or replays of orchestrations."""

    name: str


class OrchestrationSeries(NamedSeries):
    """Instances that have ended, by how; timed from their creation."""

    runtime_status: str


class HotTarget(AnswerModel):
    """A target with many messages."""

    target: str
    messages: int
    """Within the minutes that were asked for: so many at most, …"""
    over: int
    """… and so many fewer at least."""


class RunningOperation(AnswerModel):
    """An asynchronous operation, or an activity, that runs."""

    target: str
    """The entity; of an activity the instance."""
    operation: str
    """Its name."""
    seconds: float
    """For how long it has run, at the worker's last heartbeat."""


class WorkerNow(AnswerModel):
    """How a worker was at its last heartbeat. What a worker of another version does not tell is null."""

    worker: str
    last_beat_time: datetime
    partitions: int | None
    program: str | None
    """The same for workers of the same code."""
    memory_bytes: int | None
    cpu_s: float | None
    activations: int | None
    """Entities and instances in its memory."""
    waiting: int | None
    """Messages in its memory that could run."""
    operations: int | None
    """Asynchronous ones that run."""
    activities: int | None
    activities_waiting: int | None
    loop_lag_s: float | None
    """The longest that its event loop was late between two heartbeats."""
    longest: list[RunningOperation]


class PartitionNow(AnswerModel):
    """A partition with messages that wait."""

    partition: int
    backlog: int
    parked: int
    oldest_age_s: float | None
    """How long the oldest of them has waited."""


class HubMetrics(AnswerModel):
    """What the hub's workers have measured."""

    time: datetime
    minutes: list[datetime]
    """When each of the minutes began, the oldest first. The last one is not over."""
    operations: list[OperationSeries]
    activities: list[NamedSeries]
    orchestrations: list[OrchestrationSeries]
    turns: list[NamedSeries]
    replays: list[NamedSeries]
    commits: Series
    commit_messages: Series
    timer_lateness: Series
    loop_lag: Series
    hottest: list[HotTarget]
    workers: list[WorkerNow]
    backlog: list[PartitionNow]
    left_out: int
    """Blocks of measures that this version of stead cannot read."""
