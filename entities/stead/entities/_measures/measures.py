"""All meters of a worker, by what they are of. Their number is bounded: what has no room is counted with the others.

Runs of brief operations are noted only (`noted`), and summed up when somebody reads what was measured, or when they are many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from .hottest import Hottest
from .meter import Meter
from .noted import sum_up
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

    __slots__ = ("_hottest", "_meters", "_recent", "_room", "note_messages", "noted")

    def __init__(self) -> None:
        self._meters: dict[Measured, Meter] = {}
        self._hottest = Hottest()
        self.note_messages = self._hottest.note
        """So many messages of a target have been dealt with."""
        self._recent = RecentRuns()
        self._room = NAMES_BYTES_MAX
        self.noted: list[Any] = []  # added to by whoever runs operations, word by word: see `noted`

    @property
    def meters(self) -> dict[Measured, Meter]:
        """All of them."""
        self.settle()
        return self._meters

    @property
    def summed_up(self) -> Mapping[Measured, Meter]:
        """The same without what is noted only: for other threads than that of the worker, which notes on meanwhile."""
        return self._meters

    @property
    def recent(self) -> RecentRuns:
        """What ran last."""
        self.settle()
        return self._recent

    @property
    def hottest(self) -> Hottest:
        """Which targets had most messages since `count_anew`."""
        self.settle()
        return self._hottest

    def settle(self) -> None:
        """Sum up what was noted."""
        if self.noted:
            noted = self.noted[:]
            self.noted.clear()  # it stays the same list: who notes holds it
            sum_up(noted, self._hottest, self._recent)

    def count_anew(self) -> None:
        """Forget which targets had most messages."""
        self.settle()
        self._hottest = Hottest()
        self.note_messages = self._hottest.note

    def meter(self, family: Family, name: str = "", detail: str = "") -> Meter:
        """The meter of something, to add to it; if there are too many names already, that of all others of its family."""
        found = self._meters.get((family, name, detail))  # type: ignore[call-overload]  # it is equal to one, and made sooner
        return self._new(Measured(family, name, detail)) if found is None else found

    def _new(self, key: Measured) -> Meter:
        size = len(key.name.encode("utf-8", "replace")) + len(key.detail.encode("utf-8", "replace"))
        if size and (size > self._room or len(self._meters) >= NAMES_MAX):
            key = Measured(key.family, OTHERS)
            return self._meters.setdefault(key, Meter())
        self._room -= size
        found = self._meters[key] = Meter()
        return found


def add_meters(into: dict[Measured, Meter], meters: Mapping[Measured, Meter]) -> None:
    """Take meters into others."""
    for key, meter in meters.items():
        if key in into:
            into[key].merge(meter)
        else:
            into[key] = meter.copy()
