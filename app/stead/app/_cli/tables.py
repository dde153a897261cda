"""The commands that show all entities of a kind, as tables or as they change: what can be typed."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import AppName, Debug, Json, Url, finish, make_request


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
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many.", show_default=False)] = None,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Follow what changes of the entities of a kind that keeps its changes, until ctrl-c."""
    from stead.app._commands.changes import changes_command

    finish(changes_command(make_request(app, url, as_json, debug), entity, after, limit))


def add_tables(cli: typer.Typer) -> None:
    """Put the commands into the command line."""
    for command in (sql, export, changes):
        cli.command(rich_help_panel="Entities")(command)
