"""What the airports should say, by numpy: each day exactly, each quantile within what its sketch promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import numpy

from .data import Flight
from .entities import Airport

ACCURACY = 0.01
"""How far the rank of a quantile may be from the one that was asked for, as `Airport.delays` promises."""

ASKED = (0.5, 0.9, 0.99)
DAY = timedelta(days=1)


def differences(flights: Iterable[Flight], airports: Mapping[str, Airport]) -> list[str]:
    """What differs from a plain computation over the file, in words."""
    moments: dict[str, list[float]] = {}
    delays: dict[str, list[int]] = {}
    for flight in flights:
        if flight.departure is not None:
            moments.setdefault(flight.origin, []).append(flight.departure.timestamp())
            delays.setdefault(flight.origin, []).append(flight.departure_delay)
    wrong = [f"{key} is missing" for key in sorted(moments.keys() - airports.keys())]
    for key, airport in sorted(airports.items()):
        seconds, late = numpy.array(moments.get(key, []), float), numpy.array(delays.get(key, []), float)
        wrong += [f"{key}: {what}" for what in (*_days(airport, seconds, late), *_quantiles(airport, late))]
    return wrong


def _days(airport: Airport, seconds: numpy.ndarray, late: numpy.ndarray) -> list[str]:
    days, places = numpy.unique(numpy.floor(seconds / DAY.total_seconds()), return_inverse=True)
    counts, sums = numpy.bincount(places, minlength=len(days)), numpy.bincount(places, late, minlength=len(days))
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    expected = {
        begin + float(day) * DAY: (int(n), float(total)) for day, n, total in zip(days, counts, sums, strict=True)
    }
    found = {start: (tally.count, tally.sum) for start, tally in airport.days.series() if tally.count}
    unlike = sorted(day for day in expected.keys() | found.keys() if expected.get(day) != found.get(day))
    return [f"{day:%d %B}: {found.get(day)} instead of {expected.get(day)}" for day in unlike]


def _quantiles(airport: Airport, late: numpy.ndarray) -> list[str]:
    if not len(late):
        return ["has no departures in the file"]
    ordered = numpy.sort(late)
    wrong: list[str] = []
    for rank in ASKED:
        value = airport.delays.quantile(rank)
        if value is None:
            wrong.append(f"quantile {rank:g} is not there")
            continue
        # Many flights have the same delay: the value has all the ranks between the first and the last of them.
        first = int(numpy.searchsorted(ordered, value, "left")) / len(ordered)
        last = int(numpy.searchsorted(ordered, value, "right")) / len(ordered)
        if not first - ACCURACY <= rank <= last + ACCURACY:
            wrong.append(f"quantile {rank:g} is {value}, which has the ranks {first:.3f} to {last:.3f}")
    return wrong
