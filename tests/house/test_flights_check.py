"""The demonstration's own check must be able to fail: it is what says that no flight was lost or doubled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from examples.flights import check, departures, screen
from examples.flights.data import Flight
from examples.flights.entities import Airport, Carrier, Delays, Route
from stead.entities._aggregates.window import hub_clock

FLIGHTS = [
    Flight("JFK-LAX", "UA", -3),
    Flight("JFK-LAX", "UA", 0),
    Flight("JFK-LAX", "B6", 16),
    Flight("JFK-LAX", "B6", None),
    Flight("EWR-ORD", "UA", 1_272),
]


def routes(flights: list[Flight]) -> dict[str, Route]:
    entities: dict[str, Route] = {}
    for flight in flights:
        entities.setdefault(flight.route, Route()).record(flight.delay)
    return entities


def test_the_same_flights_agree() -> None:
    expected, _ = check.count(FLIGHTS)
    assert check.differences(expected, routes(FLIGHTS)) == []


@pytest.mark.parametrize("wrong", [FLIGHTS[1:], [*FLIGHTS, FLIGHTS[0]], [*FLIGHTS, FLIGHTS[3]], FLIGHTS[:3]])
def test_a_lost_or_doubled_flight_is_found(wrong: list[Flight]) -> None:
    expected, _ = check.count(FLIGHTS)
    assert check.differences(expected, routes(wrong)) != []


@pytest.mark.parametrize(
    "changed", [{"minutes": 12}, {"worst": 17}, {"histogram": [3, 0, 0, 0, 0, 0, 0]}, {"arrived": 4}, {"flights": 5}]
)
def test_a_wrong_total_is_found(changed: dict[str, object]) -> None:
    expected, _ = check.count(FLIGHTS)
    entities: dict[str, Delays] = dict(routes(FLIGHTS))
    entities["JFK-LAX"] = entities["JFK-LAX"].model_copy(update=changed)
    assert check.differences(expected, entities) == ["JFK-LAX"]


def test_a_missing_and_a_strange_key_are_found() -> None:
    _, expected = check.count(FLIGHTS)
    assert check.differences(expected, {"UA": Carrier(), "XX": Carrier()}) == ["B6", "UA", "XX"]


def test_bars_show_the_highest_in_full() -> None:
    assert screen.bars([0, 4, 8]) == " ▄█"
    assert screen.bars([0, 0]) == "  "


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """What an operation sees of the hub's time stays in its context: another test's may be this one's."""
    token = hub_clock.set(lambda: int(datetime(2014, 1, 1, tzinfo=UTC).timestamp() * 1_000))
    yield
    hub_clock.reset(token)


NEW_YEAR = datetime(2013, 1, 1, 5, tzinfo=UTC)
LEFT = [Flight("JFK-LAX", "UA", 0, NEW_YEAR + timedelta(hours=9 * number), number % 90) for number in range(600)]


def airport(flights: Iterable[Flight]) -> dict[str, Airport]:
    found = Airport()
    for flight in flights:
        if flight.departure is not None:
            found.days.at(flight.departure).add(flight.departure_delay)
            found.delays.add(flight.departure_delay)
    return {"JFK": found}


def test_the_same_departures_agree() -> None:
    assert departures.differences(LEFT, airport(LEFT)) == []
    assert departures.differences([*LEFT, Flight("JFK-LAX", "UA", None)], airport(LEFT)) == []  # it never left


@pytest.mark.parametrize("wrong", [LEFT[1:], [*LEFT, LEFT[0]], [*LEFT[1:], LEFT[1]]])
def test_a_lost_or_doubled_departure_is_found(wrong: list[Flight]) -> None:
    assert "JFK: 01 January" in "".join(departures.differences(LEFT, airport(wrong)))


def test_a_departure_on_another_day_is_found() -> None:
    (day, other) = departures.differences(
        LEFT, airport([*LEFT[1:], LEFT[0]._replace(departure=NEW_YEAR + timedelta(2))])
    )
    assert "01 January" in day and "03 January" in other


def test_a_wrong_quantile_is_found() -> None:
    late = airport(LEFT)
    late["JFK"].delays = airport(flight._replace(departure_delay=flight.departure_delay + 5) for flight in LEFT)[
        "JFK"
    ].delays
    assert [found[:19] for found in departures.differences(LEFT, late)] == [
        "JFK: quantile 0.5 i",
        "JFK: quantile 0.9 i",
    ]


def test_an_airport_that_is_missing_is_found() -> None:
    assert departures.differences(LEFT, {}) == ["JFK is missing"]
