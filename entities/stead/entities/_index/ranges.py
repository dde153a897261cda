"""Which parts of a field's index a condition may be in.

A part lies between two *cuts*, each before or after a place; None is apart. What a condition may match lies in the parts that are found
for it, and what lies there matches, but for the *doubtful* places: where a place says less than a value does (a time's millisecond,
the first 512 bytes of a text), only the state tells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

from .conditions import Compare, Negation, Node
from .types import TEXT_BYTES_MAX, is_text, is_whole, place_of

Cut: TypeAlias = tuple[Any, int]
"""A place, and 0 for before it, 1 for after it."""
Part: TypeAlias = tuple[Cut, Cut]

_NUMBERS: Part = ((-math.inf, 0), (math.inf, 1))
_TEXTS: Part = ((b"", 0), (b"\xff" * (TEXT_BYTES_MAX + 1), 1))


class Ranges(NamedTuple):
    """Parts of an index, ascending and apart from each other, and whether None is in it."""

    parts: tuple[Part, ...]
    none: bool


def everything(code: str) -> Ranges:
    """All of an index."""
    return Ranges((_whole(code),), True)


def ranges_of(node: Node | None, field: str, code: str) -> Ranges:
    """The parts of a field's index in which all is that a condition matches."""
    return everything(code) if node is None else _ranges(node, field, code, negated=False)


def is_in(place: float, ranges: Ranges) -> bool:
    """Whether a place lies in one of the parts."""
    return any(first <= (place, 0) and (place, 1) <= last for first, last in ranges.parts)


def doubtful_places(node: Node | None, code: str) -> frozenset[Any]:
    """The places of an index at which some values may match and others not, by a condition on its field alone."""
    if node is None:
        return frozenset()
    if isinstance(node, Compare):
        if node.sign == "startswith" and len(node.values[0].encode()) <= TEXT_BYTES_MAX:
            return frozenset()
        values = [value for value in node.values if value is not None and not is_whole(code, value)]
        return frozenset(place_of(code, value) for value in values)
    parts = (node.part,) if isinstance(node, Negation) else node.parts
    return frozenset[Any]().union(*(doubtful_places(part, code) for part in parts))


def _whole(code: str) -> Part:
    return _TEXTS if is_text(code) else _NUMBERS


def _ranges(node: Node, field: str, code: str, *, negated: bool) -> Ranges:
    if isinstance(node, Negation):
        return _ranges(node.part, field, code, negated=not negated)
    if isinstance(node, Compare):
        return _compared(node, code, negated=negated) if node.field == field else everything(code)
    found = [_ranges(part, field, code, negated=negated) for part in node.parts]
    if node.any_of != negated:
        return Ranges(_united(part for each in found for part in each.parts), any(each.none for each in found))
    parts = found[0].parts if found else (_whole(code),)
    for each in found[1:]:
        parts = _common(parts, each.parts)
    return Ranges(parts, all(each.none for each in found))


def _compared(node: Compare, code: str, *, negated: bool) -> Ranges:
    """The parts for one comparison. What is before the first and behind the last cut of it is complete, if it is negated."""
    values = [value for value in node.values if value is not None]
    inside = [_inside(node.sign, value, values, code) for value in (values[:1] if node.sign == "between" else values)]
    united = _united(inside)
    is_complement = negated != (node.sign == "!=")
    if is_complement:
        # A doubtful place stays in: what is there may be inside, or not.
        doubts = doubtful_places(node, code)
        united = _united([*_complement(united, _whole(code)), *(((place, 0), (place, 1)) for place in doubts)])
    has_none = None in node.values
    return Ranges(united, has_none != is_complement)


def _inside(sign: str, value: Any, values: Sequence[Any], code: str) -> Part:
    """The part in which a comparison without `!=` is true of all that it may be true of."""
    first, last = _whole(code)
    place = place_of(code, value)
    whole = is_whole(code, value)
    match sign:
        case "<":
            return first, (place, 0 if whole else 1)
        case "<=":
            return first, (place, 1)
        case ">":
            return (place, 1 if whole else 0), last
        case ">=":
            return (place, 0), last
        case "between":
            return (place, 0), (place_of(code, values[1]), 1)
        case "startswith":
            return _beginning(cast("str", value).encode(), last)
        case _:
            return (place, 0), (place, 1)


def _beginning(prefix: bytes, last: Cut) -> Part:
    """All texts with a prefix."""
    if not prefix:
        return (b"", 0), last
    if len(prefix) > TEXT_BYTES_MAX:
        place = prefix[:TEXT_BYTES_MAX]
        return (place, 0), (place, 1)
    return (prefix, 0), (prefix[:-1] + bytes([prefix[-1] + 1]), 0)


def _united(parts: Iterable[Part]) -> tuple[Part, ...]:
    found: list[Part] = []
    for first, last in sorted(part for part in parts if part[0] < part[1]):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def _common(left: Sequence[Part], right: Sequence[Part]) -> tuple[Part, ...]:
    both = ((max(one[0], other[0]), min(one[1], other[1])) for one in left for other in right)
    return _united(both)


def _complement(parts: Sequence[Part], whole: Part) -> tuple[Part, ...]:
    found: list[Part] = []
    at, end = whole
    for first, last in parts:
        found.append((at, first))
        at = last
    found.append((at, end))
    return _united(found)
