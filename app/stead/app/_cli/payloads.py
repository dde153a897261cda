"""The commands about large payloads: what can be typed."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import AppName, Debug, Json, Url, finish, make_request

blobs = typer.Typer(
    no_args_is_help=True,
    help="Large payloads, which are kept outside of the hub: list them, remove what nothing names any more.",
)


@blobs.command("list")
def list_blobs(app: AppName, url: Url = None, as_json: Json = False, debug: Debug = False) -> None:
    """Show the large payloads that there are, and which of them something in the hub names."""
    from stead.app._commands.payloads import list_command

    finish(list_command(make_request(app, url, as_json, debug)))


@blobs.command("collect")
def collect_blobs(
    app: AppName,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    url: Url = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Remove large payloads that nothing in the hub names, and nobody has touched for large_payloads_keep_ms. Run it now and then."""
    from stead.app._commands.payloads import collect_command

    finish(collect_command(make_request(app, url, as_json, debug), dry_run))


def add_payloads(cli: typer.Typer) -> None:
    """Put the commands into the command line."""
    cli.add_typer(blobs, name="blobs", rich_help_panel="Hub")
