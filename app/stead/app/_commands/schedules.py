"""`stead schedules`: list, show, pause, resume, trigger, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from stead.app._app import App
from stead.app._console.faults import CommandFault
from stead.app._console.request import Request
from stead.app._console.screen import console, print_json_line, print_note, table
from stead.app._console.words import number_of, shorten
from stead.app._hub.client import Client
from stead.orchestrations import ScheduleSpec, ScheduleStatus, UnknownSchedule

from .views import COLOURS, local_time

_DONE = {"pause": "paused", "resume": "goes on", "delete": "deleted"}

Action = Literal["list", "show", "pause", "resume", "trigger", "delete"]


def schedules_command(request: Request, action: Action, names: Sequence[str]) -> int:
    async def work(app: App, client: Client) -> int:
        if action == "list":
            return await _list(client, request)
        for name in names:
            await _act(client, request, action, name)
        return 0

    def run() -> int:
        if (action == "list") == bool(names):
            what = "takes no names; `show NAME` shows one" if action == "list" else "give the names, as `list` has them"
            raise CommandFault(f"schedules {action}: {what}", usage=True)
        return request.run(work)

    return request.guard(run)


async def _list(client: Client, request: Request) -> int:
    rows = table("schedule", "when", "runs", "state", "next", "last")
    count = 0
    async for schedule in client.schedules.list():
        count += 1
        if request.as_json:
            print_json_line(schedule_line(schedule))
            continue
        last = schedule.last_runs[0] if schedule.last_runs else None
        rows.add_row(
            schedule.name,
            _when(schedule.spec),
            _what(schedule.spec),
            _state(schedule),
            local_time(schedule.next_times[0]) if schedule.next_times else "",
            "" if last is None else f"{local_time(last.occurrence)} {last.status or ''}",
        )
    if not request.as_json:
        if count:
            console().print(rows)
        print_note(number_of(count, "schedule", "schedules"))
    return 0


async def _act(client: Client, request: Request, action: Action, name: str) -> None:
    schedules = client.schedules
    done: dict[str, Any] = {"schedule": name}
    comes_back = False
    if action == "show":
        await _show(client, request, name)
        return
    if action == "pause":
        await schedules.pause(name)
        done["paused"] = True
    elif action == "resume":
        await schedules.resume(name)
        done["paused"] = False
    elif action == "trigger":
        done["instance_id"] = await schedules.trigger(name)
    else:
        before = await schedules.get(name)
        if not await schedules.delete(name):
            raise UnknownSchedule(name)
        done["deleted"] = True
        comes_back = before is not None and before.declared and not before.orphaned
    if request.as_json:
        print_json_line(done)
    elif action == "trigger":
        print_note(
            f"{name}: {done['instance_id'] or 'nothing was started: it sends a signal, or another run is in the way'}"
        )
    else:
        more = "; the next worker that declares it makes it again: take it out of the code" if comes_back else ""
        print_note(f"{name}: {_DONE[action]}{more}")


async def _show(client: Client, request: Request, name: str) -> None:
    schedule = await client.schedules.get(name)
    if schedule is None:
        raise UnknownSchedule(name)
    if request.as_json:
        print_json_line(schedule_line(schedule))
        return
    from rich.table import Table
    from rich.text import Text

    rows = Table(box=None, show_header=False, pad_edge=False)
    rows.add_column(style="bold")
    rows.add_column(overflow="fold")
    spec = schedule.spec
    rows.add_row("schedule", schedule.name)
    rows.add_row("when", _when(spec))
    rows.add_row("runs", _what(spec))
    if spec.overlap is not None:
        rows.add_row("overlap", spec.overlap)
    rows.add_row("catch up", str(spec.catch_up))
    rows.add_row("state", _state(schedule))
    rows.add_row("created", local_time(schedule.created_time))
    for place, time in enumerate(schedule.next_times):
        rows.add_row("" if place else "next", local_time(time))
    for place, run in enumerate(schedule.last_runs):
        line = Text(f"{local_time(run.occurrence)}  {run.instance_id or ''}  ")
        if run.status is not None:
            line.append(run.status.value, COLOURS.get(run.status, ""))
        rows.add_row("" if place else "last runs", line)
    if schedule.waiting is not None:
        rows.add_row("waiting", local_time(schedule.waiting))
    rows.add_row("missed", f"{schedule.missed:,}")
    rows.add_row("skipped", f"{schedule.skipped:,}")
    console().print(rows)


def schedule_line(schedule: ScheduleStatus) -> dict[str, Any]:
    """A schedule as JSON data."""
    spec = schedule.spec
    return {
        "schedule": schedule.name,
        "cron": spec.cron,
        "timezone": spec.timezone,
        "every_seconds": None if spec.every is None else spec.every.total_seconds(),
        "start": spec.start,
        "end": spec.end,
        "jitter_seconds": spec.jitter.total_seconds(),
        "overlap": spec.overlap,
        "catch_up_seconds": spec.catch_up.total_seconds(),
        "orchestration": spec.orchestration,
        "input": spec.input,
        "version": spec.version,
        "tags": spec.tags,
        "entity_id": spec.entity_id,
        "operation": spec.operation,
        "args": list(spec.args),
        "kwargs": spec.kwargs,
        "paused": schedule.paused,
        "declared": schedule.declared,
        "orphaned": schedule.orphaned,
        "created": schedule.created_time,
        "next_times": list(schedule.next_times),
        "last_runs": [
            {"occurrence": run.occurrence, "instance_id": run.instance_id, "status": run.status}
            for run in schedule.last_runs
        ],
        "waiting": schedule.waiting,
        "missed": schedule.missed,
        "skipped": schedule.skipped,
    }


def _when(spec: ScheduleSpec) -> str:
    when = f"every {spec.every}" if spec.every is not None else f"{spec.cron} {spec.timezone}"
    return f"{when}, up to {spec.jitter} later" if spec.jitter else when


def _what(spec: ScheduleSpec) -> str:
    if spec.orchestration is not None:
        return f"{spec.orchestration} {shorten(spec.input)}" if spec.input is not None else spec.orchestration
    return " ".join([f"{spec.entity_id} {spec.operation}", *(shorten(value) for value in spec.args)])


def _state(schedule: ScheduleStatus) -> str:
    words = ["paused"] if schedule.paused else []
    if schedule.orphaned:
        words.append("orphaned: no code declares it any more")
    return ", ".join(words) or "active"
