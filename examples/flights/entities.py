"""The entities: one for every route, carrier and airport, each keeping its own totals."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta

from stead.app import App, Settings
from stead.entities import Entity, batched
from stead.entities.aggregates import Quantiles, Tally, Windowed, windowed

BOUNDS_MIN = (0, 15, 30, 60, 120, 240)
"""Upper bounds of the histogram's bars, in minutes of delay; the last bar has none."""

# After a crash, others wait this long before they take over; the default of 10 s would make a dull show.
app = App("flights", settings=Settings(lease_ms=3_000))


class Delays(Entity):
    """What is known about some flights. The fields are the state, the public methods are the operations."""

    flights: int = 0
    arrived: int = 0
    minutes: int = 0
    worst: int | None = None
    histogram: list[int] = [0] * (len(BOUNDS_MIN) + 1)

    def record(self, delay: int | None) -> None:
        """Count a flight, by its delay at arrival in minutes: less than 0 if early, None if it never arrived."""
        self.flights += 1
        if delay is None:
            return
        self.arrived += 1
        self.minutes += delay
        self.worst = delay if self.worst is None else max(self.worst, delay)
        self.histogram[bisect_left(BOUNDS_MIN, delay)] += 1

    def mean(self) -> float:
        """The mean delay of the flights that arrived."""
        return self.minutes / self.arrived if self.arrived else 0.0


@app.entity
class Route(Delays):
    """The flights of one route; its key is like `JFK-LAX`."""


@app.entity
class Carrier(Delays):
    """The flights of one carrier; its key is like `UA`."""


@app.entity
class Airport(Entity):
    """What left an airport, by the time at which it was to leave; its key is like `JFK`."""

    days: Windowed[Tally] = windowed(Tally(), timedelta(days=1), keep=366)
    delays: Quantiles = Quantiles(accuracy=0.01)

    @batched
    def left(self, flights: list[tuple[datetime, int]]) -> None:
        """Take what waits, all at once: when each was to leave, and by how many minutes it was late."""
        for moment, delay in flights:
            self.days.at(moment).add(delay)
        self.delays.extend(delay for _, delay in flights)
