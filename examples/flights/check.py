"""The same totals by the plainest means: one pass over the file, no entity, no server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from .data import Flight
from .entities import BOUNDS_MIN, Delays


@dataclass(slots=True)
class Totals:
    """The flights of one route or carrier."""

    flights: int = 0
    delays: list[int] = field(default_factory=list[int])

    def agrees(self, entity: Delays) -> bool:
        """Whether an entity says the same, to the last flight."""
        return (
            entity.flights == self.flights
            and entity.arrived == len(self.delays)
            and entity.minutes == sum(self.delays)
            and entity.worst == max(self.delays, default=None)
            and entity.histogram == self.histogram()
        )

    def histogram(self) -> list[int]:
        """How many flights were late by up to each bound, and more than all of them."""
        up_to = [sum(delay <= bound for delay in self.delays) for bound in BOUNDS_MIN]
        return [high - low for low, high in pairwise((0, *up_to, len(self.delays)))]


def count(flights: Iterable[Flight]) -> tuple[dict[str, Totals], dict[str, Totals]]:
    """The totals of every route and of every carrier."""
    routes: dict[str, Totals] = defaultdict(Totals)
    carriers: dict[str, Totals] = defaultdict(Totals)
    for flight in flights:
        for totals in (routes[flight.route], carriers[flight.carrier]):
            totals.flights += 1
            if flight.delay is not None:
                totals.delays.append(flight.delay)
    return dict(routes), dict(carriers)


def differences(expected: Mapping[str, Totals], entities: Mapping[str, Delays]) -> list[str]:
    """The keys that are missing, that should not be there, or whose totals differ."""
    both = expected.keys() & entities.keys()
    wrong = {key for key in both if not expected[key].agrees(entities[key])}
    return sorted(wrong | (expected.keys() ^ entities.keys()))
