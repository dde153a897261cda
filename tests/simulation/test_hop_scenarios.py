"""Messages that are handed over in memory: what must hold in each scenario, and that each sees it if its rule is broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simulation import hop_breaks, hop_breaks_of_places, hop_components, hop_order, hop_places
from simulation.hop_scenarios import HAZARDS, scenarios_in

SCENARIOS = scenarios_in(hop_components, hop_order, hop_places)
BROKEN = {**hop_breaks.breaks, **hop_breaks_of_places.breaks}
MARKS = {
    34: pytest.mark.hazard(34),
    36: pytest.mark.hazard(36),
    41: pytest.mark.hazard(41),
    42: pytest.mark.hazard(42),
    43: pytest.mark.hazard(43),
    44: pytest.mark.hazard(44),
    45: pytest.mark.hazard(45),
    46: pytest.mark.hazard(46),
    47: pytest.mark.hazard(47),
    48: pytest.mark.hazard(48),
    49: pytest.mark.hazard(49),
    50: pytest.mark.hazard(50),
    51: pytest.mark.hazard(51),
    52: pytest.mark.hazard(52),
    53: pytest.mark.hazard(53),
    54: pytest.mark.hazard(54),
    56: pytest.mark.hazard(56),
    57: pytest.mark.hazard(57),
    59: pytest.mark.hazard(59),
    60: pytest.mark.hazard(60),
    61: pytest.mark.hazard(61),
    62: pytest.mark.hazard(62),
    64: pytest.mark.hazard(64),
}
CASES = [
    pytest.param(one, id=name, marks=[MARKS[number] for number in HAZARDS[one]]) for name, one in SCENARIOS.items()
]


@pytest.mark.parametrize("scenario", CASES)
def test_it_holds(scenario: Callable[[], None]) -> None:
    scenario()


@pytest.mark.parametrize(
    ("name", "scenario"), [(name, scenario) for name, (_, scenarios) in BROKEN.items() for scenario in scenarios]
)
def test_a_broken_rule_is_seen(name: str, scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, _ = BROKEN[name]
    one = SCENARIOS[scenario]
    broken(monkeypatch)
    with pytest.raises((AssertionError, IndexError, KeyError, ValueError)):
        one()


def test_every_scenario_sees_something() -> None:
    """One that nothing breaks would show nothing."""
    seeing = {scenario for _, scenarios in BROKEN.values() for scenario in scenarios}
    assert SCENARIOS.keys() - seeing == UNBROKEN


# One shows what is to be had, and the rule of the others is the store's: `test_mutations.py` breaks that.
UNBROKEN = {"within_a_partition_too", "applied_before_is_applied", "what_was_in_flight_does_not_come_back"}
