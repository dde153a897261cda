"""Activities that begin before their commit: what must hold in each scenario, and that each sees it if its rule is broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulation import local_losses, local_scenarios
from simulation.local_breaks import breaks
from simulation.local_flows import scenarios_in
from support.left_open import close_all

pytestmark = pytest.mark.hazard(115)

SCENARIOS = scenarios_in(local_scenarios, local_losses)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """No code of a test outlives it."""
    yield
    close_all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_holds(name: str) -> None:
    SCENARIOS[name]()


@pytest.mark.parametrize(
    ("name", "scenario"), [(name, scenario) for name, (_, scenarios) in breaks.items() for scenario in scenarios]
)
def test_a_broken_rule_is_seen(name: str, scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, _ = breaks[name]
    broken(monkeypatch)
    with pytest.raises((AssertionError, IndexError, KeyError, ValueError)):
        SCENARIOS[scenario]()


def test_every_scenario_sees_something() -> None:
    """One that nothing breaks would show nothing."""
    seeing = {scenario for _, scenarios in breaks.values() for scenario in scenarios}
    assert SCENARIOS.keys() - seeing == set()
