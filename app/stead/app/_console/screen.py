"""How commands look: tables on standard output, errors as one line on standard error."""

from __future__ import annotations

import json
import os
import shlex
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def console() -> Console:
    """Standard output. Nothing that users wrote is ever read as markup."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False)


def table(*columns: str, numbers: tuple[str, ...] = (), title: str | None = None) -> Table:
    """An empty table that folds long cells rather than cut them. `numbers` are columns to align on the right."""
    from rich import box
    from rich.table import Table

    made = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


def print_json_line(data: object) -> None:
    """One JSON object on a line of its own."""
    from .words import to_json_line

    sys.stdout.write(to_json_line(data) + "\n")


def print_note(message: str) -> None:
    """A remark on standard error, in grey at a terminal."""
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    sys.stderr.write(f"\033[2m{message}\033[0m\n" if colour else f"{message}\n")


def next_command(*words: str) -> str:
    """A command to be typed next, as a shell wants it."""
    free = any(word.startswith("-") for word in words)  # it would be taken for an option
    return shlex.join(("stead", words[0], *(("--",) if free else ()), *words[1:]))


def print_error(message: str, error_type: str, *, as_json: bool) -> None:
    """One line on standard error, red at a terminal; an object with `--json`."""
    if as_json:
        text = json.dumps({"error": {"type": error_type, "message": message}}, ensure_ascii=False)
    elif sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        text = f"\033[31merror: {message}\033[0m"
    else:
        text = f"error: {message}"
    sys.stderr.write(text + "\n")
