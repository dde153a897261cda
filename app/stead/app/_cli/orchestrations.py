"""The commands for orchestrations: what can be typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from .options import (
    FREE_ARGUMENTS,
    AppName,
    Arguments,
    Debug,
    Json,
    Keywords,
    Url,
    finish,
    make_request,
    reject_options,
)

PANEL = "Orchestrations"

Instance = Annotated[str, typer.Argument(metavar="INSTANCE", help="The instance's ID.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why, for those who read the history.", show_default=False)]
Statuses = Annotated[
    list[str] | None,
    typer.Option("--status", metavar="STATUS", help="Only with this status; may be repeated.", show_default=False),
]
Name = Annotated[str | None, typer.Option(help="Only of this orchestration.", show_default=False)]
Prefix = Annotated[str, typer.Option(help="Only IDs that begin with this.", show_default=False)]
CreatedFrom = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Only created at this time or later.", show_default=False)
]
CreatedTo = Annotated[
    str | None, typer.Option("--to", metavar="TIME", help="Only created at this time or earlier.", show_default=False)
]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="A tag; may be repeated.", show_default=False)
]


def start(
    context: typer.Context,
    app: AppName,
    orchestration: Annotated[
        str, typer.Argument(metavar="ORCHESTRATION", help="Its name, such as approval.", show_default=False)
    ],
    input: Annotated[
        str | None,
        typer.Argument(metavar="INPUT", help="Its input, as JSON; what is no JSON is text.", show_default=False),
    ] = None,
    instance_id: Annotated[
        str | None, typer.Option("--id", help="The instance's ID; otherwise a random one.", show_default=False)
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Begin later: 90s, 5m, 1h30m.", show_default=False)
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Begin at an ISO 8601 time.", show_default=False)
    ] = None,
    version: Annotated[str | None, typer.Option(help="The version of the code.", show_default=False)] = None,
    tag: Tags = None,
    reuse: Annotated[
        Literal["finished", "never", "always"],
        typer.Option(help="If the ID is taken: use it again once that instance is finished, never, or end that one."),
    ] = "finished",
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Start an instance of an orchestration and print its ID. The start is durable when the command ends."""
    from stead.app._commands.orchestrations import StartOptions, start_command

    reject_options(context, None if input is None else [input])
    options = StartOptions(instance_id, after, at, version, tag or [], reuse)
    finish(start_command(make_request(app, url, as_json, debug), orchestration, input, options))


def status(app: AppName, instance: Instance, url: Url = None, as_json: Json = False, debug: Debug = False) -> None:
    """Show an instance: its status, input, output, failure. Exit status 1 if it does not exist."""
    from stead.app._commands.orchestrations import status_command

    finish(status_command(make_request(app, url, as_json, debug), instance))


def wait(
    app: AppName,
    instance: Instance,
    timeout: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How long to wait: 5s. Otherwise for ever.")
    ] = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Wait until an instance is finished and print its output. Exit status 1 if it has not completed."""
    from stead.app._commands.orchestrations import wait_command

    finish(wait_command(make_request(app, url, as_json, debug), instance, timeout))


def history(app: AppName, instance: Instance, url: Url = None, as_json: Json = False, debug: Debug = False) -> None:
    """Show what has happened to an instance. With --json it is what `stead replay --history` reads."""
    from stead.app._commands.orchestrations import history_command

    finish(history_command(make_request(app, url, as_json, debug), instance))


def raise_event(
    context: typer.Context,
    app: AppName,
    instance: Instance,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The event's name.", show_default=False)],
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="Its data, as JSON; else text.", show_default=False)
    ] = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Send an external event to an instance. It is durable when the command ends."""
    from stead.app._commands.orchestrations import raise_event_command

    reject_options(context, None if data is None else [data])
    finish(raise_event_command(make_request(app, url, as_json, debug), instance, name, data))


def terminate(
    app: AppName,
    instance: Instance,
    reason: Reason = "",
    recursive: Annotated[
        bool, typer.Option("--recursive/--alone", help="Its sub-orchestrations too, or it alone.")
    ] = True,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """End an instance as it is, with the reason as its output."""
    from stead.app._commands.orchestrations import terminate_command

    finish(terminate_command(make_request(app, url, as_json, debug), instance, reason, recursive=recursive))


def cancel(
    app: AppName, instance: Instance, reason: Reason = "", url: Url = None, as_json: Json = False, debug: Debug = False
) -> None:
    """Ask an instance to end: it may undo what it has done. `terminate` ends it as it is."""
    from stead.app._commands.orchestrations import manage_command

    finish(manage_command(make_request(app, url, as_json, debug), "cancel", instance, reason))


def ask(
    context: typer.Context,
    app: AppName,
    instance: Instance,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="The query's name.", show_default=False)],
    args: Arguments = None,
    kw: Keywords = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Ask an instance something that its code shares, and print the answer."""
    from stead.app._commands.orchestrations import ask_command

    words = reject_options(context, args)
    finish(ask_command(make_request(app, url, as_json, debug), "ask", instance, query, words, kw or []))


def update(
    context: typer.Context,
    app: AppName,
    instance: Instance,
    update: Annotated[str, typer.Argument(metavar="UPDATE", help="The update's name.", show_default=False)],
    args: Arguments = None,
    kw: Keywords = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Tell an instance something, and print what comes of it."""
    from stead.app._commands.orchestrations import ask_command

    words = reject_options(context, args)
    finish(ask_command(make_request(app, url, as_json, debug), "update", instance, update, words, kw or []))


def suspend(
    app: AppName, instance: Instance, reason: Reason = "", url: Url = None, as_json: Json = False, debug: Debug = False
) -> None:
    """Let an instance pause: what arrives is kept until it is resumed."""
    from stead.app._commands.orchestrations import manage_command

    finish(manage_command(make_request(app, url, as_json, debug), "suspend", instance, reason))


def resume(
    app: AppName, instance: Instance, reason: Reason = "", url: Url = None, as_json: Json = False, debug: Debug = False
) -> None:
    """Let a suspended instance go on."""
    from stead.app._commands.orchestrations import manage_command

    finish(manage_command(make_request(app, url, as_json, debug), "resume", instance, reason))


def rewind(
    app: AppName, instance: Instance, reason: Reason = "", url: Url = None, as_json: Json = False, debug: Debug = False
) -> None:
    """Let a failed instance try again what failed; what succeeded is kept."""
    from stead.app._commands.orchestrations import manage_command

    finish(manage_command(make_request(app, url, as_json, debug), "rewind", instance, reason))


def restart(
    app: AppName,
    instance: Instance,
    same_id: Annotated[bool, typer.Option("--same-id", help="Under the same ID, once it is finished.")] = False,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Start an instance anew, with the same input, and print the new ID."""
    from stead.app._commands.orchestrations import restart_command

    finish(restart_command(make_request(app, url, as_json, debug), instance, same_id=same_id))


def purge(
    app: AppName,
    instance: Annotated[
        str | None,
        typer.Argument(metavar="INSTANCE", help="Which; otherwise all that match.", show_default=False),
    ] = None,
    status: Statuses = None,
    name: Name = None,
    prefix: Prefix = "",
    created_from: CreatedFrom = None,
    created_to: CreatedTo = None,
    tag: Tags = None,
    recursive: Annotated[bool, typer.Option("--recursive", help="Their sub-orchestrations too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Delete a finished instance, or all finished ones that match, with their histories."""
    from stead.app._commands.purge import purge_command, purge_many_command
    from stead.app._commands.views import Selection

    request = make_request(app, url, as_json, debug)
    selection = Selection(status or [], name, prefix, created_from, created_to, tag or [])
    if instance is not None:
        finish(purge_command(request, instance, selection, recursive=recursive))
    finish(purge_many_command(request, selection, recursive=recursive, yes=yes))


def manage(
    app: AppName,
    action: Annotated[
        Literal["terminate", "cancel", "suspend", "resume", "rewind", "raise-event", "raise_event"],
        typer.Argument(metavar="ACTION", help="What is done to each.", show_default=False),
    ],
    reason: Reason = "",
    event: Annotated[str, typer.Option(help="The name of the event that is raised.", show_default=False)] = "",
    data: Annotated[str | None, typer.Option(help="Its data, as JSON; else text.", show_default=False)] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive/--alone", help="Terminate their sub-orchestrations too.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say to how many it would be done.")] = False,
    status: Statuses = None,
    name: Name = None,
    prefix: Prefix = "",
    created_from: CreatedFrom = None,
    created_to: CreatedTo = None,
    tag: Tags = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="All instances are meant, if nothing else is said.")] = False,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Do the same to all instances that match, and say what became of it. Exit status 1 if it failed for one."""
    from stead.app._commands.manage import Managing, manage_many_command
    from stead.app._commands.views import Selection

    selection = Selection(status or [], name, prefix, created_from, created_to, tag or [])
    # As the command for one instance is called, and as it is called everywhere else.
    what = Managing("raise_event" if action == "raise-event" else action, reason, event, data, recursive, dry_run)
    finish(manage_many_command(make_request(app, url, as_json, debug), what, selection, yes=yes))


def instances(
    app: AppName,
    status: Statuses = None,
    name: Name = None,
    prefix: Prefix = "",
    created_from: CreatedFrom = None,
    created_to: CreatedTo = None,
    tag: Tags = None,
    count: Annotated[bool, typer.Option("--count", help="Only count them, by name and status.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List instances, or count them."""
    from stead.app._commands.orchestrations import count_command, instances_command
    from stead.app._commands.views import Selection

    request = make_request(app, url, as_json, debug)
    selection = Selection(status or [], name, prefix, created_from, created_to, tag or [])
    if count:
        finish(count_command(request, selection))
    finish(instances_command(request, selection, limit))


def replay(
    app: AppName,
    instance: Annotated[
        str | None,
        typer.Argument(metavar="INSTANCE", help="An instance of the hub, if not --history.", show_default=False),
    ] = None,
    history: Annotated[
        list[Path] | None,
        typer.Option(
            "--history", metavar="FILE", help="What `stead history --json` wrote; may be repeated.", show_default=False
        ),
    ] = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Replay a history against the code in this folder. Exit status 1 if the code does other things than it says."""
    from stead.app._commands.replay import replay_command

    finish(replay_command(make_request(app, url, as_json, debug), instance, history or []))


def schedules(
    app: AppName,
    action: Annotated[
        Literal["list", "show", "pause", "resume", "trigger", "delete"],
        typer.Argument(help="What to do.", show_default=True),
    ] = "list",
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Which, as `list` names them.", show_default=False)
    ] = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Schedules: list them, show one, let it pause and go on, run it now, delete it."""
    from stead.app._commands.schedules import schedules_command

    finish(schedules_command(make_request(app, url, as_json, debug), action, names or []))


_COMMANDS: dict[str, Callable[..., None]] = {
    "start": start,
    "status": status,
    "wait": wait,
    "history": history,
    "raise-event": raise_event,
    "terminate": terminate,
    "ask": ask,
    "update": update,
    "cancel": cancel,
    "suspend": suspend,
    "resume": resume,
    "rewind": rewind,
    "restart": restart,
    "purge": purge,
    "manage": manage,
    "instances": instances,
    "replay": replay,
    "schedules": schedules,
}
_FREE = {"start", "raise-event", "ask", "update"}  # a negative number may be an input


def add_commands(cli: typer.Typer) -> None:
    """Put the commands into the command line."""
    for name, command in _COMMANDS.items():
        settings = FREE_ARGUMENTS if name in _FREE else None
        cli.command(name, rich_help_panel=PANEL, context_settings=settings)(command)
