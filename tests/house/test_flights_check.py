"""The demonstration's own check must be able to fail: it is what says that no flight was lost or doubled."""

from __future__ import annotations

import pytest

from examples.flights import check, screen
from examples.flights.data import Flight
from examples.flights.entities import Carrier, Delays, Route

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
