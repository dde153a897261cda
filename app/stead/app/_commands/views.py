"""How instances look on a screen and as JSON, and which of them a command line means."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stead.app._console.faults import CommandFault, one_line, safe_lines
from stead.app._console.screen import console, print_note, table
from stead.app._console.words import parse_local_instant, shorten
from stead.orchestrations import FailureDetails, HistoryEvent, OrchestrationStatus, RuntimeStatus
from stead.orchestrations.histories import STATUSES, failure_fields, status_fields
from stead.transport import InvalidInput

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WAITS_MAX = 10  # things that an instance waits for, to show

COLOURS = {
    RuntimeStatus.COMPLETED: "green",
    RuntimeStatus.FAILED: "red",
    RuntimeStatus.CANCELED: "red",
    RuntimeStatus.TERMINATED: "red",
    RuntimeStatus.SUSPENDED: "yellow",
    RuntimeStatus.PENDING: "yellow",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which instances a command line means, as it was typed."""

    statuses: Sequence[str]
    name: str | None
    prefix: str
    created_from: str | None
    created_to: str | None
    tags: Sequence[str]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said."""
        return not (self.statuses or self.name or self.prefix or self.created_from or self.created_to or self.tags)

    def options(self) -> dict[str, Any]:
        """What to give to `list_instances` and `purge_instances`. A wrong line is a `CommandFault`."""
        return {
            "statuses": list(self.statuses) or None,
            "name": self.name,
            "prefix": self.prefix,
            "created_from": _instant("--from", self.created_from),
            "created_to": _instant("--to", self.created_to),
            "tags": parse_tags(self.tags),
        }


@contextmanager
def wrong_usage() -> Generator[None]:
    """What the client refuses of a selection was written on the command line."""
    try:
        yield
    except InvalidInput as error:
        raise CommandFault(str(error), usage=True) from error


def parse_tags(pairs: Sequence[str]) -> dict[str, str] | None:
    """`--tag name=value` pairs."""
    tags: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CommandFault(f"--tag {pair!r}: write NAME=VALUE, for example --tag region=north", usage=True)
        tags[name] = value
    return tags or None


def _instant(option: str, text: str | None) -> datetime | None:
    return None if text is None else parse_local_instant(text, option)


LOCKED = "it is encoded, and this program has no key for it (STEAD_PAYLOAD_CODEC)"
"""What is said in the place of data that cannot be decoded here."""


def status_line(status: OrchestrationStatus[Any]) -> dict[str, Any]:
    """An instance as JSON data."""
    return status_fields(status, lambda time: time) | {"failure": failure_fields(status.failure)}


def print_status(screen: Console, status: OrchestrationStatus[Any]) -> None:
    """One instance, a line for each thing that is known."""
    from rich.table import Table
    from rich.text import Text

    rows = Table(box=None, show_header=False, pad_edge=False)
    rows.add_column(style="bold")
    rows.add_column(overflow="fold")
    version = f", version {status.version}" if status.version else ""
    rows.add_row("instance", str(status.instance_id))
    rows.add_row("orchestration", f"{status.name}{version}")
    rows.add_row("status", Text(status.runtime_status.value, style=COLOURS.get(status.runtime_status, "")))
    rows.add_row("created", local_time(status.created_time))
    rows.add_row("last change", local_time(status.last_updated_time))
    if status.tags:
        rows.add_row("tags", ", ".join(f"{name}={value}" for name, value in sorted(status.tags.items())))
    for what, value in (
        ("input", status.input),
        ("custom status", status.custom_status),
        ("output", status.output if status.failure is None else None),
    ):
        if value is not None:
            rows.add_row(what, shorten(value, 2_000))
    if status.locked:
        rows.add_row("locked", LOCKED)
    if status.failure is not None:
        rows.add_row("failure", one_line(str(status.failure)))
        cause = status.failure.cause
        while cause is not None:
            rows.add_row("caused by", one_line(str(cause)))
            cause = cause.cause
    if status.blocked is not None:
        rows.add_row("blocked", Text(one_line(status.blocked), style="yellow"))
    for line in _waiting_lines(status):
        rows.add_row("waits for", line)
    screen.print(rows)
    failure = status.failure
    while failure is not None:
        for line in safe_lines(failure.traceback):
            screen.print(f"  {line}", style="dim", soft_wrap=True)
        failure = failure.cause


def _waiting_lines(status: OrchestrationStatus[Any]) -> list[str]:
    """What an instance that is not finished waits for, since when and until when."""
    since = local_time(status.last_updated_time)
    if status.is_finished:
        return []
    if status.runtime_status is RuntimeStatus.PENDING:
        until = status.scheduled_time
        return [
            f"its time, until {local_time(until)}" if until is not None else f"a worker with its code, since {since}"
        ]
    if status.runtime_status is RuntimeStatus.SUSPENDED:
        return [f"being resumed, since {since}"]
    lines = [
        f"{wait}, since {local_time(wait.since)}"
        + (f", until {local_time(wait.until)}" if wait.until is not None else "")
        for wait in (status.waiting_for or ())[:_WAITS_MAX]
    ]
    more = len(status.waiting_for or ()) - _WAITS_MAX
    if more > 0:
        lines.append(f"and {more:,} more; --json shows all")
    return lines or [f"an external event, or its code's turn, since {since}"]


def instance_table() -> Table:
    """An empty table for `instance_row`."""
    return table("instance", "orchestration", "status", "created")


def instance_row(rows: Table, status: OrchestrationStatus[Any]) -> None:
    """Add an instance to the table."""
    from rich.text import Text

    rows.add_row(
        str(status.instance_id),
        status.name,
        Text(status.runtime_status.value, style=COLOURS.get(status.runtime_status, "")),
        local_time(status.created_time),
    )


def print_history(status: OrchestrationStatus[Any]) -> None:
    """What has happened, oldest first, and what is waited for. Times are the distance from the beginning."""
    events = status.history or []
    rows = table("#", "after", "event", "task", "what", numbers=("#", "after", "task"))
    for place, event in enumerate(events):
        after = event.timestamp - events[0].timestamp
        rows.add_row(
            str(place),
            f"{after.total_seconds():,.3f} s",
            event.event_type,
            str(event.task_id or ""),
            what_happened(event),
        )
    console().print(rows)
    for line in _waiting_lines(status):
        print_note(f"it waits for {line}")


# Fields that say little, or that another column says, …
_LEFT_OUT = frozenset({"execution_id", "parent", "lock", "queue", "recursive", "granted"}) | {
    # … and those that are there for workers alone.
    *("children", "running_children", "ran_out", "asked", "encoded_twice"),
}
_DATA = frozenset({"input", "result", "args", "kwargs"})  # what they are can be seen without their names


def what_happened(event: HistoryEvent) -> str:
    """An event's own fields on one line: names and targets first, as they are; then what there is of data."""
    fields = {name: value for name, value in event.fields.items() if value is not None and name not in _LEFT_OUT}
    words: list[str] = []
    for name in ("name", "operation", "entity_id", "instance_id"):
        value = fields.pop(name, None)
        if value:
            words.append(one_line(str(value)))
    status = fields.pop("status", None)
    if isinstance(status, int):
        words.append(STATUSES[status].value)
    failure = fields.pop("failure", None)
    if isinstance(failure, dict):
        words.append(one_line(str(FailureDetails.from_map(failure))))  # pyright: ignore[reportUnknownArgumentType]
    for name, value in fields.items():
        if name == "delay_ms":
            words.append(f"in {value / 1000:,g} s")
        elif name.endswith("_ms"):
            words.append(local_time(datetime.fromtimestamp(value / 1000, UTC)))
        elif name == "attempt":
            words += [f"attempt {value}"] if value != 1 else []
        elif value not in ("", [], {}):
            words.append(shorten(value, 100) if name in _DATA else f"{name} {shorten(value, 100)}")
    return "  ".join(words)


def local_time(instant: datetime | None) -> str:
    """A time for people: this machine's, to the second."""
    return "" if instant is None else instant.astimezone().strftime("%Y-%m-%d %H:%M:%S")
