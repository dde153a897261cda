"""The first example: weather stations, each counting its own readings.

    stead dev examples.weather:app                                   # a server and a worker, until Ctrl-C
    stead signal examples.weather:app Station oslo record 3.5        # in another terminal
    stead call examples.weather:app Station oslo mean

or everything in one process: `python -m examples.weather`.
"""

from __future__ import annotations

import asyncio

from stead.app import App
from stead.entities import Entity

app = App("weather")


@app.entity
class Alarm(Entity):
    """Rings when a station is too hot."""

    stations: list[str] = []

    def ring(self, station: str) -> None:
        """Remember who rang."""
        self.stations.append(station)


@app.entity
class Station(Entity):
    """Readings of one station: the fields are the state, the public methods are the operations."""

    count: int = 0
    total: float = 0.0

    def record(self, celsius: float) -> None:
        """Take a reading in."""
        self.count += 1
        self.total += celsius
        if celsius > 40:
            self.context.signal_entity(Alarm.ring, "duty", self.context.entity_id.key)

    def mean(self) -> float | None:
        """The mean of all readings so far."""
        return self.total / self.count if self.count else None


async def main() -> None:
    """Record some readings and ask for the mean."""
    url = "memory://"  # without it: $STEAD_URL, else a server of its own in ./.stead
    async with app.worker(url), app.connect(url) as client:
        for celsius in (21.5, 41.0, 38.5):
            await client.signal_entity(Station.record, "seville", celsius)
        print("mean:", await client.call_entity(Station.mean, "seville"))
        print("station:", await client.read_entity(Station, "seville"))


if __name__ == "__main__":
    asyncio.run(main())
