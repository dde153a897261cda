"""The parameters of a request's query, read strictly: who mistypes one is told so, instead of getting something else."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import NoReturn, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request

from stead.orchestrations import RuntimeStatus

from .errors import HttpError, bad_query
from .json_values import parse_instant

T = TypeVar("T")

COMMON = frozenset({"taskhub", "connection", "code", "systemkey"})
"""Every Durable Functions URI carries some of these. A gateway serves one hub, so the first two choose nothing."""

_STATUSES = {status.value.lower(): status for status in RuntimeStatus}


class Query:
    """The query of a request. Names match without regard to case; an empty value counts as absent.

    query = Query(request)
    top = query.integer("top", 100, low=1, high=1000)
    query.done()                                  # 400 for any parameter that nobody asked for
    """

    def __init__(self, request: Request) -> None:
        self._values: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}  # as they were written
        self._asked: set[str] = set(COMMON)
        try:
            pairs = parse_qsl(
                request.scope["query_string"].decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=1_000,
            )
        except ValueError:
            raise HttpError(400, "the query cannot be read: it is not percent-encoded UTF-8, or too long") from None
        for name, value in pairs:
            self._names.setdefault(name.lower(), name)
            self._values.setdefault(name.lower(), []).append(value)

    def many(self, name: str) -> list[str]:
        """All values of a parameter, in order; each may hold several, parted by commas."""
        self._asked.add(name.lower())
        values = self._values.get(name.lower(), [])
        return [part.strip() for value in values for part in value.split(",") if part.strip()]

    def raw(self, name: str) -> list[str]:
        """All values of a parameter as they are, commas and all."""
        self._asked.add(name.lower())
        return [value for value in self._values.get(name.lower(), []) if value]

    def text(self, name: str) -> str | None:
        """A parameter's value; None if it is absent or empty."""
        values = self.raw(name)
        if len(values) > 1:
            self._refuse(name, "it is given more than once")
        return values[0] if values else None

    def boolean(self, name: str, default: bool) -> bool:
        """`true` or `false`, in any case."""
        value = self.text(name)
        if value is None:
            return default
        if (known := {"true": True, "false": False}.get(value.strip().lower())) is None:
            self._refuse(name, f"{value!r} is neither true nor false")
        return known

    def integer(self, name: str, default: T, *, low: int = 0, high: int = 2**31 - 1) -> int | T:
        """A whole number within bounds."""
        value = self.text(name)
        if value is None:
            return default
        digits = value.strip().removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
            self._refuse(name, f"{value!r} is no whole number")
        if not low <= int(value) <= high:
            self._refuse(name, f"{value.strip()} is not within {low} to {high}")
        return int(value)

    def number(self, name: str, default: T, *, low: float = 0.0, high: float = math.inf) -> float | T:
        """A number within bounds."""
        value = self.text(name)
        if value is None:
            return default
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or not value.strip().isascii() or "_" in value:
            self._refuse(name, f"{value!r} is no number")
        if not low <= number <= high:
            self._refuse(name, f"{value.strip()} is not within {low:g} to {high:g}")
        return number

    def instant(self, name: str) -> datetime | None:
        """An instant in ISO 8601; without an offset it is UTC."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return parse_instant(value)
        except ValueError:
            self._refuse(name, f"{value!r} is no time in ISO 8601, such as 2030-01-31T12:00:00Z")

    def statuses(self, name: str = "runtimeStatus") -> list[RuntimeStatus]:
        """Runtime statuses, parted by commas or in several parameters; in any case. Empty if there are none."""
        return [self._status(name, word) for word in self.many(name)]

    def choice(self, name: str, default: str, choices: Iterable[str]) -> str:
        """One of some words, in any case."""
        value = self.text(name)
        if value is None:
            return default
        known = {word.lower(): word for word in choices}
        if (found := known.get(value.lower())) is None:
            self._refuse(name, f"{value!r} is none of {', '.join(known.values())}")
        return found

    def done(self) -> None:
        """400 for parameters that nobody has asked for by now: most often a mistyped name."""
        for name in self._values:
            if name not in self._asked:
                known = ", ".join(sorted(self._asked - COMMON)) or "none"
                self._refuse(self._names[name], f"there is no such parameter here; known (in any case): {known}")

    def _status(self, name: str, word: str) -> RuntimeStatus:
        if (status := _STATUSES.get(word.lower())) is None:
            self._refuse(name, f"{word!r} is no runtime status; these are: {', '.join(RuntimeStatus)}")
        return status

    def _refuse(self, name: str, reason: str) -> NoReturn:
        raise bad_query(self._names.get(name.lower(), name), reason)
