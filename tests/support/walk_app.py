"""The hub that is walked through by clicking: the flights and the patterns of `examples`, as they are there, in one."""

from __future__ import annotations

from examples.flights import entities as flights
from examples.patterns import aggregator, approval, bank, chaining, eternal, fan_out, monitor, progress
from stead.app import App, Settings

PATTERNS = (chaining, fan_out, monitor, approval, aggregator, eternal, bank, progress)

app = App("walk", settings=Settings(partitions=16, slot_groups=4))

for entity in (flights.Route, flights.Carrier, flights.Airport, aggregator.Shelf, bank.Account):
    app.entity(entity)
for pattern in PATTERNS:
    for activity in pattern.app.orchestrations.activities():
        app.orchestrations.add_activity(activity)
    for orchestration in pattern.app.orchestrations.orchestrations():
        app.orchestrations.add_orchestration(orchestration)
