"""Between a command line's words and the values that operations take and give."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn, cast

from stead.app._tables.columns import json_bytes

from .faults import CommandFault

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are not JSON: such a word is text


def parse_argument(word: str) -> object:
    """An argument: JSON if it is JSON (`3.5`, `true`, `'{"a": 1}'`), otherwise the word itself as text."""
    try:
        return json.loads(word, parse_constant=_refuse_constant)
    except RecursionError:
        raise CommandFault(f"the argument {word[:20]}… is nested too deep", usage=True) from None
    except ValueError:
        return word


def parse_keywords(pairs: Sequence[str]) -> dict[str, str]:
    """`--kw name=value` pairs, the values as they were written."""
    keywords: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise CommandFault(f"--kw {pair!r}: write NAME=VALUE, for example --kw celsius=3.5", usage=True)
        if name in keywords:
            raise CommandFault(f"--kw {name} is given twice", usage=True)
        keywords[name] = value
    return keywords


def parse_duration(text: str, option: str = "--after") -> timedelta:
    """A duration such as `90s`, `5m`, `1h30m` or `250ms`."""
    if not _DURATION.fullmatch(text):
        raise CommandFault(
            f"{option} {text!r}: write a duration with its unit, such as 90s, 5m, 1h30m, 2d or 250ms", usage=True
        )
    try:
        return sum((timedelta(**{_UNITS[unit]: float(n)}) for n, unit in _PART.findall(text)), timedelta())
    except OverflowError:
        raise CommandFault(f"{option} {text!r}: longer than a date can hold", usage=True) from None


def parse_local_instant(text: str, option: str = "--at") -> datetime:
    """An instant in ISO 8601. Without an offset it is the local time of this machine."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise CommandFault(
            f"{option} {text!r}: write an ISO 8601 time, such as 2030-01-31T12:00:00Z or 2030-01-31T12:00", usage=True
        ) from None


def json_data(value: object) -> Any:
    """The value as JSON data: bytes as base64, times in ISO 8601, anything else that JSON lacks as text."""
    return json.loads(json_bytes(value))


def to_json_line(value: object) -> str:
    """One line of JSON."""
    return json.dumps(json_data(value), ensure_ascii=False, separators=(", ", ": "))


def number_of(count: int, one: str, many: str = "") -> str:
    """`1 entity`, `2,000 entities`, `no entities`. `many`: the plural, if it is not made by an s."""
    if count == 1:
        return f"1 {one}"
    return f"{f'{count:,}' if count else 'no'} {many or f'{one}s'}"


def shorten(value: object, length: int = 200) -> str:
    """A value on one line, cut when it is long."""
    data = json_data(value)
    if isinstance(data, dict):
        text = ", ".join(
            f"{name} {json.dumps(v, ensure_ascii=False)}" for name, v in cast("dict[str, Any]", data).items()
        )
    else:
        text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= length else text[: length - 1] + "…"


def time_taken(seconds: float) -> str:
    """How long something took, in the unit that suits it."""
    if seconds < 0.001:
        return f"{seconds * 1_000_000:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 6_000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h" if seconds < 48 * 3_600 else f"{seconds / 86_400:,.0f} days"
