"""`stead entity`: what is this thing doing."""

from __future__ import annotations

from stead.app._app import App
from stead.app._console.faults import FAILED, one_line, safe_lines
from stead.app._console.request import Request
from stead.app._console.screen import console, next_command, print_json_line, print_note
from stead.app._console.words import number_of, shorten, time_taken
from stead.app._hub.client import Client
from stead.entities import EntityId
from stead.gateway import EntityDoing, RecentModel, look_at

from .views import LOCKED, local_time

_RECENT = 10  # operations that are shown of those that ran last


def entity_command(request: Request, name: str, key: str) -> int:
    """Exit status 1 if nothing is known of it."""

    async def work(app: App, client: Client) -> int:
        found = await look_at(client, client.store, EntityId(name, key))
        if request.as_json:
            print_json_line(found.model_dump())
        elif found.known:
            _print(found, request)
        else:
            print_note(f"nothing is known of {found.entity_id}, and nothing waits for it")
        return 0 if found.known else FAILED

    return request.run(work)


def _print(found: EntityDoing, request: Request) -> None:
    from rich.table import Table

    rows = Table(box=None, show_header=False, pad_edge=False)
    rows.add_column(style="bold")
    rows.add_column(overflow="fold")
    rows.add_row("entity", found.entity_id)
    shown = f"locked: {LOCKED}" if found.locked else shorten(found.state, 2_000)
    rows.add_row("state", shown if found.exists else "it does not exist")
    if found.modified is not None:
        rows.add_row("last change", local_time(found.modified))
    if found.shards is not None:
        rows.add_row("shards", f"{found.shards}; what follows is of all of them, where it is a number")
    rows.add_row("partition", f"{found.partition}, held by {found.worker or 'nobody'}")
    for running in found.running:
        rows.add_row("runs", f"{running.operation}, for {time_taken(running.seconds)}")
    rows.add_row("waiting", _waiting(found))
    if found.locked_by:
        rows.add_row("locked by", f"{found.locked_by}; {next_command('status', request.app, found.locked_by)}")
    if found.blocked:
        rows.add_row("blocked", one_line(found.blocked))
    for reminder, due in found.reminders.items():
        rows.add_row("reminder", f"{reminder}, {local_time(due)}")
    for place, run in enumerate(found.recent[:_RECENT]):
        rows.add_row("" if place else "ran last", _ran(run))
    if found.recent_since is None and found.worker is not None:
        rows.add_row(
            "" if found.recent else "ran last",
            "its worker tells it from now on, for a minute: ask again in some seconds",
        )
    error = found.last_error
    if error is not None:
        rows.add_row("last error", one_line(f"{error.operation}: {error.error_type}: {error.message}"))
        rows.add_row("", f"at {local_time(error.died)}, dead letter {error.id}")
    screen = console()
    screen.print(rows)
    for line in safe_lines(error.traceback) if error is not None else ():
        screen.print(f"  {line}", style="dim", soft_wrap=True)


def _ran(run: RecentModel) -> str:
    often = f" {run.count:,} times" if run.count > 1 else ""
    each = " each" if run.count > 1 else ""
    failed = f", failed with {one_line(run.error_type)}" if run.error_type else ""
    return f"{local_time(run.ended)}  {one_line(run.operation)}{often}, {time_taken(run.seconds / run.count)}{each}{failed}"


def _waiting(found: EntityDoing) -> str:
    if not found.waiting:
        return "nothing"
    oldest = "" if found.oldest is None else f", the oldest since {local_time(found.oldest)}"
    parked = f"; {number_of(found.parked, 'of them is parked', 'of them are parked')}" if found.parked else ""
    return f"{number_of(found.waiting, 'message')}{' or more' if found.more else ''}{oldest}{parked}"
