"""What a query asks for, how it is read, and where a page ends: values, without I/O.

A plan has a *driver*, by which entities are found: an index, in parts that its condition leaves, or the listing of the kind. If the driver
is that of the order, pages come as they are read; if it is another (a condition that matches few, and an order over many), all
that is in it is read at one moment of each partition, and sorted.

A query without an order has that of the keys, which nothing changes: what moves within an index while that is read in its own order would
be missed, or met twice. Only one place of an index (`country == "NO"`) is in the order of keys by itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from stead.transport import LISTING, InvalidInput, pack, unpack

from .catalogue import Index
from .conditions import Node, fields_in
from .ranges import Ranges, everything, ranges_of
from .scan import Position
from .types import is_text

TOKEN_VERSION = 2
CHECKED_PART = 4  # a number's index is asked before states are read if at most one in so many passes


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """A query: what it is over, what has to match, and in which order."""

    kind: str  # canonical
    node: Node | None = None
    order: str | None = None  # a field
    descending: bool = False

    @property
    def fields(self) -> list[str]:
        """The fields that it needs indexes of, each once."""
        named = [] if self.node is None else list(fields_in(self.node))
        return list(dict.fromkeys([*named, *([] if self.order is None else [self.order])]))

    @property
    def digest(self) -> bytes:
        """What tells it from other queries."""
        return hashlib.sha256(repr((self.kind, self.node, self.order, self.descending)).encode()).digest()[:8]


class QueryPlan(NamedTuple):
    """How a query is read."""

    driver: Index | None  # None: the listing
    ranges: Ranges
    ordered: Index | None  # None: the order of keys
    descending: bool
    checks: tuple[str, ...] = ()  # fields whose scores are asked for before states are

    @property
    def streams(self) -> bool:
        """Whether pages come as they are read."""
        return name_of(self.driver) == name_of(self.ordered)


def name_of(index: Index | None) -> str:
    """The name of an index; nothing for the listing."""
    return "" if index is None else index.name


def ranges_by_field(asked: AskedQuery, indexes: Mapping[str, Index]) -> dict[str, Ranges]:
    """What a query's condition leaves of each index that it names: only of those of which it leaves less than all."""
    found = {name: ranges_of(asked.node, name, indexes[name].code) for name in asked.fields}
    return {name: ranges for name, ranges in found.items() if ranges != everything(indexes[name].code)}


def plan_of(
    asked: AskedQuery,
    indexes: Mapping[str, Index],
    limited: Mapping[str, Ranges],
    counts: Mapping[str, int],
    wanted: int,
    most: int,
) -> QueryPlan:
    """Choose how to read a query. `counts`: how many entries are in the ranges of each field that is limited, and of the order's, and
    in the listing; if there is a choice.

    Reading in order looks at some `wanted * entries / those that match` of them, reading by another index at all that is in its ranges.
    """
    best = min(limited, key=lambda name: (counts.get(name, 0), name), default=None)
    leading = asked.order if asked.order is not None else _steady(limited, counts)
    chosen, entries = _led(asked, indexes, limited, leading), counts.get(leading or LISTING)
    if best is not None and best != leading and entries is not None:
        few = counts[best]
        if few <= most and few * few < max(1, wanted) * entries:
            ordered = None if asked.order is None else chosen.ordered
            chosen = QueryPlan(indexes[best], limited[best], ordered, asked.descending)
    return chosen._replace(checks=_checks(indexes, limited, counts, chosen.driver))


def counting_plan(
    asked: AskedQuery, indexes: Mapping[str, Index], limited: Mapping[str, Ranges], counts: Mapping[str, int], most: int
) -> QueryPlan:
    """Choose how to find all that match, to be counted: by the index that finds fewest."""
    best = min(limited, key=lambda name: (counts.get(name, 0), name), default=None)
    plan = _led(asked, indexes, limited, best)
    if counts.get(best or LISTING, 0) <= most:
        plan = plan._replace(ordered=None)
    return plan._replace(checks=_checks(indexes, limited, counts, plan.driver))


def _led(
    asked: AskedQuery, indexes: Mapping[str, Index], limited: Mapping[str, Ranges], leading: str | None
) -> QueryPlan:
    """A plan that reads by one field, in its order; by none, it reads the listing."""
    index = None if leading is None else indexes[leading]
    return QueryPlan(index, _ranges(limited, index), index, asked.descending)


def _steady(limited: Mapping[str, Ranges], counts: Mapping[str, int]) -> str | None:
    """The field whose index has all that may match at one place, so in the order of keys; of several that with fewest."""
    found = [name for name, ranges in limited.items() if _is_one_place(ranges)]
    return min(found, key=lambda name: (counts.get(name, 0), name), default=None)


def is_settled(asked: AskedQuery, limited: Mapping[str, Ranges]) -> bool:
    """Whether there is but one way to read a query, so that nothing has to be counted."""
    if asked.order is not None:
        return limited.keys() <= {asked.order}
    return not limited or (len(limited) == 1 and _steady(limited, {}) is not None)


def _is_one_place(ranges: Ranges) -> bool:
    if not ranges.parts:
        return True  # None, or nothing at all
    [(low, low_side), (high, high_side)] = ranges.parts[0]
    return len(ranges.parts) == 1 and not ranges.none and (low, low_side, high_side) == (high, 0, 1)


def _checks(
    indexes: Mapping[str, Index], limited: Mapping[str, Ranges], counts: Mapping[str, int], driver: Index | None
) -> tuple[str, ...]:
    """The numbers that only few entities have: their scores tell so without states (HAZARDS 92)."""
    own, all_of_them = None if driver is None else driver.field, counts.get(LISTING, 0)
    return tuple(
        name
        for name in limited
        if name != own and not is_text(indexes[name].code) and CHECKED_PART * counts.get(name, 0) < all_of_them
    )


def _ranges(limited: Mapping[str, Ranges], index: Index | None) -> Ranges:
    if index is None:
        return Ranges((), False)
    return limited.get(index.field) or everything(index.code)


def token_of(hub_id: str, asked: AskedQuery, plan: QueryPlan, position: Position) -> str:
    """What a page says so that the next one can go on."""
    names = [name_of(plan.driver), name_of(plan.ordered)]
    return _encoded(hub_id, asked, [*names, list(plan.checks), position.place, position.key])


def from_token(
    token: str, hub_id: str, asked: AskedQuery, indexes: Mapping[str, Index], limited: Mapping[str, Ranges]
) -> tuple[QueryPlan, Position]:
    """How to go on from a page. Raises `InvalidInput` for what is no token of this query."""
    by_name: dict[str, Index | None] = {index.name: index for index in indexes.values()}
    by_name[""] = None
    match _decoded(token, hub_id, asked):
        case [str(driver), str(ordered), [*checks], (float() | bytes() | None) as place, bytes(key)]:
            if driver in by_name and ordered in by_name:
                index, fields = by_name[driver], tuple(name for name in checks if name in limited)
                plan = QueryPlan(index, _ranges(limited, index), by_name[ordered], asked.descending, fields)
                return plan, Position(place, key)
            raise InvalidInput("continuation", "an index of the query was made anew: begin with the first page")
        case _:
            raise _no_token()


def listing_token(hub_id: str, asked: AskedQuery, key: str) -> str:
    """The same for a page of all there are."""
    return _encoded(hub_id, asked, [key])


def from_listing_token(token: str, hub_id: str, asked: AskedQuery) -> str:
    """The key after which the next page begins. Raises `InvalidInput`."""
    match _decoded(token, hub_id, asked):
        case [str(key)]:
            return key
        case _:
            raise _no_token()


def _encoded(hub_id: str, asked: AskedQuery, rest: list[Any]) -> str:
    parts = [TOKEN_VERSION, hub_id, asked.digest, *rest]
    return base64.urlsafe_b64encode(pack(parts)).decode().rstrip("=")


def _decoded(token: str, hub_id: str, asked: AskedQuery) -> list[Any]:
    try:
        parts: Any = unpack(base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error):  # `InvalidInput` is a ValueError
        raise _no_token() from None
    match parts:
        case [version, hub, digest, *rest] if version == TOKEN_VERSION:
            if (hub, digest) != (hub_id, asked.digest):
                raise InvalidInput("continuation", "it is of another query, or of another hub")
            return rest
        case _:
            raise _no_token()


def _no_token() -> InvalidInput:
    return InvalidInput("continuation", "it is not what a page has given")
