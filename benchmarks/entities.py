"""What the measured workers run: the same work as the raw loop's, written as a user would."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta

from stead.app import App, Settings
from stead.entities import Entity, Indexed, indexed

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


@app.entity(changes=timedelta(days=1))
class Followed(Entity):
    """As `Counter`, and its changes are kept."""

    value: int = 0

    def add(self, amount: int) -> None:
        """Change it."""
        self.value += amount


LABELS = 100
"""Different texts of the second index: a condition on one of them matches a hundredth."""


@app.entity
class Plain(Entity):
    """As `Scored`, without indexes."""

    score: int = 0
    label: str = ""

    def add(self, amount: int) -> None:
        """Change one of two fields."""
        self.score += amount

    def put(self, score: int, label: str) -> None:
        """Change both."""
        self.score, self.label = score, label


@app.entity
class Scored(Entity):
    """Can be queried by two fields, of which `add` changes one."""

    score: Indexed[int] = indexed(0)
    label: Indexed[str] = indexed("")

    def add(self, amount: int) -> None:
        """Change one of two indexed fields."""
        self.score += amount

    def put(self, score: int, label: str) -> None:
        """Change both."""
        self.score, self.label = score, label


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


EXPIRES_VARIABLE = "BENCHMARK_EXPIRES_S"
EXPIRES_S = int(os.environ.get(EXPIRES_VARIABLE, "20"))
"""After so many seconds without use a `Guest` goes. Workers take it from the environment: it has to be longer than visiting all lasts."""


class Late(Entity):
    """Writes down how late it was run."""

    late_ms: list[int] = []

    def note(self, due_ms: int) -> None:
        """It was due then. The server is on this machine: its time is exact, where a worker's view of it is not on a busy one."""
        self.late_ms.append(time.time_ns() // 1_000_000 - due_ms)


@app.entity
class Alarm(Late):
    """Has a reminder."""

    def arm(self, due_ms: int) -> None:
        """Be reminded then."""
        at = datetime.fromtimestamp(due_ms / 1000, UTC)
        self.context.reminder("ring", at=at).signal(Alarm.note, due_ms)


@app.entity
class Gong(Late):
    """Is sent signals by schedules."""


@app.entity(expires_after=timedelta(seconds=EXPIRES_S))
class Guest(Entity):
    """Goes when nobody uses it."""

    visits: int = 0

    def visit(self) -> None:
        """Use it."""
        self.visits += 1
