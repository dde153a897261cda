"""The commands: what can be typed. What they do is in the modules that they import when they run."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from .options import (
    FREE_ARGUMENTS,
    AppName,
    Arguments,
    Debug,
    Host,
    Json,
    KeysFile,
    Keywords,
    NoDashboard,
    Otlp,
    Port,
    Url,
    finish,
    make_request,
    reject_options,
    usage,
)
from .orchestrations import add_commands
from .payloads import add_payloads
from .tables import add_tables
from .watching import add_watching

Entity = Annotated[str, typer.Argument(metavar="ENTITY", help="Its name, such as Station.", show_default=False)]
Key = Annotated[str, typer.Argument(metavar="KEY", help='Its key, such as oslo; "" is a key, too.', show_default=False)]
Operation = Annotated[str, typer.Argument(metavar="OPERATION", help="The operation's name.", show_default=False)]
HowMany = Annotated[str | None, typer.Option(metavar="N", help="How many: 1e6, 250k.", show_default=False)]
cli = typer.Typer(
    name="stead",
    help="Durable entities and orchestrations: one operation at a time, code that survives crashes, nothing lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"stead {version('stead')}")
        except PackageNotFoundError:
            typer.echo("stead, run from its source folders: not installed")
        raise typer.Exit


@cli.callback()
def _root(  # pyright: ignore[reportUnusedFunction] - typer calls it
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@cli.command(rich_help_panel="Run")
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The app's name, and its module's: weather.", show_default=False)
    ],
    folder: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Where; otherwise ./NAME.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a small project that runs and has a test."""
    from stead.app._commands.new import run_new

    finish(run_new(name, folder, as_json=as_json))


@cli.command(rich_help_panel="Run")
def dev(
    app: AppName,
    host: Host = "127.0.0.1",
    port: Port = 7071,
    keys: KeysFile = None,
    no_dashboard: NoDashboard = False,
    otlp: Otlp = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run one worker with an embedded server, the HTTP API and the dashboard, and again whenever a Python file changes."""
    from stead.app._commands.dev import run_dev

    finish(run_dev(make_request(app, url, as_json, debug, otlp), host, port, keys, dashboard=not no_dashboard))


@cli.command(rich_help_panel="Run")
def worker(
    app: AppName,
    processes: Annotated[int, typer.Option("--processes", "-n", min=1, max=512, help="Worker processes.")] = 1,
    name: Annotated[
        str | None, typer.Option(help="The worker's name in `stead info`, unique in the hub.", show_default=False)
    ] = None,
    queues: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help='Take activities from these queues, parted by commas ("" is the default one); otherwise from the default '
            "one and those that the app's activities name.",
            show_default=False,
        ),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_535,
            help="Serve /metrics for Prometheus there; with several processes the next ports for the others.",
            show_default=False,
        ),
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65_535, help="Serve /health/live and /health/ready there, likewise.", show_default=False
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="The address of these ports.")] = "127.0.0.1",
    otlp: Otlp = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run workers until SIGTERM or ctrl-c, which let them finish what they are doing."""
    from stead.app._commands.probes import Ports
    from stead.app._commands.worker import run_workers

    names = None if queues is None else [queue.strip() for queue in queues.split(",")]
    ports = Ports(metrics_port, health_port, host)
    request = make_request(app, url, as_json, debug, otlp)
    finish(run_workers(request, processes=processes, name=name, queues=names, ports=ports))


@cli.command(rich_help_panel="Run")
def serve(
    app: AppName,
    host: Host = "127.0.0.1",
    port: Port = 7071,
    keys: KeysFile = None,
    no_dashboard: NoDashboard = False,
    otlp: Otlp = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Serve the HTTP API and the dashboard alone, until SIGTERM or ctrl-c, which let running requests finish."""
    from stead.app._commands.serve import run_serve

    finish(run_serve(make_request(app, url, as_json, debug, otlp), host, port, keys, dashboard=not no_dashboard))


@cli.command(rich_help_panel="Entities", context_settings=FREE_ARGUMENTS)
def signal(
    context: typer.Context,
    app: AppName,
    entity: Entity,
    key: Key,
    operation: Operation,
    args: Arguments = None,
    kw: Keywords = None,
    after: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Deliver it later: 90s, 5m, 1h30m.", show_default=False)
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Deliver it at an ISO 8601 time.", show_default=False)
    ] = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Send an operation to an entity, without waiting for it. It is durable when the command ends."""
    from stead.app._commands.entities import signal_command

    words = reject_options(context, args)
    finish(signal_command(make_request(app, url, as_json, debug), entity, key, operation, words, kw or [], after, at))


@cli.command(rich_help_panel="Entities", context_settings=FREE_ARGUMENTS)
def call(
    context: typer.Context,
    app: AppName,
    entity: Entity,
    key: Key,
    operation: Operation,
    args: Arguments = None,
    kw: Keywords = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How long to wait: 5s. Otherwise STEAD_CALL_TIMEOUT_MS.")
    ] = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Call an operation and print its result."""
    from stead.app._commands.entities import call_command

    words = reject_options(context, args)
    finish(call_command(make_request(app, url, as_json, debug), entity, key, operation, words, kw or [], timeout))


@cli.command(rich_help_panel="Entities")
def state(app: AppName, entity: Entity, key: Key, url: Url = None, as_json: Json = False, debug: Debug = False) -> None:
    """Print an entity's committed state. Exit status 1 if it has none."""
    from stead.app._commands.entities import state_command

    finish(state_command(make_request(app, url, as_json, debug), entity, key))


@cli.command(rich_help_panel="Entities")
def entities(
    app: AppName,
    entity: Annotated[
        str | None, typer.Argument(metavar="ENTITY", help="Only this kind; otherwise count each.", show_default=False)
    ] = None,
    prefix: Annotated[str, typer.Option(help="Only keys that begin with this.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List entities with their states; without ENTITY, the kinds and how many entities each has."""
    from stead.app._commands.entities import kinds_command, list_command

    request = make_request(app, url, as_json, debug)
    if entity is None:
        if prefix:
            usage("--prefix needs an ENTITY to look in")
        finish(kinds_command(request))
    else:
        finish(list_command(request, entity, prefix, limit))


@cli.command(rich_help_panel="Entities")
def query(
    app: AppName,
    entity: Entity,
    where: Annotated[
        str,
        typer.Argument(
            metavar="WHERE",
            help="Terms that all have to match, on indexed fields: 'score>=100 country=NO,SE name^=a'.",
            show_default=False,
        ),
    ] = "",
    order: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="In the order of an indexed field; -FIELD descends.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    count: Annotated[bool, typer.Option("--count", help="Only say how many match.")] = False,
    signal: Annotated[
        str | None,
        typer.Option(metavar="OPERATION", help="Send an operation to all that match.", show_default=False),
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(metavar="VALUE", help="An argument of that operation; may be repeated.", show_default=False),
    ] = None,
    kw: Keywords = None,
    once: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="With --signal: the same line, repeated, reaches each once.", show_default=False
        ),
    ] = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Find entities by their indexed fields; or count them, or send an operation to each."""
    from stead.app._commands.querying import query_command, query_signal_command

    request = make_request(app, url, as_json, debug)
    if signal is None:
        if arg or kw or once is not None:
            usage("--arg, --kw and --once go with --signal")
        finish(query_command(request, entity, where, order, limit, count=count))
    if count or order is not None:
        usage("--signal reaches all that match: leave out --count and --order")
    finish(query_signal_command(request, entity, where, signal, arg or [], kw or [], once))


add_tables(cli)
add_payloads(cli)
add_commands(cli)  # here: the help shows panels in the order of their first commands


@cli.command(rich_help_panel="Hub")
def info(
    app: AppName,
    partitions: Annotated[bool, typer.Option("--partitions", help="Show every partition.")] = False,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show the hub: server, workers, partitions, what waits, what is blocked, dead letters."""
    from stead.app._commands.info import info_command

    finish(info_command(make_request(app, url, as_json, debug), every_partition=partitions))


@cli.command(rich_help_panel="Hub")
def plan(
    entities: HowMany = None,
    state_bytes: HowMany = None,
    key_bytes: HowMany = None,
    indexes: Annotated[
        str | None, typer.Option(metavar="N", help="Indexed fields of each entity.", show_default=False)
    ] = None,
    instances: HowMany = None,
    activities: Annotated[
        str | None, typer.Option(metavar="N", help="Activities of each instance.", show_default=False)
    ] = None,
    payload_bytes: HowMany = None,
    timers: HowMany = None,
    waiting: HowMany = None,
    message_bytes: HowMany = None,
    workers: Annotated[str | None, typer.Option(metavar="N", help="Worker processes.", show_default=False)] = None,
    active: Annotated[
        str | None, typer.Option(metavar="N", help="Entities in use; otherwise all.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell how much memory a hub will take: stead plan --entities 1e6 --state-bytes 200."""
    from stead.app._commands.plan import run_plan
    from stead.app._console.faults import CommandFault

    options = {
        "entities": entities,
        "state-bytes": state_bytes,
        "key-bytes": key_bytes,
        "indexes": indexes,
        "instances": instances,
        "activities": activities,
        "payload-bytes": payload_bytes,
        "timers": timers,
        "waiting": waiting,
        "message-bytes": message_bytes,
        "workers": workers,
        "active": active,
    }
    try:
        finish(run_plan(options.items(), as_json=as_json))
    except CommandFault as fault:
        usage(fault.message)


add_watching(cli)


@cli.command("dead-letters", rich_help_panel="Hub")
def dead_letters(
    app: AppName,
    action: Annotated[
        Literal["list", "show", "resend", "drop"], typer.Argument(help="What to do.", show_default=True)
    ] = "list",
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Which, as `list` names them.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Resend or drop all of them.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="List at most so many.")] = 100,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Messages that could not be carried out: list them, show one, send them again, drop them."""
    from stead.app._commands.dead_letters import letters_command

    finish(letters_command(make_request(app, url, as_json, debug), action, ids or [], every=every, limit=limit))
