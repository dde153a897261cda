"""All meters of a worker, by what they are of. Their number is bounded: what has no room is counted with the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from .hottest import Hottest
from .meter import Meter
from .recent import RecentRuns

Family = Literal[
    "operation",  # an entity's kind and its operation: seconds
    "activity",  # its name: seconds
    "orchestration",  # its name, and how the instance ended: seconds from its creation
    "turn",  # an orchestration's name: seconds
    "replay",  # an orchestration's name: events
    "commit",  # seconds
    "commit_messages",  # messages
    "timer_lateness",  # seconds
    "loop_lag",  # seconds
]

NAMES_MAX = 100
NAMES_BYTES_MAX = 8_192
OTHERS = "(others)"


class Measured(NamedTuple):
    """What a meter is of."""

    family: str
    name: str = ""
    detail: str = ""


class Measures:
    """What one worker has measured since it began."""

    __slots__ = ("_room", "hottest", "meters", "recent")

    def __init__(self) -> None:
        self.meters: dict[Measured, Meter] = {}
        self.hottest = Hottest()
        self.recent = RecentRuns()
        self._room = NAMES_BYTES_MAX

    def meter(self, family: Family, name: str = "", detail: str = "") -> Meter:
        """The meter of something; if there are too many names already, that of all others of its family."""
        found = self.meters.get((family, name, detail))  # type: ignore[call-overload]  # it is equal to one, and made sooner
        return self._new(Measured(family, name, detail)) if found is None else found

    def _new(self, key: Measured) -> Meter:
        size = len(key.name.encode("utf-8", "replace")) + len(key.detail.encode("utf-8", "replace"))
        if size and (size > self._room or len(self.meters) >= NAMES_MAX):
            key = Measured(key.family, OTHERS)
            return self.meters.setdefault(key, Meter())
        self._room -= size
        found = self.meters[key] = Meter()
        return found


def add_meters(into: dict[Measured, Meter], meters: Mapping[Measured, Meter]) -> None:
    """Take meters into others."""
    for key, meter in meters.items():
        if key in into:
            into[key].merge(meter)
        else:
            into[key] = meter.copy()
