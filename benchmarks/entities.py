"""What the measured workers run: the same work as the raw loop's, written as a user would."""

from __future__ import annotations

import asyncio

from stead.app import App, Settings
from stead.entities import Entity

SERIES_LENGTH = 11_000
"""Numbers in a `Series`: 100 kB when packed."""

app = App("benchmarks", settings=Settings(garbage_collection="tuned"))  # as the workers of `stead worker` have it


@app.entity
class Counter(Entity):
    """Adds up."""

    value: int = 0

    def add(self, amount: int) -> int:
        """Gives the new value."""
        self.value += amount
        return self.value


@app.entity
class Series(Entity):
    """A large state, of which every operation changes a little."""

    values: list[float] = []

    def fill(self) -> None:
        """Make it large."""
        self.values = [0.5] * SERIES_LENGTH

    def add(self, index: int, amount: float) -> None:
        """Change one number."""
        self.values[index] += amount


@app.entity
class Sleeper(Entity):
    """Slow, without burdening the processor."""

    naps: int = 0

    async def nap(self, seconds: float) -> None:
        """Take that long."""
        await asyncio.sleep(seconds)
        self.naps += 1
