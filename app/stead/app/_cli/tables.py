"""The commands that show entities as tables: what can be typed."""

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


def add_tables(cli: typer.Typer) -> None:
    """Put the commands into the command line."""
    for command in (sql, export):
        cli.command(rich_help_panel="Entities")(command)
