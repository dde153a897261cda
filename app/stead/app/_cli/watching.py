"""The commands that look at what a hub does: `doctor`, `top` and `entity`; and `drain`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from .options import AppName, Debug, Json, Url, finish, make_request


def add_watching(cli: typer.Typer) -> None:
    """Add them to the command line."""
    cli.command(rich_help_panel="Hub")(doctor)
    cli.command(rich_help_panel="Hub")(top)
    cli.command(rich_help_panel="Hub")(drain)
    cli.command(rich_help_panel="Entities")(entity)


def doctor(app: AppName, url: Url = None, as_json: Json = False, debug: Debug = False) -> None:
    """Look for what is wrong with the hub, and say what to do. Exit status 1 if there is a problem."""
    from stead.app._commands.doctor import doctor_command

    finish(doctor_command(make_request(app, url, as_json, debug)))


def top(
    app: AppName,
    once: Annotated[bool, typer.Option("--once", help="Show it once, for scripts.")] = False,
    sort: Annotated[
        Literal["rate", "time", "failed", "name"], typer.Option(help="By what operations are sorted; a key changes it.")
    ] = "rate",
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Watch the hub live: rates, what waits, workers, partitions, the hottest entities. q quits."""
    from stead.app._commands.top import top_command

    finish(top_command(make_request(app, url, as_json, debug), once=once, sort=sort))


def drain(
    app: AppName,
    worker: Annotated[
        str,
        typer.Argument(
            metavar="WORKER", help="Its name in `stead info`, or a part that no other has.", show_default=False
        ),
    ],
    undo: Annotated[bool, typer.Option("--undo", help="Let it work again.")] = False,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Let a worker give back all it holds, and take nothing new until it is told to (--undo) or started anew. Exit status 1 if it still
    holds something after its time for that."""
    from stead.app._commands.drain import drain_command

    finish(drain_command(make_request(app, url, as_json, debug), worker, undo=undo))


def entity(
    app: AppName,
    name: Annotated[str, typer.Argument(metavar="ENTITY", help="Its name, such as Station.", show_default=False)],
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its key, such as oslo.", show_default=False)],
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What an entity is doing: what runs and waits, who has locked it, its reminders, its last error. Exit status 1 if nothing is known of it."""
    from stead.app._commands.entity import entity_command

    finish(entity_command(make_request(app, url, as_json, debug), name, key))
