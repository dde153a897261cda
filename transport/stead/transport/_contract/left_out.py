"""What of a hub's lists cannot be read, and is left out of them: a row that another program, or a later version, wrote.

One bad row must not make a whole list fail. It is named once, in the log, and counted for as long as it is seen.
"""

from __future__ import annotations

from .careful_logger import get_logger

_log = get_logger(__name__)

UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
"""What reading something raises that is not of the shape it has to have. (`UnicodeError` and `InvalidInput` are
`ValueError`s.)"""

_ROWS_MAX = 10_000  # that are remembered; more are said to be this many


class LeftOut:
    """The rows of each list that could not be read when they were looked at last."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], str] = {}

    def note(self, rows: str, name: object, reason: object) -> None:
        """A row of a list ("workers", "dead letters") cannot be read. What is new of it is logged."""
        row = (rows, name if isinstance(name, str) else repr(name))
        told = str(reason)
        if row in self._rows or len(self._rows) >= _ROWS_MAX:
            return
        self._rows[row] = told
        _log.error("of the %s of this hub, %s cannot be read and is left out: %s", *row, told)

    def readable(self, rows: str, name: object) -> None:
        """A row can be read (again)."""
        if self._rows:
            self._rows.pop((rows, name if isinstance(name, str) else repr(name)), None)

    def only(self, rows: str, seen: set[str]) -> None:
        """The list was read as a whole: rows that are not in it any more are not missed."""
        for row in [row for row in self._rows if row[0] == rows and row[1] not in seen]:
            del self._rows[row]

    def counts(self) -> dict[str, int]:
        """How many rows of each list are left out."""
        found: dict[str, int] = {}
        for rows, _ in self._rows:
            found[rows] = found.get(rows, 0) + 1
        return found
