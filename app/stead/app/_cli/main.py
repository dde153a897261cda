"""The command `stead`: it starts, runs a command line and ends. What can be typed is in `commands`."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # not of `typing`, which takes longer to import than all that is done here
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with its exit status."""
    try:
        from stead.app._console.interrupts import end_quietly

        end_quietly()
        if arguments is None:
            from stead.app._hub.hash_seed import begin_with_hash_seed

            begin_with_hash_seed(sys.argv[1:])
    except KeyboardInterrupt:
        os._exit(130)
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line; gives the exit status. Errors are one line on standard error."""
    import typer

    from stead.app._console.screen import print_error

    from .commands import cli

    line = list(arguments)
    as_json = "--json" in (line[: line.index("--")] if "--" in line else line)
    try:
        status: object = cli(line, prog_name="stead", standalone_mode=False, obj=line)
    except typer.Abort:
        return 130
    except typer.TyperException as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        if message:
            print_error(f"{message.rstrip('.')}; see `{_help_of(error)}`", "UsageError", as_json=as_json)
        return getattr(error, "exit_code", 2)
    return status if isinstance(status, int) else 0


def _help_of(error: Exception) -> str:
    path: object = getattr(getattr(error, "ctx", None), "command_path", "stead")
    return f"{path} --help"
