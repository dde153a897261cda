"""What commands have in common: their arguments and options, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from stead.app._console.request import Request

AppName = Annotated[
    str, typer.Argument(metavar="APP", help="The app as MODULE:ATTRIBUTE, such as weather:app.", show_default=False)
]
Url = Annotated[
    str | None,
    typer.Option("--url", help="The store. Without it $STEAD_URL, else embedded://./.stead.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one object a line.")]
Host = Annotated[
    str, typer.Option("--host", help="The address of the HTTP API. Another than this machine's needs keys.")
]
Port = Annotated[int, typer.Option("--port", min=0, max=65_535, help="Its port; 0: any that is free.")]
KeysFile = Annotated[
    str | None,
    typer.Option(
        "--keys",
        metavar="FILE",
        help='Who may do what: {"the-key": ["read", "signal", "manage"]}. Without it $STEAD_HTTP_KEYS.',
        show_default=False,
    ),
]
Otlp = Annotated[
    str | None,
    typer.Option(
        "--otlp",
        metavar="URL",
        help="Tell OpenTelemetry's collector there: http://HOST:4318. Without it the OTEL_* variables.",
        show_default=False,
    ),
]
NoDashboard = Annotated[bool, typer.Option("--no-dashboard", help="Serve the API without the dashboard at /.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug messages.")]

# A negative number is an argument, not an option; `reject_options` finds the real typing errors.
FREE_ARGUMENTS = {"ignore_unknown_options": True}

Arguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="ARGS", help="Its arguments, as JSON; what is no JSON is text.", show_default=False),
]
Keywords = Annotated[
    list[str] | None,
    typer.Option("--kw", metavar="NAME=VALUE", help="An argument by name; may be repeated.", show_default=False),
]


def make_request(app: str, url: str | None, as_json: bool, debug: bool, otlp: str | None = None) -> Request:
    """What a command is given."""
    from stead.app._console.request import Request

    return Request(app, url, as_json, debug, otlp)


def finish(status: int) -> NoReturn:
    """End the command with its exit status."""
    raise typer.Exit(status)


def usage(message: str) -> NoReturn:
    """End the command because its line is wrong."""
    raise typer.BadParameter(message)


def reject_options(context: typer.Context, words: list[str] | None) -> list[str]:
    """Unknown options reach us as arguments (see `FREE_ARGUMENTS`): refuse what was surely meant as one."""
    line: object = context.find_root().obj
    free = isinstance(line, list) and "--" in line
    for word in words or []:
        if word.startswith("--") and len(word) > 2 and not free:
            usage(f"no such option: {word} (to send it as text, put -- in front of the arguments)")
    return words or []
