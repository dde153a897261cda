"""The commands that show all entities of a kind, as tables or as they change: what can be typed."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import AppName, Debug, Json, Url, finish, make_request, usage


def sql(
    app: AppName,
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help='One SELECT: "select count(*) from Station".', show_default=False)
    ],
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many rows; with --json all are written.")] = 1_000,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Answer one SELECT over entities; each kind of them is a table."""
    from stead.app._commands.tables import sql_command

    finish(sql_command(make_request(app, url, as_json, debug), query, limit))


def export(
    app: AppName,
    entity: Annotated[str, typer.Argument(metavar="ENTITY", help="Its name, such as Station.", show_default=False)],
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="FILE", help="The file: .parquet, .csv or .jsonl (JSON lines).", show_default=False
        ),
    ],
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the entities of a kind into a file."""
    from stead.app._commands.tables import export_command

    finish(export_command(make_request(app, url, as_json, debug), entity, to))


def changes(
    app: AppName,
    entity: Annotated[str, typer.Argument(metavar="ENTITY", help="Its name, such as Station.", show_default=False)],
    after: Annotated[
        str | None,
        typer.Option(
            metavar="CURSOR", help='Behind which change to begin; "oldest": with what is kept.', show_default=False
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Read as one of a group whose position the hub keeps; what was shown is done.",
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="CURSOR", help='Where a new group begins; "oldest": with what is kept.', show_default=False
        ),
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Show nothing: have the hub forget the group's position.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many.", show_default=False)] = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Follow what changes of the entities of a kind that keeps its changes, until ctrl-c."""
    from stead.app._commands.changes import changes_command, forget_command

    if group is None and (forget or start is not None):
        usage("--forget and --start are about a group: write --group NAME")
    if group is not None and after is not None:
        usage("the hub keeps the position of a group: write --start for where a new one begins")
    request = make_request(app, url, as_json, debug)
    if group is not None and forget:
        finish(forget_command(request, entity, group))
    finish(changes_command(request, entity, after, limit, group, start))


def add_tables(cli: typer.Typer) -> None:
    """Put the commands into the command line."""
    for command in (sql, export, changes):
        cli.command(rich_help_panel="Entities")(command)
