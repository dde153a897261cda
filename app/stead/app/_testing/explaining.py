"""What a test that failed is told of its hub: the last events of its instances, as a note of the error.

stead: the instances when this was raised
  trip 'trip-1' Failed: ActivityFailed: activity 'book' raised ValueError: no seats
    … 12 events before
    + 0.000 s  TaskScheduled #3  name='book' args=['Oslo']
    + 0.000 s  TaskFailed #3  failure='ValueError: no seats'
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from stead.orchestrations import FailureDetails, HistoryEvent, OrchestrationStatus, RuntimeStatus
from stead.transport.describing import text_of_error

if TYPE_CHECKING:
    from stead.app._hub.client import Client

HEADING = "The instances of the hub when this was raised:"
INSTANCES_MAX = 5
EVENTS_MAX = 12
VALUE_LENGTH_MAX = 80

_ENDS = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)  # they say nothing of the hub
_LEFT_OUT = frozenset(
    {
        "execution_id",
        "parent",
        "lock",
        "queue",
        "kwargs",
        "recursive",
        "granted",
        "tags",
        "version",
        "status",
        "ran_out",
    }
)


async def note_histories(client: Client, error: BaseException) -> None:
    """Add to an error what the hub's instances did last, once. Whatever keeps this from being read, the test's error goes on
    as it is."""
    if isinstance(error, _ENDS) or any(note.startswith(HEADING) for note in getattr(error, "__notes__", ())):
        return
    try:
        lines = await _lines(client)
    except Exception as reason:  # noqa: BLE001 - the test's error is what matters
        lines = [f"  they cannot be read: {text_of_error(reason, 300)}"]
    if lines:
        error.add_note("\n".join([HEADING, *lines]))


async def _lines(client: Client) -> list[str]:
    statuses = [status async for status in client.list_instances()]
    # What went wrong first; among those of one kind, what something happened to last.
    statuses.sort(key=lambda status: status.last_updated_time, reverse=True)
    statuses.sort(key=lambda status: status.runtime_status is RuntimeStatus.COMPLETED)
    statuses.sort(key=lambda status: status.runtime_status is not RuntimeStatus.FAILED)
    lines: list[str] = []
    for status in statuses[:INSTANCES_MAX]:
        whole = await client.get_status(str(status.instance_id), show_history=True)
        lines += _instance(status if whole is None else whole)
    if len(statuses) > INSTANCES_MAX:
        lines.append(f"  … and {len(statuses) - INSTANCES_MAX} more")
    return lines


def _instance(status: OrchestrationStatus[Any]) -> Iterator[str]:
    why = f": {_shown(status.failure)}" if status.failure is not None else ""
    yield f"  {status.name} {str(status.instance_id)!r} {status.runtime_status.value}{why}"
    events = status.history or []
    if len(events) > EVENTS_MAX:
        yield f"    … {len(events) - EVENTS_MAX} events before"
    for event in events[-EVENTS_MAX:]:
        yield f"    {_event(event, events[0].timestamp)}"
    for wait in status.waiting_for or []:
        yield f"    it waits for {wait}" + (f" until {wait.until:%Y-%m-%d %H:%M:%S} UTC" if wait.until else "")


def _event(event: HistoryEvent, began: datetime) -> str:
    after = (event.timestamp - began).total_seconds()
    number = f" #{event.task_id}" if event.task_id else ""
    fields = [
        f"{name}={_shown(value)}"
        for name, value in event.fields.items()
        if name not in _LEFT_OUT and value not in (None, "", [], (), {}) and (name, value) != ("attempt", 1)
    ]
    return f"+ {after:.3f} s  {event.event_type}{number}  {' '.join(fields)}".rstrip()


def _shown(value: Any) -> str:
    if type(value) is dict:
        fields = cast("dict[str, Any]", value)
        value = FailureDetails.from_map(fields) if {"kind", "type", "message"} <= fields.keys() else fields
    text = str(value) if isinstance(value, FailureDetails) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= VALUE_LENGTH_MAX else f"{text[: VALUE_LENGTH_MAX - 1]}…"
