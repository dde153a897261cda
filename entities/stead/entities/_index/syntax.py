"""Conditions and orders as text, for terminals and URLs: `score>=100 country=NO,SE name^="a b"` and `-score`.

    condition  ─ terms parted by spaces, all of which have to match
    term       ─ FIELD SIGN VALUE   with = != < <= > >= and ^= (begins with); after = there may be several values, parted by commas
    value      ─ a word, or a text in single or double quotes; null is None

What a value is depends on the field's type, which is known when the query is carried out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from stead.transport import InvalidInput

from .conditions import Compare, Condition, Join, Negation, Node, QueryField, field
from .types import IndexType

_SIGNS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "^=": "startswith"}
_VALUE = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,"']+)"""
_TERM = re.compile(rf"\s*([A-Za-z_]\w*)\s*(!=|<=|>=|\^=|=|<|>)\s*({_VALUE}(?:,{_VALUE})*)(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Word:
    """A value as it was written, of whatever type its field is."""

    text: str


def parse_where(text: str) -> list[Condition[Any]]:
    """The conditions that a text says. Raises `InvalidInput` that shows where it cannot be read."""
    found: list[Condition[Any]] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        term = _TERM.match(text, at)
        if term is None:
            raise InvalidInput(
                f"condition {text[at:].strip()[:40]!r}",
                "write FIELD, a sign (= != < <= > >= or ^= for how it begins) and a value, such as score>=100; terms are parted by "
                "spaces, and a value with spaces or commas is in quotes",
            )
        name, sign, written = term.groups()
        values = tuple(_value(part) for part in re.findall(_VALUE, written))
        if len(values) > 1 and sign != "=":
            raise InvalidInput(f"condition {term[0].strip()!r}", "only = takes several values")
        found.append(Condition(Compare(name, "one_of" if len(values) > 1 else _SIGNS[sign], values), frozenset()))
        at = term.end()
    return found


def parse_order(text: str) -> tuple[QueryField[Any, Any], bool]:
    """An order that a text says, `score` or `-score`: its field, and whether it descends."""
    descending = text.startswith("-")
    return field(text.removeprefix("-")), descending


def _value(written: str) -> Word | str | None:
    if written[0] in "\"'":
        return Word(re.sub(r"\\(.)", r"\1", written[1:-1]))
    return None if written == "null" else Word(written)


def read_words(node: Node, types: Mapping[str, IndexType]) -> Node:
    """A condition with values in place of words. Those of unknown fields stay: whoever checks the condition refuses them."""
    if isinstance(node, Negation):
        return Negation(read_words(node.part, types))
    if isinstance(node, Join):
        return Join(node.any_of, tuple(read_words(part, types) for part in node.parts))
    wanted = types.get(node.field)
    if wanted is None or not any(isinstance(value, Word) for value in node.values):
        return node
    values = tuple(_read(node.field, wanted.code, value) if isinstance(value, Word) else value for value in node.values)
    return Compare(node.field, node.sign, values)


def _read(name: str, code: str, word: Word) -> object:
    try:
        return _READERS[code](word.text)
    except (ValueError, KeyError):
        raise InvalidInput(f"value {word.text!r}", f"the field {name!r} is {code}: {_SHOWN[code]}") from None


def _read_instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


_READERS: Mapping[str, Callable[[str], object]] = {
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "int": int,
    "float": float,
    "datetime": _read_instant,
    "date": date.fromisoformat,
    "str": str,
    "UUID": UUID,
}
_SHOWN = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "datetime": "a time such as 2030-01-31T12:00:00Z",
    "date": "a date such as 2030-01-31",
    "str": "text",
    "UUID": "a UUID",
}
