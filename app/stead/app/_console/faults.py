"""What a command says when it fails: one line that names the fault and what to do next, and an exit status."""

from __future__ import annotations

from stead.entities import OperationFailed
from stead.orchestrations import NotDeterministic
from stead.transport import ConnectionLost, SteadError, StoreUnavailable

FAILED = 1
WRONG_USAGE = 2


class CommandFault(Exception):
    """A command cannot go on. `usage` says that the command line itself is wrong (exit status 2, otherwise 1)."""

    def __init__(self, message: str, *, usage: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.status = WRONG_USAGE if usage else FAILED


def one_line(text: str) -> str:
    """Text that takes one line and cannot steer the terminal: white space runs are one blank, control characters go."""
    return " ".join("".join(c if c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text).split())


def safe_lines(text: str) -> list[str]:
    """Lines, a traceback's for example, that cannot steer the terminal; their indentation stays."""
    return ["".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) for line in text.splitlines()]


def explain(error: BaseException, app: str, *, debug: bool = False) -> str:
    """One line for people (and one for each finding, if there are several): what happened and what to do about it. `debug`: the
    traceback is shown already."""
    text = one_line(str(error)) or type(error).__name__
    refused = error.__cause__ if isinstance(error, CommandFault) else error
    if isinstance(refused, NotDeterministic):  # each finding names a place, and is looked at by itself
        first, *findings = str(refused).splitlines()
        return "\n  ".join((one_line(first), *map(one_line, findings)))
    if isinstance(error, (StoreUnavailable, ConnectionLost)):
        return f"{text}; check --url, $STEAD_URL and whether the server runs"
    if isinstance(error, OperationFailed):
        return text if debug else f"{text}; --debug shows the worker's traceback"
    if isinstance(error, (CommandFault, SteadError)):
        return text.replace("`stead info`", f"`stead info {app}`")
    said = f"{type(error).__name__}: {text}"
    return said if debug else f"{said}; --debug shows the traceback"
