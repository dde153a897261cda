"""An instance's status as a client's user sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, cast

from stead.transport import PayloadLocked

from .errors import InstanceRunning, OrchestrationFailed
from .event_table import name_of, shown_fields
from .events import Event, ExecutionStarted
from .failures import FailureDetails
from .messages import StartMessage, parent_instance_of
from .record import FINISHED, InstanceRecord, RuntimeStatus
from .waits import Wait, waits_of

O_co = TypeVar("O_co", covariant=True)


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
        return cls(name_of(event), _time(event.at_ms), event.task_id, shown_fields(event))


@dataclass(frozen=True, slots=True)
class OrchestrationStatus(Generic[O_co]):
    """What is committed of an instance. Times are in UTC.

    `output` is the result of a Completed instance (checked against its type where the program knows the orchestration,
    otherwise plain data), the reason of a Terminated or Canceled one, else None; `failure` says why a Failed one failed. `input` and
    `history` are there if they were asked for; with the history comes `waiting_for`, what an unfinished instance waits for.
    `blocked` says why its messages wait and it does not go on, and what to do about it: no worker has its code, or its code or
    what is stored of it has ended workers. (Listings do not say it.)
    """

    name: str
    instance_id: str
    runtime_status: RuntimeStatus
    input: Any
    output: O_co | None
    custom_status: Any
    created_time: datetime
    last_updated_time: datetime
    version: str | None = None
    tags: dict[str, str] | None = None
    failure: FailureDetails | None = None
    history: list[HistoryEvent] | None = None
    parent_instance_id: str | None = None
    scheduled_time: datetime | None = None
    waiting_for: list[Wait] | None = None
    blocked: str | None = None
    locked: bool = False
    """Its data is encoded, and cannot be decoded here: `input`, `output`, `custom_status` and `failure` are None."""

    @property
    def is_finished(self) -> bool:
        """Whether it is Completed, Failed, Canceled or Terminated."""
        return self.runtime_status in FINISHED

    def result(self) -> O_co:
        """The output of a Completed instance. Of one that ended otherwise this raises `OrchestrationFailed`, which shows
        the traceback in the worker; of one that goes on `InstanceRunning`."""
        if self.locked and self.is_finished:
            raise PayloadLocked(
                "its data is encoded, and this process cannot decode it: see STEAD_PAYLOAD_CODEC", self.instance_id
            )
        if self.runtime_status is RuntimeStatus.COMPLETED:
            return cast("O_co", self.output)  # None if the orchestration gives None
        if not self.is_finished:
            raise InstanceRunning(self.instance_id, self.runtime_status)
        ended = FailureDetails(f"stead.orchestrations.{self.runtime_status.value}", str(self.output or ""))
        raise OrchestrationFailed.of(self.name, self.instance_id, self.failure or ended)


T = TypeVar("T")


def status_fields(status: OrchestrationStatus[Any], instant: Callable[[datetime], T]) -> dict[str, Any]:
    """What a status says to everyone who may see it, as data under the names of its attributes; `instant` gives a time its
    form. How much of failures and of the history is shown is for the caller to say.
    """

    def perhaps(time: datetime | None) -> T | None:
        return None if time is None else instant(time)

    data: dict[str, Any] = {
        "instance_id": str(status.instance_id),
        "name": status.name,
        "version": status.version,
        "runtime_status": status.runtime_status.value,
        "input": status.input,
        "output": status.output,
        "custom_status": status.custom_status,
        "created_time": instant(status.created_time),
        "last_updated_time": instant(status.last_updated_time),
        "tags": dict(status.tags or {}),
        "blocked": status.blocked,
    }
    if status.locked:
        data["locked"] = True
    if status.waiting_for is not None:
        data["waiting_for"] = [
            {
                "kind": wait.kind,
                "name": wait.name,
                "since_time": instant(wait.since),
                "until_time": perhaps(wait.until),
                **({} if wait.details is None else {"details": wait.details}),
            }
            for wait in status.waiting_for
        ]
    return data


def status_of(
    instance_id: str,
    record: InstanceRecord,
    *,
    input: Any = None,
    first: Event | None = None,
    events: Sequence[Event] | None = None,
    output: Any = None,
) -> OrchestrationStatus[Any]:
    """The status of a record. `first` is the history's first event (it has the input) and `events` all of them, if they
    are to be shown; `output` the result in the orchestration's own type, if it is known."""
    if first is None and events:
        first = events[0]
    given = first.input if isinstance(first, ExecutionStarted) else input
    return OrchestrationStatus(
        record.name,
        instance_id,
        record.status,
        given,
        record.output if output is None else output,
        record.custom_status,
        _time(record.created_ms),
        _time(record.updated_ms),
        record.version,
        record.tags,
        None if record.failure is None else FailureDetails.from_map(record.failure),
        None if events is None else [HistoryEvent.of(event) for event in events],
        parent_instance_of(record.parent),
        None if record.scheduled_ms is None else _time(record.scheduled_ms),
        None if events is None else [] if record.finished else waits_of(events, record.awaited, record.progress),
        locked=bool(record.locked),
    )


def status_of_start(instance_id: str, start: StartMessage) -> OrchestrationStatus[Any]:
    """The status of an instance whose start was accepted, and no worker has taken up yet: Pending."""
    created = _time(start.created_ms)
    return OrchestrationStatus(
        start.name,
        instance_id,
        RuntimeStatus.PENDING,
        start.input,
        None,
        None,
        created,
        created,
        start.version,
        start.tags,
        parent_instance_id=parent_instance_of(start.parent),
        scheduled_time=None if start.at_ms is None else _time(start.at_ms),
    )


def failure_fields(failure: FailureDetails | None) -> dict[str, Any] | None:
    """Why something failed, as data with its stack traces, which may tell more of the code than everybody should know."""
    if failure is None:
        return None
    return {
        "error_type": failure.error_type,
        "message": failure.message,
        "traceback": failure.traceback,
        "cause": failure_fields(failure.cause),
    }


def _time(instant_ms: int) -> datetime:
    return datetime.fromtimestamp(instant_ms / 1000, UTC)
