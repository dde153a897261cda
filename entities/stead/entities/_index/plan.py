"""What a query asks for, how it is read, and where a page ends: values, without I/O.

A plan has a *driver*, the index by which entities are found, in parts that its condition leaves. If the driver is that of the order, pages
come as they are read; if it is another (a condition that matches few, and an order over many), all of it is read, and sorted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from stead.transport import InvalidInput, pack, unpack

from .catalogue import Index
from .conditions import Node, fields_in
from .ranges import Ranges, everything, ranges_of
from .scan import Position

TOKEN_VERSION = 1


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

    driver: Index
    ranges: Ranges
    ordered: Index  # that of the order; the driver's, if none is asked for
    descending: bool

    @property
    def streams(self) -> bool:
        """Whether pages come as they are read."""
        return self.driver.name == self.ordered.name


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
    """Choose how to read a query. `counts`: how many entries are in the ranges of each field that is limited, if there is a choice.

    Reading by the order's index looks at some `wanted * its entries / those that match` of them, reading by another at all of that.
    """
    best = min(limited, key=lambda name: (counts.get(name, 0), name), default=None)
    if asked.order is None:
        driver = indexes[best if best is not None else next(iter(indexes))]
        return QueryPlan(driver, _ranges(limited, driver), driver, asked.descending)
    ordered = indexes[asked.order]
    in_order = QueryPlan(ordered, _ranges(limited, ordered), ordered, asked.descending)
    if best is None or best == asked.order or asked.order not in counts:
        return in_order
    few = counts[best]
    if few <= most and few * few < max(1, wanted) * counts[asked.order]:
        return QueryPlan(indexes[best], limited[best], ordered, asked.descending)
    return in_order


def _ranges(limited: Mapping[str, Ranges], index: Index) -> Ranges:
    return limited.get(index.field) or everything(index.code)


def token_of(hub_id: str, asked: AskedQuery, plan: QueryPlan, position: Position) -> str:
    """What a page says so that the next one can go on."""
    return _encoded(hub_id, asked, [plan.driver.name, plan.ordered.name, position.place, position.key])


def from_token(
    token: str, hub_id: str, asked: AskedQuery, indexes: Mapping[str, Index], limited: Mapping[str, Ranges]
) -> tuple[QueryPlan, Position]:
    """How to go on from a page. Raises `InvalidInput` for what is no token of this query."""
    by_name = {index.name: index for index in indexes.values()}
    match _decoded(token, hub_id, asked):
        case [str(driver), str(ordered), (float() | bytes() | None) as place, bytes(key)]:
            if driver in by_name and ordered in by_name:
                index = by_name[driver]
                plan = QueryPlan(index, _ranges(limited, index), by_name[ordered], asked.descending)
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
